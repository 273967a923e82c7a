//! Wider registers: what CPUID offers and nobody has switched on.

use std::arch::{
    asm,
    x86_64::{__cpuid, __cpuid_count},
};

const XSAVE: u32 = 1 << 26;
const CR4_OSXSAVE: u64 = 1 << 18;
/// x87, SSE, AVX, and the three parts of AVX-512.
const WANTED: u64 = 0b1110_0111;
const AVX_512: u64 = 0b1110_0000;
const AVX: u64 = 0b100;

/// Lets `std` and the cryptography find AVX. Before first use of either; nothing ever saves the registers,
/// as there is one thread and interrupt handlers use none of them.
pub(in crate::platform) fn enable() {
    if __cpuid(1).ecx & XSAVE == 0 {
        return;
    }
    let leaf = __cpuid_count(0xd, 0);
    let wanted = choose(u64::from(leaf.edx) << 32 | u64::from(leaf.eax));
    // SAFETY: CPUID offers XSAVE and each of these parts; x87 is always among them, as XSETBV demands.
    unsafe {
        asm!(
            "mov {cr4}, cr4",
            "or {cr4}, {bit}",
            "mov cr4, {cr4}",
            "xsetbv",
            cr4 = out(reg) _, bit = in(reg) CR4_OSXSAVE,
            in("ecx") 0, in("eax") wanted as u32, in("edx") (wanted >> 32) as u32,
            options(nostack),
        );
    }
}

/// The parts to switch on, of those offered; AVX-512 comes whole or not at all.
fn choose(offered: u64) -> u64 {
    let chosen = offered & WANTED | 0b11;
    match (chosen & AVX != 0, chosen & AVX_512 == AVX_512) {
        (true, true) => chosen,
        _ => chosen & !AVX_512,
    }
}

#[cfg(test)]
mod tests {
    use super::choose;

    #[test]
    fn parts_that_depend_on_each_other_come_together() {
        assert_eq!(choose(0b11), 0b11);
        assert_eq!(choose(0b111), 0b111);
        assert_eq!(choose(0b10_0000_0010_1110_0111), 0b1110_0111);
        assert_eq!(choose(0b110_0111), 0b111, "half of AVX-512 is none");
        assert_eq!(choose(0b1110_0011), 0b11, "AVX-512 needs AVX");
    }
}
