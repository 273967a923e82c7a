//! Filters (RFC 4791 §9.7).

use crate::support::{budget, calendar, event, filter_on, in_range, matches, object, range};
use kalends_icalendar::{
    CalendarObject, Collation, ComponentFilter, ComponentKind, ParameterFilter, ParameterTest,
    PropertyFilter, TextMatch, TimeRange, Zone,
};

fn text(text: &str) -> TextMatch {
    TextMatch { text: text.into(), ..Default::default() }
}

fn property(name: &str) -> PropertyFilter {
    PropertyFilter { name: name.into(), ..Default::default() }
}

fn with_text(name: &str, value: &str) -> PropertyFilter {
    PropertyFilter { text_match: Some(text(value)), ..property(name) }
}

fn without_text(name: &str, value: &str) -> PropertyFilter {
    PropertyFilter { text_match: Some(TextMatch { negate: true, ..text(value) }), ..property(name) }
}

fn component(name: &str) -> ComponentFilter {
    ComponentFilter { name: name.into(), ..Default::default() }
}

fn event_with(properties: Vec<PropertyFilter>) -> ComponentFilter {
    filter_on(ComponentFilter { properties, ..component("VEVENT") })
}

fn has(properties: Vec<PropertyFilter>, object: &CalendarObject) -> bool {
    matches(&event_with(properties), object)
}

#[test]
fn components_are_defined_or_not() {
    let object = event("DTSTART:20250101\n");
    assert!(matches(&component("vcalendar"), &object));
    assert!(!matches(&component("VEVENT"), &object));
    assert!(matches(&ComponentFilter { not_defined: true, ..component("VEVENT") }, &object));
    let not = |name| filter_on(ComponentFilter { not_defined: true, ..component(name) });
    assert!(matches(&not("VTODO"), &object));
    assert!(!matches(&not("VEVENT"), &object));
    assert!(matches(&filter_on(component("vevent")), &object));
}

#[test]
fn all_tests_must_hold_for_the_same_component() {
    let object = calendar(
        "BEGIN:VEVENT\nUID:u\nDTSTART:20250101T100000Z\nRRULE:FREQ=DAILY;COUNT=9\nSUMMARY:Lunch\nEND:VEVENT\n\
         BEGIN:VEVENT\nUID:u\nRECURRENCE-ID:20250103T100000Z\nDTSTART:20250203T100000Z\nSUMMARY:Dinner\n\
         LOCATION:Rome\nEND:VEVENT\n",
    );
    assert!(has(vec![with_text("SUMMARY", "dinner"), with_text("LOCATION", "rome")], &object));
    assert!(!has(vec![with_text("SUMMARY", "lunch"), with_text("LOCATION", "rome")], &object));
    let in_time = |summary: &str, range| {
        let filter = ComponentFilter {
            time_range: Some(range),
            properties: vec![with_text("SUMMARY", summary)],
            ..component("VEVENT")
        };
        matches(&filter_on(filter), &object)
    };
    assert!(in_time("lunch", range("20250104", "20250105")));
    assert!(!in_time("lunch", range("20250103", "20250104")), "that instance is overridden");
    assert!(!in_time("dinner", range("20250103", "20250104")), "the override is in February");
    assert!(in_time("dinner", range("20250203", "20250204")));
    assert!(!in_time("lunch", range("20250203", "20250204")));
}

#[test]
fn properties_are_defined_or_not() {
    let object = event("DTSTART:20250101\nSUMMARY:x\n");
    assert!(has(vec![property("summary")], &object));
    assert!(!has(vec![property("LOCATION")], &object));
    assert!(has(vec![PropertyFilter { not_defined: true, ..property("LOCATION") }], &object));
    assert!(!has(vec![PropertyFilter { not_defined: true, ..property("SUMMARY") }], &object));
}

