//! How much memory the hosted server takes for a calendar of 10,000 events, in the hands of many clients.

use kalends_interop_tests::{
    Server, TemporaryDirectory, WorkingCopy, client::Connection, event::meeting, server::PASSWORD,
};
use std::{ops::Range, thread};

/// Events in the calendar.
const EVENTS: u32 = 10_000;
/// Bytes of resident memory that it may take, at any time. A sixth of it is the program itself.
const MEMORY: u64 = 64 << 20;

const NAMESPACES: &str = "xmlns=\"DAV:\" xmlns:c=\"urn:ietf:params:xml:ns:caldav\"";

fn path(calendar: &str, number: u32) -> String {
    format!("{calendar}{}", meeting(number).name)
}

/// A REPORT about the calendar, which must be answered by a multistatus with so many resources.
fn report(server: &Server, client: &mut Connection, body: &str, resources: Range<usize>) -> String {
    let headers = [("content-type", "application/xml"), ("depth", "1")];
    let response = client.request("REPORT", &server.calendar_path(), &headers, body.as_bytes()).unwrap();
    let text = response.text();
    assert_eq!(response.status, 207, "{body}: {text}");
    let found = text.matches("response>").count() / 2;
    assert!(resources.contains(&found), "{found} resources for {body}");
    text
}

/// The synchronisation token of an answer.
fn token(answer: &str) -> &str {
    answer.split("sync-token>").nth(1).and_then(|rest| rest.split('<').next()).expect("a sync-token")
}

fn synchronise(server: &Server, client: &mut Connection, token: &str, resources: Range<usize>) -> String {
    let body = format!(
        "<sync-collection xmlns=\"DAV:\"><sync-token>{token}</sync-token><sync-level>1</sync-level>\
         <prop><getetag/></prop></sync-collection>"
    );
    report(server, client, &body, resources)
}

fn put(calendar: &str, client: &mut Connection, number: u32, summary: &str) {
    let text = meeting(number).text.replacen("\r\nSUMMARY:", &format!("\r\nSUMMARY:{summary}"), 1);
    let headers = [("content-type", "text/calendar; charset=utf-8")];
    let response = client.request("PUT", &path(calendar, number), &headers, text.as_bytes()).unwrap();
    assert!((200..300).contains(&response.status), "{}: {}", response.status, response.text());
}

/// Events that are changed, in turn by so many clients side by side.
fn change_side_by_side(server: &Server, clients: u32, changes: Range<u32>) {
    let (port, authority, calendar) = (server.port(), &server.authority(), &server.calendar_path());
    let user = server.user();
    thread::scope(|scope| {
        for client in 0..clients {
            let changes = changes.clone().skip(client as usize).step_by(clients as usize);
            scope.spawn(move || {
                let connection = Connection::secure(port, authority).unwrap();
                let mut connection = connection.with_credentials(user, PASSWORD);
                for change in changes {
                    put(calendar, &mut connection, change * 7919 % EVENTS, &format!("({change}) "));
                }
            });
        }
    });
}

#[test]
fn ten_thousand_events_and_32_clients_take_no_more_than_64_mib() {
    let mut server = Server::start();
    server.push_events((0..EVENTS).map(meeting));
    let server = &mut server;
    let (client, calendar) = (&mut Connection::to(server), &*server.calendar_path());
    for number in 0..EVENTS {
        let response = client.request("GET", &path(calendar, number), &[], b"").unwrap();
        assert_eq!(response.status, 200, "{}", response.text());
    }
    let range = "<c:time-range start=\"20260501T000000Z\" end=\"20260601T000000Z\"/>";
    let month = format!(
        "<c:calendar-query {NAMESPACES}><prop><getetag/><c:calendar-data/></prop><c:filter>\
         <c:comp-filter name=\"VCALENDAR\"><c:comp-filter name=\"VEVENT\">{range}</c:comp-filter>\
         </c:comp-filter></c:filter></c:calendar-query>"
    );
    report(server, client, &month, EVENTS as usize / 20..EVENTS as usize / 4);
    // All of it with its data, as some clients have it at first.
    for first in (0..EVENTS).step_by(1000) {
        let hrefs = (first..first + 1000).map(|number| format!("<href>{}</href>", path(calendar, number)));
        let body = format!(
            "<c:calendar-multiget {NAMESPACES}><prop><getetag/><c:calendar-data/></prop>{}\
             </c:calendar-multiget>",
            hrefs.collect::<String>()
        );
        report(server, client, &body, 1000..1001);
    }
    let first = synchronise(server, client, "", EVENTS as usize..EVENTS as usize + 2);
    let mut last = token(&first).to_owned();
    for number in EVENTS..EVENTS + 1000 {
        put(calendar, client, number, "");
        last = token(&synchronise(server, client, &last, 1..2)).to_owned();
    }
    for clients in [8, 32] {
        change_side_by_side(server, clients, clients * 1000..clients * 1000 + 6000);
    }
    // A token from before all that; the server has closed the first connection, which asked for nothing.
    let client = &mut Connection::to(server);
    synchronise(server, client, token(&first), 1000..EVENTS as usize + 1001);
    let directory = TemporaryDirectory::new();
    let copy = WorkingCopy::clone_of(server, &directory, "copy");
    assert_eq!(copy.files("calendar").len(), EVENTS as usize + 1000);

    assert!(server.is_running(), "{}", server.complaints());
    let (now, peak) = (server.resident_bytes(), server.peak_resident_bytes());
    println!("{:.1} MiB resident, {:.1} at most", now as f64 / 1048576.0, peak as f64 / 1048576.0);
    assert!(peak <= MEMORY, "{} MiB resident, {} at most", now >> 20, peak >> 20);
}
