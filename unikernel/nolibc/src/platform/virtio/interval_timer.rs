//! The interval timer (8254), for a measurement of faster clocks.

use crate::platform::x86::instructions::{input_8, output_8};

/// Ticks a second.
const HERTZ: u64 = 1_193_182;

const CHANNEL_2: u16 = 0x42;
const CONTROL: u16 = 0x43;
/// Channel 2, both bytes, mode 0: the output rises once, when the count ends.
const ONE_SHOT: u8 = 0xb0;

/// Gate and output of channel 2.
const GATE: u16 = 0x61;
const GATE_OPEN: u8 = 1;
const SPEAKER: u8 = 2;
const OUTPUT: u8 = 1 << 5;

const SAMPLE_TICKS: u16 = 11_932;
/// Far more reads than a sample of 10 ms takes.
const ATTEMPTS: usize = 1 << 20;

/// What a clock that counted so far in a sample counts in a second.
pub(super) fn a_second(sample: u64) -> u64 {
    (u128::from(sample) * u128::from(HERTZ) / u128::from(SAMPLE_TICKS)) as u64
}

/// Waits for 10 ms; gives what `begin` gave at the start, or `None` where there is no such timer.
pub(super) fn wait_sample<T>(begin: impl FnOnce() -> T) -> Option<T> {
    // SAFETY: channel 2 drives nothing but the speaker, which stays off.
    unsafe {
        output_8(GATE, input_8(GATE) & !SPEAKER | GATE_OPEN);
        output_8(CONTROL, ONE_SHOT);
        output_8(CHANNEL_2, SAMPLE_TICKS as u8);
        output_8(CHANNEL_2, (SAMPLE_TICKS >> 8) as u8);
        let begun = begin();
        // A port that does not exist reads as ones: the output must be seen low first.
        if input_8(GATE) & OUTPUT != 0 {
            return None;
        }
        (0..ATTEMPTS).find(|_| input_8(GATE) & OUTPUT != 0).map(|_| begun)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_gives_the_frequency() {
        let frequency = a_second(25_000_000);
        assert!((2_499_000_000..2_501_000_000).contains(&frequency), "{frequency}");
    }
}
