//! Free-busy time (RFC 4791 §7.10, RFC 5545 §3.6.4).

use crate::{
    content_line::write_folded,
    kind::ComponentKind,
    object::{CalendarObject, Component},
    recurrence_set::{RecurrenceSets, read_utc_period},
    rule_times::Budget,
    text,
    time_range::TimeRange,
    value::format_utc,
    zone::Zone,
};
use std::ops::ControlFlow;

/// Why a time is not free: FBTYPE (RFC 5545 §3.2.9). The busiest is the least.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum BusyType {
    /// BUSY.
    Busy,
    /// BUSY-UNAVAILABLE.
    BusyUnavailable,
    /// BUSY-TENTATIVE.
    BusyTentative,
}

impl BusyType {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Busy, Self::BusyUnavailable, Self::BusyTentative];

    /// The value of FBTYPE.
    pub fn name(self) -> &'static str {
        match self {
            Self::Busy => "BUSY",
            Self::BusyUnavailable => "BUSY-UNAVAILABLE",
            Self::BusyTentative => "BUSY-TENTATIVE",
        }
    }

    /// The type of time that a VEVENT takes: none when it is transparent or cancelled.
    pub(crate) fn of_event(event: &Component<'_>) -> Option<Self> {
        let says = |name, value: &str| {
            event.first(name).is_some_and(|property| property.value().trim().eq_ignore_ascii_case(value))
        };
        if says("TRANSP", "TRANSPARENT") || says("STATUS", "CANCELLED") {
            None
        } else if says("STATUS", "TENTATIVE") {
            Some(Self::BusyTentative)
        } else {
            Some(Self::Busy)
        }
    }

    /// The busiest type of time that a component may take; none when all of it is free.
    pub(crate) fn at_most(component: &Component<'_>) -> Option<Self> {
        match ComponentKind::named(component.name())? {
            ComponentKind::Event => Self::of_event(component),
            ComponentKind::FreeBusy => component
                .all("FREEBUSY")
                .filter_map(|listed| Self::of_fbtype(listed.parameter("FBTYPE")))
                .min(),
            ComponentKind::Todo | ComponentKind::Journal => None,
        }
    }

    /// The type of the periods of a FREEBUSY property: none when they are free. A type that is not known is
    /// BUSY (RFC 5545 §3.2.9).
    fn of_fbtype(fbtype: Option<&str>) -> Option<Self> {
        let Some(fbtype) = fbtype else { return Some(Self::Busy) };
        if fbtype.eq_ignore_ascii_case("FREE") {
            return None;
        }
        let known = Self::ALL.into_iter().find(|busy| busy.name().eq_ignore_ascii_case(fbtype));
        Some(known.unwrap_or(Self::Busy))
    }
}

/// Periods of one type after which those that touch are joined.
const JOIN_AT: usize = 4_096;
/// Periods of one type that are told at most; of more, those with the shortest gaps between are joined.
const MOST_PERIODS: usize = 10_000;

/// Collects the busy time of objects in a window.
#[derive(Clone, Debug)]
pub struct FreeBusy {
    start: i64,
    end: i64,
    /// By type, in the order of [`BusyType::ALL`].
    periods: [Periods; 3],
}

#[derive(Clone, Debug, Default)]
struct Periods {
    list: Vec<(i64, i64)>,
    /// The length at which to join next.
    join_at: usize,
}

impl Periods {
    fn add(&mut self, start: i64, end: i64) {
        self.list.push((start, end));
        if self.list.len() >= self.join_at.max(JOIN_AT) {
            self.list = joined(std::mem::take(&mut self.list));
            self.join_at = self.list.len() * 2;
        }
    }
}

impl FreeBusy {
    /// For a window; a side of it that is open is the beginning or end of the years 1 to 9999.
    pub fn new(window: TimeRange) -> Self {
        let (start, end) = window.bounds();
        let first = crate::civil::start_of(crate::civil::FIRST_DAY);
        let last = crate::civil::start_of(crate::civil::LAST_DAY);
        Self {
            start: start.clamp(first, last),
            end: end.clamp(first, last),
            periods: std::array::from_fn(|_| Periods::default()),
        }
    }

    fn window(&self) -> TimeRange {
        TimeRange::new(self.start, self.end)
    }

    /// Adds the busy time of an object: of events that are opaque and not cancelled, and what VFREEBUSYs
    /// list. When the budget is exceeded all of the window is as busy as the busiest of its components.
    pub fn add(&mut self, object: &CalendarObject, floating: &Zone, budget: &mut Budget) {
        let window = self.window();
        let Some(busiest) = object.root().components().filter_map(|inner| BusyType::at_most(&inner)).min()
        else {
            return;
        };
        let sets = RecurrenceSets::of(object, floating, budget);
        for set in &sets.sets {
            for (index, member) in set.members.iter().enumerate() {
                match member.kind {
                    ComponentKind::Event => {
                        let Some(busy) = BusyType::of_event(&member.component) else { continue };
                        let _ = set.visit(index, window.bounds(), budget, &mut |occurrence| {
                            self.add_period(busy, occurrence.start, occurrence.end);
                            ControlFlow::Continue(())
                        });
                    }
                    ComponentKind::FreeBusy => self.add_listed(&member.component, budget),
                    ComponentKind::Todo | ComponentKind::Journal => {}
                }
            }
        }
        if budget.is_exceeded() {
            self.add_period(busiest, self.start, self.end);
        }
    }

