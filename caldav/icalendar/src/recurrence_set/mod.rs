//! Recurrence sets (RFC 5545 §3.8.5): the instances of the components that share a UID.
//!
//! A set has at most one master, whose DTSTART, RRULEs and RDATEs, less its EXDATEs and EXRULEs, name the
//! instances, and any number of overrides. Instances are known by their original start as Unix time, so a
//! RECURRENCE-ID is understood in whatever zone and form it is written. An override counts at its own time,
//! even when the master does not name its instance. An override with RANGE=THISANDFUTURE also describes the
//! instances after its own, up to the next such override, moved by as much local time as itself.
//!
//! Chosen where RFC 5545 is silent:
//! - a DATE in an EXDATE of a master with times excludes the instances of that day, and as RECURRENCE-ID
//!   means the instance at DTSTART's time of day on it;
//! - DTSTART counts for COUNT even when the rule does not name it, as §3.8.5.3 says;
//! - RRULE, RDATE, EXRULE and EXDATE in an override say nothing;
//! - an override whose instance is in EXDATE exists.

mod bounds;
mod recurrence;

use crate::{
    civil::DAY,
    kind::ComponentKind,
    moment::{Form, Moment, TimeReader},
    object::{CalendarObject, Component},
    rule_times::Budget,
    time_range::{Condition, TimeRange},
    timing::{Timing, undated_todo},
    value::{Period, PeriodEnd},
    zone::Zone,
};
use recurrence::{Original, Recurrence, in_form_of, rule_times};
use std::{collections::BTreeMap, ops::ControlFlow};

/// Steps that an instance costs beside those of its rule: mostly the conversion of local times.
const INSTANCE: u64 = 12;
/// Steps to read a date or period of a list.
const DATE: u64 = 8;
/// What an override with RANGE=THISANDFUTURE may move by more or less in UTC than in its local time.
const MARGIN: i64 = 4 * DAY;

/// One instance of a component.
#[derive(Clone, Debug)]
pub struct Occurrence<'a> {
    /// The component that describes it: the master or an override.
    pub component: Component<'a>,
    /// Its type.
    pub kind: ComponentKind,
    /// The start that the master gives it; `None` when the component does not recur.
    pub recurrence_id: Option<Moment>,
    /// Unix time of its start. A VTODO without DTSTART has here DUE, else CREATED, else COMPLETED, else
    /// `i64::MIN`.
    pub start: i64,
    /// Unix time of its end: of DTEND, DUE or by DURATION, else the start; a date without end is a day.
    /// A VTODO without DTSTART has here DUE, else COMPLETED, else CREATED, else `i64::MAX`.
    pub end: i64,
    /// Start and end as they are written; `None` for a VTODO without DTSTART and DUE, and for what a
    /// VFREEBUSY lists.
    pub written: Option<(Moment, Moment)>,
    /// Whether the end is that of a PERIOD in RDATE and not what the component says.
    pub(crate) end_by_period: bool,
    pub(crate) condition: Condition,
    pub(crate) zone: Zone,
}

impl Occurrence<'_> {
    /// Whether it overlaps a range by the rules of RFC 4791 §9.9.
    pub fn overlaps(&self, range: &TimeRange) -> bool {
        self.condition.holds(range, self.start, self.end)
    }
}

/// Receives occurrences; stops by breaking.
pub(crate) type Visitor<'v, 'a> = &'v mut dyn FnMut(Occurrence<'a>) -> ControlFlow<()>;

/// A component of a set.
#[derive(Debug)]
pub(crate) struct Member<'a> {
    pub(crate) component: Component<'a>,
    pub(crate) kind: ComponentKind,
    pub(crate) timing: Option<Timing>,
    /// For a VTODO without DTSTART and DUE.
    undated: Option<(Condition, i64, i64)>,
    /// The instance that an override is for.
    pub(crate) overridden: Option<Moment>,
    is_override: bool,
    /// For an override with RANGE=THISANDFUTURE, the original starts that it reaches, half-open.
    reach: Option<(i64, i64)>,
    recurrence: Option<Recurrence>,
}

