//! The occurrences of an object in a window of time.

use crate::{
    kind::ComponentKind,
    object::CalendarObject,
    recurrence_set::{Occurrence, RecurrenceSets},
    rule_times::Budget,
    time_range::TimeRange,
    zone::Zone,
};
use std::ops::ControlFlow;

/// The occurrences that overlap a window, by start; of one type of component, or of all.
///
/// `floating` is the zone of dates and of times without zone. When the budget is exceeded, which
/// [`Budget::is_exceeded`] then tells, some are missing.
pub fn occurrences<'a>(
    object: &'a CalendarObject,
    kind: Option<ComponentKind>,
    window: &TimeRange,
    floating: &Zone,
    budget: &mut Budget,
) -> Vec<Occurrence<'a>> {
    RecurrenceSets::of(object, floating, budget).occurrences_at_most(kind, window, usize::MAX, budget)
}

impl<'a> RecurrenceSets<'a, '_> {
    /// As [`occurrences`], but stops at `most` of one component.
    pub(crate) fn occurrences_at_most(
        &self,
        kind: Option<ComponentKind>,
        window: &TimeRange,
        most: usize,
        budget: &mut Budget,
    ) -> Vec<Occurrence<'a>> {
        let mut found = Vec::new();
        for set in &self.sets {
            for index in 0..set.members.len() {
                if kind.is_some_and(|kind| set.members.get(index).is_some_and(|member| member.kind != kind)) {
                    continue;
                }
                let mut of_member: Vec<Occurrence<'a>> = Vec::new();
                let _ = set.visit(index, window.bounds(), budget, &mut |occurrence| {
                    if occurrence.overlaps(window) {
                        of_member.push(occurrence);
                    }
                    if of_member.len() < most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
                });
                // RRULE and RDATE may name an instance twice; RDATE, which may know its end, comes first.
                let original = |occurrence: &Occurrence<'_>| occurrence.recurrence_id.map(|id| id.utc);
                of_member.sort_by_key(original);
                of_member.dedup_by(|later, earlier| {
                    original(later).is_some() && original(later) == original(earlier)
                });
                found.append(&mut of_member);
            }
        }
        found.sort_by_key(|occurrence| (occurrence.start, occurrence.end, occurrence.component.offset()));
        found
    }
}
