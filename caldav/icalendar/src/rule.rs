//! Recurrence rules (RFC 5545 §3.3.10): reading them.

use crate::{civil::DAY, error::excerpt, value::DateOrTime};

/// FREQ: the length of a rule's periods.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Frequency {
    Secondly,
    Minutely,
    Hourly,
    Daily,
    Weekly,
    Monthly,
    Yearly,
}

/// A recurrence rule. Sets of numbers are bit masks: bit n stands for n.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    pub(crate) frequency: Frequency,
    pub(crate) interval: u32,
    pub(crate) count: Option<u64>,
    pub(crate) until: Option<DateOrTime>,
    pub(crate) by_second: u64,
    pub(crate) by_minute: u64,
    pub(crate) by_hour: u32,
    /// Weekdays without a number, Monday is bit 0.
    pub(crate) by_day: u8,
    /// Weekdays with a number: the nth, or from the end if negative.
    pub(crate) by_nth_day: Vec<(i8, u8)>,
    /// Positive and negative (bit n stands for -n).
    pub(crate) by_month_day: [u32; 2],
    pub(crate) by_year_day: Vec<i16>,
    pub(crate) by_week: [u64; 2],
    pub(crate) by_month: u16,
    pub(crate) by_set_position: Vec<i16>,
    /// The first day of a week, Monday is 0.
    pub(crate) week_start: u8,
}

/// Why a value is not a recurrence rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuleError {
    /// Not as RFC 5545 §3.3.10 writes it; says what.
    Invalid(String),
    /// A calendar scale of RFC 7529 other than the Gregorian, or a SKIP other than OMIT.
    UnsupportedScale(String),
}

impl Rule {
    /// Parses the value of an RRULE.
    ///
    /// Lenient where clients are known to stray and the meaning is plain: an INTERVAL of 0 is 1, empty
    /// parts and a final `;` are passed over, BYMONTHDAY, BYYEARDAY and BYWEEKNO limit at any frequency,
    /// X- parts are ignored. Everything else must be right.
    ///
    /// # Errors
    /// What is wrong, for a person.
    pub fn parse(text: &str) -> Result<Self, RuleError> {
        let mut rule = Self {
            frequency: Frequency::Daily,
            interval: 1,
            count: None,
            until: None,
            by_second: 0,
            by_minute: 0,
            by_hour: 0,
            by_day: 0,
            by_nth_day: Vec::new(),
            by_month_day: [0; 2],
            by_year_day: Vec::new(),
            by_week: [0; 2],
            by_month: 0,
            by_set_position: Vec::new(),
            week_start: 0,
        };
        let mut seen: Vec<String> = Vec::new();
        for part in text.split(';') {
            let part = part.trim();
            if part.is_empty() {
                continue;
            }
            let Some((name, value)) = part.split_once('=') else {
                return Err(RuleError::Invalid(format!("“{}” has no “=”", excerpt(part))));
            };
            let name = name.to_ascii_uppercase();
            if seen.contains(&name) {
                return Err(RuleError::Invalid(format!("{} stands twice", excerpt(&name))));
            }
            rule.part(&name, value).map_err(|error| match error {
                PartError::Value => {
                    RuleError::Invalid(format!("“{}” is not a valid {}", excerpt(value), excerpt(&name)))
                }
                PartError::Name => RuleError::Invalid(format!("unknown part {}", excerpt(&name))),
                PartError::Scale => {
                    RuleError::UnsupportedScale(format!("{}={} is not supported", name, excerpt(value)))
                }
            })?;
            seen.push(name);
        }
        if !seen.iter().any(|name| name == "FREQ") {
            return Err(RuleError::Invalid("FREQ is missing".into()));
        }
        if rule.count.is_some() && rule.until.is_some() {
            return Err(RuleError::Invalid("COUNT and UNTIL exclude each other".into()));
        }
        let numbered = !rule.by_nth_day.is_empty();
        if numbered && rule.frequency == Frequency::Yearly && rule.by_week != [0; 2] {
            return Err(RuleError::Invalid("BYDAY has a number beside BYWEEKNO".into()));
        }
        if numbered && rule.frequency < Frequency::Monthly {
            // Clients write FREQ=WEEKLY;BYDAY=1MO; the number says nothing there.
            for (_, day) in std::mem::take(&mut rule.by_nth_day) {
                rule.by_day |= 1 << day;
            }
        }
        Ok(rule)
    }

