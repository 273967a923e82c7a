//! Every row of the tables in RFC 4791 §9.9, at both sides of each of its bounds.

use crate::support::{in_range, kind_name, matches, object, utc};
use kalends_icalendar::{CalendarObject, TimeRange};

/// Whether the only component overlaps the range; an empty text is an open side.
fn overlaps(object: &CalendarObject, start: &str, end: &str) -> bool {
    let side = |text: &str| if text.is_empty() { None } else { Some(utc(text)) };
    let range = TimeRange { start: side(start), end: side(end) };
    matches(&in_range(kind_name(object), range), object)
}

/// Checks ranges against the component with these properties.
fn table(kind: &str, properties: &str, rows: &[(&str, &str, bool)]) {
    let object = object(kind, properties);
    for (start, end, expected) in rows {
        assert_eq!(overlaps(&object, start, end), *expected, "{kind} {properties}in {start}/{end}");
    }
}

const H09: &str = "20250110T090000Z";
const H10: &str = "20250110T100000Z";
const H10_1: &str = "20250110T100001Z";
const H11: &str = "20250110T110000Z";
const H12: &str = "20250110T120000Z";
const H12_1: &str = "20250110T120001Z";
const H13: &str = "20250110T130000Z";

#[test]
fn an_event_with_an_end_overlaps_what_it_shares_a_second_with() {
    for properties in [
        "DTSTART:20250110T100000Z\nDTEND:20250110T120000Z\n",
        "DTSTART:20250110T100000Z\nDURATION:PT2H\n",
        "DTSTART;TZID=Europe/Berlin:20250110T110000\nDTEND;TZID=America/New_York:20250110T070000\n",
    ] {
        table(
            "VEVENT",
            properties,
            &[
                (H09, H10, false),
                (H09, H10_1, true),
                (H11, H11, true),
                (H11, H13, true),
                (H12, H13, false),
                ("", H10, false),
                ("", H10_1, true),
                (H12, "", false),
                (H11, "", true),
                ("", "", true),
            ],
        );
    }
}

#[test]
fn an_event_without_length_overlaps_when_it_starts_inside() {
    for properties in [
        "DTSTART:20250110T100000Z\n",
        "DTSTART:20250110T100000Z\nDURATION:PT0S\n",
        "DTSTART:20250110T100000Z\nDTEND:20250110T100000Z\n",
    ] {
        table(
            "VEVENT",
            properties,
            &[(H09, H10, false), (H09, H10_1, true), (H10, H11, true), (H10_1, H11, false), (H10, "", true)],
        );
    }
}

#[test]
fn an_event_on_a_date_without_end_takes_the_day() {
    for properties in
        ["DTSTART;VALUE=DATE:20250110\n", "DTSTART;VALUE=DATE:20250110\nDTEND;VALUE=DATE:20250110\n"]
    {
        table(
            "VEVENT",
            properties,
            &[
                ("20250109", "20250110", false),
                ("20250109", "20250110T000001Z", true),
                ("20250110T235959Z", "20250112", true),
                ("20250111", "20250112", false),
            ],
        );
    }
    table(
        "VEVENT",
        "DTSTART;VALUE=DATE:20250110\nDTEND;VALUE=DATE:20250112\n",
        &[("20250111T235959Z", "20250113", true), ("20250112", "20250113", false)],
    );
}

#[test]
fn a_todo_with_start_and_duration() {
    table(
        "VTODO",
        "DTSTART:20250110T100000Z\nDURATION:PT2H\n",
        &[(H09, H10, false), (H09, H10_1, true), (H12, H13, true), (H12_1, H13, false), (H09, H12, true)],
    );
}

#[test]
fn a_todo_with_start_and_due() {
    table(
        "VTODO",
        "DTSTART:20250110T100000Z\nDUE:20250110T120000Z\n",
        &[(H09, H10, false), (H09, H10_1, true), (H11, H13, true), (H12, H13, false), (H12, "", false)],
    );
    // DUE at DTSTART: the rules that take the start as within.
    table(
        "VTODO",
        "DTSTART:20250110T100000Z\nDUE:20250110T100000Z\n",
        &[(H10, H11, true), (H09, H10, true), (H10_1, H11, false)],
    );
    // DUE before DTSTART, as clients write: (start < DUE or start <= DTSTART) and (end > DTSTART or end >= DUE).
    table(
        "VTODO",
        "DTSTART:20250110T120000Z\nDUE:20250110T100000Z\n",
        &[(H12, H13, true), (H09, H10, true), (H12_1, H13, false), ("20250110", H09, false)],
    );
}

