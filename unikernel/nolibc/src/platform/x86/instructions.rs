//! Privileged instructions, one function each.

use std::arch::asm;

/// Writes 32 bits to an I/O port.
///
/// # Safety
/// Whatever the device does with it must be what the caller wants.
pub(in crate::platform) unsafe fn output_32(port: u16, value: u32) {
    // SAFETY: as the caller promises. The device may read and write memory.
    unsafe { asm!("out dx, eax", in("dx") port, in("eax") value, options(nostack, preserves_flags)) };
}

/// Writes 16 bits to an I/O port.
///
/// # Safety
/// Whatever the device does with it must be what the caller wants.
pub(in crate::platform) unsafe fn output_16(port: u16, value: u16) {
    // SAFETY: as the caller promises.
    unsafe { asm!("out dx, ax", in("dx") port, in("ax") value, options(nostack, preserves_flags)) };
}

/// Writes a byte to an I/O port.
///
/// # Safety
/// Whatever the device does with it must be what the caller wants.
pub(in crate::platform) unsafe fn output_8(port: u16, value: u8) {
    // SAFETY: as the caller promises.
    unsafe { asm!("out dx, al", in("dx") port, in("al") value, options(nostack, preserves_flags)) };
}

/// Reads 32 bits from an I/O port.
///
/// # Safety
/// Whatever the device does when read must be what the caller wants.
pub(in crate::platform) unsafe fn input_32(port: u16) -> u32 {
    let value;
    // SAFETY: as the caller promises.
    unsafe { asm!("in eax, dx", in("dx") port, out("eax") value, options(nostack, preserves_flags)) };
    value
}

/// Reads a byte from an I/O port.
///
/// # Safety
/// Whatever the device does when read must be what the caller wants.
pub(in crate::platform) unsafe fn input_8(port: u16) -> u8 {
    let value;
    // SAFETY: as the caller promises.
    unsafe { asm!("in al, dx", in("dx") port, out("al") value, options(nostack, preserves_flags)) };
    value
}

/// Reads a model-specific register.
///
/// # Safety
/// The register must exist.
pub(in crate::platform) unsafe fn read_register(register: u32) -> u64 {
    let (low, high): (u32, u32);
    // SAFETY: as the caller promises.
    unsafe {
        asm!("rdmsr", in("ecx") register, out("eax") low, out("edx") high, options(nostack, preserves_flags))
    };
    u64::from(high) << 32 | u64::from(low)
}

/// Writes a model-specific register.
///
/// # Safety
/// The register must exist, and the processor must go on as the caller expects.
pub(in crate::platform) unsafe fn write_register(register: u32, value: u64) {
    // SAFETY: as the caller promises.
    unsafe {
        asm!(
            "wrmsr",
            in("ecx") register, in("eax") value as u32, in("edx") (value >> 32) as u32,
            options(nostack, preserves_flags),
        )
    };
}

/// Reads the address of the last page fault.
pub(in crate::platform) fn fault_address() -> u64 {
    let value;
    // SAFETY: CR2 can be read at any time by a kernel, which the guest is.
    unsafe { asm!("mov {}, cr2", out(reg) value, options(nomem, nostack, preserves_flags)) };
    value
}

/// Cycles of the time stamp counter.
pub(in crate::platform) fn cycles() -> u64 {
    // SAFETY: every x86-64 processor has it.
    unsafe { std::arch::x86_64::_rdtsc() }
}