    fn add_listed(&mut self, component: &Component<'_>, budget: &mut Budget) {
        for property in component.all("FREEBUSY") {
            let Some(busy) = BusyType::of_fbtype(property.parameter("FBTYPE")) else { continue };
            for period in property.value().split(',') {
                if !budget.spend(8) {
                    return;
                }
                if let Some((start, end)) = read_utc_period(period) {
                    self.add_period(busy, start, end);
                }
            }
        }
    }

    fn add_period(&mut self, busy: BusyType, start: i64, end: i64) {
        let (start, end) = (start.max(self.start), end.min(self.end));
        if start < end {
            let index = BusyType::ALL.iter().position(|other| *other == busy);
            if let Some(periods) = index.and_then(|index| self.periods.get_mut(index)) {
                periods.add(start, end);
            }
        }
    }

    /// Type, start and end in Unix time, by type and then start. Those of one type neither overlap nor touch.
    pub fn periods(&self) -> Vec<(BusyType, i64, i64)> {
        let mut all = Vec::new();
        for (busy, periods) in BusyType::ALL.into_iter().zip(&self.periods) {
            let periods = at_most(joined(periods.list.clone()), MOST_PERIODS);
            all.extend(periods.into_iter().map(|(start, end)| (busy, start, end)));
        }
        all
    }

    /// A VCALENDAR with one VFREEBUSY that lists the periods. `dtstamp` is now in Unix time.
    pub fn to_icalendar(&self, dtstamp: i64, uid: &str) -> String {
        self.to_icalendar_with(dtstamp, uid, None, &[])
    }

    /// As [`Self::to_icalendar`], with a METHOD and more content lines in the VFREEBUSY, such as ORGANIZER and
    /// ATTENDEE, as scheduling needs (RFC 6638 §5). The lines are without folds and line ends.
    pub fn to_icalendar_with(
        &self,
        dtstamp: i64,
        uid: &str,
        method: Option<&str>,
        more: &[String],
    ) -> String {
        let mut out = Vec::new();
        let mut line = |text: &str| write_folded(&mut out, text, "\r\n");
        line("BEGIN:VCALENDAR");
        line("VERSION:2.0");
        line("PRODID:-//Kalends//Kalends//EN");
        if let Some(method) = method {
            line(&format!("METHOD:{method}"));
        }
        line("BEGIN:VFREEBUSY");
        line(&format!("UID:{}", text::escape(uid)));
        line(&format!("DTSTAMP:{}", format_utc(dtstamp)));
        line(&format!("DTSTART:{}", format_utc(self.start)));
        line(&format!("DTEND:{}", format_utc(self.end)));
        for text in more {
            line(text);
        }
        for (busy, start, end) in self.periods() {
            let (start, end) = (format_utc(start), format_utc(end));
            line(&match busy {
                BusyType::Busy => format!("FREEBUSY:{start}/{end}"),
                _ => format!("FREEBUSY;FBTYPE={}:{start}/{end}", busy.name()),
            });
        }
        line("END:VFREEBUSY");
        line("END:VCALENDAR");
        String::from_utf8(out).unwrap_or_default()
    }
}

/// The union of periods, ascending.
fn joined(mut periods: Vec<(i64, i64)>) -> Vec<(i64, i64)> {
    periods.sort_unstable();
    let mut union: Vec<(i64, i64)> = Vec::new();
    for (start, end) in periods {
        match union.last_mut() {
            Some(last) if start <= last.1 => last.1 = last.1.max(end),
            _ => union.push((start, end)),
        }
    }
    union
}

/// Closes the shortest gaps between disjoint ascending periods until there are at most `most`.
fn at_most(periods: Vec<(i64, i64)>, most: usize) -> Vec<(i64, i64)> {
    let excess = periods.len().saturating_sub(most.max(1));
    if excess == 0 {
        return periods;
    }
    let mut gaps: Vec<i64> =
        periods.iter().zip(periods.iter().skip(1)).map(|(earlier, later)| later.0 - earlier.1).collect();
    gaps.sort_unstable();
    // All gaps that are shorter than this one are closed, and as many of its own length as it takes.
    let longest = gaps.get(excess - 1).copied().unwrap_or(0);
    let mut of_longest = excess - gaps.partition_point(|gap| *gap < longest);
    let mut fewer: Vec<(i64, i64)> = Vec::with_capacity(most);
    for (start, end) in periods {
        match fewer.last_mut() {
            Some(last) if start - last.1 < longest => last.1 = end,
            Some(last) if start - last.1 == longest && of_longest > 0 => {
                of_longest -= 1;
                last.1 = end;
            }
            _ => fewer.push((start, end)),
        }
    }
    fewer
}