/// The components of an object that share a UID.
#[derive(Debug)]
pub(crate) struct RecurrenceSet<'a> {
    pub(crate) members: Vec<Member<'a>>,
    /// The member without RECURRENCE-ID.
    pub(crate) master: Option<usize>,
    /// Original starts of the overridden instances, ascending.
    overridden: Vec<i64>,
    /// The original start at which the first override with RANGE=THISANDFUTURE takes over.
    first_split: i64,
}

/// The recurrence sets of an object.
#[derive(Debug)]
pub(crate) struct RecurrenceSets<'a, 'z> {
    pub(crate) reader: TimeReader<'z>,
    pub(crate) sets: Vec<RecurrenceSet<'a>>,
    /// The offset of every component with the places of its set and in it, ascending.
    places: Vec<(usize, usize, usize)>,
}

impl<'a, 'z> RecurrenceSets<'a, 'z> {
    /// Reads the sets of an object. What the budget does not allow for is left out, and the budget exceeded.
    pub(crate) fn of(object: &'a CalendarObject, floating: &'z Zone, budget: &mut Budget) -> Self {
        let reader = TimeReader::of(object, floating);
        let mut by_uid: BTreeMap<&'a str, Vec<(Component<'a>, ComponentKind)>> = BTreeMap::new();
        for component in object.root().components() {
            if let Some(kind) = ComponentKind::named(component.name()) {
                let uid = component.first("UID").map(|uid| uid.value().trim()).unwrap_or_default();
                by_uid.entry(uid).or_default().push((component, kind));
            }
        }
        let sets: Vec<_> =
            by_uid.into_values().map(|members| RecurrenceSet::of(members, &reader, budget)).collect();
        let mut places: Vec<(usize, usize, usize)> = Vec::new();
        for (at, set) in sets.iter().enumerate() {
            let members = set.members.iter().enumerate();
            places.extend(members.map(|(member, of)| (of.component.offset(), at, member)));
        }
        places.sort_unstable();
        Self { reader, sets, places }
    }

    /// The set and the member that a component is.
    pub(crate) fn find(&self, component: &Component<'a>) -> Option<(&RecurrenceSet<'a>, usize)> {
        let place = self.places.binary_search_by_key(&component.offset(), |place| place.0).ok()?;
        let (_, set, member) = self.places.get(place)?;
        Some((self.sets.get(*set)?, *member))
    }
}

