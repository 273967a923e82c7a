//! Objects as clients in use write them must be accepted; what breaks a rule must be refused with its line.

use kalends_icalendar::{CalendarObject, ComponentKind, Limits, Precondition, Violation};

fn check(text: &str) -> Result<kalends_icalendar::Identity, Vec<Violation>> {
    CalendarObject::parse(text.as_bytes().to_vec(), &Limits::default())
        .map_err(|violation| vec![violation])?
        .check(&ComponentKind::ALL)
}

#[test]
fn objects_of_clients_in_use_are_accepted() {
    for (name, text) in [
        ("apple-override", include_str!("samples/apple-override.ics")),
        ("evolution-prefix", include_str!("samples/evolution-prefix.ics")),
        ("google-allday", include_str!("samples/google-allday.ics")),
        ("outlook-windows-zone", include_str!("samples/outlook-windows-zone.ics")),
        ("tasks-todo", include_str!("samples/tasks-todo.ics")),
        ("thunderbird-meeting", include_str!("samples/thunderbird-meeting.ics")),
        ("journal", include_str!("samples/journal.ics")),
        ("freebusy", include_str!("samples/freebusy.ics")),
    ] {
        let lf = check(text);
        assert!(lf.is_ok(), "{name}: {lf:?}");
        let crlf = check(&text.replace('\n', "\r\n"));
        assert_eq!(lf, crlf, "{name}");
    }
}

fn event(properties: &str) -> String {
    format!(
        "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:x\nBEGIN:VEVENT\nUID:u\n{properties}END:VEVENT\nEND:VCALENDAR\n"
    )
}

#[test]
fn broken_rules_are_refused_with_line_and_precondition() {
    use Precondition::{
        SupportedCalendarComponent, SupportedRscale, ValidCalendarData, ValidCalendarObjectResource,
    };
    let two =
        |first: &str, second: &str| format!("BEGIN:VCALENDAR\nVERSION:2.0\n{first}{second}END:VCALENDAR\n");
    let master = "BEGIN:VEVENT\nUID:u\nDTSTART:20250101T100000Z\nRRULE:FREQ=DAILY\nEND:VEVENT\n";
    let override_ =
        "BEGIN:VEVENT\nUID:u\nRECURRENCE-ID:20250102T100000Z\nDTSTART:20250102T110000Z\nEND:VEVENT\n";
    for (text, line, precondition, words) in [
        (String::new(), 1, ValidCalendarData, "no BEGIN:VCALENDAR"),
        ("BEGIN:VCARD\nEND:VCARD\n".into(), 1, ValidCalendarData, "outside of a VCALENDAR"),
        ("BEGIN:VCALENDAR\nEND:VEVENT\n".into(), 2, ValidCalendarData, "END:VCALENDAR is due"),
        ("BEGIN:VCALENDAR\nVERSION:2.0\n".into(), 1, ValidCalendarData, "has no END"),
        ("BEGIN:VCALENDAR\nVERSION:2.0\nEND:VCALENDAR\n".into(), 1, ValidCalendarObjectResource, "no VEVENT"),
        (event("DTSTART:20250101\n").replace("2.0", "1.0"), 2, ValidCalendarData, "not 2.0"),
        (
            event("DTSTART:20250101\n").replace("PRODID:x", "METHOD:REQUEST"),
            3,
            ValidCalendarObjectResource,
            "METHOD",
        ),
        (event(""), 4, ValidCalendarData, "no DTSTART"),
        (event("DTSTART:20250101\n").replace("UID:u\n", ""), 4, ValidCalendarObjectResource, "no UID"),
        (event("DTSTART:20250132\n"), 6, ValidCalendarData, "not a date"),
        (event("DTSTART;VALUE=DATE:20250101T000000\n"), 6, ValidCalendarData, "VALUE=DATE"),
        (event("DTSTART:20250102\nDTEND:20250101\n"), 7, ValidCalendarData, "before DTSTART"),
        (event("DTSTART:20250102\nDTEND:20250102T100000\n"), 7, ValidCalendarData, "not both"),
        (event("DTSTART:20250102\nDTEND:20250103\nDURATION:P1D\n"), 8, ValidCalendarData, "beside DTEND"),
        (event("DTSTART:20250102\nDURATION:-P1D\n"), 7, ValidCalendarData, "negative"),
        (event("DTSTART;TZID=Nowhere/Land:20250102T000000\n"), 6, ValidCalendarData, "Nowhere/Land"),
        (event("DTSTART:20250102\nRRULE:FREQ=SOMETIMES\n"), 7, ValidCalendarData, "not a valid FREQ"),
        (event("DTSTART:20250102\nRRULE:RSCALE=HEBREW;FREQ=YEARLY\n"), 7, SupportedRscale, "HEBREW"),
        (event("DTSTART:20250102\nEXDATE:20250101,tomorrow\n"), 7, ValidCalendarData, "tomorrow"),
        (event("DTSTART:20250102\nDTSTART:20250103\n"), 7, ValidCalendarData, "second DTSTART"),
        (
            event("DTSTART:20250102\nBEGIN:VALARM\nACTION:DISPLAY\nEND:VALARM\n"),
            7,
            ValidCalendarData,
            "no TRIGGER",
        ),
        (two(master, &override_.replace("UID:u", "UID:v")), 9, ValidCalendarObjectResource, "one UID"),
        (two(master, &master.replace("VEVENT", "VTODO")), 8, ValidCalendarObjectResource, "one type"),
        (two(master, master), 8, ValidCalendarObjectResource, "second VEVENT"),
        (two(override_, override_), 10, ValidCalendarObjectResource, "again"),
        (two(master, "BEGIN:VPOLL\nEND:VPOLL\n"), 8, SupportedCalendarComponent, "VPOLL"),
        (two(master, "BEGIN:VTIMEZONE\nTZID:own\nEND:VTIMEZONE\n"), 8, ValidCalendarData, "no STANDARD"),
        (two(master, "") + &two(master, ""), 9, ValidCalendarObjectResource, "second VCALENDAR"),
    ] {
        let violations = check(&text).expect_err(&text);
        let found = violations.iter().find(|violation| violation.rule.contains(words));
        let found = found.unwrap_or_else(|| panic!("{text}: {violations:?}"));
        assert_eq!((found.line, found.precondition), (line, precondition), "{text}");
    }
    let event = event("DTSTART:20250101\n");
    let object = CalendarObject::parse(event, &Limits::default()).unwrap();
    let violations = object.check(&[ComponentKind::Todo]).unwrap_err();
    assert_eq!(violations[0].precondition, SupportedCalendarComponent);
}

#[test]
fn limits_are_kept() {
    let small = Limits { bytes: 100, lines: 10, depth: 2, components: 3 };
    let parse = |text: String| CalendarObject::parse(text, &small).map(drop);
    let error = parse("X".repeat(101)).unwrap_err();
    assert_eq!(error.precondition, Precondition::MaxResourceSize);
    assert!(parse("A:1\n".repeat(11)).unwrap_err().rule.contains("10 lines"));
    assert!(parse("BEGIN:A\n".repeat(3)).unwrap_err().rule.contains("2 deep"));
    assert!(parse("BEGIN:A\nEND:A\n".repeat(4)).unwrap_err().rule.contains("3 components"));
}
