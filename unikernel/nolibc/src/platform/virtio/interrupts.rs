//! Interrupts, which are taken only while the guest waits.
//!
//! Everywhere else they are off: handlers have nothing to protect, and return to behind the `hlt`. Devices
//! announce by messages (PCI) or lines (MMIO) to the local APIC; where PCI devices send no messages, their lines
//! come by the two older controllers (8259), which firmware has connected them with.

use super::{CLOCK, frames, local_apic};
use crate::{
    one_thread::OneThread,
    platform::x86::{
        descriptors::{INTERRUPT_STACK, set_handler},
        instructions::output_8,
    },
};
use std::{
    arch::{asm, global_asm},
    cell::Cell,
    time::Duration,
};

/// The two interrupt controllers (8259).
const COMMANDS: [u16; 2] = [0x20, 0xa0];
const MASKS: [u16; 2] = [0x21, 0xa1];
/// Lines 0 to 15 come as these vectors.
const FIRST_VECTOR: u8 = 0x20;
const LINES: u8 = 16;
/// The line by which the second controller hangs on the first.
const CASCADE: u16 = 1 << 2;

/// Lines at these controllers that end waits.
static LINES_IN_USE: OneThread<Cell<u16>> = OneThread::new(Cell::new(0));
/// Whether a device cannot announce anything.
static POLLED: OneThread<Cell<bool>> = OneThread::new(Cell::new(false));

// Masks every line, ends the interrupt at both controllers, returns. It uses the stack and RAX only.
global_asm!(
    "kalends_interrupt:",
    "push rax",
    "mov al, 0xff",
    "out 0x21, al",
    "out 0xa1, al",
    "mov al, 0x20",
    "out 0xa0, al",
    "out 0x20, al",
    "pop rax",
    "iretq",
);

unsafe extern "C" {
    #[link_name = "kalends_interrupt"]
    static HANDLER: u8;
}

/// Sets the controllers up, with every line masked.
pub(super) fn begin() {
    for line in 0..LINES {
        // SAFETY: the handler ends with IRET.
        unsafe { set_handler(FIRST_VECTOR + line, (&raw const HANDLER) as usize, INTERRUPT_STACK) };
    }
    for (number, command) in COMMANDS.into_iter().enumerate() {
        let vector = FIRST_VECTOR + 8 * number as u8;
        // Of the first controller the lines with others on them, of the second its own number there.
        let cascade = [CASCADE as u8, 2][number];
        // SAFETY: the controllers are only used here.
        unsafe {
            output_8(command, 0x11);
            for word in [vector, cascade, 1] {
                output_8(MASKS[number], word);
            }
        }
    }
    mask(0xffff);
    local_apic::begin();
}

/// Lets this line (0 to 15) of the older controllers end waits.
pub(super) fn add_line(line: u8) {
    LINES_IN_USE.set(LINES_IN_USE.get() | 1 << (line % LINES));
}

/// Lets waits end early, as some device announces nothing.
pub(super) fn poll() {
    POLLED.set(true);
}

fn mask(lines: u16) {
    for (port, byte) in MASKS.into_iter().zip(lines.to_le_bytes()) {
        // SAFETY: the controllers are only used here.
        unsafe { output_8(port, byte) };
    }
}

/// Halts the processor until a frame comes or the time has come; it may return early.
pub(super) fn wait(until: Option<Duration>) {
    /// Where frames are not announced, they are looked for this often.
    const POLLING: Duration = Duration::from_millis(1);
    let left = until.map(|until| until.saturating_sub(CLOCK.monotonic()));
    // A line falls when the device's status is read; what comes afterwards raises it again.
    if frames::take_interrupt() || left == Some(Duration::ZERO) {
        return;
    }
    let alarm = match (left, POLLED.get()) {
        (left, true) => Some(left.map_or(POLLING, |left| left.min(POLLING))),
        (left, false) => left,
    };
    if let Some(alarm) = alarm {
        local_apic::set_alarm(alarm);
    }
    let lines = LINES_IN_USE.get();
    if lines != 0 {
        mask(!(lines | CASCADE));
    }
    // SAFETY: STI takes effect after the next instruction, so that no interrupt falls between the two. The
    // handlers run on their own stack and keep all registers.
    unsafe { asm!("sti", "hlt", "cli", options(nostack)) };
    if lines != 0 {
        mask(0xffff);
    }
    local_apic::stop_alarm();
}