#[test]
fn a_todo_with_start_alone() {
    table(
        "VTODO",
        "DTSTART:20250110T100000Z\nCOMPLETED:20250120T000000Z\nCREATED:20250101T000000Z\n",
        &[(H10, H11, true), (H10_1, H11, false), (H09, H10, false)],
    );
}

#[test]
fn a_todo_with_due_alone() {
    table(
        "VTODO",
        "DUE:20250110T100000Z\nCREATED:20250101T000000Z\n",
        &[(H09, H10, true), (H10, H11, false), (H09, H11, true), ("20250101", H09, false)],
    );
}

#[test]
fn a_todo_with_created_and_completed() {
    table(
        "VTODO",
        "CREATED:20250110T100000Z\nCOMPLETED:20250110T120000Z\n",
        &[
            (H09, H10, true),
            (H12, H13, true),
            (H12_1, H13, false),
            ("20250101", H09, false),
            (H11, H11, true),
        ],
    );
}

#[test]
fn a_todo_with_completed_or_created_alone() {
    table(
        "VTODO",
        "COMPLETED:20250110T100000Z\n",
        &[(H09, H10, true), (H10, H11, true), (H10_1, H11, false), ("20250101", H09, false)],
    );
    table(
        "VTODO",
        "CREATED:20250110T100000Z\n",
        &[(H09, H10, false), (H09, H10_1, true), ("20300101", "20300102", true)],
    );
}

#[test]
fn a_todo_without_times_overlaps_everything() {
    table("VTODO", "SUMMARY:some day\n", &[("19700101", "19700102", true), ("", H10, true), (H10, "", true)]);
}

#[test]
fn a_journal_overlaps_at_its_time_or_on_its_day() {
    table(
        "VJOURNAL",
        "DTSTART:20250110T100000Z\n",
        &[(H09, H10, false), (H10, H11, true), (H10_1, H11, false)],
    );
    table(
        "VJOURNAL",
        "DTSTART;VALUE=DATE:20250110\n",
        &[
            ("20250109", "20250110", false),
            ("20250110T235959Z", "20250111", true),
            ("20250111", "20250112", false),
        ],
    );
    table("VJOURNAL", "SUMMARY:no time\n", &[("19700101", "20700101", false), ("", "", false)]);
}

#[test]
fn a_freebusy_overlaps_by_its_bounds_or_else_by_its_periods() {
    table(
        "VFREEBUSY",
        "DTSTART:20250110T100000Z\nDTEND:20250110T120000Z\nFREEBUSY:20250201T000000Z/PT1H\n",
        &[(H09, H10, false), (H12, H13, true), (H12_1, H13, false), ("20250201", "20250202", false)],
    );
    table(
        "VFREEBUSY",
        "FREEBUSY:20250110T100000Z/PT1H,20250110T120000Z/20250110T130000Z\n",
        &[(H09, H10, false), (H09, H10_1, true), (H11, H12, false), (H12, H12_1, true), (H13, "", false)],
    );
    table("VFREEBUSY", "SUMMARY:x\n", &[("", "", false)]);
}

#[test]
fn dates_and_floating_times_are_in_the_zone_of_the_request() {
    let filter = in_range("VEVENT", TimeRange::new(utc("20250109T230000Z"), utc("20250109T233000Z")));
    for (properties, in_utc, in_berlin) in [
        ("DTSTART;VALUE=DATE:20250110\n", false, true),
        ("DTSTART:20250110T000000\nDURATION:PT1H\n", false, true),
        ("DTSTART:20250109T230000\nDURATION:PT1H\n", true, false),
        ("DTSTART;TZID=Europe/Berlin:20250110T000000\nDURATION:PT1H\n", true, true),
    ] {
        let object = crate::support::event(properties);
        for (zone, expected) in [("UTC", in_utc), ("Europe/Berlin", in_berlin)] {
            let zone = crate::support::zone(zone);
            let found = filter.matches(&object, &zone, &mut crate::support::budget());
            assert_eq!(found, expected, "{properties} in {zone:?}");
        }
    }
}
