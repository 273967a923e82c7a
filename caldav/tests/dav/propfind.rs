//! PROPFIND (RFC 4918 §9.1).

use crate::server::{Server, event};

const PROPERTIES: &str = "xmlns:D='DAV:' xmlns:C='urn:ietf:params:xml:ns:caldav' \
     xmlns:CS='http://calendarserver.org/ns/' xmlns:A='http://apple.com/ns/ical/'";

/// A body that asks for these properties.
fn asking(names: &str) -> String {
    let elements: String = names.split_whitespace().map(|name| format!("<{name}/>")).collect();
    format!("<?xml version='1.0'?><D:propfind {PROPERTIES}><D:prop>{elements}</D:prop></D:propfind>")
}

#[test]
fn a_calendar_and_its_members_tell_what_is_asked() {
    let server = Server::new();
    server.commit("ada", &[("calendar/a&b.ics", Some(&event("1", "Lunch"))), ("calendar/ü.ics", Some("x"))]);
    let body =
        asking("D:resourcetype D:getetag D:getcontenttype D:getcontentlength D:displayname CS:getctag");
    let answer = server.send("PROPFIND", "/dav/calendars/ada/calendar", &[("depth", "1")], body);
    println!("{}", answer.text());
    let responses = answer.responses();
    let hrefs: Vec<_> = responses.iter().map(|response| response.href.as_str()).collect();
    assert_eq!(
        hrefs,
        [
            "/dav/calendars/ada/calendar/",
            "/dav/calendars/ada/calendar/a&b.ics",
            "/dav/calendars/ada/calendar/%C3%BC.ics"
        ]
    );
    assert_eq!(answer.header("content-location"), "/dav/calendars/ada/calendar/");
    assert_eq!(responses[0].text("D:displayname"), "Calendar");
}
