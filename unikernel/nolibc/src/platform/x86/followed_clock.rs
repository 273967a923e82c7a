//! A host's clocks, followed with the time stamp counter between readings.

use super::{clock::elapsed, instructions};
use std::{arch::x86_64::__cpuid, cell::Cell, time::Duration};

/// Spares most readings of clocks that cost a system call each. It uses the counter once two measurements of
/// its rate have agreed, and for a second after each reading, so that it strays by microseconds at most.
pub(in crate::platform) struct FollowedClock {
    usable: Cell<Option<bool>>,
    last: Cell<Option<Reading>>,
    /// Nanoseconds a cycle, times 2^32, as last measured.
    measured: Cell<u64>,
    /// Whether the measurement before said the same.
    trusted: Cell<bool>,
    /// The latest monotonic time told.
    told: Cell<Duration>,
}

/// What the clocks said, and when by the counter.
#[derive(Clone, Copy)]
struct Reading {
    cycles: u64,
    monotonic: Duration,
    wall: Duration,
}

/// Where the times come from.
pub(in crate::platform) trait Source {
    fn monotonic(&self) -> Duration;
    fn wall(&self) -> Duration;
    /// Cycles of the time stamp counter.
    fn cycles(&self) -> u64 {
        instructions::cycles()
    }
    /// Whether the counter's rate is always the same.
    fn is_invariant(&self) -> bool {
        is_invariant()
    }
}

/// How long a reading serves.
const READING_AGE: Duration = Duration::from_secs(1);
/// Least time to measure the rate over.
const MEASUREMENT: Duration = Duration::from_millis(100);
/// Measurements agree when they differ by less than this part; clocks are slewed by half of it at most.
const TOLERANCE: u64 = 1000;
/// A reading during which the process did not run is worth little, so the shortest of some is taken.
const TRIES: usize = 3;

impl FollowedClock {
    pub(in crate::platform) const fn new() -> Self {
        Self {
            usable: Cell::new(None),
            last: Cell::new(None),
            measured: Cell::new(0),
            trusted: Cell::new(false),
            told: Cell::new(Duration::ZERO),
        }
    }

    /// The source's monotonic time; never goes back.
    pub(in crate::platform) fn monotonic(&self, source: &impl Source) -> Duration {
        let now = match self.follow(source) {
            Some((reading, age)) => reading.monotonic + age,
            None => source.monotonic(),
        };
        let now = now.max(self.told.get());
        self.told.set(now);
        now
    }

    /// The source's wall time; a step of it is seen within a second.
    pub(in crate::platform) fn wall(&self, source: &impl Source) -> Duration {
        match self.follow(source) {
            Some((reading, age)) => reading.wall + age,
            None => source.wall(),
        }
    }

    /// A reading and its age, if the counter can be believed.
    fn follow(&self, source: &impl Source) -> Option<(Reading, Duration)> {
        if let Some(reading) = self.last.get()
            && let Some(cycles) = source.cycles().checked_sub(reading.cycles)
        {
            let age = elapsed(cycles, self.measured.get());
            if self.trusted.get() && age < READING_AGE {
                return Some((reading, age));
            }
            if !self.trusted.get() && source.monotonic().saturating_sub(reading.monotonic) < MEASUREMENT {
                return None;
            }
        }
        self.read(source)
    }

    /// Reads the clocks, and measures the rate since the last reading.
    fn read(&self, source: &impl Source) -> Option<(Reading, Duration)> {
        let usable = self.usable.get().unwrap_or_else(|| source.is_invariant());
        self.usable.set(Some(usable));
        if !usable {
            return None;
        }
        let reading = take(source);
        let last = self.last.replace(Some(reading));
        let measured = last.and_then(|last| rate(&last, &reading)).unwrap_or(0);
        let before = self.measured.replace(measured);
        // They disagree when the host slept, or moved the guest to another machine.
        let agree = measured > 0 && measured.abs_diff(before) <= before / TOLERANCE;
        self.trusted.set(agree);
        agree.then_some((reading, Duration::ZERO))
    }
}

fn take(source: &impl Source) -> Reading {
    let mut best: Option<(u64, u64, Duration)> = None;
    for _ in 0..TRIES {
        let before = source.cycles();
        let monotonic = source.monotonic();
        let took = source.cycles().saturating_sub(before);
        if best.is_none_or(|(least, ..)| took < least) {
            best = Some((took, before, monotonic));
        }
    }
    let (took, before, monotonic) = best.unwrap_or_default();
    let cycles = before.saturating_add(took / 2);
    let (wall, late) = (source.wall(), source.monotonic());
    Reading { cycles, monotonic, wall: wall.saturating_sub(late.saturating_sub(monotonic)) }
}

