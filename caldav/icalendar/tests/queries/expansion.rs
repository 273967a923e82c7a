//! CALDAV:calendar-data (RFC 4791 §9.6): selected parts, expansion, limits.

use crate::support::{budget, calendar, event, parse, range};
use kalends_icalendar::{
    CalendarObject, ComponentKind, ComponentSelection, Limits, Properties, PropertySelection, Selection,
    TooManyInstances, Zone,
};

fn apply(selection: &Selection, object: &CalendarObject) -> String {
    let bytes = selection.apply(object, &Zone::Utc, &mut budget()).unwrap();
    String::from_utf8(bytes).unwrap()
}

fn expanded(object: &CalendarObject, start: &str, end: &str) -> String {
    let text = apply(&Selection { expand: Some(range(start, end)), ..Default::default() }, object);
    let again = parse(&text);
    assert!(again.root().components().all(|component| !component.is("VTIMEZONE")), "{text}");
    for name in ["RRULE", "RDATE", "EXRULE", "EXDATE"] {
        assert!(again.root().components().all(|component| component.first(name).is_none()), "{text}");
    }
    assert!(!text.contains("TZID"), "{text}");
    text
}

/// The lines of a property in order.
fn lines<'t>(text: &'t str, name: &str) -> Vec<&'t str> {
    text.lines().filter(|line| line.starts_with(name)).map(|line| &line[name.len()..]).collect()
}

#[test]
fn nothing_selected_is_the_stored_bytes() {
    let object = event("DTSTART:20250101\nSUMMARY:Lun\n ch\n");
    let whole = Selection::default();
    assert!(whole.is_whole());
    assert_eq!(apply(&whole, &object).as_bytes(), &object.bytes()[..]);
}

