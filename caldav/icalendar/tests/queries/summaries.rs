//! Summaries for an index.

use crate::support::{calendar, event, object, range, utc};
use kalends_icalendar::{ComponentKind, Span, Summary, TimeRange};

fn summary(properties: &str) -> Summary {
    Summary::of(&event(properties)).unwrap()
}

#[test]
fn a_summary_says_what_and_when() {
    let found = Summary::of(&object("VTODO", "DTSTART:20250110T100000Z\nDUE:20250110T120000Z\n")).unwrap();
    assert_eq!(
        (&*found.uid, found.kind, found.recurring, found.busy),
        ("u", ComponentKind::Todo, false, false)
    );
    assert_eq!(found.span, Span { start: utc("20250110T100000Z"), end: utc("20250110T120000Z") });
    assert!(Summary::of(&calendar("BEGIN:X-A\nUID:u\nEND:X-A\n")).is_none());
    assert!(Summary::of(&calendar("BEGIN:VEVENT\nDTSTART:20250101\nEND:VEVENT\n")).is_none());
}

#[test]
fn dates_hold_in_every_zone() {
    let found = summary("DTSTART;VALUE=DATE:20250110\n");
    assert!(
        found.may_overlap(&range("20250109T110000Z", "20250109T120000Z")),
        "it is the 10th in Kiritimati"
    );
    assert!(
        found.may_overlap(&range("20250111T110000Z", "20250111T120000Z")),
        "it is still the 10th in Midway"
    );
    assert!(!found.may_overlap(&range("20250113", "20250114")));
}

#[test]
fn rules_with_an_end_have_a_span() {
    for rule in ["COUNT=10", "UNTIL=20250110T100000Z"] {
        let found = summary(&format!("DTSTART:20250101T100000Z\nDURATION:PT1H\nRRULE:FREQ=DAILY;{rule}\n"));
        assert!(found.recurring);
        assert!(found.may_overlap(&range("20250110T103000Z", "20250110T104000Z")), "{rule}");
        assert!(!found.may_overlap(&range("20250115", "20250116")), "{rule}");
        assert!(!found.may_overlap(&range("20241215", "20241216")), "{rule}");
    }
    let long = summary("DTSTART:20250101T100000Z\nDURATION:P30D\nRRULE:FREQ=WEEKLY;COUNT=2\n");
    assert!(long.may_overlap(&range("20250207T090000Z", "20250207T091000Z")));
    assert!(!long.may_overlap(&range("20250301", "20250302")));
    assert_eq!(summary("DTSTART:20250101T100000Z\nRRULE:FREQ=DAILY\n").span.end, i64::MAX);
    assert_eq!(summary("DTSTART:20250101T100000Z\nRRULE:FREQ=SECONDLY;COUNT=99999999\n").span.end, i64::MAX);
}

#[test]
fn what_recurs_seldom_is_known_by_its_days() {
    let birthday = summary("DTSTART;VALUE=DATE:20000615\nRRULE:FREQ=YEARLY\n");
    assert!(birthday.may_overlap(&range("20250601", "20250701")));
    assert!(!birthday.may_overlap(&range("20250701", "20250801")));
    assert!(birthday.may_overlap(&range("20250701", "20260801")));
    assert!(!birthday.may_overlap(&range("19990601", "19990701")));
    assert!(birthday.may_overlap(&range("21000101", "21000102")), "beyond the horizon it may be");
    assert!(birthday.may_overlap(&TimeRange::ALL));
    let monthly = summary("DTSTART:20250110T100000Z\nRRULE:FREQ=MONTHLY\n");
    assert!(monthly.may_overlap(&range("20350110", "20350111")));
    assert!(!monthly.may_overlap(&range("20350115", "20350116")));
    assert!(birthday.size() < 512 && monthly.size() < 4096);
}

