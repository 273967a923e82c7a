//! Recurrence compared with other implementations: the crate `rrule`, a port of python-dateutil, for rules;
//! the crate `calcard` for whole objects.
//!
//! Known differences are kept out of what is generated: `rrule` leaves out a DTSTART that its rule does not
//! name, and so counts COUNT from another instance; it takes BYWEEKNO alone as all days of the week, not as
//! DTSTART's, and counts the weeks of the year before wrongly, so that it misses days of the last one (weeks 52,
//! 53 and -1 are compared with ISO 8601 instead); its BYSETPOS sees only the days from DTSTART on of DTSTART's week; with
//! FREQ=MINUTELY it passes over days that it should name; it refuses some rules that are understood here.

use crate::support::{event, parse};
use chrono::{Datelike, NaiveDate, NaiveTime};
use kalends_icalendar::{Budget, CalendarObject, TimeRange, Zone, occurrences, value::format_utc};
use proptest::{prelude::*, sample::subsequence};
use std::fmt::Write;

/// How much of each set is compared.
const COMPARED: usize = 60;

/// Starts of the occurrences up to a time; `None` where there are too many to tell.
fn ours(object: &CalendarObject, until: i64) -> Option<Vec<i64>> {
    let mut budget = Budget::new(1_000_000);
    let window = TimeRange { start: None, end: Some(until) };
    let found = occurrences(object, None, &window, &Zone::Utc, &mut budget);
    (!budget.is_exceeded()).then(|| found.iter().map(|occurrence| occurrence.start).collect())
}

/// Those of `rrule`, and the time up to which they are complete; `None` where it refuses the rule or gives up.
fn theirs(text: &str) -> Option<(Vec<i64>, i64)> {
    let set: rrule::RRuleSet = text.parse().ok()?;
    let found = set.all(COMPARED as u16);
    let starts: Vec<i64> = found.dates.iter().map(|date| date.timestamp()).collect();
    // It may give up in silence where a rule yields nothing for long; all that it found is right.
    let finite = text.contains("COUNT") || text.contains("UNTIL");
    let may_give_up = !finite || text.contains("HOURLY") || text.contains("MINUTELY");
    let complete = if found.limited || may_give_up { *starts.last()? } else { i64::MAX };
    Some((starts, complete))
}

