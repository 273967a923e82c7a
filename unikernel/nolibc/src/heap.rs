//! The heap: all memory that the image, its stack and the loader do not use.

use std::{
    alloc::{GlobalAlloc, Layout},
    cell::Cell,
    ops::Range,
    ptr,
};
use talc::{TalcCell, source::Manual};

/// Allocator of the guest, also for C.
pub(crate) struct Heap {
    talc: TalcCell<Manual>,
    capacity: Cell<usize>,
    used: Cell<usize>,
    peak: Cell<usize>,
    /// Size of the last request, if it could not be met.
    refused: Cell<usize>,
}

// SAFETY: a guest has one thread, and interrupt handlers do not allocate.
unsafe impl Sync for Heap {}

/// How much of the heap is in use, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryUse {
    /// Size of the heap.
    pub capacity: usize,
    /// Bytes allocated now, as asked for.
    pub used: usize,
    /// The most that was ever allocated.
    pub peak: usize,
}

#[cfg_attr(any(feature = "spt", feature = "hvt", feature = "virtio"), global_allocator)]
pub(crate) static HEAP: Heap = Heap::new();

/// Gives the heap its memory.
pub(crate) fn claim(memory: Range<usize>) {
    // SAFETY: the platform says that this memory is free, and only the heap is told so.
    unsafe { HEAP.claim(memory) }
}

/// How much of the guest's heap is in use.
pub fn memory_use() -> MemoryUse {
    MemoryUse { capacity: HEAP.capacity.get(), used: HEAP.used.get(), peak: HEAP.peak.get() }
}

impl Heap {
    const fn new() -> Self {
        Self {
            talc: TalcCell::new(Manual),
            capacity: Cell::new(0),
            used: Cell::new(0),
            peak: Cell::new(0),
            refused: Cell::new(0),
        }
    }

    /// # Safety
    /// The memory must be writable and used by nothing else from now on.
    unsafe fn claim(&self, memory: Range<usize>) {
        self.capacity.set(self.capacity.get() + memory.len());
        // SAFETY: as for this function. A range too small for the allocator's own needs is left unused.
        let _ = unsafe { self.talc.claim(memory.start as *mut u8, memory.len()) };
    }

    /// Size of the last request, if it could not be met, else 0.
    pub(crate) fn refused(&self) -> usize {
        self.refused.get()
    }

    fn count(&self, pointer: *mut u8, freed: usize, allocated: usize) -> *mut u8 {
        if pointer.is_null() {
            self.refused.set(allocated);
        } else {
            // Whoever asked for that has lived with the refusal.
            self.refused.set(0);
            self.used.set(self.used.get() + allocated - freed);
            self.peak.set(self.peak.get().max(self.used.get()));
        }
        pointer
    }
}

// SAFETY: every method hands on to talc, whose allocator keeps the contract; a null result changes nothing.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller promises a layout of non-zero size.
        let pointer = unsafe { GlobalAlloc::alloc(&self.talc, layout) };
        self.count(pointer, 0, layout.size())
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller promises that the pointer came from here with this layout.
        unsafe { GlobalAlloc::dealloc(&self.talc, pointer, layout) };
        self.used.set(self.used.get() - layout.size());
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the caller promises that the pointer came from here with this layout.
        let new = unsafe { GlobalAlloc::realloc(&self.talc, pointer, layout, new_size) };
        self.count(new, layout.size(), new_size)
    }
}

/// Bytes before an allocation made through C's functions, which are not told sizes when freeing.
const HEADER: usize = 16;

/// `malloc` and its like, over the same heap: the size and alignment are kept before the allocation.
///
/// # Safety
/// None beyond those of using the memory; null when there is no memory or `align` is no power of two.
pub(crate) unsafe fn c_allocate(size: usize, align: usize) -> *mut u8 {
    let offset = align.max(HEADER);
    let layout = size.checked_add(offset).and_then(|total| Layout::from_size_align(total, offset).ok());
    let Some(layout) = layout else { return ptr::null_mut() };
    // SAFETY: the size is at least that of the header. The header's two words lie within the allocation,
    // directly before the aligned address that is handed out.
    unsafe {
        let start = HEAP.alloc(layout);
        if start.is_null() {
            return start;
        }
        let pointer = start.add(offset);
        pointer.sub(16).cast::<usize>().write(size);
        pointer.sub(8).cast::<usize>().write(offset);
        pointer
    }
}

/// # Safety
/// `pointer` must come from [`c_allocate`] and not have been freed.
pub(crate) unsafe fn c_size(pointer: *mut u8) -> usize {
    // SAFETY: `c_allocate` has written the size there.
    unsafe { pointer.sub(16).cast::<usize>().read() }
}

/// # Safety
/// `pointer` must come from [`c_allocate`] and not have been freed.
pub(crate) unsafe fn c_free(pointer: *mut u8) {
    // SAFETY: `c_allocate` has written both words, and has made this layout from them.
    unsafe {
        let (size, offset) = (c_size(pointer), pointer.sub(8).cast::<usize>().read());
        HEAP.dealloc(pointer.sub(offset), Layout::from_size_align_unchecked(size + offset, offset));
    }
}