#[test]
fn text_is_matched_without_its_escapes() {
    let object = event("DTSTART:20250101\nSUMMARY:Lunch\\, with Ada\\; at\\n the \\\\ café\n");
    for part in ["Lunch, with", "ada; at\n the \\ caf", "LUNCH", ""] {
        assert!(has(vec![with_text("SUMMARY", part)], &object), "{part}");
    }
    assert!(!has(vec![with_text("SUMMARY", "Lunch\\,")], &object));
    assert!(!has(vec![with_text("SUMMARY", "CAFÉ")], &object), "i;ascii-casemap keeps é");
    let collated = |collation, part: &str| {
        let text_match = Some(TextMatch { text: part.into(), collation, negate: false });
        has(vec![PropertyFilter { text_match, ..property("SUMMARY") }], &object)
    };
    assert!(collated(Collation::UnicodeCasemap, "CAFÉ"));
    assert!(collated(Collation::Octet, "café"));
    assert!(!collated(Collation::Octet, "lunch"));
}

#[test]
fn folded_text_is_matched_across_the_fold() {
    let object = event("DTSTART:20250101\nSUMMARY:Lun\n ch with Ada\n");
    assert!(has(vec![with_text("SUMMARY", "lunch with")], &object));
}

#[test]
fn negation_means_that_no_property_has_the_text() {
    let one_line = event("DTSTART:20250101\nCATEGORIES:Work,Home\n");
    let two_lines = event("DTSTART:20250101\nCATEGORIES:Work\nCATEGORIES:Home\n");
    let neither = event("DTSTART:20250101\nCATEGORIES:Garden\n");
    let none = event("DTSTART:20250101\n");
    for object in [&one_line, &two_lines] {
        assert!(has(vec![with_text("CATEGORIES", "home")], object));
        assert!(!has(vec![without_text("CATEGORIES", "home")], object));
    }
    assert!(has(vec![without_text("CATEGORIES", "home")], &neither));
    assert!(!has(vec![without_text("CATEGORIES", "home")], &none), "the property must exist");
}

#[test]
fn parameters_are_tested_on_the_property_that_passes() {
    let object = event(
        "DTSTART:20250101\nATTENDEE;PARTSTAT=ACCEPTED;CN=\"Lovelace, Ada\":mailto:ada@example.com\n\
         ATTENDEE;PARTSTAT=DECLINED;MEMBER=\"mailto:a@x\",\"mailto:b@x\":mailto:bob@example.com\n",
    );
    let attendee = |address: &str, name: &str, test: ParameterTest| {
        let parameters = vec![ParameterFilter { name: name.into(), test }];
        has(vec![PropertyFilter { parameters, ..with_text("ATTENDEE", address) }], &object)
    };
    let says = |value: &str| ParameterTest::Text(text(value));
    let not = |value: &str| ParameterTest::Text(TextMatch { negate: true, ..text(value) });
    assert!(attendee("ada", "partstat", says("accepted")));
    assert!(!attendee("bob", "PARTSTAT", says("accepted")));
    assert!(attendee("bob", "PARTSTAT", not("accepted")));
    assert!(attendee("bob", "MEMBER", says("b@x")));
    assert!(!attendee("bob", "MEMBER", not("b@x")));
    assert!(!attendee("ada", "MEMBER", not("b@x")), "the parameter must exist");
    assert!(attendee("ada", "CN", says("lovelace, a")));
    assert!(attendee("ada", "MEMBER", ParameterTest::NotDefined));
    assert!(!attendee("bob", "MEMBER", ParameterTest::NotDefined));
    assert!(attendee("bob", "MEMBER", ParameterTest::Defined));
    assert!(!attendee("ada", "MEMBER", ParameterTest::Defined));
}

#[test]
fn properties_with_times_are_tested_by_time_range() {
    let object = object(
        "VTODO",
        "DTSTAMP:20250105T000000Z\nCOMPLETED:20250110T100000Z\nDTSTART;TZID=Europe/Berlin:20250108T010000\n",
    );
    let within = |name: &str, start: &str, end: &str| {
        let filter = PropertyFilter { time_range: Some(range(start, end)), ..property(name) };
        matches(&filter_on(ComponentFilter { properties: vec![filter], ..component("VTODO") }), &object)
    };
    assert!(within("COMPLETED", "20250110T100000Z", "20250110T100001Z"));
    assert!(!within("COMPLETED", "20250110T090000Z", "20250110T100000Z"));
    assert!(within("DTSTAMP", "20250105", "20250106"));
    assert!(within("DTSTART", "20250108T000000Z", "20250108T000001Z"));
    assert!(!within("DTSTART", "20250108T010000Z", "20250108T020000Z"));
    assert!(!within("CREATED", "20250101", "20260101"));
}

