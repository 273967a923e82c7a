//! What makes a master recur: RRULE, RDATE, EXRULE and EXDATE.

use super::DATE;
use crate::{
    civil::{DAY, day_of},
    moment::{Form, Moment, TimeReader},
    object::Component,
    rule::Rule,
    rule_times::{Budget, RuleTimes},
    timing::{Length, Timing, between},
    value::{DateOrTime, Period, PeriodEnd},
};

/// Steps to read a rule.
const RULE: u64 = 200;

/// An instance as the master names it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Original {
    pub(super) start: Moment,
    /// The length that a PERIOD gives it.
    pub(super) length: Option<Length>,
}

/// What makes a master recur.
#[derive(Debug)]
pub(super) struct Recurrence {
    pub(super) rules: Vec<Rule>,
    /// Ascending by start.
    pub(super) dates: Vec<Original>,
    pub(super) excluding_rules: Vec<Rule>,
    /// Unix times, ascending.
    pub(super) excluded: Vec<i64>,
    /// Days of local time, ascending: EXDATEs with a DATE for a master with times.
    pub(super) excluded_days: Vec<i32>,
    /// The longest PERIOD in seconds.
    pub(super) longest_period: i64,
}

impl Recurrence {
    /// Reads RRULE, RDATE, EXRULE and EXDATE of a component; `None` when it has none of them.
    pub(super) fn of(
        component: &Component<'_>,
        timing: &Timing,
        reader: &TimeReader<'_>,
        budget: &mut Budget,
    ) -> Option<Self> {
        const NAMES: [&str; 4] = ["RRULE", "RDATE", "EXRULE", "EXDATE"];
        if !component.properties().any(|property| NAMES.iter().any(|name| property.is(name))) {
            return None;
        }
        let mut rules = |name| -> Vec<Rule> {
            component
                .all(name)
                .take_while(|_| budget.spend(RULE))
                .filter_map(|rule| Rule::parse(rule.value()).ok())
                .collect()
        };
        let (included, excluding_rules) = (rules("RRULE"), rules("EXRULE"));
        let mut recurrence = Self {
            rules: included,
            dates: Vec::new(),
            excluding_rules,
            excluded: Vec::new(),
            excluded_days: Vec::new(),
            longest_period: 0,
        };
        recurrence.read_dates(component, timing, reader, budget);
        Some(recurrence)
    }

    fn read_dates(
        &mut self,
        component: &Component<'_>,
        timing: &Timing,
        reader: &TimeReader<'_>,
        budget: &mut Budget,
    ) {
        for property in component.all("RDATE") {
            for text in property.value().split(',').map(str::trim) {
                if !budget.spend(DATE) {
                    return;
                }
                let read = |value| in_form_of(reader.moment(&property, value).0, timing);
                if let Some(value) = DateOrTime::parse(text) {
                    self.dates.push(Original { start: read(value), length: None });
                } else if let Some(period) = Period::parse(text) {
                    let start = read(period.start);
                    let length = match period.end {
                        PeriodEnd::Duration(duration) => Length::Nominal(duration),
                        PeriodEnd::Time(end) => between(start, read(end)),
                    };
                    self.longest_period = self.longest_period.max(length.seconds());
                    self.dates.push(Original { start, length: Some(length) });
                }
            }
        }
        self.dates.sort_by_key(|date| date.start.utc);
        for property in component.all("EXDATE") {
            for value in property.value().split(',').filter_map(|text| DateOrTime::parse(text.trim())) {
                if !budget.spend(DATE) {
                    return;
                }
                match value {
                    DateOrTime::Date(day) if timing.anchor.form != Form::Date => {
                        self.excluded_days.push(day);
                    }
                    _ => self.excluded.push(in_form_of(reader.moment(&property, value).0, timing).utc),
                }
            }
        }
        self.excluded.sort_unstable();
        self.excluded_days.sort_unstable();
    }

    pub(super) fn exclusion<'r>(&'r self, timing: &Timing, budget: &mut Budget) -> Exclusion<'r> {
        let times = self.excluding_rules.iter().map(|rule| {
            let _ = budget.spend(RULE);
            rule_times(rule, timing)
        });
        Exclusion { recurrence: self, times: times.collect() }
    }
}

/// Which instances EXDATE and EXRULE exclude; asked in ascending order.
pub(super) struct Exclusion<'r> {
    recurrence: &'r Recurrence,
    times: Vec<RuleTimes<'r>>,
}

impl Exclusion<'_> {
    pub(super) fn holds(&mut self, start: Moment, budget: &mut Budget) -> bool {
        let recurrence = self.recurrence;
        recurrence.excluded.binary_search(&start.utc).is_ok()
            || recurrence.excluded_days.binary_search(&day_of(start.local)).is_ok()
            || self.times.iter_mut().any(|times| times.names(start.local, budget))
    }
}

/// The times of a rule of a component, in the local time of its zone.
pub(super) fn rule_times<'r>(rule: &'r Rule, timing: &Timing) -> RuleTimes<'r> {
    let last = rule.last_second(|utc| timing.zone.to_local(utc), timing.anchor.form == Form::Date);
    RuleTimes::new(rule, timing.anchor.local, last, rule.count)
}

/// A time of a master's RECURRENCE-ID, RDATE or EXDATE as the master would write it.
pub(super) fn in_form_of(moment: Moment, master: &Timing) -> Moment {
    let (form, zone) = (master.anchor.form, &master.zone);
    match (moment.form, form) {
        (Form::Date, Form::Date) => moment,
        (Form::Date, _) => {
            Moment::of_local(form, zone, moment.local.saturating_add(master.anchor.local.rem_euclid(DAY)))
        }
        (_, Form::Date) => {
            // Midnight where the calendar is, or else the day as written.
            let there = zone.to_local(moment.utc);
            let local = if there.rem_euclid(DAY) == 0 { there } else { moment.local };
            Moment::of_local(form, zone, local)
        }
        (Form::Floating, _) => Moment::of_local(form, zone, moment.local),
        (Form::Absolute, _) => Moment::of_utc(form, zone, moment.utc),
    }
}
