//! The interval timer (8254): how fast the time stamp counter runs, and the alarm that ends a wait.

use crate::{
    exit,
    platform::x86::instructions::{cycles, input_8, output_8},
};
use std::time::Duration;

/// Ticks a second.
const HERTZ: u64 = 1_193_182;

const CHANNEL_0: u16 = 0x40;
const CHANNEL_2: u16 = 0x42;
const CONTROL: u16 = 0x43;
/// Both bytes, mode 0: the output rises once, when the count ends.
const ONE_SHOT: u8 = 0x30;
const CHANNEL_2_SELECT: u8 = 0x80;

/// Gate and output of channel 2.
const GATE: u16 = 0x61;
const GATE_OPEN: u8 = 1;
const SPEAKER: u8 = 2;
const OUTPUT: u8 = 1 << 5;

const SAMPLE_TICKS: u16 = 11_932;
const SAMPLES: usize = 5;
/// Far more reads than a sample of 10 ms takes.
const ATTEMPTS: usize = 1 << 24;

/// Measures the time stamp counter. Interruptions by the host only make a sample longer, so that the
/// shortest of several is the best.
pub(super) fn cycles_per_second() -> u64 {
    match (0..SAMPLES).filter_map(|_| sample()).min() {
        Some(cycles) => frequency(cycles),
        None => exit::stop(exit::FAILURE, format_args!("the machine has no interval timer (8254)")),
    }
}

fn frequency(sample: u64) -> u64 {
    (u128::from(sample) * u128::from(HERTZ) / u128::from(SAMPLE_TICKS)) as u64
}

fn sample() -> Option<u64> {
    // SAFETY: channel 2 drives nothing but the speaker, which stays off.
    unsafe {
        output_8(GATE, input_8(GATE) & !SPEAKER | GATE_OPEN);
        output_8(CONTROL, CHANNEL_2_SELECT | ONE_SHOT);
        output_8(CHANNEL_2, SAMPLE_TICKS as u8);
        output_8(CHANNEL_2, (SAMPLE_TICKS >> 8) as u8);
        let start = cycles();
        // A port that does not exist reads as ones: the output must be seen low first.
        if input_8(GATE) & OUTPUT != 0 {
            return None;
        }
        (0..ATTEMPTS).find(|_| input_8(GATE) & OUTPUT != 0).map(|_| cycles() - start)
    }
}

/// Lets the timer's interrupt come after so long; at most 54 ms, so that longer waits take several.
pub(super) fn alarm(after: Duration) {
    let [low, high] = ticks(after).to_le_bytes();
    // SAFETY: channel 0 only raises the timer's interrupt.
    unsafe {
        output_8(CONTROL, ONE_SHOT);
        output_8(CHANNEL_0, low);
        output_8(CHANNEL_0, high);
    }
}

/// Ticks until a time, rounded up, so that an alarm never comes early and is set again in vain.
fn ticks(after: Duration) -> u16 {
    let ticks = (after.as_nanos() * u128::from(HERTZ)).div_ceil(1_000_000_000);
    // A count of zero would be 65,536.
    u16::try_from(ticks).unwrap_or(u16::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_gives_the_frequency() {
        let frequency = frequency(25_000_000);
        assert!((2_499_000_000..2_501_000_000).contains(&frequency), "{frequency}");
    }

    #[test]
    fn alarms_are_never_early_nor_endless() {
        assert_eq!(ticks(Duration::ZERO), 1);
        assert_eq!(ticks(Duration::from_nanos(1)), 1);
        assert_eq!(ticks(Duration::from_millis(1)), 1194);
        assert_eq!(ticks(Duration::from_secs(3600)), u16::MAX);
    }
}