#[test]
fn an_end_that_only_a_duration_tells_is_tested_too() {
    let object = event("DTSTART:20250110T100000Z\nDURATION:PT2H\n");
    let end = |range| {
        let filter = PropertyFilter { time_range: Some(range), ..property("DTEND") };
        has(vec![filter], &object)
    };
    assert!(end(range("20250110T120000Z", "20250110T120001Z")));
    assert!(!end(range("20250110T100000Z", "20250110T120000Z")));
}

#[test]
fn inner_components_are_tested() {
    let object = calendar(
        "BEGIN:VTIMEZONE\nTZID:Europe/Berlin\nBEGIN:STANDARD\nDTSTART:19700101T000000\nTZOFFSETFROM:+0100\n\
         TZOFFSETTO:+0100\nEND:STANDARD\nEND:VTIMEZONE\n\
         BEGIN:VEVENT\nUID:u\nDTSTART:20250101T100000Z\nEND:VEVENT\n",
    );
    let zone = |tzid: &str| {
        filter_on(ComponentFilter {
            properties: vec![with_text("TZID", tzid)],
            components: vec![component("STANDARD")],
            ..component("VTIMEZONE")
        })
    };
    assert!(matches(&zone("berlin"), &object));
    assert!(!matches(&zone("paris"), &object));
    let no_alarm = filter_on(ComponentFilter {
        components: vec![ComponentFilter { not_defined: true, ..component("VALARM") }],
        ..component("VEVENT")
    });
    assert!(matches(&no_alarm, &object));
    // RFC 4791 §9.9 has no rule for a VTIMEZONE in a time range.
    assert!(!matches(&in_range("VTIMEZONE", TimeRange::ALL), &object));
}

fn alarm_in(object: &CalendarObject, start: &str, end: &str) -> bool {
    let alarm = ComponentFilter { time_range: Some(range(start, end)), ..component("VALARM") };
    let kind = crate::support::kind_name(object);
    matches(&filter_on(ComponentFilter { components: vec![alarm], ..component(kind) }), object)
}

fn with_alarm(kind: &str, properties: &str, alarm: &str) -> CalendarObject {
    object(kind, &format!("{properties}BEGIN:VALARM\nACTION:DISPLAY\n{alarm}END:VALARM\n"))
}

#[test]
fn alarms_sound_relative_to_start_or_end() {
    let timed = "DTSTART:20250110T100000Z\nDTEND:20250110T120000Z\n";
    for (trigger, time) in [
        ("TRIGGER:-PT15M\n", "20250110T094500Z"),
        ("TRIGGER;RELATED=START:PT5M\n", "20250110T100500Z"),
        ("TRIGGER;RELATED=END:-PT5M\n", "20250110T115500Z"),
        ("TRIGGER;RELATED=END:P1D\n", "20250111T120000Z"),
        ("TRIGGER;VALUE=DATE-TIME:20250301T000000Z\n", "20250301T000000Z"),
    ] {
        let object = with_alarm("VEVENT", timed, trigger);
        let before = kalends_icalendar::value::format_utc(crate::support::utc(time) - 60);
        let after = kalends_icalendar::value::format_utc(crate::support::utc(time) + 1);
        assert!(alarm_in(&object, time, &after), "{trigger}");
        assert!(!alarm_in(&object, &before, time), "{trigger}");
        assert!(!alarm_in(&object, &after, "20260101"), "{trigger}");
    }
    // A day before, on the other side of the change to daylight saving time.
    let object = with_alarm("VEVENT", "DTSTART;TZID=Europe/Berlin:20250330T120000\n", "TRIGGER:-P1D\n");
    assert!(alarm_in(&object, "20250329T110000Z", "20250329T110001Z"));
    let daily = "DTSTART;TZID=Europe/Berlin:20250320T120000\nRRULE:FREQ=DAILY\n";
    let object = with_alarm("VEVENT", daily, "TRIGGER:-P10D\n");
    assert!(alarm_in(&object, "20250326T110000Z", "20250326T110001Z"));
    assert!(!alarm_in(&object, "20250326T100000Z", "20250326T100001Z"));
    // The end of a to-do is DUE.
    let object = with_alarm("VTODO", "DUE:20250110T100000Z\n", "TRIGGER;RELATED=END:-PT1H\n");
    assert!(alarm_in(&object, "20250110T090000Z", "20250110T090001Z"));
    let undated = with_alarm("VTODO", "", "TRIGGER:-PT1H\n");
    assert!(!alarm_in(&undated, "19700101", "20700101"));
}

