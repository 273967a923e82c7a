//! CALDAV:expand (RFC 4791 §9.6.5): the instances of components in a range.
//!
//! Every instance of a set that recurs has a RECURRENCE-ID, the first too. Times with a zone become UTC; dates
//! and floating times refer to no zone and stay as they are.

use super::{MOST_INSTANCES, TooManyInstances, write::Change};
use crate::{
    kind::ComponentKind,
    object::Component,
    recurrence_set::{Occurrence, RecurrenceSets},
    rule_times::Budget,
    time_range::TimeRange,
};
use std::collections::BTreeMap;

/// The instances to write, by the offset of the component that describes them.
pub(super) struct Instances<'a> {
    by_component: BTreeMap<usize, Vec<Occurrence<'a>>>,
}

impl<'a> Instances<'a> {
    pub(super) fn of(
        sets: &RecurrenceSets<'a, '_>,
        range: &TimeRange,
        budget: &mut Budget,
    ) -> Result<Self, TooManyInstances> {
        let occurrences = sets.occurrences_at_most(None, range, MOST_INSTANCES + 1, budget);
        if budget.is_exceeded() || occurrences.len() > MOST_INSTANCES {
            return Err(TooManyInstances);
        }
        let mut by_component: BTreeMap<usize, Vec<Occurrence<'a>>> = BTreeMap::new();
        for occurrence in occurrences {
            by_component.entry(occurrence.component.offset()).or_default().push(occurrence);
        }
        Ok(Self { by_component })
    }

    /// The instances of a component, each as the change that makes it. What is no calendar component is
    /// there once, and so is a VFREEBUSY that lists several periods.
    pub(super) fn take(&mut self, component: &Component<'a>) -> Vec<Change<'a>> {
        let kind = ComponentKind::named(component.name());
        let found = self.by_component.remove(&component.offset()).unwrap_or_default();
        match kind {
            None => vec![Change::InUtc],
            Some(ComponentKind::FreeBusy) => found.first().map(|_| Change::InUtc).into_iter().collect(),
            Some(_) => found.into_iter().map(|occurrence| Change::Instance(Box::new(occurrence))).collect(),
        }
    }
}