    fn part(&mut self, name: &str, value: &str) -> Result<(), PartError> {
        match name {
            "FREQ" => {
                self.frequency = match value.to_ascii_uppercase().as_str() {
                    "SECONDLY" => Frequency::Secondly,
                    "MINUTELY" => Frequency::Minutely,
                    "HOURLY" => Frequency::Hourly,
                    "DAILY" => Frequency::Daily,
                    "WEEKLY" => Frequency::Weekly,
                    "MONTHLY" => Frequency::Monthly,
                    "YEARLY" => Frequency::Yearly,
                    _ => return Err(PartError::Value),
                }
            }
            "INTERVAL" => {
                let interval = unsigned(value)?;
                self.interval = u32::try_from(interval).unwrap_or(u32::MAX).max(1);
            }
            "COUNT" => {
                self.count = Some(unsigned(value)?).filter(|count| *count > 0).ok_or(PartError::Value)?.into()
            }
            "UNTIL" => self.until = Some(DateOrTime::parse(value).ok_or(PartError::Value)?),
            "BYSECOND" => self.by_second = mask(value, 0, 60)?,
            "BYMINUTE" => self.by_minute = mask(value, 0, 59)?,
            "BYHOUR" => self.by_hour = mask(value, 0, 23)? as u32,
            "BYMONTH" => self.by_month = mask(value, 1, 12)? as u16,
            "BYMONTHDAY" => self.by_month_day = signed_mask(value, 31)?.map(|mask| mask as u32),
            "BYWEEKNO" => self.by_week = signed_mask(value, 53)?,
            "BYYEARDAY" => self.by_year_day = signed_list(value)?,
            "BYSETPOS" => self.by_set_position = signed_list(value)?,
            "BYDAY" => {
                for item in items(value)? {
                    let at = item.len().checked_sub(2).ok_or(PartError::Value)?;
                    let (number, day) = item.split_at_checked(at).ok_or(PartError::Value)?;
                    let day = weekday(day)?;
                    match number {
                        "" => self.by_day |= 1 << day,
                        number => {
                            let nth = (signed(number, 53)? as i8, day);
                            if !self.by_nth_day.contains(&nth) {
                                self.by_nth_day.push(nth);
                            }
                        }
                    }
                }
            }
            "WKST" => self.week_start = weekday(value)?,
            "RSCALE" if value.eq_ignore_ascii_case("GREGORIAN") => {}
            "SKIP" if value.eq_ignore_ascii_case("OMIT") => {}
            "RSCALE" | "SKIP" => return Err(PartError::Scale),
            _ if name.starts_with("X-") => {}
            _ => return Err(PartError::Name),
        }
        Ok(())
    }

    /// UNTIL as the last second of local time that an instance may start at, for a start of this form.
    ///
    /// `to_local` turns Unix time into the local time of DTSTART. A DATE admits its whole day, whatever
    /// DTSTART is; a local time is taken as local.
    pub(crate) fn last_second(&self, to_local: impl Fn(i64) -> i64, date: bool) -> Option<i64> {
        self.until.map(|until| match until {
            DateOrTime::Date(day) => i64::from(day) * DAY + DAY - 1,
            DateOrTime::Local(seconds) | DateOrTime::Utc(seconds) if date => seconds,
            DateOrTime::Local(seconds) => seconds,
            DateOrTime::Utc(seconds) => to_local(seconds),
        })
    }

    /// Whether no date can ever satisfy BYMONTH and BYMONTHDAY, as with February 30.
    pub(crate) fn is_impossible(&self) -> bool {
        let [positive, negative] = self.by_month_day;
        if positive | negative == 0 {
            return false;
        }
        !(1..=12u32).filter(|month| self.by_month == 0 || self.by_month & (1 << month) != 0).any(|month| {
            let days = crate::civil::days_in_month(2000, month);
            let possible = (1u64 << (days + 1)) - 2;
            u64::from(positive | negative) & possible != 0
        })
    }
}

enum PartError {
    Name,
    Value,
    Scale,
}

/// The items of a comma-separated list; at most 400 of them, more than any list has different values.
fn items(value: &str) -> Result<impl Iterator<Item = &str>, PartError> {
    if value.is_empty() || value.bytes().filter(|byte| *byte == b',').count() > 800 {
        return Err(PartError::Value);
    }
    Ok(value.split(',').map(str::trim))
}

