//! How fast the time stamp counter and the alarm's clock run.

use super::{interval_timer, kvm_clock, local_apic};
use crate::{
    exit,
    platform::x86::{hypervisor, instructions::cycles},
};

const SAMPLES: usize = 5;
/// The clock of the local APIC, in Hz, which QEMU and KVM have made part of their interface.
const EMULATED_CLOCK: u64 = 1_000_000_000;

/// What both count in some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Counts {
    cycles: u64,
    alarm: u64,
}

/// Cycles of the time stamp counter a second. Sets the alarm's clock, too.
///
/// KVM says the first; else both are measured against the interval timer, and in a machine without one the
/// counter against the alarm's clock, where the hypervisor is one whose clock is known.
pub(super) fn begin() -> u64 {
    let told = kvm_clock::cycles_per_second();
    let measured = match told {
        Some(cycles) => Some(Counts { cycles, alarm: alarm_by_cycles(cycles) }),
        None => by_interval_timer().or_else(by_emulated_clock),
    };
    let Some(Counts { cycles, alarm }) = measured else {
        let why =
            "the machine has nothing to measure time by: neither KVM's clock nor an interval timer (8254)";
        exit::stop(exit::FAILURE, format_args!("{why}"))
    };
    local_apic::set_frequency(alarm);
    cycles
}

/// The shortest of some samples: interruptions by the host only make one longer.
fn shortest(sample: impl Fn() -> Option<Counts>) -> Option<Counts> {
    (0..SAMPLES).filter_map(|_| sample()).min()
}

fn by_interval_timer() -> Option<Counts> {
    let sample = shortest(|| {
        let start = interval_timer::wait_sample(|| {
            local_apic::begin_count();
            cycles()
        })?;
        Some(Counts { cycles: cycles() - start, alarm: local_apic::counted().into() })
    })?;
    let [cycles, alarm] = [sample.cycles, sample.alarm].map(interval_timer::a_second);
    Some(Counts { cycles, alarm })
}

fn by_emulated_clock() -> Option<Counts> {
    let alarm = local_apic::counts(EMULATED_CLOCK);
    if !hypervisor::is_qemu() && hypervisor::kvm().is_none() {
        return None;
    }
    let sample = shortest(|| {
        local_apic::begin_count();
        let start = cycles();
        // 10 ms.
        while u64::from(local_apic::counted()) < alarm / 100 {
            std::hint::spin_loop();
        }
        Some(Counts { cycles: cycles() - start, alarm: local_apic::counted().into() })
    })?;
    Some(Counts { cycles: scaled(sample.cycles, alarm, sample.alarm), alarm })
}

fn alarm_by_cycles(cycles_per_second: u64) -> u64 {
    local_apic::begin_count();
    let start = cycles();
    // 1 ms.
    while cycles() - start < cycles_per_second / 1000 {
        std::hint::spin_loop();
    }
    let (passed, counted) = (cycles() - start, local_apic::counted());
    scaled(counted.into(), cycles_per_second, passed)
}

/// What has counted `count` while another clock counted `of`, when that one counts `all`.
fn scaled(count: u64, all: u64, of: u64) -> u64 {
    (u128::from(count) * u128::from(all) / u128::from(of.max(1))) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_clock_gives_the_other() {
        assert_eq!(scaled(25_000_000, 62_500_000, 625_000), 2_500_000_000);
        assert_eq!(scaled(62_500, 2_500_000_000, 2_500_000), 62_500_000);
        assert_eq!(scaled(1, u64::MAX, 0), u64::MAX);
    }
}
