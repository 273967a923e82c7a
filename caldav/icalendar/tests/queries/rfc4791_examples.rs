//! The examples of RFC 4791 §7.8 and §7.10 over the calendar of its Appendix B.

use crate::support::{budget, filter_on, in_range, matches, parse, range, utc};
use kalends_icalendar::{
    BusyType, CalendarObject, Collation, ComponentFilter, ComponentSelection, FreeBusy, ParameterFilter,
    ParameterTest, Properties, PropertyFilter, PropertySelection, Selection, TextMatch, Zone,
};

fn calendar() -> Vec<(u32, CalendarObject)> {
    [
        include_str!("samples/abcd1.ics"),
        include_str!("samples/abcd2.ics"),
        include_str!("samples/abcd3.ics"),
        include_str!("samples/abcd4.ics"),
        include_str!("samples/abcd5.ics"),
        include_str!("samples/abcd6.ics"),
        include_str!("samples/abcd7.ics"),
        include_str!("samples/abcd8.ics"),
    ]
    .iter()
    .zip(1..)
    .map(|(text, number)| (number, parse(text)))
    .collect()
}

fn matching(filter: &ComponentFilter) -> Vec<u32> {
    calendar().iter().filter(|(_, object)| matches(filter, object)).map(|(number, _)| *number).collect()
}

fn component(name: &str) -> ComponentFilter {
    ComponentFilter { name: name.into(), ..Default::default() }
}

fn text(text: &str) -> TextMatch {
    TextMatch { text: text.into(), ..Default::default() }
}

