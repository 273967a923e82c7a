//! What a peer may send must neither panic nor take long, and windows must agree with each other.

use crate::support::{event, parse, utc};
use kalends_icalendar::{
    Budget, CalendarObject, ComponentFilter, ComponentSelection, FreeBusy, Limits, Properties,
    PropertyFilter, PropertySelection, Selection, Summary, TextMatch, TimeRange, Zone, occurrences,
};
use proptest::prelude::*;

/// Asks everything of an object.
fn ask_everything(object: &CalendarObject, range: TimeRange, zone: &Zone) {
    let inner = |name: &str| ComponentFilter {
        name: name.into(),
        time_range: Some(range),
        properties: vec![PropertyFilter {
            name: "DTSTART".into(),
            time_range: Some(range),
            text_match: Some(TextMatch { text: "2".into(), ..Default::default() }),
            ..Default::default()
        }],
        components: vec![ComponentFilter {
            name: "VALARM".into(),
            time_range: Some(range),
            ..Default::default()
        }],
        ..Default::default()
    };
    for kind in ["VEVENT", "VTODO", "VJOURNAL", "VFREEBUSY", "VTIMEZONE"] {
        let filter =
            ComponentFilter { name: "VCALENDAR".into(), components: vec![inner(kind)], ..Default::default() };
        filter.matches(object, zone, &mut Budget::new(Budget::OBJECT));
    }
    let mut budget = Budget::new(Budget::OBJECT);
    for occurrence in occurrences(object, None, &range, zone, &mut budget) {
        assert!(occurrence.overlaps(&range));
    }
    let summary = Summary::of(object);
    if let Some(summary) = &summary {
        summary.may_overlap(&range);
        assert!(summary.size() < 4096 + object.bytes().len());
    }
    let mut free_busy = FreeBusy::new(range);
    free_busy.add(object, zone, &mut Budget::new(Budget::OBJECT));
    let text = free_busy.to_icalendar(0, "u");
    CalendarObject::parse(text, &Limits { bytes: 8 << 20, ..Limits::default() }).unwrap();
    for selection in [
        Selection { expand: Some(range), ..Default::default() },
        Selection { limit_recurrence_set: Some(range), ..Default::default() },
        Selection { limit_freebusy_set: Some(range), ..Default::default() },
        Selection {
            component: Some(ComponentSelection {
                name: "VCALENDAR".into(),
                properties: Properties::Named(vec![PropertySelection {
                    name: "DTSTART".into(),
                    novalue: true,
                }]),
                components: None,
            }),
            expand: Some(range),
            ..Default::default()
        },
    ] {
        if let Ok(bytes) = selection.apply(object, zone, &mut Budget::new(Budget::OBJECT)) {
            let limits = Limits { bytes: 16 << 20, lines: usize::MAX, ..Limits::default() };
            CalendarObject::parse(bytes, &limits).unwrap();
        }
    }
}

/// Pieces of lines that make objects which parse and are odd.
fn lines() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec![
        "DTSTART",
        "DTEND",
        "DUE",
        "DURATION",
        "RRULE",
        "EXRULE",
        "RDATE",
        "EXDATE",
        "RECURRENCE-ID",
        "COMPLETED",
        "CREATED",
        "TRIGGER",
        "REPEAT",
        "FREEBUSY",
        "STATUS",
        "UID",
        "X-A",
    ]);
    let parameter = prop::sample::select(vec![
        "",
        ";TZID=Europe/Berlin",
        ";TZID=mine",
        ";VALUE=DATE",
        ";VALUE=PERIOD",
        ";RANGE=THISANDFUTURE",
        ";RELATED=END",
        ";TZID=Nowhere",
        ";FBTYPE=FREE",
    ]);
    let value = prop::sample::select(vec![
        "20250101",
        "20250101T100000",
        "20250101T100000Z",
        "00010101T000000Z",
        "99991231T235959Z",
        "99991231",
        "20250330T023000",
        "20250101T100000Z/PT1H",
        "20250101T100000Z/20250102T100000Z",
        "99990101T000000Z/P3660000D",
        "PT1H",
        "-P1D",
        "P3660000D",
        "-P3660000D",
        "-PT1S",
        "P",
        "FREQ=DAILY",
        "FREQ=YEARLY",
        "FREQ=MONTHLY;BYDAY=-1FR",
        "FREQ=MONTHLY;COUNT=7",
        "FREQ=SECONDLY;COUNT=1000000000",
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29",
        "FREQ=SECONDLY;INTERVAL=4000000000",
        "FREQ=YEARLY;INTERVAL=4294967295",
        "FREQ=MINUTELY;BYSETPOS=5",
        "FREQ=WEEKLY;BYDAY=MO,TU;UNTIL=00010102",
        "FREQ=DAILY;UNTIL=99991231T235959Z",
        "18446744073709551615",
        "20250101T100000,20250102T100000,garbage,",
        "CANCELLED",
        "é\u{1f388}",
        "",
    ]);
    (name, parameter, value).prop_map(|(name, parameter, value)| format!("{name}{parameter}:{value}\n"))
}

