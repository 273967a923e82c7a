//! How fast objects are parsed, a month of a large calendar is found, and what recurs is expanded. Each
//! measure stands beside one that bounds it: reading the bytes once, filtering without summaries, or the crate
//! `rrule`.

use kalends_icalendar::{
    Budget, CalendarObject, ComponentFilter, Limits, Selection, Summary, TimeRange, Zone,
    value::{format_local, format_utc},
};

fn main() {
    divan::main();
}

/// Events of the calendar, of which one in twenty recurs.
const EVENTS: i64 = 10_000;
/// 2020-01-01.
const FIRST: i64 = 1_577_836_800;
const DAY: i64 = 86_400;

const ZONE: &str = "BEGIN:VTIMEZONE\r\nTZID:Europe/Berlin\r\nBEGIN:DAYLIGHT\r\nTZOFFSETFROM:+0100\r\n\
    TZOFFSETTO:+0200\r\nDTSTART:19810329T020000\r\nRRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU\r\nEND:DAYLIGHT\r\n\
    BEGIN:STANDARD\r\nTZOFFSETFROM:+0200\r\nTZOFFSETTO:+0100\r\nDTSTART:19961027T030000\r\n\
    RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n";

/// The text of event `n`: spread over ten years, as a client writes it.
fn text(n: i64) -> String {
    // A step that is coprime to the number of hours spreads the events over all of them.
    let start = FIRST + (n * 7919 % (10 * 365 * 24)) * 3600;
    let recurrence = match n % 80 {
        0 => "RRULE:FREQ=WEEKLY;BYDAY=MO,WE\r\n",
        20 => "RRULE:FREQ=WEEKLY;COUNT=20\r\n",
        40 => "RRULE:FREQ=YEARLY\r\n",
        60 => "RRULE:FREQ=MONTHLY;BYDAY=2TU\r\n",
        _ => "",
    };
    let alarm = "BEGIN:VALARM\r\nACTION:DISPLAY\r\nDESCRIPTION:Reminder\r\nTRIGGER:-PT15M\r\nEND:VALARM\r\n";
    format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Example Corp.//CalDAV Client//EN\r\n{ZONE}BEGIN:VEVENT\r\n\
         UID:{n:08}-5f2c-4c1e-9d0e-3a7b6c5d4e3f\r\nDTSTAMP:{}\r\nCREATED:20200101T000000Z\r\n\
         DTSTART;TZID=Europe/Berlin:{}\r\nDTEND;TZID=Europe/Berlin:{}\r\n{recurrence}\
         SUMMARY:Meeting {n} about the quarterly plan\\, with coffee\r\nLOCATION:Room {}\r\n\
         DESCRIPTION:Agenda and notes of the meeting\\nare in the usual place; bring the numbers of\r\n  the \
         last quarter.\r\nORGANIZER;CN=\"Lovelace, Ada\":mailto:ada@example.com\r\n\
         ATTENDEE;PARTSTAT=ACCEPTED;CN=Bob:mailto:bob@example.com\r\n\
         ATTENDEE;PARTSTAT=NEEDS-ACTION;CN=Eve:mailto:eve@example.com\r\nSEQUENCE:1\r\nSTATUS:CONFIRMED\r\n\
         {alarm}END:VEVENT\r\nEND:VCALENDAR\r\n",
        format_utc(start),
        format_local(start),
        format_local(start + 3600),
        n % 40,
    )
}

fn parse(text: &str) -> CalendarObject {
    CalendarObject::parse(text.as_bytes().to_vec(), &Limits::default()).expect("the objects are valid")
}

/// The filter of a client that shows one month.
fn month() -> ComponentFilter {
    let start = FIRST + 1950 * DAY;
    ComponentFilter {
        name: "VCALENDAR".into(),
        components: vec![ComponentFilter {
            name: "VEVENT".into(),
            time_range: Some(TimeRange::new(start, start + 30 * DAY)),
            ..Default::default()
        }],
        ..Default::default()
    }
}

#[divan::bench_group(sample_count = 20)]
mod parsing {
    use super::{CalendarObject, Limits, Summary, parse, text};
    use divan::Bencher;