fn list(name: &'static str, of: &'static [&'static str], most: usize) -> impl Strategy<Value = String> {
    let some = subsequence(of, 1..=most).prop_map(move |values| format!(";{name}={}", values.join(",")));
    prop_oneof![3 => Just(String::new()), 1 => some]
}

const DAYS: &[&str] = &["MO", "TU", "WE", "TH", "FR", "SA", "SU"];
const NTH_DAYS: &[&str] = &["1MO", "-1FR", "2TU", "-2SU", "5WE", "3SA", "4TH", "-5MO"];
const MONTH_DAYS: &[&str] = &["1", "2", "13", "15", "28", "29", "30", "31", "-1", "-2", "-15", "-31"];
const YEAR_DAYS: &[&str] = &["1", "60", "100", "200", "365", "366", "-1", "-100", "-366"];
const WEEKS: &[&str] = &["1", "2", "20", "52", "53", "-1", "-2", "-20"];
const MONTHS: &[&str] = &["1", "2", "3", "6", "9", "10", "11", "12"];
const HOURS: &[&str] = &["0", "1", "6", "9", "12", "18", "23"];
const MINUTES: &[&str] = &["0", "1", "15", "30", "45", "59"];
const POSITIONS: &[&str] = &["1", "2", "3", "-1", "-2", "10"];

fn rules() -> impl Strategy<Value = String> {
    let frequency = prop::sample::select(vec!["YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY", "MINUTELY"]);
    let bounds = prop_oneof![
        Just(String::new()),
        (1..40u32).prop_map(|count| format!(";COUNT={count}")),
        (0..3000i64)
            .prop_map(|days| format!(";UNTIL={}", format_utc(1_577_836_800 + days * 86_400 + 40_000))),
    ];
    let days = (
        prop_oneof![list("BYDAY", DAYS, 4), list("BYDAY", NTH_DAYS, 2)],
        list("BYMONTHDAY", MONTH_DAYS, 4),
        list("BYYEARDAY", YEAR_DAYS, 4),
        list("BYWEEKNO", WEEKS, 3),
        list("BYMONTH", MONTHS, 3),
    );
    let times = (list("BYHOUR", HOURS, 3), list("BYMINUTE", MINUTES, 3), list("BYSETPOS", POSITIONS, 2));
    let week_start = prop_oneof![Just(""), Just(";WKST=SU"), Just(";WKST=WE")];
    (frequency, 1..5u32, bounds, days, times, week_start).prop_map(
        |(frequency, interval, bounds, days, times, week_start)| {
            let mut rule = format!("FREQ={frequency};INTERVAL={interval}{bounds}{week_start}");
            let days = if frequency == "MINUTELY" { Default::default() } else { days };
            let (by_day, by_month_day, mut by_year_day, mut by_week, by_month) = days;
            let (by_hour, by_minute, mut by_position) = times;
            if frequency != "YEARLY" {
                by_week.clear();
            }
            if matches!(frequency, "DAILY" | "WEEKLY" | "MONTHLY") {
                by_year_day.clear();
            }
            let numbered = by_day.bytes().any(|byte| byte.is_ascii_digit());
            let by_day =
                if numbered && !matches!(frequency, "MONTHLY" | "YEARLY") { String::new() } else { by_day };
            let last_week = ["52", "53", "-1"].iter().any(|week| by_week.contains(week));
            if numbered || by_day.is_empty() || last_week {
                by_week.clear();
            }
            let by_month_day = if frequency == "WEEKLY" { String::new() } else { by_month_day };
            if frequency == "WEEKLY" {
                by_position.clear();
            }
            // BYSETPOS asks for another BY part.
            if by_day.is_empty() && by_month_day.is_empty() && by_hour.is_empty() && by_minute.is_empty() {
                by_position.clear();
            }
            for part in
                [by_month, by_week, by_year_day, by_month_day, by_day, by_hour, by_minute, by_position]
            {
                rule.push_str(&part);
            }
            rule
        },
    )
}

#[test]
fn weeks_are_those_of_iso_8601() {
    let first = NaiveDate::from_ymd_opt(2020, 1, 1).unwrap();
    let seconds = |date: NaiveDate| date.and_time(NaiveTime::MIN).and_utc().timestamp();
    for week in [1, 2, 20, 51, 52, 53, -1, -2, -52, -53] {
        for (number, day) in DAYS.iter().enumerate() {
            let is_named = |date: &NaiveDate| {
                let last_week =
                    NaiveDate::from_ymd_opt(date.iso_week().year(), 12, 28).unwrap().iso_week().week();
                let own = date.iso_week().week() as i64;
                date.weekday().num_days_from_monday() as usize == number
                    && (own == week || own == week + 1 + i64::from(last_week))
            };
            let theirs: Vec<i64> = first
                .iter_days()
                .take(60 * 366)
                .filter(|date| *date == first || is_named(date))
                .map(seconds)
                .collect();
            let until = theirs.last().unwrap() + 1;
            let rule = format!("FREQ=YEARLY;BYWEEKNO={week};BYDAY={day}");
            let object = event(&format!("DTSTART:20200101T000000Z\nRRULE:{rule}\n"));
            assert_eq!(ours(&object, until), Some(theirs), "{rule}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn rules_name_the_times_that_rrule_names(rule in rules(), day in 0..1200i64, minute in 0..1440i64) {
        let start = 1_577_836_800 + day * 86_400 + minute * 60;
        let text = format!("DTSTART:{}\nRRULE:{rule}", format_utc(start));
        let Some((mut theirs, complete)) = theirs(&text) else { return Ok(()) };
        if theirs.first() != Some(&start) {
            // COUNT then counts other instances.
            if rule.contains("COUNT") {
                return Ok(());
            }
            theirs.insert(0, start);
        }
        let last = theirs.last().copied().unwrap_or(start);
        let object = event(&format!("{text}\n"));
        let until = complete.min(last.saturating_add(20 * 366 * 86_400)).saturating_add(1);
        let Some(mut ours) = ours(&object, until) else { return Ok(()) };
        ours.retain(|start| *start <= complete);
        ours.truncate(COMPARED + 1);
        prop_assert_eq!(ours, theirs, "{}", text);
    }

    #[test]
    fn rules_keep_local_time_as_rrule_does(
        rule in rules(),
        zone in prop::sample::select(vec!["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Tokyo"]),
        day in 0..1200i64,
        // Between 04:00 and 22:00 no zone has gaps; what `rrule` does in them differs.
        minute in 240..1320i64,
    ) {
        if ["BYHOUR", "HOURLY", "MINUTELY"].iter().any(|part| rule.contains(part)) {
            return Ok(());
        }
        let local = format_utc(1_577_836_800 + day * 86_400 + minute * 60);
        let text = format!("DTSTART;TZID={zone}:{}\nRRULE:{rule}", local.trim_end_matches('Z'));
        let Some((mut theirs, complete)) = theirs(&text) else { return Ok(()) };
        let object = event(&format!("{text}\n"));
        let Some(&start) = ours(&object, 1_700_000_000).as_ref().and_then(|starts| starts.first()) else {
            return Ok(());
        };
        if theirs.first() != Some(&start) {
            if rule.contains("COUNT") {
                return Ok(());
            }
            theirs.insert(0, start);
        }
        let last = theirs.last().copied().unwrap_or(start);
        let until = complete.min(last.saturating_add(20 * 366 * 86_400)).saturating_add(1);
        let Some(mut ours) = ours(&object, until) else { return Ok(()) };
        ours.retain(|start| *start <= complete);
        ours.truncate(COMPARED + 1);
        prop_assert_eq!(ours, theirs, "{}", text);
    }

    #[test]
    fn sets_have_the_instances_that_calcard_finds(
        days in prop::collection::btree_set(0..30i64, 0..4),
        moved in prop::collection::btree_map(0..30i64, -40..40i64, 0..4),
        count in 1..30u32,
        interval in 1..4u32,
    ) {
        // 2025-03-20 on in Berlin, across the change of 2025-03-30.
        let local = |day: i64, hour: i64| {
            format_utc(1_742_428_800 + day * 86_400 + hour * 3600).trim_end_matches('Z').to_owned()
        };
        let mut text = format!(
            "BEGIN:VEVENT\r\nUID:u\r\nDTSTART;TZID=Europe/Berlin:{}\r\nDURATION:PT1H\r\n\
             RRULE:FREQ=DAILY;INTERVAL={interval};COUNT={count}\r\n",
            local(0, 12),
        );
        let named = |day: i64| day % i64::from(interval) == 0 && day / i64::from(interval) < i64::from(count);
        // Overrides of instances that do not exist or are excluded are understood differently.
        let moved: Vec<_> = moved.into_iter().filter(|(day, _)| named(*day) && !days.contains(day)).collect();
        for day in &days {
            write!(text, "EXDATE;TZID=Europe/Berlin:{}\r\n", local(*day, 12)).unwrap();
        }
        text.push_str("END:VEVENT\r\n");
        for (day, hours) in &moved {
            write!(
                text,
                "BEGIN:VEVENT\r\nUID:u\r\nRECURRENCE-ID;TZID=Europe/Berlin:{}\r\n\
                 DTSTART;TZID=Europe/Berlin:{}\r\nDURATION:PT2H\r\nEND:VEVENT\r\n",
                local(*day, 12),
                local(*day, 12 + hours.div_euclid(2) * 2 + 1),
            )
            .unwrap();
        }
        let text = format!("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\n{text}END:VCALENDAR\r\n");
        let theirs = calcard::icalendar::ICalendar::parse(&text).unwrap();
        let expanded = theirs.expand_dates(calcard::common::timezone::Tz::UTC, 1000);
        prop_assert!(expanded.errors.is_empty());
        let mut theirs: Vec<i64> = expanded.events.iter().map(|event| event.start.timestamp()).collect();
        theirs.sort_unstable();
        prop_assert_eq!(ours(&parse(&text), i64::MAX), Some(theirs), "{}", text);
    }
}
