//! When a component is: the times of one VEVENT, VTODO, VJOURNAL or VFREEBUSY, without its recurrence.

use crate::{
    civil::DAY,
    kind::ComponentKind,
    moment::{Form, Moment, TimeReader},
    object::{Component, Property},
    time_range::Condition,
    value::Duration,
    zone::Zone,
};

/// The times of a component that has DTSTART, or, as a VTODO, DUE.
#[derive(Clone, Debug)]
pub(crate) struct Timing {
    /// DTSTART; DUE in a VTODO without DTSTART. Instances are counted from here.
    pub(crate) anchor: Moment,
    /// The zone that instances keep their local time in.
    pub(crate) zone: Zone,
    pub(crate) length: Length,
    /// How an end that is computed is written.
    end: (Form, Zone),
    pub(crate) condition: Condition,
}

/// How long every instance of a component is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Length {
    /// From DTEND or DUE: the same number of seconds for every instance (RFC 5545 §3.8.5.3).
    Exact(i64),
    /// From DURATION, or whole days between dates: the same days and seconds for every instance.
    Nominal(Duration),
}

impl Length {
    /// Seconds, when every day has 86,400.
    pub(crate) fn seconds(self) -> i64 {
        match self {
            Self::Exact(seconds) => seconds,
            Self::Nominal(duration) => duration.total(),
        }
    }
}

const NO_LENGTH: Length = Length::Exact(0);
const ONE_DAY: Length = Length::Nominal(Duration { days: 1, seconds: 0 });

impl Timing {
    /// The times of a component; `None` when it has neither DTSTART nor DUE, or they are no times.
    pub(crate) fn of(
        component: &Component<'_>,
        kind: ComponentKind,
        reader: &TimeReader<'_>,
    ) -> Option<Self> {
        let start = component.first("DTSTART").and_then(|start| reader.read(&start));
        let duration = component.first("DURATION").and_then(|duration| read_duration(&duration));
        let end_name = if kind == ComponentKind::Todo { "DUE" } else { "DTEND" };
        let end = component.first(end_name).and_then(|end| reader.read(&end));
        let (Some((anchor, zone)), by_due) = (match (start, &end) {
            (Some(start), _) => (Some(start), false),
            (None, Some(due)) if kind == ComponentKind::Todo => (Some(due.clone()), true),
            _ => (None, false),
        }) else {
            return None;
        };
        let date = anchor.form == Form::Date;
        let (length, condition) = match (kind, &end, duration) {
            (ComponentKind::Event, Some((end, _)), _) => {
                // DTEND at DTSTART, which some clients write, is no end.
                let length = between(anchor, *end);
                match length.seconds() {
                    ..=0 if date => (ONE_DAY, Condition::Span),
                    ..=0 => (NO_LENGTH, Condition::Start),
                    _ => (length, Condition::Span),
                }
            }
            (ComponentKind::Event, None, Some(duration)) if duration.total() > 0 => {
                (Length::Nominal(duration), Condition::Span)
            }
            (ComponentKind::Event | ComponentKind::Journal, ..) if date => (ONE_DAY, Condition::Span),
            (ComponentKind::Event | ComponentKind::Journal, ..) => (NO_LENGTH, Condition::Start),
            (ComponentKind::Todo, ..) if by_due => (NO_LENGTH, Condition::Due),
            (ComponentKind::Todo, Some((due, _)), _) => (between(anchor, *due), Condition::StartDue),
            (ComponentKind::Todo, None, Some(duration)) => {
                (Length::Nominal(duration), Condition::StartDuration)
            }
            (ComponentKind::Todo, None, None) => (NO_LENGTH, Condition::Start),
            (ComponentKind::FreeBusy, Some((end, _)), _) => (between(anchor, *end), Condition::FreeBusy),
            (ComponentKind::FreeBusy, None, _) => return None,
        };
        let end = end.map_or((anchor.form, zone.clone()), |(end, zone)| (end.form, zone));
        Some(Self { anchor, zone, length, end, condition })
    }

    /// Whether it is the same time in whatever zone dates and floating times are.
    pub(crate) fn is_fixed(&self) -> bool {
        self.anchor.form == Form::Absolute && self.end.0 == Form::Absolute
    }

    /// From when to when, both included, what touches a time from `window.0` to `window.1` starts.
    pub(crate) fn starts_touching(&self, window: (i64, i64)) -> (i64, i64) {
        let length = self.length.seconds();
        let slack = match self.length {
            // Days are longer and shorter where the offset of the zone changes.
            Length::Nominal(duration) if duration.days != 0 => 2 * DAY,
            // An end that is a date is the nearest midnight.
            Length::Exact(_) if self.end.0 == Form::Date => DAY,
            _ => 0,
        };
        (
            window.0.saturating_sub(length.max(0)).saturating_sub(slack),
            window.1.saturating_sub(length.min(0)).saturating_add(slack),
        )
    }

    /// The end of an instance that starts at `start`.
    pub(crate) fn end_of(&self, start: Moment, length: Length) -> Moment {
        match length {
            Length::Nominal(duration) => start.plus(duration, &self.zone),
            Length::Exact(seconds) => {
                let (form, zone) = &self.end;
                Moment::of_utc(*form, zone, start.utc.saturating_add(seconds))
            }
        }
    }
}

/// The length from `start` to `end`: whole days between two dates, else seconds.
pub(crate) fn between(start: Moment, end: Moment) -> Length {
    if start.form == Form::Date && end.form == Form::Date {
        return Length::Nominal(Duration { days: (end.local - start.local) / DAY, seconds: 0 });
    }
    Length::Exact(end.utc - start.utc)
}

/// The value of a DURATION property.
pub(crate) fn read_duration(property: &Property<'_>) -> Option<Duration> {
    Duration::parse(property.value().trim())
}

/// The times of a VTODO that has neither DTSTART nor DUE (RFC 4791 §9.9): a condition and its two times.
pub(crate) fn undated_todo(component: &Component<'_>, reader: &TimeReader<'_>) -> (Condition, i64, i64) {
    let time = |name| component.first(name).and_then(|property| reader.read(&property));
    let created = time("CREATED").map(|(moment, _)| moment.utc);
    let completed = time("COMPLETED").map(|(moment, _)| moment.utc);
    match (created, completed) {
        (Some(created), Some(completed)) => (Condition::CreatedCompleted, created, completed),
        (None, Some(completed)) => (Condition::Completed, completed, completed),
        (Some(created), None) => (Condition::Created, created, created),
        (None, None) => (Condition::Always, i64::MIN, i64::MAX),
    }
}
