//! Recurrence sets: rules, dates, exceptions, overrides, zones.

use crate::support::{calendar, event, in_window, object, range, starts, starts_in, utc};
use kalends_icalendar::{Budget, ComponentKind, Form, Zone, occurrences};

const JANUARY: (&str, &str) = ("20250101", "20250201");

fn in_january(text: &str) -> Vec<String> {
    let mut starts = starts(&event(text), JANUARY.0, JANUARY.1);
    for start in &mut starts {
        *start = start.strip_prefix("202501").unwrap().to_owned();
    }
    starts
}

#[test]
fn dtstart_is_in_the_set_and_counts_even_when_the_rule_does_not_name_it() {
    // 2025-01-01 is a Wednesday.
    assert_eq!(
        in_january("DTSTART:20250101T100000Z\nRRULE:FREQ=WEEKLY;BYDAY=TH;COUNT=3\n"),
        ["01T100000Z", "02T100000Z", "09T100000Z"]
    );
    assert_eq!(in_january("DTSTART:20250101T100000Z\nRRULE:FREQ=DAILY;COUNT=1\n"), ["01T100000Z"]);
}

#[test]
fn dates_are_added_and_excluded_in_any_zone_and_form() {
    assert_eq!(
        in_january(
            "DTSTART;TZID=Europe/Berlin:20250106T090000\nRRULE:FREQ=DAILY;COUNT=4\n\
             EXDATE:20250107T080000Z\nEXDATE;TZID=America/New_York:20250108T030000,20250108T040000\n\
             RDATE;TZID=Asia/Tokyo:20250120T120000\nRDATE:20250120T030000Z\n"
        ),
        ["06T080000Z", "09T080000Z", "20T030000Z"]
    );
    // Twice the same instance is once; EXDATE is stronger than RDATE and than DTSTART.
    assert_eq!(
        in_january(
            "DTSTART:20250106T090000Z\nRDATE:20250106T090000Z,20250107T090000Z,20250108T090000Z\nEXDATE:20250107T090000Z,20250106T090000Z\n"
        ),
        ["08T090000Z"]
    );
    // A date excludes its day.
    assert_eq!(
        in_january(
            "DTSTART;TZID=America/New_York:20250106T220000\nRRULE:FREQ=DAILY;COUNT=3\n\
             EXDATE;VALUE=DATE:20250107\n"
        ),
        ["07T030000Z", "09T030000Z"]
    );
    assert_eq!(
        in_january(
            "DTSTART;VALUE=DATE:20250106\nRRULE:FREQ=DAILY;COUNT=4\nEXDATE;VALUE=DATE:20250107\n\
             EXDATE:20250108T000000Z\nRDATE;VALUE=DATE:20250120\n"
        ),
        ["06T000000Z", "09T000000Z", "20T000000Z"]
    );
}

#[test]
fn several_rules_and_excluding_rules_make_one_set() {
    assert_eq!(
        in_january(
            "DTSTART:20250101T100000Z\nRRULE:FREQ=DAILY;UNTIL=20250105T235959Z\n\
             RRULE:FREQ=WEEKLY;COUNT=3\nEXRULE:FREQ=DAILY;INTERVAL=2\n"
        ),
        ["02T100000Z", "04T100000Z", "08T100000Z"]
    );
}

#[test]
fn a_period_in_rdate_has_its_own_length() {
    let object = event(
        "DTSTART:20250101T100000Z\nDTEND:20250101T110000Z\n\
         RDATE;VALUE=PERIOD:20250103T100000Z/PT5H,20250102T100000Z/20250102T103000Z\n",
    );
    let found = in_window(&object, "20250101", "20250201");
    let lengths: Vec<i64> = found.iter().map(|found| found.end - found.start).collect();
    assert_eq!(lengths, [3600, 1800, 18_000]);
    // A long one that began before the window is found.
    assert_eq!(starts(&object, "20250103T143000Z", "20250104"), ["20250103T100000Z"]);
}

#[test]
fn a_period_lengthens_an_event_without_end() {
    let object = event("DTSTART:20250101T100000Z\nRDATE;VALUE=PERIOD:20250103T100000Z/PT5H\n");
    assert_eq!(starts(&object, "20250103T143000Z", "20250104"), ["20250103T100000Z"]);
}