/// Nanoseconds a cycle, times 2^32; `None` when the counter or the clock did not go on.
fn rate(from: &Reading, to: &Reading) -> Option<u64> {
    let cycles = to.cycles.checked_sub(from.cycles).filter(|&cycles| cycles > 0)?;
    let nanoseconds = to.monotonic.checked_sub(from.monotonic)?.as_nanos();
    u64::try_from((nanoseconds << 32) / u128::from(cycles)).ok()
}

/// CPUID's word that the counter goes on at one rate whatever the processor does.
fn is_invariant() -> bool {
    const EXTENDED: u32 = 0x8000_0000;
    const POWER: u32 = 0x8000_0007;
    __cpuid(EXTENDED).eax >= POWER && __cpuid(POWER).edx & 1 << 8 != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A host whose time passes by hand.
    struct Host {
        now: Cell<Duration>,
        cycles: Cell<u64>,
        step: Cell<Duration>,
        readings: Cell<usize>,
        invariant: bool,
    }

    impl Source for Host {
        fn monotonic(&self) -> Duration {
            self.readings.set(self.readings.get() + 1);
            self.now.get()
        }
        fn wall(&self) -> Duration {
            self.readings.set(self.readings.get() + 1);
            self.now.get() + self.step.get()
        }
        fn cycles(&self) -> u64 {
            self.cycles.get()
        }
        fn is_invariant(&self) -> bool {
            self.invariant
        }
    }

    impl Host {
        fn new(invariant: bool) -> Self {
            let (now, step) =
                (Cell::new(Duration::from_secs(500)), Cell::new(Duration::from_secs(1_000_000)));
            Self { now, step, cycles: Cell::new(7_000_000), readings: Cell::new(0), invariant }
        }

        /// At 2 GHz.
        fn pass(&self, millis: u64) {
            self.now.set(self.now.get() + Duration::from_millis(millis));
            self.cycles.set(self.cycles.get() + millis * 2_000_000);
        }

        /// A clock that has come to trust the counter.
        fn followed(&self) -> FollowedClock {
            let clock = FollowedClock::new();
            for _ in 0..3 {
                assert_eq!(clock.monotonic(self), self.now.get());
                self.pass(200);
            }
            clock
        }

        fn assert_close(&self, told: Duration) {
            assert!(
                told.abs_diff(self.now.get()) < Duration::from_micros(10),
                "{told:?} {:?}",
                self.now.get()
            );
        }
    }

    #[test]
    fn the_counter_spares_readings_and_tells_the_same() {
        let host = Host::new(true);
        let clock = host.followed();
        host.readings.set(0);
        for _ in 0..7 {
            host.assert_close(clock.monotonic(&host));
            host.assert_close(clock.wall(&host) - host.step.get());
            host.pass(100);
        }
        assert_eq!(host.readings.get(), 0);
    }

    #[test]
    fn an_old_reading_is_replaced() {
        let host = Host::new(true);
        let clock = host.followed();
        host.step.set(Duration::from_secs(2_000_000));
        host.pass(1000);
        host.readings.set(0);
        assert_eq!(clock.wall(&host), host.now.get() + host.step.get());
        assert!(host.readings.get() > 0);
        assert_eq!(clock.monotonic(&host), host.now.get());
    }

    #[test]
    fn a_counter_that_went_on_alone_or_began_anew_is_not_believed() {
        let host = Host::new(true);
        for cycles in [1 << 50, 0] {
            let clock = host.followed();
            host.cycles.set(cycles);
            for _ in 0..20 {
                host.assert_close(clock.monotonic(&host));
                host.pass(60);
            }
            host.readings.set(0);
            host.assert_close(clock.monotonic(&host));
            assert_eq!(host.readings.get(), 0, "it is believed again");
        }
    }

    #[test]
    fn a_counter_of_varying_rate_is_not_used() {
        let host = Host::new(false);
        let clock = host.followed();
        host.readings.set(0);
        clock.monotonic(&host);
        clock.wall(&host);
        assert_eq!(host.readings.get(), 2);
    }
}
