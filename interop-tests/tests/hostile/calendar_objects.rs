//! iCalendar that is broken, or has no end.

use crate::assert_well;
use kalends_interop_tests::{Curl, Response, Server};

fn calendar(component: &str) -> String {
    format!("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//EN\r\n{component}END:VCALENDAR\r\n")
}

fn event(lines: &str) -> String {
    calendar(&format!("BEGIN:VEVENT\r\nUID:u\r\nDTSTAMP:20260101T000000Z\r\n{lines}END:VEVENT\r\n"))
}

fn put(server: &Server, name: &str, body: &[u8]) -> Response {
    let path = format!("{}{name}", server.calendar_path());
    Curl::new(server, "PUT", &path).typed_body("text/calendar; charset=utf-8", body).send()
}

#[test]
fn what_is_no_calendar_object_is_refused_with_its_precondition() {
    let mut server = Server::start();
    let start = "DTSTART:20260101T000000Z\r\n";
    for (what, body, precondition) in [
        ("nothing", String::new(), "valid-calendar-data"),
        ("prose", "Dear calendar,\r\n".into(), "valid-calendar-data"),
        ("an unclosed component", event(start).replace("END:VEVENT\r\n", ""), "valid-calendar-data"),
        (
            "crossed components",
            event("BEGIN:VALARM\r\n").replace("END:VCALENDAR\r\n", ""),
            "valid-calendar-data",
        ),
        ("a date that is none", event("DTSTART:20261332T000000Z\r\n"), "valid-calendar-data"),
        ("no start", event(""), "valid-calendar-"),
        ("a rule that is none", event(&format!("{start}RRULE:FREQ=SOMETIMES\r\n")), "valid-calendar-data"),
        (
            "METHOD",
            event(start).replace("VERSION:2.0", "VERSION:2.0\r\nMETHOD:REQUEST"),
            "valid-calendar-object-resource",
        ),
        ("no component", calendar(""), "valid-calendar-"),
        ("a time zone only", calendar("BEGIN:VTIMEZONE\r\nTZID:x\r\nEND:VTIMEZONE\r\n"), "valid-calendar-"),
        (
            "two UIDs",
            calendar(&{
                let one = "BEGIN:VEVENT\r\nUID:1\r\nDTSTAMP:20260101T000000Z\r\nDTSTART:20260101T000000Z\r\nEND:VEVENT\r\n";
                one.to_owned() + &one.replace("UID:1", "UID:2")
            }),
            "valid-calendar-object-resource",
        ),
        ("no UID", event(start).replace("UID:u\r\n", ""), "valid-calendar-"),
        ("a control character", event(&format!("{start}SUMMARY:a\u{1}b\r\n")), "valid-calendar-data"),
    ] {
        let response = put(&server, "broken.ics", body.as_bytes());
        assert!(
            matches!(response.status, 403 | 409 | 415),
            "{what}: {} {}",
            response.status,
            response.text()
        );
        let text = response.text();
        assert!(text.contains(precondition), "{what}: {text}");
    }
    let not_utf8 = [event(start).as_bytes(), b""].concat();
    let not_utf8: Vec<u8> = not_utf8.iter().map(|byte| if *byte == b'u' { 0xff } else { *byte }).collect();
    let response = put(&server, "broken.ics", &not_utf8);
    assert!(matches!(response.status, 403 | 415), "{}", response.status);
    let response = Curl::new(&server, "PUT", &format!("{}x.ics", server.calendar_path()))
        .typed_body("application/json", "[]")
        .expect(&[403, 415]);
    assert!(response.text().contains("supported-calendar-data"), "{}", response.text());
    Curl::new(&server, "GET", &format!("{}broken.ics", server.calendar_path())).expect(&[404]);
    assert_well(&mut server);
}