    #[divan::bench]
    fn reading_the_bytes(bencher: Bencher<'_, '_>) {
        let texts: Vec<String> = (0..1000).map(text).collect();
        let bytes: usize = texts.iter().map(String::len).sum();
        bencher
            .counter(divan::counter::BytesCount::new(bytes))
            .bench(|| texts.iter().filter(|text| std::str::from_utf8(text.as_bytes()).is_ok()).count());
    }

    #[divan::bench]
    fn one_thousand_objects(bencher: Bencher<'_, '_>) {
        let texts: Vec<bytes::Bytes> = (0..1000).map(|n| text(n).into()).collect();
        let bytes: usize = texts.iter().map(bytes::Bytes::len).sum();
        bencher.counter(divan::counter::BytesCount::new(bytes)).bench(|| {
            let parsed = texts.iter().map(|text| CalendarObject::parse(text.clone(), &Limits::default()));
            parsed.filter(Result::is_ok).count()
        });
    }

    #[divan::bench]
    fn one_thousand_objects_by_calcard(bencher: Bencher<'_, '_>) {
        let texts: Vec<String> = (0..1000).map(text).collect();
        let bytes: usize = texts.iter().map(String::len).sum();
        bencher.counter(divan::counter::BytesCount::new(bytes)).bench(|| {
            texts.iter().filter(|text| calcard::icalendar::ICalendar::parse(text.as_str()).is_ok()).count()
        });
    }

    #[divan::bench]
    fn one_thousand_summaries(bencher: Bencher<'_, '_>) {
        let objects: Vec<CalendarObject> = (0..1000).map(|n| parse(&text(n))).collect();
        bencher.bench(|| objects.iter().filter_map(Summary::of).count());
    }
}

#[divan::bench_group(sample_count = 10)]
mod a_month_of_ten_thousand {
    use super::{Budget, EVENTS, Summary, TimeRange, Zone, month, parse, text};
    use divan::Bencher;

    fn matches(text: &str) -> bool {
        month().matches(&parse(text), &Zone::Utc, &mut Budget::new(Budget::OBJECT))
    }

    #[divan::bench]
    fn with_summaries(bencher: Bencher<'_, '_>) {
        let calendar: Vec<(String, Summary)> = (0..EVENTS)
            .map(|n| {
                let text = text(n);
                let summary = Summary::of(&parse(&text)).expect("the objects have a UID");
                (text, summary)
            })
            .collect();
        let (_, range): (_, TimeRange) = month().necessary_range().expect("the filter has a range");
        let likely = calendar.iter().filter(|(_, summary)| summary.may_overlap(&range)).count();
        let found = calendar.iter().filter(|(text, _)| matches(text)).count();
        let bytes: usize = calendar.iter().map(|(_, summary)| summary.size()).sum();
        println!("{found} of {EVENTS} are in the month; {likely} are parsed; summaries take {bytes} bytes");
        bencher.bench(|| {
            calendar.iter().filter(|(text, summary)| summary.may_overlap(&range) && matches(text)).count()
        });
    }

    #[divan::bench]
    fn without_summaries(bencher: Bencher<'_, '_>) {
        let calendar: Vec<String> = (0..EVENTS).map(text).collect();
        bencher.bench(|| calendar.iter().filter(|text| matches(text)).count());
    }
}

#[divan::bench_group(sample_count = 20)]
mod expanding {
    use super::{Budget, FIRST, Selection, TimeRange, Zone, format_local, parse, text};
    use divan::Bencher;

    const DAYS: i64 = 1000;

    fn daily() -> String {
        text(1).replace("SUMMARY", "RRULE:FREQ=DAILY\r\nSUMMARY")
    }

    #[divan::bench]
    fn one_thousand_instances(bencher: Bencher<'_, '_>) {
        let object = parse(&daily());
        let start = FIRST + 3000 * super::DAY;
        let range = TimeRange::new(start, start + DAYS * super::DAY);
        let selection = Selection { expand: Some(range), ..Default::default() };
        bencher.bench(|| {
            selection.apply(&object, &Zone::Utc, &mut Budget::new(Budget::OBJECT)).map(|out| out.len())
        });
    }

    #[divan::bench]
    fn one_thousand_starts(bencher: Bencher<'_, '_>) {
        let object = parse(&daily());
        let start = FIRST + 3000 * super::DAY;
        let range = TimeRange::new(start, start + DAYS * super::DAY);
        bencher.bench(|| {
            let budget = &mut Budget::new(Budget::OBJECT);
            kalends_icalendar::occurrences(&object, None, &range, &Zone::Utc, budget).len()
        });
    }

