//! calendar-query (RFC 4791 §7.8).

use crate::{
    appendix_b::{self, CALENDAR},
    multistatus::Properties,
    server::{Answer, Server, event},
};
use proptest::{collection, prelude::*, test_runner::TestRunner};
use std::cell::Cell;

const NAMESPACES: &str = "xmlns:D='DAV:' xmlns:C='urn:ietf:params:xml:ns:caldav'";

/// A query for these properties with this inside of the filter on VCALENDAR.
fn body(prop: &str, filter: &str) -> String {
    format!(
        "<?xml version='1.0' encoding='utf-8'?><C:calendar-query {NAMESPACES}><D:prop>{prop}</D:prop>\
         <C:filter><C:comp-filter name='VCALENDAR'>{filter}</C:comp-filter></C:filter></C:calendar-query>"
    )
}

fn ask(server: &Server, body: &str) -> Answer {
    server.send("REPORT", CALENDAR, &[("depth", "1")], body)
}

fn names(responses: &[Properties]) -> Vec<&str> {
    responses.iter().map(|response| response.href.strip_prefix(CALENDAR).unwrap()).collect()
}

/// The names of what matches.
fn matches(server: &Server, filter: &str) -> Vec<String> {
    let responses = ask(server, &body("<D:getetag/>", filter)).responses();
    assert!(responses.iter().all(|response| response.text("D:getetag").len() == 42));
    names(&responses).iter().map(|name| name.to_string()).collect()
}

fn on(component: &str, tests: &str) -> String {
    format!("<C:comp-filter name='{component}'>{tests}</C:comp-filter>")
}

fn range(start: &str, end: &str) -> String {
    format!("<C:time-range start='{start}' end='{end}'/>")
}

#[test]
fn example_7_8_1_partial_retrieval_by_time_range() {
    let server = appendix_b::server();
    let prop = "<D:getetag/><C:calendar-data><C:comp name='VCALENDAR'><C:prop name='VERSION'/>\
        <C:comp name='VEVENT'><C:prop name='SUMMARY'/><C:prop name='UID'/><C:prop name='DTSTART'/>\
        <C:prop name='DTEND'/><C:prop name='DURATION'/><C:prop name='RRULE'/><C:prop name='RDATE'/>\
        <C:prop name='EXRULE'/><C:prop name='EXDATE'/><C:prop name='RECURRENCE-ID'/></C:comp>\
        <C:comp name='VTIMEZONE'/></C:comp></C:calendar-data>";
    let filter = on("VEVENT", &range("20060104T000000Z", "20060105T000000Z"));
    let responses = ask(&server, &body(prop, &filter)).responses();
    assert_eq!(names(&responses), ["abcd2.ics", "abcd3.ics"]);
    let data = responses[1].text("C:calendar-data");
    for present in ["VERSION:2.0", "TZNAME:EDT", "SUMMARY:Event #3", "DURATION:PT1H", "END:VCALENDAR"] {
        assert!(data.contains(present), "{present}: {data}");
    }
    for absent in ["PRODID", "ATTENDEE", "DTSTAMP", "STATUS"] {
        assert!(!data.contains(absent), "{absent}: {data}");
    }
    let etag = server.send("PROPFIND", &responses[0].href, &[("depth", "0")], "").response();
    assert_eq!(responses[0].text("D:getetag"), etag.text("D:getetag"));
}

#[test]
fn example_7_8_2_overrides_outside_the_range_are_left_out() {
    let server = appendix_b::server();
    let prop = "<C:calendar-data><C:limit-recurrence-set start='20060103T000000Z' end='20060105T000000Z'/>\
        </C:calendar-data>";
    let filter = on("VEVENT", &range("20060103T000000Z", "20060105T000000Z"));
    let responses = ask(&server, &body(prop, &filter)).responses();
    assert_eq!(names(&responses), ["abcd2.ics", "abcd3.ics"]);
    let data = responses[0].text("C:calendar-data");
    assert!(data.contains("SUMMARY:Event #2 bis\r\n") && !data.contains("bis bis"), "{data}");
}

