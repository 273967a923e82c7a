//! Property values of time: DATE, DATE-TIME, DURATION, PERIOD and UTC-OFFSET (RFC 5545 §3.3).

use crate::civil::{DAY, civil_from_days, days_from_civil, days_in_month};

/// A DATE or DATE-TIME as written, without its zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DateOrTime {
    /// DATE: days since 1970-01-01.
    Date(i32),
    /// DATE-TIME without a final `Z`: seconds since 1970-01-01 of local time.
    Local(i64),
    /// DATE-TIME with a final `Z`: Unix time.
    Utc(i64),
}

impl DateOrTime {
    /// Parses `YYYYMMDD`, `YYYYMMDDTHHMMSS` or `YYYYMMDDTHHMMSSZ`, years 0001 to 9999. A leap
    /// second is taken as second 59 (RFC 5545 §3.3.12).
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let day = parse_date(bytes.get(..8)?)?;
        match bytes.get(8..)? {
            [] => Some(Self::Date(day)),
            [b'T' | b't', time @ .., b'Z' | b'z'] => {
                Some(Self::Utc(i64::from(day) * DAY + parse_time(time)?))
            }
            [b'T' | b't', time @ ..] => Some(Self::Local(i64::from(day) * DAY + parse_time(time)?)),
            _ => None,
        }
    }

    /// Seconds since 1970-01-01 of local time, or of UTC; a DATE is its midnight.
    pub fn seconds(self) -> i64 {
        match self {
            Self::Date(day) => i64::from(day) * DAY,
            Self::Local(seconds) | Self::Utc(seconds) => seconds,
        }
    }
}

fn digits(bytes: &[u8]) -> Option<u32> {
    bytes.iter().try_fold(0u32, |sum, byte| {
        byte.is_ascii_digit().then(|| sum.checked_mul(10)?.checked_add(u32::from(byte - b'0')))?
    })
}

fn parse_date(bytes: &[u8]) -> Option<i32> {
    let (year, month, day) = (digits(bytes.get(..4)?)?, digits(bytes.get(4..6)?)?, digits(bytes.get(6..8)?)?);
    let year = year as i32;
    (year >= 1 && (1..=12).contains(&month) && (1..=days_in_month(year, month)).contains(&day))
        .then(|| days_from_civil(year, month, day))
}

fn parse_time(bytes: &[u8]) -> Option<i64> {
    if bytes.len() != 6 {
        return None;
    }
    let (hour, minute, second) =
        (digits(bytes.get(..2)?)?, digits(bytes.get(2..4)?)?, digits(bytes.get(4..6)?)?);
    (hour < 24 && minute < 60 && second <= 60).then(|| i64::from(hour * 3600 + minute * 60 + second.min(59)))
}

/// `YYYYMMDD`; years beyond 0 to 9999 are clamped.
pub fn format_date(day: i32) -> String {
    let (year, month, day) = civil_from_days(day);
    format!("{:04}{month:02}{day:02}", year.clamp(0, 9999))
}

/// `YYYYMMDDTHHMMSS`.
pub fn format_local(seconds: i64) -> String {
    let time = seconds.rem_euclid(DAY);
    let date = format_date(crate::civil::day_of(seconds));
    format!("{date}T{:02}{:02}{:02}", time / 3600, time / 60 % 60, time % 60)
}

/// `YYYYMMDDTHHMMSSZ`.
pub fn format_utc(seconds: i64) -> String {
    format_local(seconds) + "Z"
}

/// A DURATION (RFC 5545 §3.3.6): days follow the calendar, seconds are exact. Both have the same sign.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Duration {
    /// Nominal days; a week is seven.
    pub days: i64,
    /// Exact seconds.
    pub seconds: i64,
}

impl Duration {
    /// The longest duration, 10,000 years; longer ones are no duration.
    const LONGEST: i64 = 10_000 * 366 * DAY;

    /// Parses `P1W`, `P1DT2H3M4S`, `-PT15M` and the like. Weeks beside other units, which some exporters
    /// write, are summed. `P` and `PT`, which Outlook writes for zero, are zero.
    pub fn parse(text: &str) -> Option<Self> {
        let (sign, rest) = match text.as_bytes() {
            [b'-', rest @ ..] => (-1, rest),
            [b'+', rest @ ..] => (1, rest),
            rest => (1, rest),
        };
        let (b'P' | b'p', mut rest) = rest.split_first()? else { return None };
        let mut duration = Self::default();
        let mut in_time = false;
        let mut last_unit = 0;
        while let Some((first, after)) = rest.split_first() {
            if matches!(first, b'T' | b't') && !in_time {
                in_time = true;
                rest = after;
                continue;
            }
            let length = rest.iter().position(|byte| !byte.is_ascii_digit())?;
            let (number, unit) = rest.split_at(length);
            let number = i64::from(digits(number).filter(|_| length > 0)?);
            let (order, days, seconds) = match (unit.first()?.to_ascii_uppercase(), in_time) {
                (b'W', false) => (1, 7, 0),
                (b'D', false) => (2, 1, 0),
                (b'H', true) => (3, 0, 3600),
                (b'M', true) => (4, 0, 60),
                (b'S', true) => (5, 0, 1),
                _ => return None,
            };
            if order <= last_unit {
                return None;
            }
            last_unit = order;
            duration.days += sign * days * number;
            duration.seconds += sign * seconds * number;
            rest = unit.get(1..)?;
        }
        (duration.total().abs() <= Self::LONGEST).then_some(duration)
    }