    /// The instance of a day fifty years after DTSTART.
    #[divan::bench]
    fn one_far_start(bencher: Bencher<'_, '_>) {
        let object = parse(&daily());
        let start = FIRST + 50 * 365 * super::DAY;
        let range = TimeRange::new(start, start + super::DAY);
        bencher.bench(|| {
            let budget = &mut Budget::new(Budget::OBJECT);
            kalends_icalendar::occurrences(&object, None, &range, &Zone::Utc, budget).len()
        });
    }

    #[divan::bench]
    fn one_far_start_by_rrule(bencher: Bencher<'_, '_>) {
        let start = FIRST + 50 * 365 * super::DAY;
        let rule = format!("DTSTART:{}\nRRULE:FREQ=DAILY", super::format_utc(FIRST));
        let zone = rrule::Tz::UTC;
        let at =
            |time| chrono::DateTime::from_timestamp(time, 0).expect("the time is valid").with_timezone(&zone);
        bencher.bench(|| {
            let set: rrule::RRuleSet = rule.parse().expect("the rule is valid");
            set.after(at(start)).before(at(start + super::DAY - 1)).all_unchecked().len()
        });
    }

    #[divan::bench]
    fn one_thousand_starts_by_rrule(bencher: Bencher<'_, '_>) {
        let start = FIRST + 3000 * super::DAY;
        let rule = format!(
            "DTSTART;TZID=Europe/Berlin:{}\nRRULE:FREQ=DAILY;COUNT={DAYS}",
            format_local(start).trim_end_matches('Z')
        );
        bencher.bench(|| {
            let set: rrule::RRuleSet = rule.parse().expect("the rule is valid");
            set.all_unchecked().len()
        });
    }
}

/// Objects made to cost much: one question about each must end within its budget, beside one that is plain.
#[divan::bench_group(sample_count = 10)]
mod one_question {
    use super::{Budget, CalendarObject, FIRST, Zone, month, parse};
    use divan::Bencher;

    const KINDS: [&str; 7] =
        ["plain", "secondly", "never", "no_position", "many_exdates", "many_exrules", "many_zones"];

    fn object(kind: &str) -> CalendarObject {
        let event = |more: &str| {
            format!("BEGIN:VEVENT\r\nUID:u\r\nDTSTART:20000101T000000Z\r\n{more}\r\nEND:VEVENT\r\n")
        };
        let inner = match kind {
            "secondly" => event("RRULE:FREQ=SECONDLY;BYHOUR=3;COUNT=4000000000"),
            "never" => event("RRULE:FREQ=YEARLY;BYWEEKNO=53;BYMONTH=6"),
            "no_position" => event("RRULE:FREQ=MINUTELY;BYSETPOS=2"),
            "many_exdates" => {
                let dates: Vec<String> = (0..50_000).map(|n| super::format_local(FIRST + n * 7)).collect();
                event(&format!("RRULE:FREQ=SECONDLY\r\nEXDATE;TZID=Europe/Berlin:{}", dates.join(",")))
            }
            "many_exrules" => event(&"EXRULE:FREQ=SECONDLY;INTERVAL=2\r\n".repeat(9_000)),
            "many_zones" => {
                let mut text = String::new();
                for n in 0..600 {
                    text += &super::ZONE.replace("Europe/Berlin", &format!("zone {n}"));
                }
                let uses: Vec<String> =
                    (0..600).map(|n| format!("RDATE;TZID=\"zone {n}\":20200101T000000")).collect();
                text + &event(&uses.join("\r\n"))
            }
            _ => event("SUMMARY:plain"),
        };
        parse(&format!("BEGIN:VCALENDAR\r\nVERSION:2.0\r\n{inner}END:VCALENDAR\r\n"))
    }

    #[divan::bench(args = KINDS)]
    fn filtering(bencher: Bencher<'_, '_>, kind: &str) {
        let (object, filter) = (object(kind), month());
        bencher.bench(|| filter.matches(&object, &Zone::Utc, &mut Budget::new(Budget::OBJECT)));
    }

    #[divan::bench(args = KINDS)]
    fn summarising(bencher: Bencher<'_, '_>, kind: &str) {
        let object = object(kind);
        bencher.bench(|| super::Summary::of(&object));
    }
}
