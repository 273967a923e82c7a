//! KVM's clock, which tells how fast the time stamp counter runs, and the date.
//!
//! Linux's `Documentation/virt/kvm/x86/msr.rst` (MSR_KVM_WALL_CLOCK_NEW, MSR_KVM_SYSTEM_TIME_NEW) and
//! `cpuid.rst` (KVM_FEATURE_CLOCKSOURCE2).

use crate::platform::x86::{
    hypervisor,
    instructions::{cycles, write_register},
};
use std::{arch::x86_64::__cpuid, cell::UnsafeCell, ptr::read_volatile, time::Duration};

const FEATURE: u32 = 1 << 3;
const WALL_CLOCK: u32 = 0x4b56_4d00;
const SYSTEM_TIME: u32 = 0x4b56_4d01;
const ENABLE: u64 = 1;
/// Far more than an update of the host takes.
const ATTEMPTS: usize = 1000;

/// The host's `struct pvclock_vcpu_time_info`. An odd version means that the host was writing.
#[derive(Clone, Copy, Default, PartialEq)]
#[repr(C, align(64))]
struct SystemTime {
    version: u32,
    padding: u32,
    cycles: u64,
    /// Nanoseconds at that cycle.
    time: u64,
    /// Nanoseconds a cycle, times 2^32, after the shift.
    multiplier: u32,
    /// Binary places by which cycles are shifted to the left.
    shift: i8,
    flags: u8,
    padding_2: [u8; 2],
}

/// The host's `struct pvclock_wall_clock`: the date when the system time was zero.
#[derive(Clone, Copy, Default, PartialEq)]
#[repr(C, align(64))]
struct WallClock {
    version: u32,
    seconds: u32,
    nanoseconds: u32,
}

/// What the host writes.
struct FromHost<T>(UnsafeCell<T>);

// SAFETY: the only thread reads it by volatile reads.
unsafe impl<T> Sync for FromHost<T> {}

static SYSTEM: FromHost<SystemTime> = FromHost(UnsafeCell::new(SystemTime {
    version: 0,
    padding: 0,
    cycles: 0,
    time: 0,
    multiplier: 0,
    shift: 0,
    flags: 0,
    padding_2: [0; 2],
}));

static WALL: FromHost<WallClock> =
    FromHost(UnsafeCell::new(WallClock { version: 0, seconds: 0, nanoseconds: 0 }));

impl<T: Copy + PartialEq> FromHost<T> {
    /// A whole reading: the same twice.
    fn read(&self, version: impl Fn(&T) -> u32) -> Option<T> {
        for _ in 0..ATTEMPTS {
            // SAFETY: the value is valid to read; whether it is whole is judged afterwards.
            let (first, second) = unsafe { (read_volatile(self.0.get()), read_volatile(self.0.get())) };
            let number = version(&first);
            if number != 0 && number & 1 == 0 && first == second {
                return Some(first);
            }
            std::hint::spin_loop();
        }
        None
    }
}

fn offered() -> bool {
    hypervisor::kvm().is_some_and(|leaf| __cpuid(leaf + 1).eax & FEATURE != 0)
}

fn system_time() -> Option<SystemTime> {
    if !offered() {
        return None;
    }
    // SAFETY: CPUID offers the register. From now on the host writes to this place, which is for that.
    unsafe { write_register(SYSTEM_TIME, SYSTEM.0.get() as u64 | ENABLE) };
    SYSTEM.read(|time| time.version)
}

/// Cycles of the time stamp counter a second, or `None` where the host is not KVM or does not say.
pub(super) fn cycles_per_second() -> Option<u64> {
    system_time()?.frequency()
}

/// The date; `None` where the host is not KVM or does not say.
pub(super) fn date() -> Option<Duration> {
    let system = system_time()?;
    // SAFETY: CPUID offers the register. The host writes to this place once, now.
    unsafe { write_register(WALL_CLOCK, WALL.0.get() as u64) };
    let wall = WALL.read(|wall| wall.version)?;
    let then = Duration::from_secs(wall.seconds.into()) + Duration::from_nanos(wall.nanoseconds.into());
    Some(then + system.at(cycles()))
}

impl SystemTime {
    fn frequency(&self) -> Option<u64> {
        let scaled = (1_000_000_000_u128 << 32).checked_div(self.multiplier.into())?;
        let places = u32::from(self.shift.unsigned_abs());
        let hertz = if self.shift < 0 { scaled.checked_shl(places)? } else { scaled.checked_shr(places)? };
        u64::try_from(hertz).ok().filter(|hertz| *hertz > 0)
    }

    fn at(&self, cycles: u64) -> Duration {
        let passed = u128::from(cycles.saturating_sub(self.cycles));
        let places = u32::from(self.shift.unsigned_abs()).min(63);
        let shifted = if self.shift < 0 { passed >> places } else { passed << places };
        let nanoseconds = (shifted.saturating_mul(self.multiplier.into()) >> 32) as u64;
        Duration::from_nanos(self.time.saturating_add(nanoseconds))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hosts_scale_gives_frequency_and_time() {
        // 2.5 GHz as KVM writes it: cycles times 0.8 divided by 2.
        let system = SystemTime {
            cycles: 1_000,
            time: 5_000_000_000,
            multiplier: 0xcccc_cccd,
            shift: -1,
            ..SystemTime::default()
        };
        let hertz = system.frequency().unwrap();
        assert!((2_499_999_990..=2_500_000_010).contains(&hertz), "{hertz}");
        let time = system.at(2_500_001_000).as_nanos();
        assert!((5_999_999_990..=6_000_000_010).contains(&time), "{time}");
        assert_eq!(system.at(0), Duration::from_secs(5), "a counter that is behind does not go back");
    }

    #[test]
    fn a_scale_of_nothing_is_no_frequency() {
        assert_eq!(SystemTime::default().frequency(), None);
        let shifted = SystemTime { multiplier: 1 << 31, shift: 127, ..SystemTime::default() };
        assert_eq!(shifted.frequency(), None);
    }
}