fn components() -> impl Strategy<Value = String> {
    let kind = prop::sample::select(vec!["VEVENT", "VTODO", "VJOURNAL", "VFREEBUSY", "X-THING"]);
    let alarm = prop::collection::vec(lines(), 0..3)
        .prop_map(|lines| format!("BEGIN:VALARM\nACTION:AUDIO\n{}END:VALARM\n", lines.concat()));
    (kind, prop::collection::vec(lines(), 0..8), prop::option::of(alarm)).prop_map(|(kind, lines, alarm)| {
        format!("BEGIN:{kind}\nUID:u\n{}{}END:{kind}\n", lines.concat(), alarm.unwrap_or_default())
    })
}

fn objects() -> impl Strategy<Value = String> {
    let zone = "BEGIN:VTIMEZONE\nTZID:mine\nBEGIN:STANDARD\nDTSTART:00010101T000000\nTZOFFSETFROM:+2359\n\
        TZOFFSETTO:-2359\nRRULE:FREQ=YEARLY\nEND:STANDARD\nEND:VTIMEZONE\n";
    prop::collection::vec(components(), 1..5).prop_map(move |components| {
        format!("BEGIN:VCALENDAR\nVERSION:2.0\n{zone}{}END:VCALENDAR\n", components.concat())
    })
}

fn times() -> impl Strategy<Value = i64> {
    prop_oneof![
        8 => 1_735_689_600..1_740_000_000i64,
        1 => prop::sample::select(vec![i64::MIN, i64::MAX, 0, -62_135_596_800, 253_402_300_799]),
        1 => any::<i64>(),
    ]
}

fn ranges() -> impl Strategy<Value = TimeRange> {
    (prop::option::of(times()), prop::option::of(times())).prop_map(|(start, end)| TimeRange { start, end })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn nothing_panics_on_odd_objects(text in objects(), range in ranges()) {
        for zone in ["UTC", "Pacific/Kiritimati", "America/New_York"] {
            ask_everything(&parse(&text), range, &Zone::named(zone).unwrap());
        }
    }

    #[test]
    fn nothing_panics_on_arbitrary_bytes(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(object) = CalendarObject::parse(bytes, &Limits::default()) {
            ask_everything(&object, TimeRange::ALL, &Zone::Utc);
        }
    }

    #[test]
    fn a_window_sees_what_a_larger_one_sees(text in objects(), start in times(), length in 0..4_000_000i64) {
        let object = parse(&text);
        let small = TimeRange::new(start, start.saturating_add(length));
        let large = TimeRange::new(start.saturating_sub(20_000_000), start.saturating_add(length + 20_000_000));
        let zone = Zone::named("America/New_York").unwrap();
        let mut budgets = (Budget::new(2_000_000), Budget::new(20_000_000));
        let in_small = occurrences(&object, None, &small, &zone, &mut budgets.0);
        let in_large = occurrences(&object, None, &large, &zone, &mut budgets.1);
        prop_assume!(!budgets.0.is_exceeded() && !budgets.1.is_exceeded());
        let key = |found: &kalends_icalendar::Occurrence<'_>| {
            (found.start, found.end, found.component.offset(), found.recurrence_id)
        };
        let in_small: Vec<_> = in_small.iter().map(key).collect();
        let filtered: Vec<_> = in_large.iter().filter(|found| found.overlaps(&small)).map(key).collect();
        prop_assert_eq!(in_small, filtered, "{}", text);
    }

    #[test]
    fn a_summary_never_excludes_what_a_filter_finds(text in objects(), start in times(), length in 0..4_000_000i64) {
        let object = parse(&text);
        let range = TimeRange::new(start, start.saturating_add(length));
        let Some(summary) = Summary::of(&object) else { return Ok(()) };
        if !summary.may_overlap(&range) {
            for zone in ["UTC", "Pacific/Kiritimati", "America/New_York"] {
                let zone = Zone::named(zone).unwrap();
                let mut budget = Budget::new(2_000_000);
                let found = occurrences(&object, None, &range, &zone, &mut budget);
                prop_assert!(found.is_empty(), "{text} {zone:?} {range:?} {summary:?} {found:?}");
            }
        }
    }
}

