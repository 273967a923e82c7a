//! Time from the time stamp counter.

use super::instructions::cycles;
use std::{cell::Cell, time::Duration};

/// Nanoseconds from cycles, and wall time from a reading of it now and then.
pub(in crate::platform) struct CycleClock {
    start: Cell<u64>,
    /// Nanoseconds a cycle, times 2^32.
    scale: Cell<u64>,
    wall: Cell<WallReading>,
}

#[derive(Clone, Copy)]
struct WallReading {
    wall: Duration,
    taken: Duration,
}

/// How long a reading of the host's wall clock serves: its drift meanwhile is far below a millisecond.
const READING_AGE: Duration = Duration::from_secs(60);

impl CycleClock {
    pub(in crate::platform) const fn new() -> Self {
        let reading = WallReading { wall: Duration::ZERO, taken: Duration::ZERO };
        Self { start: Cell::new(0), scale: Cell::new(1), wall: Cell::new(reading) }
    }

    /// Begins to count, at zero.
    pub(in crate::platform) fn begin(&self, hertz: u64, wall: Duration) {
        self.start.set(cycles());
        self.scale.set(scale(hertz));
        self.wall.set(WallReading { wall, taken: Duration::ZERO });
    }

    pub(in crate::platform) fn monotonic(&self) -> Duration {
        elapsed(cycles().saturating_sub(self.start.get()), self.scale.get())
    }

    /// The wall time. When the last reading is old, `read` gives a better one from the estimate that it has
    /// led to.
    pub(in crate::platform) fn wall(&self, read: impl FnOnce(Duration) -> Duration) -> Duration {
        let now = self.monotonic();
        let reading = self.wall.get();
        let age = now.saturating_sub(reading.taken);
        let estimate = reading.wall + age;
        if age <= READING_AGE {
            return estimate;
        }
        let wall = read(estimate);
        self.wall.set(WallReading { wall, taken: now });
        wall
    }
}

/// Nanoseconds a cycle, times 2^32.
fn scale(hertz: u64) -> u64 {
    ((1_000_000_000_u128 << 32) / u128::from(hertz.max(1))) as u64
}

/// Time of cycles at a scale.
pub(super) fn elapsed(cycles: u64, scale: u64) -> Duration {
    let nanoseconds = (u128::from(cycles) * u128::from(scale)) >> 32;
    Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cycles_become_time_without_overflow() {
        assert_eq!(elapsed(3_000_000_000, scale(3_000_000_000)).as_millis(), 999);
        let year = 365 * 86_400;
        let counted = elapsed(year * 2_500_000_000, scale(2_500_000_000));
        assert!(Duration::from_secs(year) - counted < Duration::from_millis(50), "{counted:?}");
    }

    #[test]
    fn wall_time_goes_on_between_readings() {
        let clock = CycleClock::new();
        clock.begin(1_000_000_000, Duration::from_secs(1000));
        let first = clock.wall(|_| panic!("the reading is fresh"));
        assert!(first >= Duration::from_secs(1000));
        assert!(clock.wall(|_| panic!("the reading is fresh")) >= first);
    }
}