    /// Seconds, when every day has 86,400.
    pub fn total(self) -> i64 {
        self.days.saturating_mul(DAY).saturating_add(self.seconds)
    }
}

/// A PERIOD (RFC 5545 §3.3.9) as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// The start, a DATE-TIME.
    pub start: DateOrTime,
    /// The end.
    pub end: PeriodEnd,
}

/// How a PERIOD names its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeriodEnd {
    /// An explicit end, not before the start.
    Time(DateOrTime),
    /// A positive duration.
    Duration(Duration),
}

impl Period {
    /// Parses `start/end` or `start/duration`.
    pub fn parse(text: &str) -> Option<Self> {
        let (start, end) = text.split_once('/')?;
        let start = DateOrTime::parse(start).filter(|start| !matches!(start, DateOrTime::Date(_)))?;
        let end = if end.starts_with(['P', 'p', '+']) {
            PeriodEnd::Duration(Duration::parse(end)?)
        } else {
            let end = DateOrTime::parse(end)?;
            let alike = matches!(
                (start, end),
                (DateOrTime::Utc(_), DateOrTime::Utc(_)) | (DateOrTime::Local(_), DateOrTime::Local(_))
            );
            PeriodEnd::Time(Some(end).filter(|end| alike && end.seconds() >= start.seconds())?)
        };
        Some(Self { start, end })
    }
}

/// Parses a UTC-OFFSET: `+HHMM`, `-HHMMSS`. Seconds east of UTC, less than a day.
pub fn parse_utc_offset(text: &str) -> Option<i32> {
    let (sign, rest) = match text.as_bytes() {
        [b'-', rest @ ..] => (-1, rest),
        [b'+', rest @ ..] => (1, rest),
        _ => return None,
    };
    let seconds = match rest.len() {
        4 => 0,
        6 => digits(rest.get(4..6)?)?,
        _ => return None,
    };
    let (hours, minutes) = (digits(rest.get(..2)?)?, digits(rest.get(2..4)?)?);
    (hours < 24 && minutes < 60 && seconds < 60)
        .then(|| sign * (hours * 3600 + minutes * 60 + seconds) as i32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_times_are_checked_against_the_calendar() {
        assert_eq!(DateOrTime::parse("19700102"), Some(DateOrTime::Date(1)));
        assert_eq!(DateOrTime::parse("19700101T000001Z"), Some(DateOrTime::Utc(1)));
        assert_eq!(DateOrTime::parse("19700101T010000"), Some(DateOrTime::Local(3600)));
        assert_eq!(DateOrTime::parse("20160229"), Some(DateOrTime::Date(16_860)));
        for bad in [
            "",
            "2016",
            "20150229",
            "20161301",
            "00000101",
            "20160101T",
            "20160101T24000",
            "20160101T240000",
            "20160101T0000",
            "20160101 000000",
            "2016-01-01",
            "20160101T000000ZZ",
            "2016010é",
            "+2160101",
        ] {
            assert_eq!(DateOrTime::parse(bad), None, "{bad}");
        }
        assert_eq!(format_utc(DateOrTime::parse("20260228T235959Z").unwrap().seconds()), "20260228T235959Z");
    }

    #[test]
    fn durations_keep_days_apart_from_seconds() {
        assert_eq!(Duration::parse("P15DT5H0M20S"), Some(Duration { days: 15, seconds: 18_020 }));
        assert_eq!(Duration::parse("P7W"), Some(Duration { days: 49, seconds: 0 }));
        assert_eq!(Duration::parse("-PT15M"), Some(Duration { days: 0, seconds: -900 }));
        assert_eq!(Duration::parse("PT"), Some(Duration::default()));
        for bad in ["", "P1", "1D", "PT1D", "P1H", "PTS", "P1M", "PT1M1H", "P99999999999D", "P9999999W", "Pé"]
        {
            assert_eq!(Duration::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn periods_end_after_their_start() {
        assert!(Period::parse("19970101T180000Z/19970102T070000Z").is_some());
        assert!(Period::parse("19970101T180000Z/PT5H30M").is_some());
        for bad in [
            "19970101T180000Z",
            "19970101/P1D",
            "19970102T180000Z/19970101T070000Z",
            "19970101T180000Z/19970102T070000",
            "19970101T180000Z/-PT1H",
        ] {
            assert_eq!(Period::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn offsets_have_a_sign() {
        assert_eq!(parse_utc_offset("-0500"), Some(-18_000));
        assert_eq!(parse_utc_offset("+013015"), Some(5_415));
        for bad in ["0100", "+1", "+2400", "+01000", "+01é0"] {
            assert_eq!(parse_utc_offset(bad), None, "{bad}");
        }
    }
}
