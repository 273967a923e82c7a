//! free-busy-query (RFC 4791 §7.10).

use crate::{
    appendix_b::{self, CALENDAR},
    server::{Answer, Server, event},
};

fn ask(server: &Server, at: &str, depth: &str, range: &str) -> Answer {
    let body = format!(
        "<?xml version='1.0'?><C:free-busy-query xmlns:C='urn:ietf:params:xml:ns:caldav'>{range}\
         </C:free-busy-query>"
    );
    server.send("REPORT", at, &[("depth", depth)], body)
}

fn range(start: &str, end: &str) -> String {
    format!("<C:time-range start='{start}' end='{end}'/>")
}

/// The FREEBUSY lines of an answer.
fn busy(answer: Answer) -> Vec<String> {
    let answer = answer.expect(200);
    assert_eq!(answer.header("content-type"), "text/calendar; charset=utf-8");
    let text = answer.text().replace("\r\n ", "");
    assert!(text.starts_with("BEGIN:VCALENDAR\r\n") && text.ends_with("END:VCALENDAR\r\n"), "{text}");
    for line in ["VERSION:2.0", "BEGIN:VFREEBUSY", "UID:", "DTSTAMP:", "DTSTART:", "DTEND:"] {
        assert_eq!(text.matches(&format!("\r\n{line}")).count(), 1, "{line} in {text}");
    }
    text.lines().filter(|line| line.starts_with("FREEBUSY")).map(str::to_owned).collect()
}

#[test]
fn example_7_10_1_tells_when_the_owner_is_busy() {
    let server = appendix_b::server();
    let lines = busy(ask(&server, CALENDAR, "1", &range("20060104T140000Z", "20060105T220000Z")));
    let all = lines.join("\n");
    // Tentative: event 3. Busy: event 2, whose second override moves it.
    assert!(all.contains("FBTYPE=BUSY-TENTATIVE:20060104T150000Z/20060104T160000Z"), "{all}");
    assert!(all.contains("20060104T190000Z/20060104T200000Z"), "{all}");
    assert!(all.contains("20060105T170000Z/20060105T180000Z"), "{all}");
    assert_eq!(all.matches('/').count(), 3, "{all}");
}

#[test]
fn what_takes_no_time_is_not_told_and_what_overlaps_is_told_once() {
    let server = Server::new();
    let at = |uid: &str, start: &str, end: &str, more: &str| {
        let text = event(uid, "x").replace("DTSTART:20260102T100000Z", &format!("DTSTART:{start}"));
        text.replace("DTEND:20260102T110000Z", format!("DTEND:{end}\r\n{more}").trim_end())
    };
    server.commit(
        "ada",
        &[
            ("calendar/a.ics", Some(&at("a", "20260102T100000Z", "20260102T120000Z", ""))),
            ("calendar/b.ics", Some(&at("b", "20260102T110000Z", "20260102T130000Z", ""))),
            ("calendar/c.ics", Some(&at("c", "20260102T140000Z", "20260102T150000Z", "TRANSP:TRANSPARENT"))),
            ("calendar/d.ics", Some(&at("d", "20260102T150000Z", "20260102T160000Z", "STATUS:CANCELLED"))),
            ("calendar/e.ics", Some(&at("e", "20260105T150000Z", "20260105T160000Z", ""))),
            ("calendar/broken.ics", Some("BEGIN:VCALENDAR")),
        ],
    );
    let window = range("20260102T000000Z", "20260103T000000Z");
    for depth in ["0", "1", "infinity"] {
        let lines = busy(ask(&server, CALENDAR, depth, &window));
        assert_eq!(lines, ["FREEBUSY:20260102T100000Z/20260102T130000Z"], "{depth}");
    }
    let home = "/dav/calendars/ada/";
    assert!(busy(ask(&server, home, "1", &window)).is_empty());
    assert_eq!(busy(ask(&server, home, "infinity", &window)).len(), 1);
}

#[test]
fn requests_without_a_window_or_on_what_is_no_collection_are_refused() {
    let server = appendix_b::server();
    for range in ["", "<C:time-range start='20260102T000000Z'/>", "<C:time-range start='x' end='y'/>"] {
        ask(&server, CALENDAR, "1", range).expect(400);
    }
    let window = range("20260102T000000Z", "20260103T000000Z");
    ask(&server, &format!("{CALENDAR}abcd1.ics"), "1", &window).expect_condition(403, "D:supported-report");
    ask(&server, "/dav/principals/ada/", "1", &window).expect_condition(403, "D:supported-report");
}