#[test]
fn alarms_repeat() {
    let object =
        with_alarm("VEVENT", "DTSTART:20250110T100000Z\n", "TRIGGER:PT0S\nREPEAT:3\nDURATION:PT10M\n");
    for (start, end, expected) in [
        ("20250110T100000Z", "20250110T100001Z", true),
        ("20250110T100001Z", "20250110T101000Z", false),
        ("20250110T103000Z", "20250110T103001Z", true),
        ("20250110T103001Z", "20250111", false),
    ] {
        assert_eq!(alarm_in(&object, start, end), expected, "{start}");
    }
    let forever = with_alarm(
        "VEVENT",
        "DTSTART:20250110T100000Z\n",
        "TRIGGER:PT0S\nREPEAT:18446744073709551615\nDURATION:PT1S\n",
    );
    assert!(alarm_in(&forever, "29990101", "29990102"));
}

#[test]
fn alarms_of_all_instances_sound_and_those_of_overrides_are_theirs() {
    let object = calendar(
        "BEGIN:VEVENT\nUID:u\nDTSTART:20250101T100000Z\nRRULE:FREQ=DAILY\n\
         BEGIN:VALARM\nACTION:DISPLAY\nTRIGGER:-P2D\nEND:VALARM\nEND:VEVENT\n\
         BEGIN:VEVENT\nUID:u\nRECURRENCE-ID:20250110T100000Z\nDTSTART:20250110T180000Z\n\
         BEGIN:VALARM\nACTION:DISPLAY\nTRIGGER:-PT1H\nEND:VALARM\nEND:VEVENT\n",
    );
    assert!(alarm_in(&object, "20300108T100000Z", "20300108T100001Z"));
    assert!(!alarm_in(&object, "20250108T100000Z", "20250108T100001Z"));
    assert!(alarm_in(&object, "20250110T170000Z", "20250110T170001Z"));
    assert!(!alarm_in(&object, "20240101", "20241230"));
}

#[test]
fn a_filter_tells_an_index_what_it_needs() {
    let january = range("20250101", "20250201");
    let filter = in_range("VEVENT", january);
    assert_eq!(filter.necessary_range(), Some((ComponentKind::Event, january)));
    assert_eq!(filter.necessary_kind(), Some(ComponentKind::Event));
    let no_events =
        filter_on(ComponentFilter { not_defined: true, time_range: Some(january), ..component("VEVENT") });
    assert_eq!((no_events.necessary_range(), no_events.necessary_kind()), (None, None));
    let any_zone = filter_on(component("VTIMEZONE"));
    assert_eq!((any_zone.necessary_range(), any_zone.necessary_kind()), (None, None));
    assert_eq!(filter_on(component("vtodo")).necessary_kind(), Some(ComponentKind::Todo));
}

#[test]
fn an_object_is_not_lost_when_the_budget_ends() {
    // No second of these ever comes to be in the window, but that takes long to tell.
    let object = event("DTSTART:20250101T000000Z\nRRULE:FREQ=SECONDLY;BYSETPOS=2\n");
    let filter = in_range("VEVENT", range("20260101", "20260201"));
    let mut small = kalends_icalendar::Budget::new(1000);
    assert!(filter.matches(&object, &Zone::Utc, &mut small));
    assert!(small.is_exceeded());
    let mut budget = budget();
    assert!(!filter.matches(&event("DTSTART:20250101T000000Z\n"), &Zone::Utc, &mut budget));
}
