//! prop-filter, param-filter and text-match (RFC 4791 §9.7.2, §9.7.3, §9.7.5).

use super::{ParameterFilter, ParameterTest, PropertyFilter, component::Matching};
use crate::{
    TimeRange,
    object::{Component, Property},
    recurrence_set::read_utc_period,
    value::{DateOrTime, Period},
};

impl<'a> Matching<'a, '_> {
    pub(super) fn property(&mut self, filter: &PropertyFilter, component: &Component<'a>) -> bool {
        let mut named = component.all(&filter.name);
        if filter.not_defined {
            return named.next().is_none();
        }
        let mut defined = false;
        let mut passing = Vec::new();
        for property in named {
            defined = true;
            if filter.parameters.iter().all(|parameter| parameter.matches(&property))
                && filter.time_range.is_none_or(|range| self.is_within(&property, &range))
            {
                passing.push(property);
            }
        }
        if passing.is_empty() {
            return !defined && self.effective_end_is_within(filter, component);
        }
        filter
            .text_match
            .as_ref()
            .is_none_or(|text| passing.iter().any(|property| text.occurs_in(&property.text())) != text.negate)
    }

    /// Whether a time of the property is in the range, or a period of it overlaps the range.
    fn is_within(&mut self, property: &Property<'a>, range: &TimeRange) -> bool {
        let (sets, budget) = self.sets();
        for value in property.value().split(',').map(str::trim) {
            if !budget.spend(4) {
                return true;
            }
            let within = match DateOrTime::parse(value) {
                Some(time) => range.contains(sets.reader.moment(property, time).0.utc),
                None if property.is("FREEBUSY") => {
                    read_utc_period(value).is_some_and(|(start, end)| range.overlaps(start, end))
                }
                None => Period::parse(value)
                    .is_some_and(|period| range.contains(sets.reader.moment(property, period.start).0.utc)),
            };
            if within {
                return true;
            }
        }
        false
    }

    /// For a test of the time of DTEND or DUE where DTSTART and DURATION stand for it (RFC 4791 §9.9).
    fn effective_end_is_within(&mut self, filter: &PropertyFilter, component: &Component<'a>) -> bool {
        let end_of = if component.is("VTODO") { "DUE" } else { "DTEND" };
        let (Some(range), None, []) = (&filter.time_range, &filter.text_match, filter.parameters.as_slice())
        else {
            return false;
        };
        if !filter.name.eq_ignore_ascii_case(end_of) || component.first("DURATION").is_none() {
            return false;
        }
        let (sets, _) = self.sets();
        sets.find(component)
            .and_then(|(set, index)| set.members.get(index)?.timing.as_ref())
            .is_some_and(|timing| range.contains(timing.end_of(timing.anchor, timing.length).utc))
    }
}

impl ParameterFilter {
    fn matches(&self, property: &Property<'_>) -> bool {
        let mut named = property.parameters().filter(|parameter| parameter.is(&self.name)).peekable();
        match &self.test {
            ParameterTest::Defined => named.peek().is_some(),
            ParameterTest::NotDefined => named.peek().is_none(),
            ParameterTest::Text(text) => {
                named.peek().is_some()
                    && named.any(|parameter| parameter.values().any(|value| text.occurs_in(&value)))
                        != text.negate
            }
        }
    }
}
