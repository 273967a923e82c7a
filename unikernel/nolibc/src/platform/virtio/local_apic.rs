//! The processor's interrupt controller (local APIC): the alarm that ends a wait, and where devices' interrupts
//! arrive.
//!
//! Intel's Software Developer's Manual, volume 3, chapter 12.

use crate::{
    one_thread::OneThread,
    platform::x86::{
        descriptors::{INTERRUPT_STACK, set_handler},
        instructions::{read_register, write_register},
    },
};
use std::{
    arch::global_asm,
    cell::Cell,
    ptr::{read_volatile, write_volatile},
    time::Duration,
};

/// Where its registers are: the default, which is set again.
const ADDRESS: usize = 0xfee0_0000;

const BASE: u32 = 0x1b;
const BASE_ENABLE: u64 = 1 << 11;
/// The registers are model-specific ones instead; firmware of large machines leaves it so.
const BASE_X2: u64 = 1 << 10;
const BASE_BOOT_PROCESSOR: u64 = 1 << 8;

const ID: usize = 0x20;
const TASK_PRIORITY: usize = 0x80;
const SPURIOUS: usize = 0xf0;
const TIMER: usize = 0x320;
const PIN_0: usize = 0x350;
const COUNT_FROM: usize = 0x380;
const COUNT: usize = 0x390;
const DIVIDER: usize = 0x3e0;

const SOFTWARE_ENABLE: u32 = 1 << 8;
const MASKED: u32 = 1 << 16;
/// The pin carries the interrupts of the older controllers (8259), with their own vectors.
const EXTERNAL: u32 = 7 << 8;
/// Counts every sixteenth cycle of its clock: with the usual 1 GHz the longest alarm is 68 s.
const SIXTEENTH: u32 = 0b0011;

const TIMER_VECTOR: u8 = 0x30;
/// The vector of devices.
pub(super) const DEVICE_VECTOR: u8 = 0x31;
const SPURIOUS_VECTOR: u8 = 0xff;

/// Counts of the timer a second.
static HERTZ: OneThread<Cell<u64>> = OneThread::new(Cell::new(0));

// Ends the interrupt and returns; a spurious one has nothing to end.
global_asm!(
    "kalends_local_interrupt:",
    "push rax",
    "mov eax, 0xfee000b0",
    "mov dword ptr [rax], 0",
    "pop rax",
    "kalends_spurious_interrupt:",
    "iretq",
);

unsafe extern "C" {
    #[link_name = "kalends_local_interrupt"]
    static HANDLER: u8;
    #[link_name = "kalends_spurious_interrupt"]
    static SPURIOUS_HANDLER: u8;
}

fn read(register: usize) -> u32 {
    // SAFETY: the registers are mapped, and reading these changes nothing.
    unsafe { read_volatile((ADDRESS + register) as *const u32) }
}

fn write(register: usize, value: u32) {
    // SAFETY: the registers are mapped, and used here only.
    unsafe { write_volatile((ADDRESS + register) as *mut u32, value) };
}

/// Sets it up, with the timer stopped. Device registers must be mapped.
pub(super) fn begin() {
    for (vector, handler) in [
        (TIMER_VECTOR, &raw const HANDLER),
        (DEVICE_VECTOR, &raw const HANDLER),
        (SPURIOUS_VECTOR, &raw const SPURIOUS_HANDLER),
    ] {
        // SAFETY: the handlers end with IRET.
        unsafe { set_handler(vector, handler as usize, INTERRUPT_STACK) };
    }
    // SAFETY: every x86-64 processor has the register. From the form with model-specific registers the way
    // leads through switching off.
    unsafe {
        let base = read_register(BASE);
        if base & BASE_X2 != 0 {
            write_register(BASE, base & !(BASE_X2 | BASE_ENABLE));
        }
        write_register(BASE, ADDRESS as u64 | BASE_ENABLE | base & BASE_BOOT_PROCESSOR);
    }
    write(TASK_PRIORITY, 0);
    write(SPURIOUS, SOFTWARE_ENABLE | u32::from(SPURIOUS_VECTOR));
    write(PIN_0, EXTERNAL);
    write(DIVIDER, SIXTEENTH);
    write(TIMER, MASKED | u32::from(TIMER_VECTOR));
}

/// The number by which device interrupts find it.
pub(super) fn id() -> u8 {
    (read(ID) >> 24) as u8
}

/// Starts to count, for a measurement.
pub(super) fn begin_count() {
    write(COUNT_FROM, u32::MAX);
}

/// Counts since [`begin_count`].
pub(super) fn counted() -> u32 {
    u32::MAX - read(COUNT)
}

/// Lets alarms be set, now that it is known how fast the timer counts.
pub(super) fn set_frequency(hertz: u64) {
    HERTZ.set(hertz.max(1));
    write(COUNT_FROM, 0);
    write(TIMER, u32::from(TIMER_VECTOR));
}

/// What the timer counts in a second by a clock of `hertz`.
pub(super) const fn counts(hertz: u64) -> u64 {
    hertz / 16
}

/// Lets the timer's interrupt come after so long, or as late as it can.
pub(super) fn set_alarm(after: Duration) {
    write(COUNT_FROM, count(after, HERTZ.get()));
}

/// Stops the timer.
pub(super) fn stop_alarm() {
    write(COUNT_FROM, 0);
}

/// Counts until a time, rounded up, so that an alarm never comes early and is set again in vain.
fn count(after: Duration, hertz: u64) -> u32 {
    let counts = after.as_nanos().saturating_mul(u128::from(hertz)).div_ceil(1_000_000_000);
    // A count of zero would stop it.
    u32::try_from(counts).unwrap_or(u32::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alarms_are_never_early_nor_endless() {
        let hertz = counts(1_000_000_000);
        assert_eq!(count(Duration::ZERO, hertz), 1);
        assert_eq!(count(Duration::from_nanos(1), hertz), 1);
        assert_eq!(count(Duration::from_nanos(17), hertz), 2);
        assert_eq!(count(Duration::from_millis(1), hertz), 62_500);
        assert_eq!(count(Duration::from_secs(3600), hertz), u32::MAX);
        assert_eq!(count(Duration::MAX, hertz), u32::MAX);
    }
}
