//! The end of the machine.

use super::acpi::Register;
use crate::{
    one_thread::OneThread,
    platform::x86::instructions::{output_8, output_16},
};
use std::{arch::asm, cell::Cell, ptr::write_volatile};

/// QEMU's `isa-debug-exit` where the operator added it: it ends QEMU with status 2N + 1.
const DEBUG_EXIT: u16 = 0x501;
/// The power management register where QEMU's two PC boards have it, and the value that means off.
const POWER_MANAGEMENT: u16 = 0x604;
const OFF: u16 = 1 << 13;
/// Keyboard controller: pulses the reset line.
const KEYBOARD: u16 = 0x64;
const RESET: u8 = 0xfe;

/// The value for ACPI's sleep control register that means off, where the state is 5, as all have it whose machines
/// have that register (QEMU's microvm, cloud-hypervisor).
const SLEEP: u8 = 5 << 2 | 1 << 5;

/// ACPI's sleep control register, if there is one.
static SLEEP_CONTROL: OneThread<Cell<Option<Register>>> = OneThread::new(Cell::new(None));

/// Lets the machine be switched off by this register.
pub(super) fn set_sleep_control(register: Option<Register>) {
    SLEEP_CONTROL.set(register);
}

/// Powers off; failures are told to QEMU first, where it listens. A machine that can do neither is reset, which is
/// the end of Firecracker, and of QEMU with `-no-reboot`.
pub(super) fn off(status: u8) -> ! {
    // SAFETY: nothing runs afterwards. Ports that do not exist take the write.
    unsafe {
        if status != 0 {
            output_8(DEBUG_EXIT, status);
        }
        match SLEEP_CONTROL.get() {
            Some(Register::Port(port)) => output_8(port, SLEEP),
            Some(Register::Memory(address)) => write_volatile(address as *mut u8, SLEEP),
            None => output_16(POWER_MANAGEMENT, OFF),
        }
        output_8(KEYBOARD, RESET);
        // An exception that nothing handles resets the processor.
        let nothing = [0_u8; 10];
        asm!("cli", "lidt [{}]", "ud2", in(reg) &raw const nothing, options(noreturn));
    }
}