fn apply(selection: &Selection, number: u32) -> String {
    let (_, object) = calendar().into_iter().find(|(other, _)| *other == number).unwrap();
    let bytes = selection.apply(&object, &Zone::Utc, &mut budget()).unwrap();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn partial_retrieval_of_events_by_time_range() {
    assert_eq!(matching(&in_range("VEVENT", range("20060104", "20060105"))), [2, 3]);
    let named = |names: &[&str]| {
        let properties = names.iter().map(|name| PropertySelection { name: (*name).into(), novalue: false });
        Properties::Named(properties.collect())
    };
    let inner =
        |name: &str, properties| ComponentSelection { name: name.into(), properties, components: None };
    let selection = Selection {
        component: Some(ComponentSelection {
            name: "VCALENDAR".into(),
            properties: named(&["VERSION"]),
            components: Some(vec![
                inner(
                    "VEVENT",
                    named(&[
                        "SUMMARY",
                        "UID",
                        "DTSTART",
                        "DTEND",
                        "DURATION",
                        "RRULE",
                        "RDATE",
                        "EXRULE",
                        "EXDATE",
                        "RECURRENCE-ID",
                    ]),
                ),
                inner("VTIMEZONE", Properties::All),
            ]),
        }),
        ..Default::default()
    };
    let stored = include_str!("samples/abcd3.ics");
    let zone = &stored[stored.find("BEGIN:VTIMEZONE").unwrap()..stored.find("BEGIN:VEVENT").unwrap()];
    assert_eq!(
        apply(&selection, 3),
        format!(
            "BEGIN:VCALENDAR\nVERSION:2.0\n{zone}BEGIN:VEVENT\nDTSTART;TZID=US/Eastern:20060104T100000\n\
             DURATION:PT1H\nSUMMARY:Event #3\nUID:DC6C50A017428C5216A2F1CD@example.com\nEND:VEVENT\n\
             END:VCALENDAR\n"
        )
    );
}

#[test]
fn partial_retrieval_of_recurring_events() {
    let window = range("20060103", "20060105");
    assert_eq!(matching(&in_range("VEVENT", window)), [2, 3]);
    let selection = Selection { limit_recurrence_set: Some(window), ..Default::default() };
    let second = apply(&selection, 2);
    assert!(second.contains("RRULE:FREQ=DAILY;COUNT=5"));
    assert!(second.contains("RECURRENCE-ID;TZID=US/Eastern:20060104T120000"));
    assert!(!second.contains("20060106T"), "{second}");
    assert_eq!(apply(&selection, 3), include_str!("samples/abcd3.ics"));
}

#[test]
fn expanded_retrieval_of_recurring_events() {
    let selection = Selection { expand: Some(range("20060103", "20060105")), ..Default::default() };
    let head = "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//Example Corp.//CalDAV Client//EN\n";
    assert_eq!(
        apply(&selection, 2),
        format!(
            "{head}BEGIN:VEVENT\nRECURRENCE-ID:20060103T170000Z\nDTSTAMP:20060206T001121Z\n\
             DTSTART:20060103T170000Z\nDURATION:PT1H\nSUMMARY:Event #2\n\
             UID:00959BC664CA650E933C892C@example.com\nEND:VEVENT\n\
             BEGIN:VEVENT\nRECURRENCE-ID:20060104T170000Z\nDTSTAMP:20060206T001121Z\n\
             DTSTART:20060104T190000Z\nDURATION:PT1H\nSUMMARY:Event #2 bis\n\
             UID:00959BC664CA650E933C892C@example.com\nEND:VEVENT\nEND:VCALENDAR\n"
        )
    );
    assert_eq!(
        apply(&selection, 3),
        format!(
            "{head}BEGIN:VEVENT\nATTENDEE;PARTSTAT=ACCEPTED;ROLE=CHAIR:mailto:cyrus@example.com\n\
             ATTENDEE;PARTSTAT=NEEDS-ACTION:mailto:lisa@example.com\nDTSTAMP:20060206T001220Z\n\
             DTSTART:20060104T150000Z\nDURATION:PT1H\nLAST-MODIFIED:20060206T001330Z\n\
             ORGANIZER:mailto:cyrus@example.com\nSEQUENCE:1\nSTATUS:TENTATIVE\nSUMMARY:Event #3\n\
             UID:DC6C50A017428C5216A2F1CD@example.com\nX-ABC-GUID:E1CX5Dr-0007ym-Hz@example.com\n\
             END:VEVENT\nEND:VCALENDAR\n"
        )
    );
}

#[test]
fn partial_retrieval_of_stored_free_busy_components() {
    let window = range("20060102", "20060103");
    assert_eq!(matching(&in_range("VFREEBUSY", window)), [8]);
    let selection = Selection { limit_freebusy_set: Some(window), ..Default::default() };
    let eighth = apply(&selection, 8);
    let listed: Vec<&str> = eighth.lines().filter(|line| line.starts_with("FREEBUSY")).collect();
    assert_eq!(listed, ["FREEBUSY;FBTYPE=BUSY-TENTATIVE:20060102T100000Z/20060102T120000Z"]);
    assert!(eighth.contains("ORGANIZER;CN=\"Bernard Desruisseaux\":mailto:bernard@example.com\n"));
}

#[test]
fn retrieval_of_todos_by_alarm_time_range() {
    let alarm = ComponentFilter {
        time_range: Some(range("20060106T100000Z", "20060107T100000Z")),
        ..component("VALARM")
    };
    let filter = filter_on(ComponentFilter { components: vec![alarm], ..component("VTODO") });
    assert_eq!(matching(&filter), [5]);
}

#[test]
fn retrieval_of_an_event_by_uid() {
    let uid = PropertyFilter {
        name: "UID".into(),
        text_match: Some(TextMatch {
            text: "DC6C50A017428C5216A2F1CD@example.com".into(),
            collation: Collation::Octet,
            negate: false,
        }),
        ..Default::default()
    };
    assert_eq!(matching(&filter_on(ComponentFilter { properties: vec![uid], ..component("VEVENT") })), [3]);
}

#[test]
fn retrieval_of_events_by_partstat() {
    let attendee = |status: &str| PropertyFilter {
        name: "ATTENDEE".into(),
        text_match: Some(text("mailto:lisa@example.com")),
        parameters: vec![ParameterFilter {
            name: "PARTSTAT".into(),
            test: ParameterTest::Text(text(status)),
        }],
        ..Default::default()
    };
    let filter =
        |status| filter_on(ComponentFilter { properties: vec![attendee(status)], ..component("VEVENT") });
    assert_eq!(matching(&filter("NEEDS-ACTION")), [3]);
    // Cyrus has accepted, Lisa has not.
    assert_eq!(matching(&filter("ACCEPTED")), [0; 0]);
}

#[test]
fn retrieval_of_events_only() {
    assert_eq!(matching(&filter_on(component("VEVENT"))), [1, 2, 3]);
}

#[test]
fn retrieval_of_all_pending_todos() {
    let completed = PropertyFilter { name: "COMPLETED".into(), not_defined: true, ..Default::default() };
    let status = PropertyFilter {
        name: "STATUS".into(),
        text_match: Some(TextMatch { negate: true, ..text("CANCELLED") }),
        ..Default::default()
    };
    let filter = filter_on(ComponentFilter { properties: vec![completed, status], ..component("VTODO") });
    assert_eq!(matching(&filter), [4, 5]);
}

#[test]
fn retrieval_of_an_event_by_an_experimental_property() {
    let guid =
        PropertyFilter { name: "X-ABC-GUID".into(), text_match: Some(text("ABC")), ..Default::default() };
    let filter = |guid| filter_on(ComponentFilter { properties: vec![guid], ..component("VEVENT") });
    assert_eq!(matching(&filter(guid.clone())), [0; 0]);
    let found = PropertyFilter { text_match: Some(text("e1cx5dr")), ..guid };
    assert_eq!(matching(&filter(found)), [3]);
}

#[test]
fn successful_free_busy_query() {
    let mut free_busy = FreeBusy::new(range("20060104T140000Z", "20060105T220000Z"));
    for (_, object) in calendar() {
        free_busy.add(&object, &Zone::Utc, &mut budget());
    }
    assert_eq!(
        free_busy.periods(),
        [
            (BusyType::Busy, utc("20060104T190000Z"), utc("20060104T200000Z")),
            (BusyType::Busy, utc("20060105T170000Z"), utc("20060105T180000Z")),
            (BusyType::BusyUnavailable, utc("20060105T100000Z"), utc("20060105T120000Z")),
            (BusyType::BusyTentative, utc("20060104T150000Z"), utc("20060104T160000Z")),
        ]
    );
    assert_eq!(
        free_busy.to_icalendar(utc("20050125T090000Z"), "u1"),
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Kalends//Kalends//EN\r\nBEGIN:VFREEBUSY\r\nUID:u1\r\n\
         DTSTAMP:20050125T090000Z\r\nDTSTART:20060104T140000Z\r\nDTEND:20060105T220000Z\r\n\
         FREEBUSY:20060104T190000Z/20060104T200000Z\r\n\
         FREEBUSY:20060105T170000Z/20060105T180000Z\r\n\
         FREEBUSY;FBTYPE=BUSY-UNAVAILABLE:20060105T100000Z/20060105T120000Z\r\n\
         FREEBUSY;FBTYPE=BUSY-TENTATIVE:20060104T150000Z/20060104T160000Z\r\n\
         END:VFREEBUSY\r\nEND:VCALENDAR\r\n"
    );
}
