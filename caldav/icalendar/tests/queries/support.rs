//! Objects and times for the tests, briefly.

use kalends_icalendar::{
    Budget, CalendarObject, ComponentFilter, ComponentKind, Limits, Occurrence, TimeRange, Zone, occurrences,
    value::{DateOrTime, format_utc},
};

pub(crate) fn parse(text: &str) -> CalendarObject {
    CalendarObject::parse(text.as_bytes().to_vec(), &Limits::default()).unwrap()
}

/// A VCALENDAR around components.
pub(crate) fn calendar(components: &str) -> CalendarObject {
    parse(&format!("BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:x\n{components}END:VCALENDAR\n"))
}

/// A VCALENDAR with one component.
pub(crate) fn object(kind: &str, properties: &str) -> CalendarObject {
    calendar(&format!("BEGIN:{kind}\nUID:u\n{properties}END:{kind}\n"))
}

pub(crate) fn event(properties: &str) -> CalendarObject {
    object("VEVENT", properties)
}

/// Unix time of `20250131T120000Z`, or of the midnight of `20250131`.
pub(crate) fn utc(text: &str) -> i64 {
    DateOrTime::parse(text).unwrap().seconds()
}

pub(crate) fn range(start: &str, end: &str) -> TimeRange {
    TimeRange::new(utc(start), utc(end))
}

pub(crate) fn budget() -> Budget {
    Budget::new(Budget::OBJECT)
}

pub(crate) fn zone(name: &str) -> Zone {
    Zone::named(name).unwrap()
}

/// The occurrences in a window, dates and floating times in UTC.
pub(crate) fn in_window<'a>(object: &'a CalendarObject, start: &str, end: &str) -> Vec<Occurrence<'a>> {
    let mut budget = budget();
    let found = occurrences(object, None, &range(start, end), &Zone::Utc, &mut budget);
    assert!(!budget.is_exceeded());
    found
}

/// The starts of the occurrences in a window, dates and floating times in a zone.
pub(crate) fn starts_in(object: &CalendarObject, name: &str, start: &str, end: &str) -> Vec<String> {
    let mut budget = budget();
    let found = occurrences(object, None, &range(start, end), &zone(name), &mut budget);
    assert!(!budget.is_exceeded());
    found.iter().map(|occurrence| format_utc(occurrence.start)).collect()
}

/// Their starts.
pub(crate) fn starts(object: &CalendarObject, start: &str, end: &str) -> Vec<String> {
    in_window(object, start, end).iter().map(|occurrence| format_utc(occurrence.start)).collect()
}

/// A filter on VCALENDAR with one on a component in it.
pub(crate) fn filter_on(component: ComponentFilter) -> ComponentFilter {
    ComponentFilter { name: "VCALENDAR".into(), components: vec![component], ..Default::default() }
}

/// The filter that most clients send: a component in a time range.
pub(crate) fn in_range(name: &str, range: TimeRange) -> ComponentFilter {
    filter_on(ComponentFilter { name: name.into(), time_range: Some(range), ..Default::default() })
}

pub(crate) fn matches(filter: &ComponentFilter, object: &CalendarObject) -> bool {
    let mut budget = budget();
    let matches = filter.matches(object, &Zone::Utc, &mut budget);
    assert!(!budget.is_exceeded());
    matches
}

pub(crate) fn kind_name(object: &CalendarObject) -> &'static str {
    let kinds = object.root().components().filter_map(|component| ComponentKind::named(component.name()));
    kinds.last().unwrap().name()
}
