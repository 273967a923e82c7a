//! How much memory a guest needs.

use crate::{
    guest::Guest,
    spt::{options, tender_with},
};
use kalends_interop_tests::{
    Response, Server, TemporaryDirectory, WorkingCopy,
    client::Connection,
    event::{event, meeting},
    namespace::{GUEST, Namespace},
    process::peak_resident_bytes,
    server::PASSWORD,
};
use std::{net::SocketAddr, path::Path};

/// Events in the calendar.
const EVENTS: u32 = 10_000;
/// MiB that a guest with them is given.
const MEMORY: u32 = 64;
/// Exit status for too little memory.
const TOO_LITTLE_MEMORY: i32 = 4;

const MONTH: &str = "<c:calendar-query xmlns=\"DAV:\" xmlns:c=\"urn:ietf:params:xml:ns:caldav\"><prop><getetag/>\
    <c:calendar-data/></prop><c:filter><c:comp-filter name=\"VCALENDAR\"><c:comp-filter name=\"VEVENT\">\
    <c:time-range start=\"20260501T000000Z\" end=\"20260601T000000Z\"/></c:comp-filter></c:comp-filter></c:filter>\
    </c:calendar-query>";

/// A request for the calendar, which must be answered by a multistatus.
fn ask(authority: &Path, method: &str, body: &str) -> Response {
    let address = SocketAddr::new(GUEST.parse().unwrap(), 443);
    let mut guest =
        Connection::secure_to(address, GUEST, authority).unwrap().with_credentials("ada", PASSWORD);
    let headers = [("content-type", "application/xml"), ("depth", "1")];
    let response = guest.request(method, "/dav/calendars/ada/calendar/", &headers, body.as_bytes()).unwrap();
    assert_eq!(response.status, 207, "{method} {body}: {}", response.text());
    response
}

/// Resources in a multistatus.
fn responses(response: &Response) -> usize {
    response.text().matches("<response>").count().max(response.text().matches("<D:response>").count())
}

#[test]
fn a_guest_with_ten_thousand_events_runs_in_64_mib() {
    let mut server = Server::start();
    server.push_events((0..EVENTS).map(meeting));
    server.stop();
    let (namespace, directory, authority) = (Namespace::new(), TemporaryDirectory::new(), server.authority());
    let mut guest = Guest::start(tender_with(MEMORY, &namespace, &server.device(), &options()));
    namespace.enter();

    let listing = "<propfind xmlns=\"DAV:\"><prop><getetag/></prop></propfind>";
    assert_eq!(responses(&ask(&authority, "PROPFIND", listing)), EVENTS as usize + 1);
    let month = responses(&ask(&authority, "REPORT", MONTH));
    assert!((EVENTS as usize / 20..EVENTS as usize / 5).contains(&month), "{month} events in a month");
    let synchronisation = "<sync-collection xmlns=\"DAV:\"><sync-token/><sync-level>1</sync-level>\
                           <prop><getetag/></prop></sync-collection>";
    assert_eq!(responses(&ask(&authority, "REPORT", synchronisation)), EVENTS as usize);

    let url = format!("https://ada:{}@{GUEST}/git/ada.git", PASSWORD.replace(' ', "%20"));
    let copy = WorkingCopy::at(&server, directory.path()).clone_into("copy", &url, &[]);
    assert_eq!(copy.files("calendar").len(), EVENTS as usize);
    // Of another kind, so with other UIDs.
    for number in EVENTS..EVENTS + 1000 {
        let event = event(number);
        copy.write(&format!("calendar/{}", event.name), &event.text);
    }
    copy.commit_all("Add more");
    copy.push();
    assert_eq!(responses(&ask(&authority, "PROPFIND", listing)), EVENTS as usize + 1001);
    assert!(guest.is_running());
    let peak = peak_resident_bytes(guest.process());
    assert!(peak <= u64::from(MEMORY) << 20, "{peak} bytes");
    guest.kill();
    let checked = server.run_on_device("fsck");
    assert!(checked.status.success(), "{checked:?}");
}

#[test]
fn a_guest_with_too_little_memory_says_how_much_it_needs_and_that_is_enough() {
    let mut server = Server::start_with_device_of("64M");
    server.push_events((0..500).map(event));
    server.stop();
    let namespace = Namespace::new();
    let with = |memory| tender_with(memory, &namespace, &server.device(), &options());
    let mut needed = 0;
    for memory in [16, 20, 24] {
        let (ended, said) = Guest::run(with(memory));
        assert_eq!(ended.code(), Some(TOO_LITTLE_MEMORY), "{memory} MiB: {said}");
        assert_eq!(said.trim_end().lines().count(), 1, "{said}");
        assert!(said.trim_end().ends_with(&format!("MiB, and has {memory}")), "{said}");
        let number = said.split("needs ").nth(1).and_then(|rest| rest.split(' ').next());
        needed = number.unwrap().parse().unwrap();
        assert!(needed > memory, "{said}");
    }
    let mut guest = Guest::start(with(needed));
    namespace.enter();
    assert!(responses(&ask(&server.authority(), "REPORT", MONTH)) > 0, "something happens in May");
    let directory = TemporaryDirectory::new();
    let url = format!("https://ada:{}@{GUEST}/git/ada.git", PASSWORD.replace(' ', "%20"));
    let copy = WorkingCopy::at(&server, directory.path()).clone_into("copy", &url, &[]);
    let event = event(500);
    copy.commit(&format!("calendar/{}", event.name), &event.text);
    copy.push();
    assert!(guest.is_running());
}
