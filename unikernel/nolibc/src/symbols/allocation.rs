//! `malloc` and its like. `std` itself allocates from the heap directly; these serve C code.

use super::{EINVAL, ENOMEM};
use crate::heap;
use std::{
    ffi::{c_int, c_void},
    ptr,
};

/// What `malloc` aligns to on x86-64.
const ALIGN: usize = 16;

#[cfg_attr(any(feature = "spt", feature = "hvt", feature = "virtio"), unsafe(no_mangle))]
pub unsafe extern "C" fn malloc(size: usize) -> *mut c_void {
    // SAFETY: nothing is asked of the caller.
    unsafe { heap::c_allocate(size, ALIGN).cast() }
}

#[cfg_attr(any(feature = "spt", feature = "hvt", feature = "virtio"), unsafe(no_mangle))]
pub unsafe extern "C" fn calloc(count: usize, size: usize) -> *mut c_void {
    let Some(total) = count.checked_mul(size) else { return ptr::null_mut() };
    // SAFETY: the allocation, if there is one, has `total` bytes.
    unsafe {
        let pointer = heap::c_allocate(total, ALIGN);
        if !pointer.is_null() {
            pointer.write_bytes(0, total);
        }
        pointer.cast()
    }
}

#[cfg_attr(any(feature = "spt", feature = "hvt", feature = "virtio"), unsafe(no_mangle))]
pub unsafe extern "C" fn realloc(old: *mut c_void, size: usize) -> *mut c_void {
    if old.is_null() {
        // SAFETY: nothing is asked of the caller.
        return unsafe { malloc(size) };
    }
    // SAFETY: the caller promises that `old` came from here; the copy stays within both allocations.
    unsafe {
        let new = heap::c_allocate(size, ALIGN);
        if !new.is_null() {
            new.copy_from_nonoverlapping(old.cast(), size.min(heap::c_size(old.cast())));
            heap::c_free(old.cast());
        }
        new.cast()
    }
}

#[cfg_attr(any(feature = "spt", feature = "hvt", feature = "virtio"), unsafe(no_mangle))]
pub unsafe extern "C" fn free(pointer: *mut c_void) {
    if !pointer.is_null() {
        // SAFETY: the caller promises that the pointer came from here.
        unsafe { heap::c_free(pointer.cast()) }
    }
}

#[cfg_attr(any(feature = "spt", feature = "hvt", feature = "virtio"), unsafe(no_mangle))]
pub unsafe extern "C" fn posix_memalign(result: *mut *mut c_void, align: usize, size: usize) -> c_int {
    if !align.is_power_of_two() || align < size_of::<usize>() {
        return EINVAL;
    }
    // SAFETY: the caller promises that `result` can be written to.
    unsafe {
        let pointer = heap::c_allocate(size, align);
        if pointer.is_null() {
            return ENOMEM;
        }
        result.write(pointer.cast());
    }
    0
}
