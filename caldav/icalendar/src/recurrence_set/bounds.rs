//! From when to when a set has occurrences, without making them.

use super::{
    Member, RecurrenceSet,
    recurrence::{Recurrence, rule_times},
};
use crate::{civil::DAY, moment::Form, rule::Frequency, rule_times::Budget, timing::Timing};
use std::ops::ControlFlow;

/// Steps that the last instance of a rule with COUNT may cost.
const COUNTING: u64 = 20_000;

impl RecurrenceSet<'_> {
    /// A time not after the start, and one not before the end, of every occurrence of a member; `None` when
    /// it has none. `i64::MAX` is an end that is not known or does not exist.
    pub(crate) fn bounds(&self, index: usize, budget: &mut Budget) -> Option<(i64, i64)> {
        let member = self.members.get(index)?;
        let Some(timing) = &member.timing else { return self.undated_bounds(index, budget) };
        let end = timing.end_of(timing.anchor, timing.length).utc;
        let own = (timing.anchor.utc.min(end), timing.anchor.utc.max(end));
        let longest = timing.length.seconds().max(0);
        let before = timing.length.seconds().min(0);
        if !member.is_override {
            let Some(recurrence) = &member.recurrence else { return Some(own) };
            let (first, last) = recurrence.bounds(timing, budget);
            let longest = longest.max(recurrence.longest_period);
            return Some((
                own.0.min(first.saturating_add(before).saturating_sub(DAY)),
                own.1.max(last.saturating_add(longest).saturating_add(DAY)),
            ));
        }
        let (Some(overridden), Some(reach)) = (member.overridden, member.reach) else { return Some(own) };
        let last = match self.master.and_then(|master| self.members.get(master)) {
            Some(Member { timing: Some(timing), recurrence: Some(recurrence), .. }) => {
                recurrence.bounds(timing, budget).1.min(reach.1)
            }
            _ => overridden.utc,
        };
        let moved = timing.anchor.local.saturating_sub(overridden.local);
        let shifted = |time: i64| if time == i64::MAX { time } else { time.saturating_add(moved) };
        Some((
            own.0.min(shifted(overridden.utc).saturating_add(before).saturating_sub(3 * DAY)),
            own.1.max(shifted(last).saturating_add(longest).saturating_add(3 * DAY)),
        ))
    }

    fn undated_bounds(&self, index: usize, budget: &mut Budget) -> Option<(i64, i64)> {
        let mut bounds: Option<(i64, i64)> = None;
        let _ = self.visit(index, (i64::MIN, i64::MAX), budget, &mut |occurrence| {
            let (start, end) = occurrence.condition.hull(occurrence.start, occurrence.end);
            let (first, last) = bounds.unwrap_or((start, end));
            bounds = Some((first.min(start), last.max(end)));
            ControlFlow::Continue(())
        });
        bounds
    }

    /// Whether its times are the same in whatever zone dates and floating times are.
    pub(crate) fn is_fixed(&self) -> bool {
        self.members.iter().all(|member| {
            member.timing.as_ref().is_some_and(Timing::is_fixed)
                && member.overridden.is_none_or(|moment| moment.form == Form::Absolute)
        })
    }

    /// Whether its instances are few: no rule names more than about one a month.
    pub(crate) fn is_sparse(&self) -> bool {
        let recurrences = self.members.iter().filter_map(|member| member.recurrence.as_ref());
        recurrences.flat_map(|recurrence| &recurrence.rules).all(|rule| match rule.frequency {
            Frequency::Yearly | Frequency::Monthly => true,
            Frequency::Weekly => rule.interval >= 4,
            Frequency::Daily => rule.interval >= 28,
            _ => false,
        })
    }

    /// Makes the set name at least the instances that it names in any zone: an EXDATE or RECURRENCE-ID that
    /// is in UTC means another instance of an event on days in each.
    pub(crate) fn widen(&mut self) {
        self.overridden.clear();
        self.first_split = i64::MAX;
        for member in &mut self.members {
            if let Some(recurrence) = &mut member.recurrence {
                recurrence.excluded.clear();
                recurrence.excluded_days.clear();
                recurrence.excluding_rules.clear();
            }
            if let Some(reach) = &mut member.reach {
                *reach = (reach.0.saturating_sub(2 * DAY), i64::MAX);
            }
        }
    }
}

impl Recurrence {
    /// The earliest and the latest start, the latter perhaps too late.
    fn bounds(&self, timing: &Timing, budget: &mut Budget) -> (i64, i64) {
        let (mut first, mut last) = (timing.anchor.utc, timing.anchor.utc);
        for date in self.dates.first().into_iter().chain(self.dates.last()) {
            first = first.min(date.start.utc);
            last = last.max(date.start.utc);
        }
        for rule in &self.rules {
            let until = rule.last_second(|utc| timing.zone.to_local(utc), timing.anchor.form == Form::Date);
            let last_of_rule = match (until, rule.count) {
                (Some(until), _) => until.saturating_add(DAY),
                (None, Some(_)) => {
                    let mut counting = budget.part(COUNTING);
                    let mut times = rule_times(rule, timing);
                    let mut latest = timing.anchor.local;
                    while let Some(time) = times.next(&mut counting) {
                        latest = time;
                    }
                    budget.spend(COUNTING - counting.left().min(COUNTING));
                    if counting.is_exceeded() { i64::MAX } else { latest.saturating_add(DAY) }
                }
                (None, None) => i64::MAX,
            };
            last = last.max(last_of_rule);
        }
        (first, last)
    }
}
