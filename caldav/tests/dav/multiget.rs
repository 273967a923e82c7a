//! calendar-multiget (RFC 4791 §7.9).

use crate::{
    appendix_b::{self, CALENDAR},
    server::{Server, event},
};

fn body(prop: &str, hrefs: &[&str]) -> String {
    let hrefs: String = hrefs.iter().map(|href| format!("<D:href>{href}</D:href>")).collect();
    format!(
        "<?xml version='1.0'?><C:calendar-multiget xmlns:D='DAV:' xmlns:C='urn:ietf:params:xml:ns:caldav'>\
         <D:prop><D:getetag/>{prop}</D:prop>{hrefs}</C:calendar-multiget>"
    )
}

/// `href`, and the status of the response or 200.
fn statuses(server: &Server, hrefs: &[&str]) -> Vec<(String, u16)> {
    let root = server.send("REPORT", CALENDAR, &[("depth", "1")], body("", hrefs)).expect(207).xml();
    let status = |text: &str| text.split(' ').nth(1).unwrap().parse().unwrap();
    root.children
        .iter()
        .map(|response| {
            let href = response.child("D:href").unwrap().text.clone();
            (href, response.child("D:status").map_or(200, |line| status(&line.text)))
        })
        .collect()
}

#[test]
fn example_7_9_1_gives_what_is_there_and_404_for_what_is_not() {
    let server = appendix_b::server();
    let (there, gone) = (format!("{CALENDAR}abcd1.ics"), format!("{CALENDAR}mtg1.ics"));
    assert_eq!(statuses(&server, &[&there, &gone]), [(there.clone(), 200), (gone, 404)]);
    let data = server.send("REPORT", CALENDAR, &[], body("<C:calendar-data/>", &[&there])).response();
    let stored = server.get(&there);
    assert_eq!(data.text("C:calendar-data"), stored.text());
    assert_eq!(data.text("D:getetag"), stored.header("etag"));
}

#[test]
fn the_order_of_the_request_is_kept_and_urls_are_read_in_any_form() {
    let server = Server::new();
    server.commit(
        "ada",
        &[("calendar/a b.ics", Some(&event("1", "A"))), ("calendar/c@d.ics", Some(&event("2", "C")))],
    );
    let asked = [
        "https://calendar.example.com/dav/calendars/ada/calendar/c%40d.ics",
        "/dav/calendars/ada/calendar/a%20b.ics",
        " /dav/calendars/ada/calendar/c@d.ics\n",
    ];
    assert_eq!(
        statuses(&server, &asked),
        [
            (format!("{CALENDAR}c@d.ics"), 200),
            (format!("{CALENDAR}a%20b.ics"), 200),
            (format!("{CALENDAR}c@d.ics"), 200)
        ]
    );
}

#[test]
fn what_is_elsewhere_is_not_given() {
    let server = Server::new();
    server
        .commit("ada", &[("calendar/a.ics", Some(&event("1", "A"))), ("work/b.ics", Some(&event("2", "B")))]);
    server.commit("bob", &[("calendar/a.ics", Some(&event("1", "A")))]);
    for (href, status) in [
        ("/dav/calendars/ada/work/b.ics", 403),
        ("/dav/calendars/bob/calendar/a.ics", 404),
        ("/dav/calendars/nobody/calendar/a.ics", 404),
        ("/dav/calendars/ada/calendar/", 404),
        ("/dav/calendars/ada/calendar/a.ics/", 404),
        ("/dav/calendars/ada/calendar/a.ics/b.ics", 404),
        ("/dav/calendars/ada/calendar/.collection.toml", 404),
        ("/dav/principals/ada/", 404),
        ("/elsewhere", 404),
        ("/dav/calendars/ada/calendar/../work/b.ics", 400),
        ("", 400),
        ("a b", 400),
    ] {
        assert_eq!(statuses(&server, &[href]), [(href.trim().to_owned(), status)], "{href}");
    }
    // From the home all of it is below.
    let home = "/dav/calendars/ada/";
    let answer = server.send("REPORT", home, &[], body("", &["/dav/calendars/ada/work/b.ics"]));
    assert_eq!(answer.response().status("D:getetag"), 200);
    server.send("REPORT", CALENDAR, &[], body("", &[])).expect(400);
}

#[test]
fn data_can_be_selected_and_what_is_missing_is_not_told_to_who_prefers_so() {
    let server = appendix_b::server();
    let prop = "<D:displayname/><C:calendar-data><C:expand start='20060103T000000Z' end='20060104T000000Z'/>\
        </C:calendar-data>";
    let body = body(prop, &[&format!("{CALENDAR}abcd2.ics")]);
    let answer = server.send("REPORT", CALENDAR, &[("prefer", "return=minimal")], &body);
    assert_eq!(answer.header("preference-applied"), "return=minimal");
    let response = answer.response();
    assert_eq!(response.status("D:displayname"), 0);
    let data = response.text("C:calendar-data");
    assert!(data.contains("DTSTART:20060103T170000Z") && !data.contains("RRULE"), "{data}");
    assert_eq!(server.send("REPORT", CALENDAR, &[], &body).response().status("D:displayname"), 404);
}
