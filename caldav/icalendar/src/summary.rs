//! What an index keeps of an object, to tell which objects a time range query must look at.

use crate::{
    civil::{DAY, day_of, start_of},
    free_busy::BusyType,
    kind::ComponentKind,
    object::CalendarObject,
    recurrence_set::{RecurrenceSet, RecurrenceSets},
    rule_times::Budget,
    time_range::TimeRange,
    zone::Zone,
};
use std::ops::ControlFlow;

/// From the earliest start to the latest end, in Unix time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Not after the earliest start; `i64::MIN` when there is none. After `end` when it is never.
    pub start: i64,
    /// Not before the latest end; `i64::MAX` when there is none.
    pub end: i64,
}

impl Span {
    const NOTHING: Self = Self { start: i64::MAX, end: i64::MIN };
    const ALL: Self = Self { start: i64::MIN, end: i64::MAX };

    fn include(&mut self, start: i64, end: i64) {
        self.start = self.start.min(start);
        self.end = self.end.max(end);
    }
}

/// What an index keeps of an object: a few dozen bytes, for a few objects up to two kilobytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The UID, as text.
    pub uid: Box<str>,
    /// The type of its components.
    pub kind: ComponentKind,
    /// When it is. Dates and floating times, whose zone depends on who asks, make it wider by a day.
    pub span: Span,
    /// Whether it recurs or has overrides.
    pub recurring: bool,
    /// Whether it may count for free-busy: a VFREEBUSY that lists more than free time, or a VEVENT of which not
    /// all is transparent or cancelled.
    pub busy: bool,
    /// Where known: the days, in UTC, that it is on.
    days: Option<Days>,
}

/// Ranges of days, widened as the span is, for what recurs seldom.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Days {
    /// The day that the ranges count from.
    first: i32,
    /// First and last day of each range, ascending, disjoint.
    ranges: Box<[(u16, u16)]>,
    /// Days from here on are not known.
    known: u16,
}

/// Steps that the summary of an object may cost.
const STEPS: u64 = 60_000;
/// Days for which instances are listed: 40 years.
const HORIZON: i64 = 40 * 366;
/// Ranges of an object at most.
const MOST_RANGES: usize = 500;
/// What the zone of a date or floating time may change.
const ANY_ZONE: i64 = DAY;

impl Summary {
    /// Summarises an object; `None` when it has no component of a known type or no UID.
    ///
    /// [`Self::may_overlap`] of the summary never excludes an object that a filter would match.
    pub fn of(object: &CalendarObject) -> Option<Self> {
        let calendar = object.root();
        let first =
            calendar.components().find(|component| ComponentKind::named(component.name()).is_some())?;
        let kind = ComponentKind::named(first.name())?;
        let uid = first.first("UID")?.text().trim().into();
        let mut budget = Budget::new(STEPS);
        let mut sets = RecurrenceSets::of(object, &Zone::Utc, &mut budget);
        let mut span = Span::NOTHING;
        for set in &sets.sets {
            let leeway = leeway(set);
            for index in 0..set.members.len() {
                if let Some((start, end)) = set.bounds(index, &mut budget) {
                    span.include(start.saturating_sub(leeway), end.saturating_add(leeway));
                }
            }
        }
        if budget.is_exceeded() || object.roots().len() > 1 {
            span = Span::ALL;
        }
        let recurring = sets.sets.iter().any(RecurrenceSet::recurs);
        let days = if recurring && span != Span::ALL { Days::of(&mut sets, &span) } else { None };
        let busy = calendar.components().any(|component| BusyType::at_most(&component).is_some());
        Some(Self { uid, kind, span, recurring, busy, days })
    }

    /// Whether the object may have a component that overlaps a range (RFC 4791 §9.9). `false` is certain.
    pub fn may_overlap(&self, range: &TimeRange) -> bool {
        let (start, end) = range.bounds();
        // Ends count as within: some rules of RFC 4791 §9.9 take them so.
        self.span.start <= self.span.end
            && self.span.start <= end
            && self.span.end >= start
            && self.days.as_ref().is_none_or(|days| days.may_include(start, end))
    }

    /// Bytes that it takes, about.
    pub fn size(&self) -> usize {
        let ranges = self.days.as_ref().map_or(0, |days| days.ranges.len() * size_of::<(u16, u16)>());
        size_of::<Self>() + self.uid.len() + ranges
    }
}

impl Days {
    /// `None` when there are too many, or it would cost too much to tell.
    fn of(sets: &mut RecurrenceSets<'_, '_>, span: &Span) -> Option<Self> {
        let first = day_of(span.start);
        let window = (span.start, start_of(first) + HORIZON * DAY);
        let mut budget = Budget::new(STEPS);
        let mut days: Vec<(i32, i32)> = Vec::new();
        for set in &mut sets.sets {
            if !set.is_sparse() {
                return None;
            }
            set.widen();
            let leeway = leeway(set);
            for index in 0..set.members.len() {
                let mut dated = true;
                let _ = set.visit(index, window, &mut budget, &mut |occurrence| {
                    dated = occurrence.written.is_some();
                    let (start, end) = (occurrence.start, occurrence.end);
                    let (start, end) =
                        (start.min(end).saturating_sub(leeway), start.max(end).saturating_add(leeway));
                    days.push((day_of(start), day_of(end)));
                    if dated && days.len() <= 4 * MOST_RANGES {
                        ControlFlow::Continue(())
                    } else {
                        ControlFlow::Break(())
                    }
                });
                if !dated || budget.is_exceeded() || days.len() > 4 * MOST_RANGES {
                    return None;
                }
            }
        }
        days.sort_unstable();
        let mut ranges: Vec<(u16, u16)> = Vec::new();
        for (start, end) in days {
            let offset = |day: i32| u16::try_from((day - first).max(0)).unwrap_or(u16::MAX);
            let (start, end) = (offset(start), offset(end));
            match ranges.last_mut() {
                Some(last) if start <= last.1.saturating_add(1) => last.1 = last.1.max(end),
                _ => ranges.push((start, end)),
            }
        }
        (ranges.len() <= MOST_RANGES).then(|| Self {
            first,
            ranges: ranges.into_boxed_slice(),
            known: u16::try_from(HORIZON).unwrap_or(u16::MAX),
        })
    }

    fn may_include(&self, start: i64, end: i64) -> bool {
        let (from, to) = (day_of(start) - self.first, day_of(end) - self.first);
        if to >= i32::from(self.known) {
            return true;
        }
        let after = self.ranges.partition_point(|range| i32::from(range.1) < from);
        self.ranges.get(after).is_some_and(|range| i32::from(range.0) <= to)
    }
}

/// What the zone of its dates and floating times may move an occurrence by.
fn leeway(set: &RecurrenceSet<'_>) -> i64 {
    if set.is_fixed() { 0 } else { ANY_ZONE }
}