impl<'a> RecurrenceSet<'a> {
    fn of(
        components: Vec<(Component<'a>, ComponentKind)>,
        reader: &TimeReader<'_>,
        budget: &mut Budget,
    ) -> Self {
        let mut members: Vec<Member<'a>> = Vec::with_capacity(components.len());
        let mut master = None;
        for (component, kind) in components {
            let timing = Timing::of(&component, kind, reader);
            let is_override = component.first("RECURRENCE-ID").is_some();
            let recurrence = match &timing {
                Some(timing) if !is_override && kind != ComponentKind::FreeBusy => {
                    Recurrence::of(&component, timing, reader, budget)
                }
                _ => None,
            };
            if !is_override && master.is_none() {
                master = Some(members.len());
            }
            let undated =
                (kind == ComponentKind::Todo && timing.is_none()).then(|| undated_todo(&component, reader));
            members.push(Member {
                component,
                kind,
                timing,
                undated,
                overridden: None,
                is_override,
                reach: None,
                recurrence,
            });
        }
        let mut set = Self { members, master, overridden: Vec::new(), first_split: i64::MAX };
        set.read_overrides(reader);
        set
    }

    fn read_overrides(&mut self, reader: &TimeReader<'_>) {
        let master = self.master_timing().cloned();
        let mut splits: Vec<(i64, usize)> = Vec::new();
        for (index, member) in self.members.iter_mut().enumerate() {
            let Some(id) = member.component.first("RECURRENCE-ID") else { continue };
            let Some((id_moment, _)) = reader.read(&id) else { continue };
            let original = match &master {
                Some(master) => in_form_of(id_moment, master),
                None => id_moment,
            };
            member.overridden = Some(original);
            self.overridden.push(original.utc);
            let range = id.parameter("RANGE");
            if range.is_some_and(|range| range.eq_ignore_ascii_case("THISANDFUTURE")) {
                splits.push((original.utc, index));
            }
        }
        self.overridden.sort_unstable();
        splits.sort_unstable();
        let ends = splits.iter().skip(1).map(|(start, _)| *start).chain([i64::MAX]);
        for ((start, index), end) in splits.iter().zip(ends) {
            if let Some(member) = self.members.get_mut(*index) {
                member.reach = Some((*start, end));
            }
        }
        self.first_split = splits.first().map_or(i64::MAX, |(start, _)| *start);
    }

    fn master_timing(&self) -> Option<&Timing> {
        self.members.get(self.master?)?.timing.as_ref()
    }

    /// Whether the master has a recurrence, or there are overrides.
    pub(crate) fn recurs(&self) -> bool {
        !self.overridden.is_empty() || self.members.iter().any(|member| member.recurrence.is_some())
    }

    /// Visits the occurrences of one member, in no order: at least all that touch the time from `window.0`
    /// to `window.1`, both included. Others may be among them, and an instance that the master names twice
    /// may come twice. Breaks when the budget is exceeded.
    pub(crate) fn visit(
        &self,
        index: usize,
        window: (i64, i64),
        budget: &mut Budget,
        visitor: Visitor<'_, 'a>,
    ) -> ControlFlow<()> {
        let Some(member) = self.members.get(index) else { return ControlFlow::Continue(()) };
        let Some(timing) = &member.timing else { return member.visit_undated(budget, visitor) };
        let starts = timing.starts_touching(window);
        if !member.is_override {
            let recurs = self.recurs();
            let end = if self.master == Some(index) { self.first_split } else { i64::MAX };
            return self.visit_originals(index, starts, (i64::MIN, end), budget, &mut |original| {
                visitor(member.occurrence(timing, original, recurs.then_some(original.start)))
            });
        }
        pay(INSTANCE, budget)?;
        let own = Original { start: timing.anchor, length: None };
        visitor(member.occurrence(timing, own, member.overridden))?;
        let (Some(overridden), Some(reach), Some(master)) = (member.overridden, member.reach, self.master)
        else {
            return ControlFlow::Continue(());
        };
        // The local time that an original start has where the override is.
        let seen = |original: Moment| match (original.form, timing.anchor.form) {
            (Form::Date, _) | (_, Form::Date) => original.local,
            _ => timing.zone.to_local(original.utc),
        };
        let moved = timing.anchor.local.saturating_sub(seen(overridden));
        let starts = (
            starts.0.saturating_sub(moved).saturating_sub(MARGIN),
            starts.1.saturating_sub(moved).saturating_add(MARGIN),
        );
        self.visit_originals(master, starts, reach, budget, &mut |original| {
            let local = seen(original.start).saturating_add(moved);
            let start = Moment::of_local(timing.anchor.form, &timing.zone, local);
            visitor(member.occurrence(timing, Original { start, length: None }, Some(original.start)))
        })
    }

    /// Visits the instances that a member without RECURRENCE-ID names and no override describes: at least those
    /// whose start is in `starts`, both ends included, and only those in the half-open range `reach`.
    fn visit_originals(
        &self,
        index: usize,
        starts: (i64, i64),
        reach: (i64, i64),
        budget: &mut Budget,
        visit: &mut dyn FnMut(Original) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let Some(member) = self.members.get(index) else { return ControlFlow::Continue(()) };
        let Some(timing) = &member.timing else { return ControlFlow::Continue(()) };
        let overridden: &[i64] = if self.master == Some(index) { &self.overridden } else { &[] };
        let wanted = |utc: i64| reach.0 <= utc && utc < reach.1 && overridden.binary_search(&utc).is_err();
        let first = Original { start: timing.anchor, length: None };
        let Some(recurrence) = &member.recurrence else {
            pay(INSTANCE, budget)?;
            return if wanted(first.start.utc) { visit(first) } else { ControlFlow::Continue(()) };
        };
        let starts = (starts.0.max(reach.0), starts.1.min(reach.1));
        let mut exclusion = recurrence.exclusion(timing, budget);
        if !exclusion.holds(first.start, budget) && wanted(first.start.utc) {
            pay(INSTANCE, budget)?;
            visit(first)?;
        }
        let earliest = starts.0.saturating_sub(recurrence.longest_period);
        let from = recurrence.dates.partition_point(|date| date.start.utc < earliest);
        for date in recurrence.dates.iter().skip(from) {
            if date.start.utc > starts.1 {
                break;
            }
            pay(INSTANCE, budget)?;
            if !exclusion.holds(date.start, budget) && wanted(date.start.utc) {
                visit(*date)?;
            }
        }
        let (from, to) = timing.zone.local_bounds(starts.0, starts.1);
        for rule in &recurrence.rules {
            let mut exclusion = recurrence.exclusion(timing, budget);
            let mut times = rule_times(rule, timing);
            times.count_start(budget);
            times.seek(from, budget);
            while let Some(local) = times.next(budget) {
                if local > to {
                    break;
                }
                if local == timing.anchor.local {
                    continue;
                }
                pay(INSTANCE, budget)?;
                let start = Moment::of_local(timing.anchor.form, &timing.zone, local);
                if !exclusion.holds(start, budget) && wanted(start.utc) {
                    visit(Original { start, length: None })?;
                }
            }
        }
        if budget.is_exceeded() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// Whether an override impacts a range (RFC 4791 §9.6.6): its own time or that of the instances that it
    /// replaces overlaps it. True when the budget is exceeded.
    pub(crate) fn override_impacts(&self, index: usize, range: &TimeRange, budget: &mut Budget) -> bool {
        let Some(member) = self.members.get(index) else { return true };
        let mut impacts = false;
        let _ = self.visit(index, range.bounds(), budget, &mut |occurrence| {
            impacts = occurrence.overlaps(range);
            if impacts { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        if impacts || budget.is_exceeded() {
            return true;
        }
        let (Some(overridden), Some(timing)) =
            (member.overridden, self.master_timing().or(member.timing.as_ref()))
        else {
            return false;
        };
        let overlaps = |original: Original| {
            let end = timing.end_of(original.start, original.length.unwrap_or(timing.length));
            timing.condition.holds(range, original.start.utc, end.utc)
        };
        if overlaps(Original { start: overridden, length: None }) {
            return true;
        }
        let (Some(reach), Some(master)) = (member.reach, self.master) else { return false };
        let starts = timing.starts_touching(range.bounds());
        let _ = self.visit_originals(master, starts, reach, budget, &mut |original| {
            impacts = overlaps(original);
            if impacts { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        impacts || budget.is_exceeded()
    }
}

impl<'a> Member<'a> {
    fn occurrence(&self, timing: &Timing, original: Original, id: Option<Moment>) -> Occurrence<'a> {
        let start = original.start;
        let end = timing.end_of(start, original.length.unwrap_or(timing.length));
        Occurrence {
            component: self.component,
            kind: self.kind,
            recurrence_id: id,
            start: start.utc,
            end: end.utc,
            written: Some((start, end)),
            end_by_period: original.length.is_some(),
            condition: match original.length {
                Some(_) if timing.condition == Condition::Start => Condition::Span,
                _ => timing.condition,
            },
            zone: timing.zone.clone(),
        }
    }

    fn visit_undated(&self, budget: &mut Budget, visitor: Visitor<'_, 'a>) -> ControlFlow<()> {
        let occurrence = |condition, start, end| Occurrence {
            component: self.component,
            kind: self.kind,
            recurrence_id: self.overridden,
            start,
            end,
            written: None,
            end_by_period: false,
            condition,
            zone: Zone::Utc,
        };
        if let Some((condition, start, end)) = self.undated {
            return visitor(occurrence(condition, start, end));
        }
        if self.kind == ComponentKind::FreeBusy {
            for property in self.component.all("FREEBUSY") {
                for period in property.value().split(',').filter_map(read_utc_period) {
                    pay(DATE, budget)?;
                    visitor(occurrence(Condition::Span, period.0, period.1))?;
                }
            }
        }
        ControlFlow::Continue(())
    }
}

/// A period of FREEBUSY, which is in UTC, as two Unix times.
pub(crate) fn read_utc_period(text: &str) -> Option<(i64, i64)> {
    let period = Period::parse(text.trim())?;
    let start = period.start.seconds();
    Some(match period.end {
        PeriodEnd::Time(end) => (start, end.seconds()),
        PeriodEnd::Duration(duration) => (start, start.saturating_add(duration.total())),
    })
}

fn pay(steps: u64, budget: &mut Budget) -> ControlFlow<()> {
    if budget.spend(steps) { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
}
