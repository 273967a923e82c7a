//! Who has made the machine, as CPUID tells.

use std::arch::x86_64::__cpuid;

const PRESENT: u32 = 1 << 31;
const LEAVES: u32 = 0x4000_0000;
/// Where several interfaces are offered, each has a range of leaves of this size.
const RANGE: u32 = 0x100;
const RANGES: u32 = 16;

/// The first leaf of an interface, if it is offered.
fn leaf(name: &[u8; 12]) -> Option<u32> {
    if __cpuid(1).ecx & PRESENT == 0 {
        return None;
    }
    (0..RANGES).map(|range| LEAVES + range * RANGE).find(|leaf| {
        let answer = __cpuid(*leaf);
        let words = [answer.ebx, answer.ecx, answer.edx].map(u32::to_le_bytes);
        words.as_flattened() == name
    })
}

/// The first leaf of KVM's interface, if it is offered.
pub(in crate::platform) fn kvm() -> Option<u32> {
    leaf(b"KVMKVMKVM\0\0\0")
}

/// Whether QEMU emulates the processor.
pub(in crate::platform) fn is_qemu() -> bool {
    leaf(b"TCGTCGTCGTCG").is_some()
}
