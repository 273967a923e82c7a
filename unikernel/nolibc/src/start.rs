//! From the platform's entry point to the program.

use crate::{
    exit, heap,
    platform::{Current, Platform},
    random, thread_pointer,
};

unsafe extern "Rust" {
    /// Made by [`main!`](crate::main).
    #[cfg(any(feature = "spt", feature = "hvt", feature = "virtio"))]
    safe fn kalends_guest_main(command_line: &str) -> u8;
}

#[cfg(not(any(feature = "spt", feature = "hvt", feature = "virtio")))]
fn kalends_guest_main(_command_line: &str) -> u8 {
    exit::FAILURE
}

/// Brings up what `std` relies on and runs the program. Entry points call this on the guest's own stack,
/// once, after they have told their platform what the loader said.
pub fn start() -> ! {
    thread_pointer::install();
    heap::claim(Current::memory());
    random::seed();
    std::panic::set_hook(Box::new(|panic| {
        exit::stop(exit::PANIC, format_args!("bug: {panic}"));
    }));
    let command_line = std::str::from_utf8(Current::command_line())
        .unwrap_or_else(|_| exit::stop(exit::USAGE, format_args!("the command line is not UTF-8")));
    let status = kalends_guest_main(command_line);
    let _ = std::io::Write::flush(&mut std::io::stdout());
    exit::exit(status)
}
