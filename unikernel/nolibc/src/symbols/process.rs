//! The process: its environment and its end.

use crate::{
    exit,
    heap::HEAP,
    platform::{Current, Platform},
};
use std::{
    ffi::{c_char, c_int},
    ptr,
};

#[cfg_attr(any(feature = "spt", feature = "hvt", feature = "virtio"), unsafe(no_mangle))]
pub extern "C" fn abort() -> ! {
    // `std` has printed the size of an allocation that failed before it comes here.
    match HEAP.refused() {
        0 => exit::stop(exit::ABORT, format_args!("aborted")),
        size => {
            let memory = crate::memory_use();
            exit::stop(
                exit::OUT_OF_MEMORY,
                format_args!(
                    "out of memory: {size} bytes asked for, {} of {} in use; give the guest more memory",
                    memory.used, memory.capacity
                ),
            )
        }
    }
}

/// The last byte of the status, as a process has it.
#[cfg_attr(any(feature = "spt", feature = "hvt", feature = "virtio"), unsafe(no_mangle))]
pub extern "C" fn exit(status: c_int) -> ! {
    Current::exit(status as u8)
}

/// A guest has no environment.
#[cfg_attr(any(feature = "spt", feature = "hvt", feature = "virtio"), unsafe(no_mangle))]
pub extern "C" fn getenv(_name: *const c_char) -> *mut c_char {
    ptr::null_mut()
}

/// Called by code compiled with a stack protector that finds its canary changed.
#[cfg_attr(any(feature = "spt", feature = "hvt", feature = "virtio"), unsafe(no_mangle))]
pub extern "C" fn __stack_chk_fail() -> ! {
    exit::stop(exit::ABORT, format_args!("bug: a stack buffer was overrun"))
}

/// There are no signals to wait for.
#[cfg_attr(any(feature = "spt", feature = "hvt", feature = "virtio"), unsafe(no_mangle))]
pub extern "C" fn pause() -> c_int {
    exit::stop(exit::DEADLOCK, format_args!("bug: the only thread waits for a signal"))
}