fn unsigned(text: &str) -> Result<u64, PartError> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(PartError::Value);
    }
    // More digits than fit mean more than ever happens.
    Ok(text.parse().unwrap_or(u64::MAX))
}

fn signed(text: &str, most: i64) -> Result<i64, PartError> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let number = unsigned(digits)?;
    if number == 0 || number > most as u64 {
        return Err(PartError::Value);
    }
    Ok(sign * number as i64)
}

fn mask(value: &str, least: u64, most: u64) -> Result<u64, PartError> {
    items(value)?.try_fold(0, |mask, item| {
        let number = unsigned(item)?;
        (least..=most).contains(&number).then(|| mask | 1 << number).ok_or(PartError::Value)
    })
}

fn signed_mask(value: &str, most: i64) -> Result<[u64; 2], PartError> {
    items(value)?.try_fold([0; 2], |[positive, negative], item| {
        let number = signed(item, most)?;
        let bit = 1 << number.unsigned_abs();
        Ok(if number > 0 { [positive | bit, negative] } else { [positive, negative | bit] })
    })
}

fn signed_list(value: &str) -> Result<Vec<i16>, PartError> {
    let mut list = items(value)?.map(|item| Ok(signed(item, 366)? as i16)).collect::<Result<Vec<_>, _>>()?;
    list.sort_unstable();
    list.dedup();
    Ok(list)
}

fn weekday(text: &str) -> Result<u8, PartError> {
    const NAMES: [&str; 7] = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"];
    let position = NAMES.iter().position(|name| name.eq_ignore_ascii_case(text));
    position.map(|day| day as u8).ok_or(PartError::Value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_parts_are_read() {
        let rule = Rule::parse(
            "FREQ=YEARLY;INTERVAL=2;COUNT=10;BYSECOND=0,30;BYMINUTE=5;BYHOUR=8,9;BYDAY=-1SU,MO;\
             BYMONTHDAY=1,-2;BYYEARDAY=100,-1;BYMONTH=1,12;BYSETPOS=-1;WKST=SU",
        )
        .unwrap();
        assert_eq!((rule.frequency, rule.interval, rule.count), (Frequency::Yearly, 2, Some(10)));
        assert_eq!((rule.by_day, rule.by_nth_day), (1, vec![(-1, 6)]));
        assert_eq!((rule.by_month_day, rule.by_year_day), ([2, 4], vec![-1, 100]));
        assert_eq!((rule.by_month, rule.by_hour, rule.week_start), (0b1_0000_0000_0010, 0b11_0000_0000, 6));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, words) in [
            ("", "FREQ is missing"),
            ("COUNT=2", "FREQ is missing"),
            ("FREQ=FORTNIGHTLY", "not a valid FREQ"),
            ("FREQ=DAILY;COUNT=0", "not a valid COUNT"),
            ("FREQ=DAILY;COUNT=2;UNTIL=20250101", "exclude each other"),
            ("FREQ=DAILY;BYDAY=éO", "not a valid BYDAY"),
            ("FREQ=DAILY;BYDAY=X", "not a valid BYDAY"),
            ("FREQ=DAILY;BYMONTH=13", "not a valid BYMONTH"),
            ("FREQ=DAILY;BYMONTHDAY=0", "not a valid BYMONTHDAY"),
            ("FREQ=DAILY;UNTIL=never", "not a valid UNTIL"),
            ("FREQ=DAILY;FREQ=DAILY", "stands twice"),
            ("FREQ=DAILY;BYEASTER=1", "unknown part BYEASTER"),
            ("FREQ=DAILY;COUNT", "has no “=”"),
        ] {
            match Rule::parse(text) {
                Err(RuleError::Invalid(rule)) => assert!(rule.contains(words), "{text}: {rule}"),
                other => panic!("{text}: {other:?}"),
            }
        }
        assert!(matches!(Rule::parse("RSCALE=CHINESE;FREQ=YEARLY"), Err(RuleError::UnsupportedScale(_))));
    }

    #[test]
    fn february_30_is_impossible() {
        assert!(Rule::parse("FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30").unwrap().is_impossible());
        assert!(Rule::parse("FREQ=YEARLY;BYMONTH=4,6;BYMONTHDAY=31,-31").unwrap().is_impossible());
        assert!(!Rule::parse("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29").unwrap().is_impossible());
    }
}