#[test]
fn days_are_excluded_and_overridden_by_the_midnight_of_the_calendar() {
    let object = calendar(
        "BEGIN:VEVENT\nUID:u\nDTSTART;VALUE=DATE:20250106\nRRULE:FREQ=DAILY;COUNT=4\n\
         EXDATE:20250106T230000Z\nEND:VEVENT\n\
         BEGIN:VEVENT\nUID:u\nRECURRENCE-ID:20250107T230000Z\nDTSTART:20250108T120000Z\nEND:VEVENT\n",
    );
    assert_eq!(
        starts_in(&object, "Europe/Berlin", "20250101", "20250201"),
        ["20250105T230000Z", "20250108T120000Z", "20250108T230000Z"]
    );
}

#[test]
fn days_that_an_override_makes_times_keep_their_time() {
    // In New York daylight saving time begins on the 9th, which UTC does not know.
    let object = calendar(
        "BEGIN:VEVENT\nUID:u\nDTSTART;VALUE=DATE:20250307\nRRULE:FREQ=DAILY;COUNT=5\nEND:VEVENT\n\
         BEGIN:VEVENT\nUID:u\nRECURRENCE-ID;VALUE=DATE;RANGE=THISANDFUTURE:20250308\n\
         DTSTART:20250308T100000Z\nEND:VEVENT\n",
    );
    assert_eq!(
        starts_in(&object, "America/New_York", "20250308T060000Z", "20250401"),
        ["20250308T100000Z", "20250309T100000Z", "20250310T100000Z", "20250311T100000Z"]
    );
}

#[test]
fn a_due_date_of_a_timed_todo_is_a_midnight_in_every_week() {
    let object = object(
        "VTODO",
        "DTSTART;TZID=Europe/Berlin:20251001T120000\nDUE;VALUE=DATE:20251013\nRRULE:FREQ=WEEKLY\n",
    );
    // Winter time begins between the start of the 22nd and its end at midnight of 2025-11-03.
    let found = |start: &str, end: &str| {
        starts_in(&object, "Europe/Berlin", start, end).contains(&"20251022T100000Z".into())
    };
    assert!(found("20251102T223000Z", "20251102T223001Z"));
    assert!(!found("20251102T230000Z", "20251102T230001Z"));
}

#[test]
fn duration_is_nominal_and_dtend_exact_across_daylight_saving_time() {
    // In Berlin the clocks go forward on 2025-03-30 at 02:00.
    for (end, hours) in
        [("DURATION:P1D", 23), ("DTEND;TZID=Europe/Berlin:20250323T120000", 24), ("DURATION:PT24H", 24)]
    {
        let object =
            event(&format!("DTSTART;TZID=Europe/Berlin:20250322T120000\n{end}\nRRULE:FREQ=DAILY;COUNT=20\n"));
        let found = in_window(&object, "20250329T110000Z", "20250329T110001Z");
        assert_eq!(found.len(), 1, "{end}");
        assert_eq!(found[0].end - found[0].start, hours * 3600, "{end}");
    }
}

#[test]
fn instances_keep_their_local_time() {
    let object = event("DTSTART;TZID=America/New_York:20250306T093000\nRRULE:FREQ=DAILY;COUNT=6\n");
    assert_eq!(
        starts(&object, "20250308", "20250311"),
        ["20250308T143000Z", "20250309T133000Z", "20250310T133000Z"]
    );
    // 02:30 is skipped on the 9th and means 03:30 EDT.
    let object = event("DTSTART;TZID=America/New_York:20250306T023000\nRRULE:FREQ=DAILY;COUNT=6\n");
    assert_eq!(
        starts(&object, "20250308", "20250311"),
        ["20250308T073000Z", "20250309T073000Z", "20250310T063000Z"]
    );
}

