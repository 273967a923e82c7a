//! Free-busy time (RFC 4791 §7.10).

use crate::support::{budget, calendar, event, object, range, utc, zone};
use kalends_icalendar::{BusyType, CalendarObject, FreeBusy, Limits, Zone, value::format_utc};

fn busy_of(objects: &[CalendarObject], start: &str, end: &str, zone: &Zone) -> Vec<String> {
    let mut free_busy = FreeBusy::new(range(start, end));
    for object in objects {
        free_busy.add(object, zone, &mut budget());
    }
    let periods = free_busy.periods();
    periods
        .iter()
        .map(|(busy, start, end)| format!("{} {}/{}", busy.name(), format_utc(*start), format_utc(*end)))
        .collect()
}

fn busy(objects: &[CalendarObject]) -> Vec<String> {
    busy_of(objects, "20250110T080000Z", "20250110T180000Z", &Zone::Utc)
}

const TEN: &str = "DTSTART:20250110T100000Z\nDTEND:20250110T110000Z\n";

#[test]
fn transparency_and_status_decide() {
    for (properties, expected) in [
        ("", "BUSY"),
        ("TRANSP:OPAQUE\nSTATUS:CONFIRMED\n", "BUSY"),
        ("STATUS:TENTATIVE\n", "BUSY-TENTATIVE"),
        ("STATUS:X-OTHER\n", "BUSY"),
        ("TRANSP:TRANSPARENT\n", ""),
        ("transp:transparent\nSTATUS:TENTATIVE\n", ""),
        ("STATUS:CANCELLED\n", ""),
    ] {
        let found = busy(&[event(&format!("{TEN}{properties}"))]);
        let expected: Vec<String> = Some(expected)
            .filter(|busy| !busy.is_empty())
            .map(|busy| format!("{busy} 20250110T100000Z/20250110T110000Z"))
            .into_iter()
            .collect();
        assert_eq!(found, expected, "{properties}");
    }
    for kind in ["VTODO", "VJOURNAL"] {
        assert_eq!(busy(&[object(kind, "DTSTART:20250110T100000Z\n")]), [""; 0]);
    }
}

#[test]
fn a_cancelled_or_transparent_instance_is_free() {
    let object = calendar(
        "BEGIN:VEVENT\nUID:u\nDTSTART:20250109T100000Z\nDURATION:PT1H\nRRULE:FREQ=DAILY\nEND:VEVENT\n\
         BEGIN:VEVENT\nUID:u\nRECURRENCE-ID:20250110T100000Z\nDTSTART:20250110T100000Z\nDURATION:PT1H\n\
         STATUS:CANCELLED\nEND:VEVENT\n",
    );
    assert_eq!(busy(&[object]), [""; 0]);
}

#[test]
fn periods_are_merged_clipped_and_kept_apart_by_type() {
    let at = |start: &str, end: &str, more: &str| {
        event(&format!("DTSTART:20250110T{start}00Z\nDTEND:20250110T{end}00Z\n{more}"))
    };
    assert_eq!(
        busy(&[
            at("1200", "1300", ""),
            at("0700", "0900", ""),
            at("0830", "1000", ""),
            at("1000", "1030", ""),
            at("1700", "2000", ""),
            at("0900", "1300", "STATUS:TENTATIVE\n"),
            at("1400", "1400", ""),
        ]),
        [
            "BUSY 20250110T080000Z/20250110T103000Z",
            "BUSY 20250110T120000Z/20250110T130000Z",
            "BUSY 20250110T170000Z/20250110T180000Z",
            "BUSY-TENTATIVE 20250110T090000Z/20250110T130000Z",
        ]
    );
}

#[test]
fn a_day_is_busy_where_the_calendar_is() {
    let day = [event("DTSTART;VALUE=DATE:20250110\n")];
    assert_eq!(
        busy_of(&day, "20250101", "20250201", &zone("Europe/Berlin")),
        ["BUSY 20250109T230000Z/20250110T230000Z"]
    );
}

