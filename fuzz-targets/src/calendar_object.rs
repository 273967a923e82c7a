//! iCalendar objects: parsed, checked, and asked all that reports ask.

use kalends_icalendar::{
    Budget, CalendarObject, ComponentKind, FreeBusy, Limits, Rule, Selection, Summary, TimeRange, Zone,
    occurrences,
};

/// The input is a calendar object.
pub(crate) fn parse(input: &[u8]) {
    if let Ok(text) = str::from_utf8(input) {
        let _ = Rule::parse(text.lines().next().unwrap_or_default());
    }
    let Ok(object) = CalendarObject::parse(input.to_vec(), &Limits::default()) else { return };
    let _ = Summary::of(&object);
    let berlin = Zone::named("Europe/Berlin").expect("a zone of the database");
    let window = TimeRange::new(1_700_000_000, 1_800_000_000);
    let mut budget = Budget::new(Budget::OBJECT);
    for kind in [None, Some(ComponentKind::Event), Some(ComponentKind::Todo)] {
        let _ = occurrences(&object, kind, &window, &berlin, &mut budget);
    }
    let mut busy = FreeBusy::new(window);
    busy.add(&object, &berlin, &mut Budget::new(Budget::OBJECT));
    let _ = busy.to_icalendar(1_700_000_000, "fuzz");
    let expanded = Selection { expand: Some(window), ..Selection::default() };
    let _ = expanded.apply(&object, &berlin, &mut Budget::new(Budget::OBJECT));
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let event = |lines: &str| {
        let text = format!(
            "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//x//y//EN\nBEGIN:VEVENT\nUID:1\nDTSTAMP:20240101T000000Z\n\
             {lines}END:VEVENT\nEND:VCALENDAR\n"
        );
        text.replace('\n', "\r\n").into_bytes()
    };
    let zone = "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//x//y//EN\nBEGIN:VTIMEZONE\nTZID:X\nBEGIN:STANDARD\n\
                DTSTART:19701025T030000\nRRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU\nTZOFFSETFROM:+0200\n\
                TZOFFSETTO:+0100\nEND:STANDARD\nBEGIN:DAYLIGHT\nDTSTART:19700329T020000\n\
                RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU\nTZOFFSETFROM:+0100\nTZOFFSETTO:+0200\nEND:DAYLIGHT\n\
                END:VTIMEZONE\nBEGIN:VEVENT\nUID:2\nDTSTAMP:20240101T000000Z\nDTSTART;TZID=X:20240301T100000\n\
                RRULE:FREQ=WEEKLY;COUNT=20;BYDAY=MO,WE\nDURATION:PT1H\nEND:VEVENT\nBEGIN:VEVENT\nUID:2\n\
                DTSTAMP:20240101T000000Z\nRECURRENCE-ID;TZID=X;RANGE=THISANDFUTURE:20240311T100000\n\
                DTSTART;TZID=X:20240311T113000\nDURATION:PT1H30M\nEND:VEVENT\nEND:VCALENDAR\n";
    vec![
        event("DTSTART:20240101T100000Z\nDTEND:20240101T110000Z\nSUMMARY:Lunch\\, then more\n"),
        event("DTSTART;VALUE=DATE:20240229\nRRULE:FREQ=YEARLY;UNTIL=20400101\nEXDATE;VALUE=DATE:20280229\n"),
        event(
            "DTSTART;TZID=Europe/Berlin:20240101T093000\nDURATION:P1DT2H\nRRULE:FREQ=MONTHLY;INTERVAL=2;\
             BYDAY=2TU,-1FR;BYSETPOS=1,-1;WKST=SU\nRDATE;VALUE=PERIOD:20240105T100000Z/PT1H\n\
             ATTENDEE;CN=\"A, B\";PARTSTAT=ACCEPTED:mailto:a@example.org\nX-LONG;X-P=a^nb:\n \u{e9}\n",
        ),
        event(
            "DTSTART:20240101T100000\nRRULE:FREQ=SECONDLY;INTERVAL=7;BYHOUR=3,4;BYMONTHDAY=-1\nTRANSP:OPAQUE\n\
             BEGIN:VALARM\nACTION:DISPLAY\nTRIGGER;RELATED=END:-PT15M\nREPEAT:3\nDURATION:PT5M\nEND:VALARM\n",
        ),
        zone.replace('\n', "\r\n").into_bytes(),
        b"FREQ=YEARLY;BYWEEKNO=20,-1;BYYEARDAY=100,-200;BYDAY=MO;BYMINUTE=0,59;COUNT=5".to_vec(),
        b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VTODO\r\nUID:3\r\nDTSTAMP:20240101T000000Z\r\n\
          DUE:20240105T000000Z\r\nCOMPLETED:20240104T000000Z\r\nPERCENT-COMPLETE:100\r\nEND:VTODO\r\n\
          END:VCALENDAR\r\n"
            .to_vec(),
        b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VFREEBUSY\r\nUID:4\r\nDTSTAMP:20240101T000000Z\
          \r\nFREEBUSY;FBTYPE=BUSY-TENTATIVE:20240101T000000Z/PT1H,20240102T000000Z/20240102T010000Z\r\n\
          END:VFREEBUSY\r\nEND:VCALENDAR\r\n"
            .to_vec(),
    ]
}