/// Windows of a second at changes of the clock, where local time and UTC part.
#[test]
fn narrow_windows_see_instances_at_changes_of_the_clock() {
    // 02:30 does not exist on the 9th; the instance is at 03:30 EDT.
    let skipped = event("DTSTART;TZID=America/New_York:20250306T023000\nRRULE:FREQ=DAILY;COUNT=6\n");
    assert_eq!(starts(&skipped, "20250309T073000Z", "20250309T073001Z"), ["20250309T073000Z"]);
    // Ten days from 2025-10-20 12:00 in Berlin are an hour longer than elsewhere, and this is in the last.
    let long =
        event("DTSTART;TZID=Europe/Berlin:20251010T120000\nDURATION:P10D\nRRULE:FREQ=DAILY;COUNT=11\n");
    assert_eq!(starts(&long, "20251030T103000Z", "20251030T103001Z"), ["20251020T100000Z"]);
    // Moved by a day of local time that has 23 hours.
    let moved = calendar(
        "BEGIN:VEVENT\nUID:u\nDTSTART:20250310T120000Z\nRRULE:FREQ=DAILY\nEND:VEVENT\n\
         BEGIN:VEVENT\nUID:u\nRECURRENCE-ID;RANGE=THISANDFUTURE:20250320T120000Z\n\
         DTSTART;TZID=Europe/Berlin:20250321T130000\nEND:VEVENT\n",
    );
    assert_eq!(starts(&moved, "20250330T110000Z", "20250330T110001Z"), ["20250330T110000Z"]);
}

fn with_override(id: &str, rest: &str) -> kalends_icalendar::CalendarObject {
    calendar(&format!(
        "BEGIN:VEVENT\nUID:u\nDTSTART;TZID=Europe/Berlin:20250106T090000\nDURATION:PT1H\n\
         RRULE:FREQ=DAILY;COUNT=5\nSUMMARY:master\nEND:VEVENT\n\
         BEGIN:VEVENT\nUID:u\nRECURRENCE-ID{id}\n{rest}SUMMARY:override\nEND:VEVENT\n"
    ))
}

#[test]
fn an_override_replaces_its_instance_however_its_id_is_written() {
    for id in [
        ";TZID=Europe/Berlin:20250108T090000",
        ":20250108T080000Z",
        ";TZID=America/New_York:20250108T030000",
        ":20250108T090000",
        ";VALUE=DATE:20250108",
    ] {
        let object = with_override(id, "DTSTART:20250120T100000Z\nDURATION:PT2H\n");
        assert_eq!(
            starts(&object, "20250101", "20250201"),
            [
                "20250106T080000Z",
                "20250107T080000Z",
                "20250109T080000Z",
                "20250110T080000Z",
                "20250120T100000Z"
            ],
            "{id}"
        );
        let found = in_window(&object, "20250101", "20250201");
        let moved = found.last().unwrap();
        let id_moment = moved.recurrence_id.unwrap();
        assert_eq!((id_moment.utc, id_moment.form), (utc("20250108T080000Z"), Form::Absolute));
        assert_eq!(moved.component.first("SUMMARY").unwrap().value(), "override");
        assert_eq!(moved.end - moved.start, 7200);
    }
}

#[test]
fn an_override_counts_at_its_own_time() {
    let object = with_override(":20250108T080000Z", "DTSTART:20250601T100000Z\nDURATION:PT1H\n");
    assert_eq!(starts(&object, "20250108", "20250109"), [""; 0]);
    assert_eq!(starts(&object, "20250601", "20250602"), ["20250601T100000Z"]);
    // An override whose instance the master does not name exists, too.
    let object = with_override(":20250301T080000Z", "DTSTART:20250301T100000Z\n");
    assert_eq!(starts(&object, "20250301", "20250302"), ["20250301T100000Z"]);
}