#[test]
fn what_vfreebusy_lists_is_told_by_its_type() {
    let listed = object(
        "VFREEBUSY",
        "DTSTART:20250101T000000Z\nDTEND:20250201T000000Z\n\
         FREEBUSY:20250110T090000Z/PT1H\nFREEBUSY;FBTYPE=BUSY-UNAVAILABLE:20250110T100000Z/PT1H,20250110T120000Z/PT1H\n\
         FREEBUSY;FBTYPE=FREE:20250110T150000Z/PT1H\nFREEBUSY;FBTYPE=X-AWAY:20250110T160000Z/PT1H\n\
         FREEBUSY;FBTYPE=busy-tentative:20250110T170000Z/20250110T173000Z\n",
    );
    assert_eq!(
        busy(&[listed]),
        [
            "BUSY 20250110T090000Z/20250110T100000Z",
            "BUSY 20250110T160000Z/20250110T170000Z",
            "BUSY-UNAVAILABLE 20250110T100000Z/20250110T110000Z",
            "BUSY-UNAVAILABLE 20250110T120000Z/20250110T130000Z",
            "BUSY-TENTATIVE 20250110T170000Z/20250110T173000Z",
        ]
    );
}

#[test]
fn what_cannot_be_told_is_busy() {
    let busy = |more: &str| {
        let rule = "RRULE:FREQ=SECONDLY;INTERVAL=2\nDURATION:PT1S\n";
        let object = event(&format!("DTSTART:20250101T000000Z\n{rule}{more}"));
        busy_of(&[object], "20250110", "20250120", &Zone::Utc).join(" ")
    };
    assert_eq!(busy(""), "BUSY 20250110T000000Z/20250120T000000Z");
    assert_eq!(busy("TRANSP:TRANSPARENT\n"), "");
    assert!(busy("STATUS:TENTATIVE\n").ends_with("BUSY-TENTATIVE 20250110T000000Z/20250120T000000Z"));
}

#[test]
fn the_answer_is_icalendar() {
    let mut free_busy = FreeBusy::new(range("20250110", "20250111"));
    free_busy.add(&event(TEN), &Zone::Utc, &mut budget());
    let uid = format!("a;b,{}", "é".repeat(60));
    let more = ["ORGANIZER:mailto:a@example.com".to_owned()];
    let text = free_busy.to_icalendar_with(utc("20250101"), &uid, Some("REPLY"), &more);
    assert!(text.split("\r\n").all(|line| line.len() <= 75 && !line.contains('\n')));
    let object = CalendarObject::parse(text.clone(), &Limits::default()).unwrap();
    let inner = object.root().components().next().unwrap();
    assert_eq!(inner.first("UID").unwrap().text(), uid);
    assert_eq!(object.root().first("METHOD").unwrap().value(), "REPLY");
    assert_eq!(inner.first("ORGANIZER").unwrap().value(), "mailto:a@example.com");
    assert_eq!(inner.first("FREEBUSY").unwrap().value(), "20250110T100000Z/20250110T110000Z");
}

#[test]
fn many_periods_are_told_in_bounded_number_and_lose_no_busy_second() {
    let mut free_busy = FreeBusy::new(range("20250101", "20260101"));
    let listed: Vec<String> =
        (0..30_000).map(|n| format!("{}/PT1S", format_utc(utc("20250101") + n * 600 + n % 7))).collect();
    for part in listed.chunks(10_000) {
        let object = object("VFREEBUSY", &format!("FREEBUSY:{}\n", part.join(",")));
        free_busy.add(&object, &Zone::Utc, &mut budget());
    }
    let periods = free_busy.periods();
    assert!((1000..=10_000).contains(&periods.len()), "{}", periods.len());
    for n in 0..30_000 {
        let second = utc("20250101") + n * 600 + n % 7;
        let at = periods.partition_point(|period| period.1 <= second).checked_sub(1);
        assert!(at.is_some_and(|at| periods[at].2 > second), "{n}");
    }
    assert!(periods.iter().all(|period| period.0 == BusyType::Busy));
}
