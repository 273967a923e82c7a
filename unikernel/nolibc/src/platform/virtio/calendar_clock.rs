//! The battery-backed clock of a PC (MC146818): the date, to a second, in UTC.

use crate::platform::x86::instructions::{input_8, output_8};
use std::time::Duration;

const INDEX: u16 = 0x70;
const DATA: u16 = 0x71;
/// Keeps the non-maskable interrupt off, as firmware has it.
const NO_NMI: u8 = 0x80;

const SECONDS: u8 = 0;
const MINUTES: u8 = 2;
const HOURS: u8 = 4;
const DAY: u8 = 7;
const MONTH: u8 = 8;
const YEAR: u8 = 9;
const STATUS_A: u8 = 10;
const STATUS_B: u8 = 11;
const UPDATING: u8 = 0x80;
const BINARY: u8 = 4;
const HOURS_24: u8 = 2;
const AFTERNOON: u8 = 0x80;

/// An update takes 2 ms, in which there is not time for as many reads.
const ATTEMPTS: usize = 100_000;

/// What the registers say.
#[derive(Clone, Copy, PartialEq)]
struct Registers {
    seconds: u8,
    minutes: u8,
    hours: u8,
    day: u8,
    month: u8,
    year: u8,
}

/// The time, to the second; `None` where there is no such clock.
pub(super) fn read() -> Option<Duration> {
    let mut previous = None;
    for _ in 0..ATTEMPTS {
        if register(STATUS_A) & UPDATING != 0 {
            continue;
        }
        let registers = Registers {
            seconds: register(SECONDS),
            minutes: register(MINUTES),
            hours: register(HOURS),
            day: register(DAY),
            month: register(MONTH),
            year: register(YEAR),
        };
        // Twice the same: no update came between.
        if previous == Some(registers) {
            return registers.time(register(STATUS_B));
        }
        previous = Some(registers);
    }
    None
}

fn register(number: u8) -> u8 {
    // SAFETY: reading these registers changes nothing but the index.
    unsafe {
        output_8(INDEX, number | NO_NMI);
        input_8(DATA)
    }
}

/// The estimate, moved only as far as the clock proves it wrong: the clock tells whole seconds.
pub(super) fn correct(estimate: Duration, clock: Duration) -> Duration {
    estimate.clamp(clock, clock + Duration::from_millis(999))
}

impl Registers {
    fn time(self, status: u8) -> Option<Duration> {
        let number = |value: u8| match status & BINARY {
            0 if value & 0xf > 9 || value >> 4 > 9 => None,
            0 => Some((value >> 4) * 10 + (value & 0xf)),
            _ => Some(value),
        };
        let mut hours = number(self.hours & !AFTERNOON)?;
        if status & HOURS_24 == 0 {
            hours = hours % 12 + if self.hours & AFTERNOON != 0 { 12 } else { 0 };
        }
        let (seconds, minutes) = (number(self.seconds)?, number(self.minutes)?);
        let (day, month, year) = (number(self.day)?, number(self.month)?, number(self.year)?);
        if seconds > 59
            || minutes > 59
            || hours > 23
            || !(1..=31).contains(&day)
            || !(1..=12).contains(&month)
        {
            return None;
        }
        let days = days_since_1970(2000 + u64::from(year), month.into(), day.into());
        let seconds = u64::from(seconds) + 60 * u64::from(minutes) + 3600 * u64::from(hours);
        Some(Duration::from_secs(days * 86_400 + seconds))
    }
}

/// Days from 1970-01-01 in the Gregorian calendar; the year begins in March, so that February is its end.
fn days_since_1970(year: u64, month: u64, day: u64) -> u64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_through_leap_years() {
        assert_eq!(days_since_1970(1970, 1, 1), 0);
        assert_eq!(days_since_1970(2000, 2, 29), 11_016);
        assert_eq!(days_since_1970(2000, 3, 1), 11_017);
        assert_eq!(days_since_1970(2026, 11, 24), 20_781);
    }

    #[test]
    fn registers_are_read_in_every_mode() {
        let expected = Some(Duration::from_secs(20_781 * 86_400 + 13 * 3600 + 5 * 60 + 59));
        let binary = Registers { seconds: 59, minutes: 5, hours: 13, day: 24, month: 11, year: 26 };
        assert_eq!(binary.time(BINARY | HOURS_24), expected);
        let decimal =
            Registers { seconds: 0x59, minutes: 5, hours: 0x13, day: 0x24, month: 0x11, year: 0x26 };
        assert_eq!(decimal.time(HOURS_24), expected);
        assert_eq!(Registers { hours: 0x81, ..decimal }.time(0), expected);
        let midnight = Registers { hours: 0x12, ..decimal }.time(0).unwrap();
        assert_eq!(midnight.as_secs() % 86_400, 5 * 60 + 59, "12 in the morning is 0");
    }

    #[test]
    fn what_is_no_date_is_refused() {
        let absent = Registers { seconds: 255, minutes: 255, hours: 255, day: 255, month: 255, year: 255 };
        assert_eq!(absent.time(255), None);
        assert_eq!(absent.time(HOURS_24), None);
    }

    #[test]
    fn corrections_keep_the_part_of_the_second() {
        let (clock, ms) = (Duration::from_secs(100), Duration::from_millis);
        assert_eq!(correct(clock + ms(400), clock), clock + ms(400));
        assert_eq!(correct(clock - ms(400), clock), clock);
        assert_eq!(correct(clock + ms(3400), clock), clock + ms(999));
    }
}