#[test]
fn example_7_8_3_recurrences_are_expanded() {
    let server = appendix_b::server();
    let prop =
        "<C:calendar-data><C:expand start='20060103T000000Z' end='20060105T000000Z'/></C:calendar-data>";
    let filter = on("VEVENT", &range("20060103T000000Z", "20060105T000000Z"));
    let responses = ask(&server, &body(prop, &filter)).responses();
    assert_eq!(names(&responses), ["abcd2.ics", "abcd3.ics"]);
    let data = responses[0].text("C:calendar-data");
    let starts: Vec<_> = data.lines().filter(|line| line.starts_with("DTSTART")).collect();
    assert_eq!(starts, ["DTSTART:20060103T170000Z", "DTSTART:20060104T190000Z"]);
    assert!(data.contains("RECURRENCE-ID:20060104T170000Z"), "{data}");
    assert!(!data.contains("VTIMEZONE") && !data.contains("RRULE"), "{data}");
    assert!(responses[1].text("C:calendar-data").contains("DTSTART:20060104T150000Z"));
}

#[test]
fn example_7_8_4_periods_outside_the_range_are_left_out() {
    let server = appendix_b::server();
    let prop = "<C:calendar-data><C:limit-freebusy-set start='20060102T000000Z' end='20060103T000000Z'/>\
        </C:calendar-data>";
    let filter = on("VFREEBUSY", &range("20060102T000000Z", "20060103T000000Z"));
    let responses = ask(&server, &body(prop, &filter)).responses();
    assert_eq!(names(&responses), ["abcd8.ics"]);
    let data = responses[0].text("C:calendar-data");
    assert!(data.contains("20060102T100000Z/20060102T120000Z"), "{data}");
    assert!(!data.contains("20060103T100000Z"), "{data}");
}

#[test]
fn examples_7_8_5_to_7_8_10_find_what_the_rfc_says() {
    let server = appendix_b::server();
    let alarm = on("VTODO", &on("VALARM", &range("20060106T100000Z", "20060107T100000Z")));
    assert_eq!(matches(&server, &alarm), ["abcd5.ics"]);
    let uid = "<C:prop-filter name='UID'><C:text-match collation='i;octet'>event-3@example.com</C:text-match>\
        </C:prop-filter>";
    assert_eq!(matches(&server, &on("VEVENT", uid)), ["abcd3.ics"]);
    let status = "<C:prop-filter name='ATTENDEE'>\
        <C:text-match collation='i;ascii-casemap'>mailto:lisa@example.com</C:text-match>\
        <C:param-filter name='PARTSTAT'><C:text-match collation='i;ascii-casemap'>needs-action</C:text-match>\
        </C:param-filter></C:prop-filter>";
    assert_eq!(matches(&server, &on("VEVENT", status)), ["abcd3.ics"]);
    assert_eq!(matches(&server, &on("VEVENT", "")), ["abcd1.ics", "abcd2.ics", "abcd3.ics"]);
    let pending = "<C:prop-filter name='COMPLETED'><C:is-not-defined/></C:prop-filter>\
        <C:prop-filter name='STATUS'><C:text-match negate-condition='yes'>CANCELLED</C:text-match>\
        </C:prop-filter>";
    assert_eq!(matches(&server, &on("VTODO", pending)), ["abcd4.ics", "abcd5.ics"]);
    let extension = "<C:prop-filter name='X-ABC-GUID'><C:text-match>GUID-3</C:text-match></C:prop-filter>";
    assert_eq!(matches(&server, &on("VEVENT", extension)), ["abcd3.ics"]);
}

#[test]
fn everything_and_what_has_no_component_are_found() {
    let server = appendix_b::server();
    assert_eq!(matches(&server, "").len(), 8);
    let no_events = on("VEVENT", "<C:is-not-defined/>");
    assert_eq!(matches(&server, &no_events).len(), 5);
    // One object holds one kind only.
    assert!(matches(&server, &format!("{}{}", on("VEVENT", ""), on("VTODO", ""))).is_empty());
    let range = range("20060104T000000Z", "20060105T000000Z");
    assert!(matches(&server, &format!("{}{}", on("VTODO", ""), on("VEVENT", &range))).is_empty());
}

