//! What Rust's standard library needs below it when there is no operating system.
//!
//! The prebuilt `std` of `x86_64-unknown-linux-gnu` is linked statically, unmodified; the few C symbols
//! that it still refers to after dead code is gone are in [`symbols`]. Below them is one [`Platform`] for
//! each way to boot. There is one thread, and nothing here starts another.
//!
//! The C symbols and the entry point are exported only with one of the features `spt`, `hvt` and `virtio`,
//! so that the crate can be checked and tested hosted.

#![allow(dead_code, reason = "each target uses its part of what is here; a hosted check sees all of it")]

pub mod clock;
pub mod exit;
mod heap;
mod one_thread;
pub mod platform;
mod processor;
pub mod random;
pub mod solo5;
mod start;
pub mod symbols;
mod thread_pointer;

pub use heap::{MemoryUse, memory_use};
pub use platform::{Attached, Block, Current, Frames, Platform, TransferError};
pub use start::start;

/// Whether this is a guest, so that C symbols are exported.
#[macro_export]
#[doc(hidden)]
macro_rules! guest_only {
    ($($item:item)*) => { $(
        #[cfg(any(feature = "spt", feature = "hvt", feature = "virtio"))]
        $item
    )* };
}

/// Names the function that the guest runs: `fn(&str) -> u8`, from the command line to the exit status.
#[macro_export]
macro_rules! main {
    ($path:path) => {
        /// What the runtime calls once it is up.
        #[unsafe(no_mangle)]
        extern "Rust" fn kalends_guest_main(command_line: &str) -> u8 {
            $path(command_line)
        }
    };
}