#[test]
fn moved_instances_are_in_the_span_and_the_days() {
    let found = Summary::of(&calendar(
        "BEGIN:VEVENT\nUID:u\nDTSTART:20250110T100000Z\nRRULE:FREQ=YEARLY;COUNT=3\nEND:VEVENT\n\
         BEGIN:VEVENT\nUID:u\nRECURRENCE-ID:20270110T100000Z\nDTSTART:20280410T100000Z\nEND:VEVENT\n\
         BEGIN:VEVENT\nUID:u\nRECURRENCE-ID:20260110T100000Z\nDTSTART:20240410T100000Z\nEND:VEVENT\n",
    ))
    .unwrap();
    assert!(found.may_overlap(&range("20280410", "20280411")));
    assert!(found.may_overlap(&range("20240410", "20240411")));
    assert!(!found.may_overlap(&range("20250710", "20250711")));
}

#[test]
fn dates_before_dtstart_and_moved_futures_are_in_the_span() {
    let early = summary("DTSTART:20250110T100000Z\nRDATE:20240110T100000Z\nRRULE:FREQ=DAILY;COUNT=2\n");
    assert!(early.may_overlap(&range("20240110", "20240111")));
    let moved = Summary::of(&calendar(
        "BEGIN:VEVENT\nUID:u\nDTSTART:20250101T100000Z\nRRULE:FREQ=DAILY;COUNT=20\nEND:VEVENT\n\
         BEGIN:VEVENT\nUID:u\nRECURRENCE-ID;RANGE=THISANDFUTURE:20250102T100000Z\n\
         DTSTART:20250501T100000Z\nEND:VEVENT\n",
    ))
    .unwrap();
    assert!(moved.may_overlap(&range("20250519", "20250520")));
    assert!(!moved.may_overlap(&range("20250601", "20250602")));
}

/// The EXDATE is the 14th in UTC, and in Berlin the midnight of the 15th, which is no instance.
#[test]
fn what_is_excluded_in_one_zone_only_is_kept() {
    let found =
        summary("DTSTART;VALUE=DATE:20000614\nRRULE:FREQ=YEARLY\nEXDATE:20260613T220000Z,20260614T220000Z\n");
    assert!(found.may_overlap(&range("20260613T220000Z", "20260614T220000Z")));
    assert!(!found.may_overlap(&range("20260714", "20260715")));
}

#[test]
fn what_is_not_one_calendar_may_be_anywhere() {
    let one = "BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:u\nDTSTART:20250110\nEND:VEVENT\nEND:VCALENDAR\n";
    let two = Summary::of(&crate::support::parse(&one.repeat(2))).unwrap();
    assert!(two.may_overlap(&range("20990101", "20990102")));
}

#[test]
fn undated_todos_may_overlap_what_rfc_4791_says() {
    let todo = |properties: &str| Summary::of(&object("VTODO", properties)).unwrap();
    assert!(todo("").may_overlap(&range("19700101", "19700102")));
    assert!(todo("CREATED:20250101T000000Z\n").may_overlap(&range("20700101", "20700102")));
    assert!(!todo("COMPLETED:20250101T000000Z\n").may_overlap(&range("20700101", "20700102")));
    assert!(!Summary::of(&object("VJOURNAL", "")).unwrap().may_overlap(&TimeRange::ALL));
}

#[test]
fn what_is_never_busy_is_marked() {
    for (properties, busy) in [
        ("", true),
        ("TRANSP:TRANSPARENT\n", false),
        ("STATUS:CANCELLED\n", false),
        ("STATUS:TENTATIVE\n", true),
    ] {
        assert_eq!(summary(&format!("DTSTART:20250110T100000Z\n{properties}")).busy, busy, "{properties}");
    }
    let listed = |properties: &str| Summary::of(&object("VFREEBUSY", properties)).unwrap().busy;
    assert!(listed("FREEBUSY:20250110T100000Z/PT1H\n"));
    assert!(!listed("FREEBUSY;FBTYPE=FREE:20250110T100000Z/PT1H\n"));
}