#[test]
fn recurrences_without_end_are_kept_and_answered_in_time() {
    let mut server = Server::start();
    let rules = [
        "FREQ=SECONDLY",
        "FREQ=SECONDLY;BYSECOND=0;BYMINUTE=0;BYHOUR=0;BYMONTHDAY=30;BYMONTH=2",
        "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=31",
        "FREQ=YEARLY;BYDAY=MO,TU,WE,TH,FR,SA,SU;BYHOUR=0,1,2,3,4,5,6,7,8,9,10,11,12;BYMINUTE=0,10,20,30;BYSECOND=0,30",
        "FREQ=MINUTELY;COUNT=2147483647",
        "FREQ=YEARLY;INTERVAL=65535",
        "FREQ=SECONDLY;UNTIL=99991231T235959Z",
        "FREQ=MONTHLY;BYSETPOS=-366;BYDAY=MO",
    ];
    for (number, rule) in rules.iter().enumerate() {
        let text = event(&format!("DTSTART:19700101T000000Z\r\nDURATION:PT1S\r\nRRULE:{rule}\r\n"))
            .replace("UID:u", &format!("UID:u{number}"));
        let response = put(&server, &format!("{number}.ics"), text.as_bytes());
        assert!(matches!(response.status, 201 | 403), "{rule}: {} {}", response.status, response.text());
    }
    let many: String = (0..20_000)
        .map(|number| {
            format!(
                "RDATE:2026{:02}{:02}T{:02}{:02}00Z\r\n",
                number / 28 % 12 + 1,
                number % 28 + 1,
                number / 60 % 24,
                number % 60
            )
        })
        .collect();
    let response =
        put(&server, "rdates.ics", event(&format!("DTSTART:20260101T000000Z\r\n{many}")).as_bytes());
    assert!(matches!(response.status, 201 | 403), "{}", response.status);

    let expand = "<c:expand start=\"20260101T000000Z\" end=\"20360101T000000Z\"/>";
    for data in ["<c:calendar-data/>".to_owned(), format!("<c:calendar-data>{expand}</c:calendar-data>")] {
        for (from, to) in [("20260101T000000Z", "20260102T000000Z"), ("00010101T000000Z", "99991231T000000Z")]
        {
            let query = format!(
                "<c:calendar-query xmlns=\"DAV:\" xmlns:c=\"urn:ietf:params:xml:ns:caldav\"><prop><getetag/>{data}\
                 </prop><c:filter><c:comp-filter name=\"VCALENDAR\"><c:comp-filter name=\"VEVENT\">\
                 <c:time-range start=\"{from}\" end=\"{to}\"/></c:comp-filter></c:comp-filter></c:filter>\
                 </c:calendar-query>"
            );
            // RFC 4791 §7.8: more instances than the server likes are a refusal.
            Curl::new(&server, "REPORT", &server.calendar_path())
                .header("Depth", "1")
                .typed_body("application/xml", query)
                .option(&["--max-time", "60"])
                .expect(&[207, 403, 507]);
        }
    }
    assert_well(&mut server);
}

#[test]
fn lines_and_depths_beyond_reason_are_refused_or_kept_whole() {
    let mut server = Server::start();
    let start = "DTSTART:20260101T000000Z\r\n";
    let nested = format!("{}{}", "BEGIN:X-A\r\n".repeat(50_000), "END:X-A\r\n".repeat(50_000));
    for (what, body) in [
        ("a line of 4 MiB", event(&format!("{start}DESCRIPTION:{}\r\n", "a".repeat(4 << 20)))),
        ("a million folds", event(&format!("{start}DESCRIPTION:{}\r\n", "a\r\n ".repeat(1_000_000)))),
        ("50,000 levels", event(&format!("{start}{nested}"))),
        ("100,000 parameters", event(&format!("{start}X-A{}:v\r\n", ";P=v".repeat(100_000)))),
        ("100,000 properties", event(&format!("{start}{}", "COMMENT:c\r\n".repeat(100_000)))),
    ] {
        let response = put(&server, "large.ics", body.as_bytes());
        assert!(
            matches!(response.status, 201 | 204 | 403 | 413),
            "{what}: {} {}",
            response.status,
            response.text()
        );
        if response.status < 300 {
            let got =
                Curl::new(&server, "GET", &format!("{}large.ics", server.calendar_path())).expect(&[200]);
            assert!(got.body == body.as_bytes(), "{what} came back otherwise");
        }
    }
    assert_well(&mut server);
}