#[test]
fn untouched_lines_keep_folds_and_line_ends() {
    let text = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:u\r\n\
        DTSTART;TZID=\"Europe/Berlin\";X-A=\"1\":20250101T1\r\n 00000\r\nSUMMARY:a\r\n\tb\r\n c\r\nEND:VEVENT\r\nEND:VCALENDAR";
    let object = parse(text);
    let out = expanded(&object, "20250101", "20250102");
    assert_eq!(
        out,
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:u\r\n\
         DTSTART;X-A=\"1\":20250101T090000Z\r\nSUMMARY:a\r\n\tb\r\n c\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    );
}

#[test]
fn parts_are_selected_by_name() {
    let object = calendar(
        "BEGIN:VEVENT\nUID:u\nDTSTART:20250101\nSUMMARY;LANGUAGE=en:x\nATTENDEE;CN=\"A, B\":mailto:a@x\n\
         BEGIN:VALARM\nACTION:DISPLAY\nTRIGGER:-PT1H\nEND:VALARM\nEND:VEVENT\n",
    );
    let named = |names: &[(&str, bool)]| {
        let listed =
            names.iter().map(|(name, novalue)| PropertySelection { name: (*name).into(), novalue: *novalue });
        Properties::Named(listed.collect())
    };
    let event = ComponentSelection {
        name: "vevent".into(),
        properties: named(&[("summary", false), ("ATTENDEE", true)]),
        components: Some(vec![]),
    };
    let select = |properties, components| Selection {
        component: Some(ComponentSelection { name: "VCALENDAR".into(), properties, components }),
        ..Default::default()
    };
    assert_eq!(
        apply(&select(named(&[]), Some(vec![event.clone()])), &object),
        "BEGIN:VCALENDAR\nBEGIN:VEVENT\nSUMMARY;LANGUAGE=en:x\nATTENDEE;CN=\"A, B\":\nEND:VEVENT\nEND:VCALENDAR\n"
    );
    let with_alarm = ComponentSelection { components: None, ..event };
    let out = apply(&select(Properties::All, Some(vec![with_alarm])), &object);
    assert!(out.contains("VERSION:2.0\n"));
    assert!(out.contains("BEGIN:VALARM\nACTION:DISPLAY\nTRIGGER:-PT1H\nEND:VALARM\n"));
    assert_eq!(
        apply(&select(Properties::All, Some(vec![])), &object),
        "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:x\nEND:VCALENDAR\n"
    );
}

#[test]
fn instances_are_in_utc_with_a_recurrence_id() {
    let object = calendar(
        "BEGIN:VTIMEZONE\nTZID:Europe/Berlin\nBEGIN:STANDARD\nDTSTART:19700101T000000\nTZOFFSETFROM:+0100\n\
         TZOFFSETTO:+0100\nEND:STANDARD\nEND:VTIMEZONE\n\
         BEGIN:VEVENT\nUID:u\nDTSTART;TZID=Europe/Berlin:20250329T120000\n\
         DTEND;TZID=Europe/Berlin:20250329T130000\nRRULE:FREQ=DAILY\nEXDATE;TZID=Europe/Berlin:20250331T120000\n\
         RDATE;TZID=Europe/Berlin:20250330T200000\nX-SEEN;TZID=Europe/Berlin:20250701T120000\n\
         BEGIN:VALARM\nACTION:DISPLAY\nTRIGGER:-PT1H\nACKNOWLEDGED;TZID=Europe/Berlin:20250101T120000\n\
         END:VALARM\nEND:VEVENT\n",
    );
    let out = expanded(&object, "20250330", "20250402");
    assert_eq!(
        lines(&out, "DTSTART:"),
        ["20250330T180000Z", "20250330T100000Z", "20250401T100000Z"].sorted()
    );
    assert_eq!(lines(&out, "DTEND:"), ["20250330T110000Z", "20250330T190000Z", "20250401T110000Z"]);
    assert_eq!(lines(&out, "RECURRENCE-ID:"), lines(&out, "DTSTART:"));
    assert_eq!(lines(&out, "X-SEEN:"), ["20250701T100000Z"; 3]);
    assert_eq!(lines(&out, "ACKNOWLEDGED:"), ["20250101T110000Z"; 3]);
}

trait Sorted {
    fn sorted(self) -> Self;
}

impl<const N: usize> Sorted for [&str; N] {
    fn sorted(mut self) -> Self {
        self.sort_unstable();
        self
    }
}

#[test]
fn dates_and_floating_times_stay_what_they_are() {
    let days = event("DTSTART;VALUE=DATE:20250101\nDTEND;VALUE=DATE:20250103\nRRULE:FREQ=WEEKLY;COUNT=3\n");
    let out = expanded(&days, "20250107", "20250110");
    assert_eq!(lines(&out, "DTSTART"), [";VALUE=DATE:20250108"]);
    assert_eq!(lines(&out, "DTEND"), [";VALUE=DATE:20250110"]);
    assert_eq!(lines(&out, "RECURRENCE-ID"), [";VALUE=DATE:20250108"]);
    let floating = event("DTSTART:20250101T100000\nDTEND:20250101T110000\nRRULE:FREQ=WEEKLY;COUNT=3\n");
    let out = expanded(&floating, "20250107", "20250110");
    assert_eq!(lines(&out, "DTSTART"), [":20250108T100000"]);
    assert_eq!(lines(&out, "DTEND"), [":20250108T110000"]);
    assert_eq!(lines(&out, "RECURRENCE-ID"), [":20250108T100000"]);
}

#[test]
fn overrides_expand_to_themselves_with_their_original_start() {
    let object = calendar(
        "BEGIN:VEVENT\nUID:u\nDTSTART;TZID=Europe/Berlin:20250106T090000\nRRULE:FREQ=DAILY;COUNT=4\nSUMMARY:a\n\
         END:VEVENT\nBEGIN:VEVENT\nUID:u\nRECURRENCE-ID;RANGE=THISANDFUTURE;TZID=Europe/Berlin:20250108T090000\n\
         DTSTART;TZID=Europe/Berlin:20250108T100000\nSUMMARY:b\nEND:VEVENT\n",
    );
    let out = expanded(&object, "20250107", "20250110");
    assert_eq!(lines(&out, "DTSTART:"), ["20250107T080000Z", "20250108T090000Z", "20250109T090000Z"]);
    assert_eq!(lines(&out, "RECURRENCE-ID:"), ["20250107T080000Z", "20250108T080000Z", "20250109T080000Z"]);
    assert_eq!(lines(&out, "SUMMARY:"), ["a", "b", "b"]);
}

#[test]
fn lengths_stay_true_in_utc() {
    // The night of 2025-03-30 has 23 hours in Berlin.
    let object =
        event("DTSTART;TZID=Europe/Berlin:20250328T120000\nDURATION:P1D\nRRULE:FREQ=DAILY;COUNT=3\n");
    let out = expanded(&object, "20250328", "20250401");
    assert_eq!(lines(&out, "DURATION:"), ["P1D", "PT23H", "P1D"]);
    // The length of a PERIOD.
    let object = event("DTSTART:20250101T100000Z\nDURATION:PT1H\nRDATE;VALUE=PERIOD:20250102T100000Z/PT3H\n");
    let out = expanded(&object, "20250102", "20250103");
    assert_eq!((lines(&out, "DURATION"), lines(&out, "DTEND:")), (vec![], vec!["20250102T130000Z"]));
}

#[test]
fn what_does_not_recur_is_expanded_without_a_recurrence_id() {
    let object = event("DTSTART;TZID=Europe/Berlin:20250106T090000\n");
    let out = expanded(&object, "20250106", "20250107");
    assert_eq!(lines(&out, "DTSTART:"), ["20250106T080000Z"]);
    assert_eq!(lines(&out, "RECURRENCE-ID"), [""; 0]);
    // Only what is in the range is returned (RFC 4791 §9.6.5).
    assert!(!expanded(&object, "20250107", "20250108").contains("VEVENT"));
}

#[test]
fn todos_expand_by_their_start_or_due() {
    let both = calendar(
        "BEGIN:VTODO\nUID:u\nDTSTART;TZID=Europe/Berlin:20250106T090000\nDUE;TZID=Europe/London:20250106T100000\n\
         RRULE:FREQ=WEEKLY\nEND:VTODO\n",
    );
    let out = expanded(&both, "20250113", "20250114");
    assert_eq!(
        (lines(&out, "DTSTART:"), lines(&out, "DUE:")),
        (vec!["20250113T080000Z"], vec!["20250113T100000Z"])
    );
    let due = calendar("BEGIN:VTODO\nUID:u\nDUE;VALUE=DATE:20250106\nRRULE:FREQ=WEEKLY\nEND:VTODO\n");
    let out = expanded(&due, "20250112", "20250114");
    assert_eq!(
        (lines(&out, "DUE"), lines(&out, "RECURRENCE-ID")),
        (vec![";VALUE=DATE:20250113"; 1], vec![";VALUE=DATE:20250113"])
    );
    let undated = calendar("BEGIN:VTODO\nUID:u\nSUMMARY:some day\nEND:VTODO\n");
    assert_eq!(lines(&expanded(&undated, "20250112", "20250114"), "SUMMARY:"), ["some day"]);
}

#[test]
fn expansion_respects_the_selection_of_properties() {
    let object = event("DTSTART:20250106T090000Z\nRRULE:FREQ=DAILY\nSUMMARY:x\n");
    let listed = vec![PropertySelection { name: "DTSTART".into(), novalue: false }];
    let inner =
        ComponentSelection { name: "VEVENT".into(), properties: Properties::Named(listed), components: None };
    let selection = Selection {
        component: Some(ComponentSelection {
            name: "VCALENDAR".into(),
            properties: Properties::All,
            components: Some(vec![inner]),
        }),
        expand: Some(range("20250107", "20250108")),
        ..Default::default()
    };
    let out = apply(&selection, &object);
    assert!(
        out.contains("BEGIN:VEVENT\nRECURRENCE-ID:20250107T090000Z\nDTSTART:20250107T090000Z\nEND:VEVENT\n")
    );
}

#[test]
fn expanded_objects_of_clients_pass_the_checks() {
    for sample in [
        include_str!("../samples/apple-override.ics"),
        include_str!("../samples/evolution-prefix.ics"),
        include_str!("../samples/google-allday.ics"),
        include_str!("../samples/outlook-windows-zone.ics"),
        include_str!("../samples/tasks-todo.ics"),
        include_str!("../samples/thunderbird-meeting.ics"),
        include_str!("../samples/journal.ics"),
        include_str!("../samples/freebusy.ics"),
    ] {
        let object = parse(sample);
        let out = expanded(&object, "19900101", "20260101");
        assert!(out.contains("UID:"), "{sample}");
        let identity =
            CalendarObject::parse(out.clone(), &Limits::default()).unwrap().check(&ComponentKind::ALL);
        assert!(identity.is_ok(), "{identity:?} {out}");
    }
}

#[test]
fn too_many_instances_are_refused() {
    let object = event("DTSTART:20250101T000000Z\nRRULE:FREQ=HOURLY\n");
    let expand = |end: &str| {
        let selection = Selection { expand: Some(range("20250101", end)), ..Default::default() };
        selection
            .apply(&object, &Zone::Utc, &mut kalends_icalendar::Budget::new(10_000_000))
            .map(|out| out.len())
    };
    assert!(expand("20260101").is_ok());
    assert_eq!(expand("20270101"), Err(TooManyInstances));
    let selection = Selection { expand: Some(range("20250101", "20270101")), ..Default::default() };
    assert_eq!(selection.apply(&object, &Zone::Utc, &mut budget()), Err(TooManyInstances));
    // What cannot be told within the budget is not left out in silence.
    let seldom = event("DTSTART:20250101T000000Z\nRRULE:FREQ=SECONDLY;BYSETPOS=2\n");
    assert_eq!(selection.apply(&seldom, &Zone::Utc, &mut budget()), Err(TooManyInstances));
    // Few instances of many bytes.
    let large =
        event(&format!("DTSTART:20250101T000000Z\nRRULE:FREQ=DAILY\nDESCRIPTION:{}\n", "x".repeat(900_000)));
    let selection = Selection { expand: Some(range("20250101", "20250201")), ..Default::default() };
    assert_eq!(selection.apply(&large, &Zone::Utc, &mut budget()), Err(TooManyInstances));
}

#[test]
fn overrides_without_impact_on_the_range_are_left_out() {
    let override_ = |id: &str, start: &str| {
        format!("BEGIN:VEVENT\nUID:u\nRECURRENCE-ID{id}\nDTSTART:{start}\nDURATION:PT1H\nEND:VEVENT\n")
    };
    let object = calendar(&format!(
        "BEGIN:VEVENT\nUID:u\nDTSTART:20250101T100000Z\nDURATION:PT3H\nRRULE:FREQ=DAILY\nEND:VEVENT\n{}{}{}{}",
        override_(":20250103T100000Z", "20250109T100000Z"),
        override_(":20250109T100000Z", "20250120T100000Z"),
        override_(":20250115T100000Z", "20250115T110000Z"),
        override_(";RANGE=THISANDFUTURE:20250105T100000Z", "20250105T090000Z"),
    ));
    let kept = |start: &str, end: &str| {
        let selection = Selection { limit_recurrence_set: Some(range(start, end)), ..Default::default() };
        let out = apply(&selection, &object);
        assert!(out.contains("RRULE"));
        lines(&out, "RECURRENCE-ID")
            .iter()
            .map(|id| id[id.len() - 10..id.len() - 8].to_owned())
            .collect::<Vec<_>>()
    };
    // By where they are now, by where they were, and by reach.
    assert_eq!(kept("20250109", "20250110"), ["03", "09"]);
    assert_eq!(kept("20250120", "20250121"), ["09", "05"]);
    assert_eq!(kept("20250115T123000Z", "20250115T124500Z"), ["15"]);
    assert_eq!(kept("20250102", "20250103"), [""; 0]);
    assert_eq!(kept("20300102T093000Z", "20300102T094000Z"), ["05"]);
}

#[test]
fn periods_outside_the_range_are_left_out() {
    let object = calendar(
        "BEGIN:VFREEBUSY\nUID:u\nDTSTAMP:20250101T000000Z\nFREEBUSY;FBTYPE=BUSY:20250101T100000Z/PT1H,\n \
         20250102T100000Z/PT1H,20250103T100000Z/20250103T110000Z\nFREEBUSY:20250201T100000Z/PT1H\nEND:VFREEBUSY\n",
    );
    let limited = |start: &str, end: &str| {
        let selection = Selection { limit_freebusy_set: Some(range(start, end)), ..Default::default() };
        lines(&apply(&selection, &object), "FREEBUSY").join("|")
    };
    assert_eq!(limited("20250102", "20250103"), ";FBTYPE=BUSY:20250102T100000Z/PT1H");
    assert_eq!(
        limited("20250103", "20250301"),
        ";FBTYPE=BUSY:20250103T100000Z/20250103T110000Z|:20250201T100000Z/PT1H"
    );
    assert_eq!(limited("20260103", "20260301"), "");
}