#[test]
fn a_query_on_an_object_or_with_any_depth_is_about_calendar_objects() {
    let server = appendix_b::server();
    let events = body("<D:getetag/>", &on("VEVENT", ""));
    let object = format!("{CALENDAR}abcd1.ics");
    assert_eq!(server.send("REPORT", &object, &[], &events).responses().len(), 1);
    let todo = format!("{CALENDAR}abcd4.ics");
    assert_eq!(server.send("REPORT", &todo, &[("depth", "0")], &events).responses().len(), 0);
    // RFC 4791 says that the default is 0; a calendar is never taken for empty because of that.
    for headers in [&[][..], &[("depth", "0")], &[("depth", "1")], &[("depth", "infinity")]] {
        assert_eq!(server.send("REPORT", CALENDAR, headers, &events).responses().len(), 3, "{headers:?}");
    }
    server.commit("ada", &[("team/a/x.ics", Some(&event("x", "X"))), ("team/y.txt", Some("y"))]);
    let home = "/dav/calendars/ada/";
    let found = server.send("REPORT", home, &[("depth", "infinity")], &events).responses();
    let hrefs: Vec<_> = found.iter().map(|response| response.href.as_str()).collect();
    assert_eq!(hrefs.len(), 4);
    assert!(hrefs.contains(&"/dav/calendars/ada/team/a/x.ics"));
    assert_eq!(server.send("REPORT", home, &[("depth", "1")], &events).responses().len(), 0);
}

#[test]
fn floating_times_are_in_the_zone_of_the_request_or_the_calendar() {
    let server = Server::new();
    let floating = event("a", "A").replace("20260102T100000Z", "20260102T100000");
    let floating = floating.replace("20260102T110000Z", "20260102T110000");
    server.commit("ada", &[("calendar/a.ics", Some(&floating))]);
    let zone = |tzid: &str, offset: &str| {
        format!(
            "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:x\nBEGIN:VTIMEZONE\nTZID:{tzid}\nBEGIN:STANDARD\n\
             DTSTART:19700101T000000\nTZOFFSETFROM:{offset}\nTZOFFSETTO:{offset}\nEND:STANDARD\n\
             END:VTIMEZONE\nEND:VCALENDAR\n"
        )
    };
    let found = |zone: &str, start: &str, end: &str| {
        let query = body("<D:getetag/>", &on("VEVENT", &range(start, end)));
        let query = query.replace("</C:calendar-query>", &format!("{zone}</C:calendar-query>"));
        !ask(&server, &query).responses().is_empty()
    };
    let (ten, eighteen) =
        (("20260102T103000Z", "20260102T104000Z"), ("20260102T183000Z", "20260102T184000Z"));
    assert!(found("", ten.0, ten.1) && !found("", eighteen.0, eighteen.1));
    let eight_west = format!("<C:timezone>{}</C:timezone>", zone("Own", "-0800"));
    assert!(!found(&eight_west, ten.0, ten.1) && found(&eight_west, eighteen.0, eighteen.1));
    let named = "<C:timezone-id>America/Los_Angeles</C:timezone-id>";
    assert!(!found(named, ten.0, ten.1) && found(named, eighteen.0, eighteen.1));
    let described = format!("type = \"calendar\"\ntimezone = '''\n{}'''\n", zone("Own", "-0800"));
    server.commit("ada", &[("calendar/.collection.toml", Some(&described))]);
    assert!(!found("", ten.0, ten.1) && found("", eighteen.0, eighteen.1));
    let utc = "<C:timezone-id>UTC</C:timezone-id>";
    assert!(found(utc, ten.0, ten.1) && !found(utc, eighteen.0, eighteen.1));
}

#[test]
fn what_a_request_may_not_ask_is_refused_by_name() {
    let server = appendix_b::server();
    let with = |prop: &str, filter: &str, more: &str| {
        body(prop, filter).replace("</C:calendar-query>", &format!("{more}</C:calendar-query>"))
    };
    let etag = "<D:getetag/>";
    for (query, condition) in [
        (with(etag, &on("VALARM", ""), ""), "C:valid-filter"),
        (with(etag, &on("VEVENT", "<C:other/>"), ""), "C:supported-filter"),
        (
            with(
                etag,
                &on(
                    "VEVENT",
                    "<C:prop-filter name='UID'><C:text-match collation='x'>1</C:text-match></C:prop-filter>",
                ),
                "",
            ),
            "C:supported-collation",
        ),
        (with(etag, "", "<C:timezone>nonsense</C:timezone>"), "C:valid-calendar-data"),
        (with(etag, "", "<C:timezone-id>Mars/Olympus</C:timezone-id>"), "C:valid-timezone"),
        (
            with("<C:calendar-data content-type='application/calendar+json'/>", "", ""),
            "C:supported-calendar-data",
        ),
        (
            with("<C:calendar-data content-type='text/calendar' version='1.0'/>", "", ""),
            "C:supported-calendar-data",
        ),
        (
            format!("<C:calendar-query {NAMESPACES}><D:prop><D:getetag/></D:prop></C:calendar-query>"),
            "C:valid-filter",
        ),
        (format!("<C:calendar-guess {NAMESPACES}/>"), "D:supported-report"),
        (format!("<D:calendar-query {NAMESPACES}/>"), "D:supported-report"),
    ] {
        ask(&server, &query).expect_condition(403, condition);
    }
    for query in [
        with("<C:calendar-data><C:expand start='20060103T000000Z'/></C:calendar-data>", "", ""),
        with("<C:calendar-data><C:comp name='VEVENT'/></C:calendar-data>", "", ""),
        with("<C:calendar-data><C:comp/></C:calendar-data>", "", ""),
        with(etag, "", "<C:timezone-id>UTC</C:timezone-id><C:timezone>x</C:timezone>"),
        String::new(),
        "<unclosed".into(),
    ] {
        ask(&server, &query).expect(400);
    }
    server.send("REPORT", "/dav/calendars/ada/nowhere/", &[], with(etag, "", "")).expect(404);
    server.send_as("bob", "REPORT", CALENDAR, &[], with(etag, "", "")).expect(404);
    server.send("REPORT", CALENDAR, &[("depth", "2")], with(etag, "", "")).expect(400);
}

