//! When an alarm sounds (RFC 5545 §3.6.6, §3.8.6).

use crate::{
    civil::DAY,
    moment::TimeReader,
    object::Component,
    recurrence_set::Occurrence,
    time_range::TimeRange,
    timing::read_duration,
    value::{DateOrTime, Duration},
};

/// TRIGGER, REPEAT and DURATION of a VALARM.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trigger {
    when: When,
    /// How many times it sounds after the first.
    repeat: u64,
    /// Seconds from one time to the next; not 0 where `repeat` is not.
    interval: i64,
}

#[derive(Clone, Copy, Debug)]
enum When {
    At(i64),
    FromStart(Duration),
    FromEnd(Duration),
}

impl Trigger {
    /// Reads a VALARM; `None` when its TRIGGER is neither duration nor time.
    pub(crate) fn of(alarm: &Component<'_>, reader: &TimeReader<'_>) -> Option<Self> {
        let trigger = alarm.first("TRIGGER")?;
        let when = match DateOrTime::parse(trigger.value().trim()) {
            Some(time) => When::At(reader.moment(&trigger, time).0.utc),
            None => {
                let duration = read_duration(&trigger)?;
                let from_end =
                    trigger.parameter("RELATED").is_some_and(|related| related.eq_ignore_ascii_case("END"));
                if from_end { When::FromEnd(duration) } else { When::FromStart(duration) }
            }
        };
        let interval = alarm.first("DURATION").and_then(|duration| read_duration(&duration));
        let interval = interval.map_or(0, Duration::total).max(0);
        let repeat = alarm.first("REPEAT").and_then(|repeat| repeat.value().trim().parse::<u64>().ok());
        let repeat = if interval == 0 { 0 } else { repeat.unwrap_or(0) };
        Some(Self { when, repeat, interval })
    }

    /// Whether it sounds at the same time for every instance.
    pub(crate) fn is_absolute(&self) -> bool {
        matches!(self.when, When::At(_))
    }

    /// Whether it sounds in a range, its first time being at, or for an absolute one regardless of, `first`.
    pub(crate) fn sounds_at(&self, first: i64, range: &TimeRange) -> bool {
        let first = i128::from(if let When::At(time) = self.when { time } else { first });
        let (start, end) = range.bounds();
        let (start, end) = (i128::from(start), i128::from(end));
        let interval = i128::from(self.interval.max(1));
        // The first repetition that is not before the range.
        let repetition = ((start - first + interval - 1).div_euclid(interval)).max(0);
        repetition <= i128::from(self.repeat) && first + repetition * interval < end
    }

    /// Whether it sounds in a range for an occurrence.
    pub(crate) fn sounds(&self, occurrence: &Occurrence<'_>, range: &TimeRange) -> bool {
        let first = match (self.when, &occurrence.written) {
            (When::At(time), _) => time,
            (_, None) => return false,
            (When::FromStart(offset), Some((start, _))) => start.plus(offset, &occurrence.zone).utc,
            (When::FromEnd(offset), Some((_, end))) => end.plus(offset, &occurrence.zone).utc,
        };
        self.sounds_at(first, range)
    }

    /// The time, both ends included, that an occurrence must touch for the alarm to sound in a range.
    pub(crate) fn window(&self, range: &TimeRange) -> (i64, i64) {
        let (start, end) = range.bounds();
        let offset = match self.when {
            When::At(_) => return (i64::MIN, i64::MAX),
            When::FromStart(offset) | When::FromEnd(offset) => offset.total(),
        };
        let repeated = i64::try_from(self.repeat).unwrap_or(i64::MAX).saturating_mul(self.interval);
        let latest = offset.saturating_add(repeated).saturating_add(2 * DAY);
        (start.saturating_sub(latest), end.saturating_sub(offset).saturating_add(2 * DAY))
    }
}
