//! comp-filter (RFC 4791 §9.7.1).

use super::ComponentFilter;
use crate::{
    Budget, CalendarObject, TimeRange, Zone, alarm::Trigger, kind::ComponentKind, object::Component,
    recurrence_set::RecurrenceSets,
};
use std::ops::ControlFlow;

impl ComponentFilter {
    /// Whether an object matches; `self` is the filter on VCALENDAR. `floating` is the zone of dates and
    /// floating times: that of the request, else of the calendar, else UTC. When the budget is exceeded the
    /// object matches rather than being lost.
    pub fn matches(&self, object: &CalendarObject, floating: &Zone, budget: &mut Budget) -> bool {
        let mut matching = Matching { object, floating, budget, sets: None };
        let mut calendars = object.roots().filter(|root| root.is(&self.name));
        if self.not_defined {
            return calendars.next().is_none();
        }
        calendars.any(|calendar| matching.component(self, &calendar, None))
    }
}

/// What the tests of one object share.
pub(super) struct Matching<'a, 'm> {
    object: &'a CalendarObject,
    floating: &'m Zone,
    budget: &'m mut Budget,
    /// Read when a test asks for time.
    sets: Option<RecurrenceSets<'a, 'm>>,
}

impl<'a, 'm> Matching<'a, 'm> {
    /// The recurrence sets of the object, and the budget to ask them with.
    pub(super) fn sets(&mut self) -> (&RecurrenceSets<'a, 'm>, &mut Budget) {
        let Self { object, floating, budget, sets } = self;
        (sets.get_or_insert_with(|| RecurrenceSets::of(object, floating, budget)), budget)
    }

    fn component(
        &mut self,
        filter: &ComponentFilter,
        component: &Component<'a>,
        parent: Option<&Component<'a>>,
    ) -> bool {
        // What costs least comes first.
        filter.properties.iter().all(|inner| self.property(inner, component))
            && filter.time_range.is_none_or(|range| self.overlaps(component, parent, &range))
            && filter.components.iter().all(|inner| {
                let mut named = component.components().filter(|candidate| candidate.is(&inner.name));
                if inner.not_defined {
                    return named.next().is_none();
                }
                named.any(|candidate| self.component(inner, &candidate, Some(component)))
            })
    }

    fn overlaps(
        &mut self,
        component: &Component<'a>,
        parent: Option<&Component<'a>>,
        range: &TimeRange,
    ) -> bool {
        if component.is("VALARM") {
            return parent.is_some_and(|parent| self.alarm_sounds(component, parent, range));
        }
        // RFC 4791 §9.9 defines time-range for these and no other components.
        if ComponentKind::named(component.name()).is_none() {
            return false;
        }
        let (sets, budget) = self.sets();
        let Some((set, index)) = sets.find(component) else { return false };
        let mut overlaps = false;
        let _ = set.visit(index, range.bounds(), budget, &mut |occurrence| {
            overlaps = occurrence.overlaps(range);
            if overlaps { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        overlaps || budget.is_exceeded()
    }

    /// Whether an alarm of any instance of `parent` sounds in the range.
    fn alarm_sounds(&mut self, alarm: &Component<'a>, parent: &Component<'a>, range: &TimeRange) -> bool {
        let (sets, budget) = self.sets();
        let Some(trigger) = Trigger::of(alarm, &sets.reader) else { return false };
        if trigger.is_absolute() {
            return trigger.sounds_at(0, range);
        }
        let Some((set, index)) = sets.find(parent) else { return false };
        let mut sounds = false;
        let _ = set.visit(index, trigger.window(range), budget, &mut |occurrence| {
            sounds = trigger.sounds(&occurrence, range);
            if sounds { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        sounds || budget.is_exceeded()
    }
}