#[test]
fn files_that_are_no_calendar_objects_match_nothing() {
    let server = Server::new();
    server.commit(
        "ada",
        &[
            ("calendar/broken.ics", Some("BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\n")),
            ("calendar/empty.ics", Some("")),
            ("calendar/notes.txt", Some("BEGIN:VCALENDAR")),
            ("calendar/whole.ics", Some(&event("w", "W"))),
        ],
    );
    assert_eq!(matches(&server, ""), ["whole.ics"]);
    assert_eq!(
        matches(&server, &on("VEVENT", &range("20260101T000000Z", "20270101T000000Z"))),
        ["whole.ics"]
    );
}

/// An event or task with times of any form, which may recur.
fn object() -> impl Strategy<Value = String> {
    let form = prop_oneof![
        Just((":", "Z")),
        Just((":", "")),
        Just((";TZID=Europe/Berlin:", "")),
        Just((";TZID=Pacific/Auckland:", "")),
        Just((";VALUE=DATE:", "date")),
    ];
    let rule = prop_oneof![
        3 => Just(""),
        1 => Just("RRULE:FREQ=DAILY;COUNT=5\r\n"),
        1 => Just("RRULE:FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,FR\r\n"),
        1 => Just("RRULE:FREQ=MONTHLY;BYDAY=-1SU;UNTIL=20260601T000000Z\r\n"),
        1 => Just("RRULE:FREQ=YEARLY;BYMONTH=1,3\r\nEXDATE:20270105T100000Z\r\n"),
        1 => Just("RDATE:20260301T000000Z,20260412T233000Z\r\n"),
    ];
    let length = prop_oneof![Just(""), Just("PT0S"), Just("PT30M"), Just("P1D"), Just("P9D")];
    let kind = prop_oneof![3 => Just("VEVENT"), 1 => Just("VTODO"), 1 => Just("VJOURNAL")];
    (kind, form, rule, length, 1_u32..6, 1_u32..29, 0_u32..24).prop_map(
        |(kind, (name, end), rule, length, month, day, hour)| {
            let time = match end {
                "date" => String::new(),
                end => format!("T{hour:02}0000{end}"),
            };
            let length = match (kind, end) {
                ("VJOURNAL", _) | (_, "date") => String::new(),
                _ if length.is_empty() => String::new(),
                _ => format!("DURATION:{length}\r\n"),
            };
            format!(
                "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:{kind}\r\nUID:u\r\n\
                 DTSTAMP:20260101T000000Z\r\nDTSTART{name}2026{month:02}{day:02}{time}\r\n{length}{rule}\
                 END:{kind}\r\nEND:VCALENDAR\r\n"
            )
        },
    )
}

