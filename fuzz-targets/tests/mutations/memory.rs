//! An allocator that ends the process when an input takes too much memory.
#![allow(unsafe_code)]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::{Cell, RefCell},
};

/// Bytes that an input may have at once.
const MOST: isize = 1 << 30;

thread_local! {
    /// Bytes that this thread has taken and not given back since the input began.
    static TAKEN: Cell<isize> = const { Cell::new(0) };
    static CURRENT: RefCell<String> = const { RefCell::new(String::new()) };
}

/// An input begins on this thread; `what` tells how to replay it.
pub(crate) fn begin(what: String) {
    CURRENT.with_borrow_mut(|current| *current = what);
    TAKEN.set(0);
}

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn count(change: isize) {
    // Not while a thread ends.
    let taken = TAKEN.try_with(|taken| {
        taken.set(taken.get().saturating_add(change));
        taken.get()
    });
    if change > 0 && taken.is_ok_and(|taken| taken > MOST) {
        TAKEN.set(isize::MIN);
        CURRENT.with_borrow(|current| eprintln!("an input takes more than {MOST} bytes; {current}"));
        std::process::abort();
    }
}

// SAFETY: everything is left to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: as the caller promises.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size as isize - layout.size() as isize);
        // SAFETY: as the caller promises.
        unsafe { System.realloc(pointer, layout, size) }
    }
}
