//! Memory that devices read and write: all memory is mapped to itself, and devices see all of it.

use crate::{exit, platform::x86::paging};
use std::{
    alloc::{Layout, alloc_zeroed, dealloc},
    ptr::NonNull,
};
use virtio_drivers::{BufferDirection, Hal, PAGE_SIZE, PhysAddr};

/// The guest's memory, for the drivers.
pub(super) struct GuestMemory;

fn layout(pages: usize) -> Option<Layout> {
    Layout::from_size_align(pages.checked_mul(PAGE_SIZE)?, PAGE_SIZE).ok().filter(|layout| layout.size() > 0)
}

/// Lets device registers be used that may be beyond what is mapped anyway.
pub(super) fn map_registers(address: u64, size: u64) {
    if !paging::map_registers(address..address.saturating_add(size)) {
        exit::stop(exit::FAILURE, format_args!("the registers of a device at {address:#x} cannot be mapped"));
    }
}

// SAFETY: addresses are physical ones, allocations are whole zeroed pages of the heap, and the page tables map
// device registers uncached.
unsafe impl Hal for GuestMemory {
    fn dma_alloc(pages: usize, _direction: BufferDirection) -> (PhysAddr, NonNull<u8>) {
        // SAFETY: the layout's size is not zero.
        let pages = layout(pages).and_then(|layout| NonNull::new(unsafe { alloc_zeroed(layout) }));
        match pages {
            Some(pages) => (pages.as_ptr() as PhysAddr, pages),
            // The drivers take zero for a failure.
            None => (0, NonNull::dangling()),
        }
    }

    unsafe fn dma_dealloc(_physical: PhysAddr, address: NonNull<u8>, pages: usize) -> i32 {
        if let Some(layout) = layout(pages) {
            // SAFETY: the caller promises that it came from `dma_alloc` with so many pages.
            unsafe { dealloc(address.as_ptr(), layout) };
        }
        0
    }

    unsafe fn mmio_phys_to_virt(physical: PhysAddr, size: usize) -> NonNull<u8> {
        map_registers(physical, size as u64);
        NonNull::new(physical as *mut u8).unwrap_or(NonNull::dangling())
    }

    unsafe fn share(buffer: NonNull<[u8]>, _direction: BufferDirection) -> PhysAddr {
        buffer.as_ptr().cast::<u8>() as PhysAddr
    }

    unsafe fn unshare(_physical: PhysAddr, _buffer: NonNull<[u8]>, _direction: BufferDirection) {}
}
