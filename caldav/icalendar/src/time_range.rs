//! Time ranges, and when a component overlaps one (RFC 4791 §9.9).

/// A half-open range of Unix time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct TimeRange {
    /// The first second; `None` is the beginning of time.
    pub start: Option<i64>,
    /// The second after the last; `None` is the end of time.
    pub end: Option<i64>,
}

impl TimeRange {
    /// All of time.
    pub const ALL: Self = Self { start: None, end: None };

    /// From `start` until before `end`.
    pub fn new(start: i64, end: i64) -> Self {
        Self { start: Some(start), end: Some(end) }
    }

    /// The bounds, with the ends of `i64` for what is open.
    pub(crate) fn bounds(&self) -> (i64, i64) {
        (self.start.unwrap_or(i64::MIN), self.end.unwrap_or(i64::MAX))
    }

    /// Whether a point in time is in the range: the rule for properties and alarms.
    pub(crate) fn contains(&self, time: i64) -> bool {
        let (start, end) = self.bounds();
        start <= time && end > time
    }

    /// Whether a period from `from` until before `to` overlaps the range.
    pub(crate) fn overlaps(&self, from: i64, to: i64) -> bool {
        let (start, end) = self.bounds();
        start < to && end > from
    }
}

/// The rows of the tables in RFC 4791 §9.9. Each is a condition on a range and on two times of a
/// component, here `from` and `to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    /// VEVENT with an end or on a day, VJOURNAL on a day, FREEBUSY period.
    Span,
    /// VEVENT without length, VJOURNAL at a time, VTODO with DTSTART alone; `to` does not matter.
    Start,
    /// VTODO with DTSTART and DURATION.
    StartDuration,
    /// VTODO with DTSTART and DUE.
    StartDue,
    /// VTODO with DUE alone; both times are DUE.
    Due,
    /// VTODO with CREATED (`from`) and COMPLETED (`to`).
    CreatedCompleted,
    /// VTODO with COMPLETED alone; both times are COMPLETED.
    Completed,
    /// VTODO with CREATED alone; both times are CREATED.
    Created,
    /// VTODO without any time.
    Always,
    /// VFREEBUSY with DTSTART and DTEND.
    FreeBusy,
}

impl Condition {
    /// Whether the range is overlapped.
    pub(crate) fn holds(self, range: &TimeRange, from: i64, to: i64) -> bool {
        let (start, end) = range.bounds();
        match self {
            Self::Span => start < to && end > from,
            Self::Start => start <= from && end > from,
            Self::StartDuration => start <= to && (end > from || end >= to),
            Self::StartDue => (start < to || start <= from) && (end > from || end >= to),
            Self::Due => start < to && end >= to,
            Self::CreatedCompleted => (start <= from || start <= to) && (end >= from || end >= to),
            Self::Completed => start <= to && end >= to,
            Self::Created => end > from,
            Self::Always => true,
            Self::FreeBusy => start <= to && end > from,
        }
    }

    /// The time outside of which no range overlaps.
    pub(crate) fn hull(self, from: i64, to: i64) -> (i64, i64) {
        match self {
            Self::Always => (i64::MIN, i64::MAX),
            Self::Created => (from, i64::MAX),
            _ => (from.min(to), from.max(to)),
        }
    }
}
