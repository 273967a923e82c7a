//! How a guest ends.

use crate::platform::{Current, Platform};
use std::sync::atomic::{AtomicBool, Ordering};

/// It did what it was asked to.
pub const SUCCESS: u8 = 0;
/// It said why it cannot go on.
pub const FAILURE: u8 = 1;
/// The command line is wrong.
pub const USAGE: u8 = 2;
/// The block device holds no store that this image can serve. Nothing was written to it.
pub const UNUSABLE_DEVICE: u8 = 3;
/// The guest was given too little memory to begin.
pub const TOO_LITTLE_MEMORY: u8 = 4;
/// A bug: Rust code panicked. The number is the one Rust's own runtime uses.
pub const PANIC: u8 = 101;
/// Memory ran out.
pub const OUT_OF_MEMORY: u8 = 102;
/// The processor raised an exception, such as a page fault.
pub const EXCEPTION: u8 = 103;
/// The processor and the host give no entropy, so no key can be made.
pub const NO_ENTROPY: u8 = 104;
/// Nothing can ever happen again: the only thread waits for another one.
pub const DEADLOCK: u8 = 105;
/// Stopped for a reason that is none of the above; the number is that of `solo5_abort`.
pub const ABORT: u8 = 255;

static ENDING: AtomicBool = AtomicBool::new(false);

/// Ends the guest at once.
pub fn exit(status: u8) -> ! {
    Current::exit(status)
}

/// Says why on the console, without allocating, and ends the guest.
pub fn stop(status: u8, why: std::fmt::Arguments<'_>) -> ! {
    // A failure while saying so must not begin again.
    if !ENDING.swap(true, Ordering::Relaxed) {
        let _ = std::fmt::Write::write_fmt(&mut ConsoleLine, format_args!("kalends: {why}\n"));
    }
    exit(status)
}

/// Writes to the console directly.
struct ConsoleLine;

impl std::fmt::Write for ConsoleLine {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        Current::console(text.as_bytes());
        Ok(())
    }
}
