//! The end of the machine.

use crate::platform::x86::instructions::{output_8, output_16};
use std::arch::asm;

/// QEMU's `isa-debug-exit` where the operator added it: it ends QEMU with status 2N + 1.
const DEBUG_EXIT: u16 = 0x501;
/// The power management register where QEMU's two PC boards have it, and the value that means off.
const POWER_MANAGEMENT: u16 = 0x604;
const OFF: u16 = 1 << 13;
/// Keyboard controller: pulses the reset line.
const KEYBOARD: u16 = 0x64;
const RESET: u8 = 0xfe;

/// Powers off; failures are told to QEMU first, where it listens. A machine that can do neither is reset,
/// and one that cannot be reset halts.
pub(super) fn off(status: u8) -> ! {
    // SAFETY: nothing runs afterwards. Ports that do not exist take the write.
    unsafe {
        if status != 0 {
            output_8(DEBUG_EXIT, status);
        }
        output_16(POWER_MANAGEMENT, OFF);
        output_8(KEYBOARD, RESET);
    }
    loop {
        // SAFETY: interrupts are off, so that this is the end.
        unsafe { asm!("cli", "hlt", options(nomem, nostack)) };
    }
}