/// Objects made to cost much.
fn costly() -> Vec<String> {
    let rule = |rule: &str| format!("DTSTART:20000101T000000Z\nDTEND:20000101T010000Z\nRRULE:{rule}\n");
    let many = |name: &str, count: usize| {
        let dates: Vec<String> = (0..count)
            .map(|n| kalends_icalendar::value::format_local(1_000_000_000 + n as i64 * 7))
            .collect();
        format!(
            "DTSTART:20000101T000000Z\nRRULE:FREQ=SECONDLY\n{name};TZID=Europe/Berlin:{}\n",
            dates.join(",")
        )
    };
    vec![
        rule("FREQ=SECONDLY"),
        rule("FREQ=DAILY;COUNT=1000000000"),
        rule("FREQ=SECONDLY;COUNT=1000000000;BYHOUR=3"),
        rule("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"),
        rule("FREQ=YEARLY;BYMONTHDAY=31;BYDAY=MO;BYMONTH=4,6"),
        rule("FREQ=YEARLY;BYWEEKNO=53;BYMONTH=6"),
        rule("FREQ=MONTHLY;BYSETPOS=366;BYDAY=MO"),
        rule("FREQ=MINUTELY;BYYEARDAY=366;BYHOUR=2;BYMINUTE=61"),
        rule("FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=29;BYDAY=MO;BYSECOND=59;INTERVAL=7"),
        many("EXDATE", 50_000),
        many("RDATE", 50_000),
        "DTSTART:20000101T000000Z\n".to_owned()
            + &"RRULE:FREQ=SECONDLY\nEXRULE:FREQ=SECONDLY;INTERVAL=2\n".repeat(9_000),
        "DTSTART:20000101T000000Z\nDURATION:P3600000D\nRRULE:FREQ=SECONDLY\n".to_owned(),
    ]
}

/// The steps of a budget are bounded by construction, so the test counts steps and not seconds: every question
/// about every costly object must end within its budget, and the budget must notice when it ends.
#[test]
fn costly_objects_cost_their_budget_at_most() {
    let range = TimeRange::new(utc("20300101T120000Z"), utc("20300101T120001Z"));
    for properties in costly() {
        let object = event(&properties);
        ask_everything(&object, range, &Zone::Utc);
        ask_everything(&object, TimeRange::ALL, &Zone::Utc);
        let mut budget = Budget::new(Budget::OBJECT);
        let found = occurrences(&object, None, &TimeRange::ALL, &Zone::Utc, &mut budget);
        assert!(found.len() as u64 <= Budget::OBJECT / 12);
        assert!(budget.left() <= Budget::OBJECT);
        assert!(Summary::of(&object).is_some());
    }
}

/// A far window of an endless or counted rule is reached without walking there.
#[test]
fn far_windows_cost_little() {
    for rule in
        ["FREQ=SECONDLY", "FREQ=DAILY;COUNT=1000000000", "FREQ=SECONDLY;COUNT=4000000000", "FREQ=WEEKLY"]
    {
        let object = event(&format!("DTSTART:20000103T120000Z\nRRULE:{rule}\n"));
        let mut budget = Budget::new(2_000);
        let range = TimeRange::new(utc("20990106T120000Z"), utc("20990106T120001Z"));
        let filter = crate::support::in_range("VEVENT", range);
        assert_eq!(filter.matches(&object, &Zone::Utc, &mut budget), rule != "FREQ=WEEKLY", "{rule}");
        assert!(!budget.is_exceeded(), "{rule}");
    }
}

/// Many VTIMEZONEs that never end cost no more than the budget that they share.
#[test]
fn many_zones_that_never_end_are_read() {
    let mut text = String::new();
    for n in 0..600 {
        text += &format!(
            "BEGIN:VTIMEZONE\nTZID:z{n}\nBEGIN:STANDARD\nDTSTART:00010101T000000\nTZOFFSETFROM:+0100\n\
             TZOFFSETTO:+0{}00\nRRULE:FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=29;BYSECOND=59;BYHOUR=3\nEND:STANDARD\n\
             END:VTIMEZONE\n",
            n % 9,
        );
    }
    text += "BEGIN:VEVENT\nUID:u\nDTSTART;TZID=z0:20250101T100000\n";
    for n in 0..600 {
        text += &format!("RDATE;TZID=z{n}:20250102T100000\n");
    }
    text += "END:VEVENT\n";
    let object = crate::support::calendar(&text);
    assert!(crate::support::starts(&object, "20250101", "20250105").len() >= 2);
}

#[test]
fn many_overrides_are_found_quickly() {
    let mut text =
        String::from("BEGIN:VEVENT\nUID:u\nDTSTART:20000101T000000Z\nRRULE:FREQ=DAILY\nEND:VEVENT\n");
    for day in 0..5_000 {
        let id = kalends_icalendar::value::format_utc(utc("20000101") + day * 86_400);
        text += &format!(
            "BEGIN:VEVENT\nUID:u\nRECURRENCE-ID;RANGE=THISANDFUTURE:{id}\nDTSTART:{id}\nEND:VEVENT\n"
        );
    }
    let object = crate::support::calendar(&text);
    let range = TimeRange::new(utc("20000301"), utc("20000302"));
    let mut budget = Budget::new(2_000_000);
    assert_eq!(occurrences(&object, None, &range, &Zone::Utc, &mut budget).len(), 1);
    assert!(!budget.is_exceeded());
}