#[test]
fn this_and_future_moves_what_follows_by_local_time() {
    let object = calendar(
        "BEGIN:VEVENT\nUID:u\nDTSTART;TZID=America/New_York:20250306T100000\nDURATION:PT1H\n\
         RRULE:FREQ=DAILY;COUNT=8\nSUMMARY:master\nEND:VEVENT\n\
         BEGIN:VEVENT\nUID:u\nRECURRENCE-ID;RANGE=THISANDFUTURE;TZID=America/New_York:20250308T100000\n\
         DTSTART;TZID=America/New_York:20250308T120000\nDURATION:PT30M\nSUMMARY:later\nEND:VEVENT\n\
         BEGIN:VEVENT\nUID:u\nRECURRENCE-ID;TZID=America/New_York:20250310T100000\n\
         DTSTART;TZID=America/New_York:20250310T080000\nSUMMARY:single\nEND:VEVENT\n\
         BEGIN:VEVENT\nUID:u\nRECURRENCE-ID;RANGE=THISANDFUTURE:20250312T140000Z\n\
         DTSTART:20250313T140000Z\nDURATION:PT2H\nSUMMARY:last\nEND:VEVENT\n",
    );
    let found: Vec<_> = in_window(&object, "20250301", "20250401")
        .iter()
        .map(|found| {
            let start = kalends_icalendar::value::format_utc(found.start);
            let summary = found.component.first("SUMMARY").unwrap().value();
            format!("{} {summary} {}", start.trim_start_matches("202503"), (found.end - found.start) / 60)
        })
        .collect();
    assert_eq!(
        found,
        [
            "06T150000Z master 60",
            "07T150000Z master 60",
            "08T170000Z later 30",
            // Daylight saving time began, and local time is kept.
            "09T160000Z later 30",
            "10T120000Z single 0",
            "11T160000Z later 30",
            "13T140000Z last 120",
            "14T140000Z last 120",
        ]
    );
    // In a window that only moved instances reach.
    assert_eq!(starts(&object, "20250314", "20250315"), ["20250314T140000Z"]);
    assert_eq!(starts(&object, "20250312T000000Z", "20250313T000000Z"), [""; 0]);
}

#[test]
fn overrides_without_a_master_stand_for_themselves() {
    let object = calendar(
        "BEGIN:VEVENT\nUID:u\nRECURRENCE-ID:20250108T080000Z\nDTSTART:20250108T100000Z\nEND:VEVENT\n\
         BEGIN:VEVENT\nUID:u\nRECURRENCE-ID;RANGE=THISANDFUTURE:20250109T080000Z\n\
         DTSTART:20250109T100000Z\nEND:VEVENT\n",
    );
    let found = in_window(&object, "20250101", "20250201");
    let ids: Vec<i64> = found.iter().map(|found| found.recurrence_id.unwrap().utc).collect();
    assert_eq!(ids, [utc("20250108T080000Z"), utc("20250109T080000Z")]);
}

#[test]
fn recurring_todos_recur_by_dtstart_or_else_by_due() {
    let by_start =
        object("VTODO", "DTSTART:20250101T100000Z\nDUE:20250101T120000Z\nRRULE:FREQ=DAILY;COUNT=3\n");
    assert_eq!(starts(&by_start, "20250102T113000Z", "20250103"), ["20250102T100000Z"]);
    let by_due = object("VTODO", "DUE:20250101T120000Z\nRRULE:FREQ=DAILY;COUNT=3\n");
    assert_eq!(starts(&by_due, "20250103", "20250201"), ["20250103T120000Z"]);
    let undated = object("VTODO", "SUMMARY:x\n");
    assert_eq!(in_window(&undated, "20250103", "20250201").len(), 1);
}

#[test]
fn a_window_only_sees_components_of_its_kind() {
    let object = event("DTSTART:20250101T100000Z\n");
    let found = |kind| {
        let mut budget = Budget::new(Budget::OBJECT);
        occurrences(&object, Some(kind), &range("20250101", "20250102"), &Zone::Utc, &mut budget).len()
    };
    assert_eq!((found(ComponentKind::Event), found(ComponentKind::Todo)), (1, 0));
}

#[test]
fn a_vtimezone_of_its_own_is_followed() {
    let object = calendar(
        "BEGIN:VTIMEZONE\nTZID:mine\nBEGIN:STANDARD\nDTSTART:19700101T000000\nTZOFFSETFROM:+0315\n\
         TZOFFSETTO:+0315\nEND:STANDARD\nEND:VTIMEZONE\n\
         BEGIN:VEVENT\nUID:u\nDTSTART;TZID=mine:20250101T031500\nRRULE:FREQ=DAILY;COUNT=2\nEND:VEVENT\n",
    );
    assert_eq!(starts(&object, "20250101", "20250201"), ["20250101T000000Z", "20250102T000000Z"]);
}

#[test]
fn events_with_several_uids_do_not_override_each_other() {
    let object = calendar(
        "BEGIN:VEVENT\nUID:a\nDTSTART:20250101T100000Z\nRRULE:FREQ=DAILY;COUNT=2\nEND:VEVENT\n\
         BEGIN:VEVENT\nUID:b\nRECURRENCE-ID:20250102T100000Z\nDTSTART:20250102T200000Z\nEND:VEVENT\n",
    );
    assert_eq!(starts(&object, "20250101", "20250201").len(), 3);
}