#[test]
fn a_query_of_a_calendar_finds_what_queries_of_its_objects_find() {
    let server = Server::new();
    let found = Cell::new((0, 0));
    let case = (collection::vec(object(), 1..8), 1_u32..8, 1_u32..29, 0_u32..24, 1_i64..400);
    TestRunner::new(ProptestConfig::with_cases(96))
        .run(&case, |(objects, month, day, hour, hours)| {
            let mut files: Vec<(String, Option<String>)> =
                (0..8).map(|number| (format!("calendar/{number}.ics"), None)).collect();
            for (file, text) in files.iter_mut().zip(&objects) {
                file.1 = Some(text.replace("UID:u", &format!("UID:{}", file.0)));
            }
            let files: Vec<_> = files.iter().map(|(path, text)| (path.as_str(), text.as_deref())).collect();
            server.commit("ada", &files);
            let start = format!("2026{month:02}{day:02}T{hour:02}0000Z");
            let days = hour as i64 + hours;
            let end = day as i64 + days / 24;
            // A month has room for what does not pass its 28th day.
            let end = match end {
                ..=28 => format!("2026{month:02}{end:02}T{:02}0000Z", days % 24),
                _ => format!("2026{:02}{:02}T{:02}0000Z", month + 1, (end - 28).min(28), days % 24),
            };
            for kind in ["VEVENT", "VTODO", "VJOURNAL"] {
                for zone in ["", "<C:timezone-id>America/Los_Angeles</C:timezone-id>"] {
                    let query = body("<D:getetag/>", &on(kind, &range(&start, &end)));
                    let query = query.replace("</C:calendar-query>", &format!("{zone}</C:calendar-query>"));
                    let all = ask(&server, &query).responses();
                    let one_by_one: Vec<_> = (0..objects.len())
                        .map(|number| format!("{CALENDAR}{number}.ics"))
                        .filter(|href| !server.send("REPORT", href, &[], &query).responses().is_empty())
                        .collect();
                    let all: Vec<_> = all.into_iter().map(|response| response.href).collect();
                    prop_assert_eq!(&all, &one_by_one, "{} to {}: {:?}", start, end, objects);
                    let (yes, no) = found.get();
                    found.set((yes + all.len(), no + objects.len() - all.len()));
                }
            }
            Ok(())
        })
        .unwrap();
    // Random cases find some 5 in 100; the test would be empty with none.
    assert!(found.get().0 > 20 && found.get().1 > 100, "{found:?}");
}

#[test]
fn hostile_recurrences_cost_a_bounded_time() {
    let server = Server::new();
    let rules = [
        "FREQ=SECONDLY",
        "FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=DAILY;BYSETPOS=400;BYHOUR=1",
        "FREQ=MINUTELY;INTERVAL=7;BYDAY=MO;BYMONTH=5;COUNT=1000000000",
    ];
    for copy in 0..8 {
        let files: Vec<_> = rules
            .iter()
            .enumerate()
            .map(|(number, rule)| {
                let text = event(&format!("{copy}-{number}"), "x")
                    .replace("SUMMARY", &format!("RRULE:{rule}\r\nSUMMARY"));
                (format!("calendar/{copy}-{number}.ics"), text.replace("20260102", "19700102"))
            })
            .collect();
        let files: Vec<_> = files.iter().map(|(path, text)| (path.as_str(), Some(text.as_str()))).collect();
        server.commit("ada", &files);
    }
    let filter = on("VEVENT", &range("20990101T000000Z", "20990201T000000Z"));
    let prop =
        "<C:calendar-data><C:expand start='20990101T000000Z' end='20990201T000000Z'/></C:calendar-data>";
    let answer = ask(&server, &body(prop, &filter));
    let responses = answer.responses();
    // What is too much is told, member by member.
    assert!(
        responses
            .iter()
            .any(|r| r.condition("C:calendar-data") == Some("{urn:ietf:params:xml:ns:caldav}max-instances"))
    );
    let free_busy = format!(
        "<C:free-busy-query {NAMESPACES}><C:time-range start='20990101T000000Z' end='20990201T000000Z'/></C:free-busy-query>"
    );
    let answer = server.send("REPORT", CALENDAR, &[("depth", "1")], free_busy).expect(200);
    assert!(answer.body.len() < 1 << 20);
}

#[test]
fn long_answers_are_sent_in_pieces() {
    let server = Server::new();
    let files: Vec<_> = (0..400)
        .map(|number| (format!("calendar/{number:03}.ics"), event(&number.to_string(), &"long ".repeat(40))))
        .collect();
    let files: Vec<_> = files.iter().map(|(path, text)| (path.as_str(), Some(text.as_str()))).collect();
    server.commit("ada", &files);
    let answer = ask(&server, &body("<C:calendar-data/>", &on("VEVENT", "")));
    assert!(answer.pieces > 3, "{}", answer.pieces);
    let responses = answer.responses();
    assert_eq!(responses.len(), 400);
    assert_eq!(responses[399].text("C:calendar-data"), event("399", &"long ".repeat(40)));
}
