//! Requests that no client would send.

use crate::{
    random::random,
    server::{Server, event},
};
use std::collections::BTreeSet;

/// Some of these pieces after each other.
fn pieces(state: &mut u64, from: &[&str]) -> String {
    (0..random(state, 8)).map(|_| from[random(state, from.len())]).collect()
}

#[test]
fn nonsense_in_headers_and_bodies_is_answered_and_fails_nothing() {
    const METHODS: [&str; 9] =
        ["GET", "HEAD", "PUT", "DELETE", "MKCOL", "MKCALENDAR", "COPY", "MOVE", "OPTIONS"];
    const PATHS: [&str; 8] = [
        "/dav/calendars/ada/calendar/a.ics",
        "/dav/calendars/ada/calendar/",
        "/dav/calendars/ada/notes/a.txt",
        "/dav/calendars/ada/notes/",
        "/dav/calendars/ada/",
        "/dav/",
        "/dav/calendars/ada/%ff/%C3%A4",
        "/dav/principals/ada/",
    ];
    const HEADERS: [(&str, &[&str]); 9] = [
        ("if", &["(", ")", "<", ">", "[", "]", "\"", "Not ", "W/", "urn:x:1", "ü", " ", "/dav/", "\"1\""]),
        ("if-match", &["*", "\"", "a", ",", " ", "W/", "ü", "\"1\""]),
        ("if-none-match", &["*", "\"", "a", ",", " ", "W/", "ü", "\"1\""]),
        ("range", &["bytes", "=", "-", "0", "9", ",", "99999999999999999999", " "]),
        ("if-range", &["\"", "W/", "1", " "]),
        ("depth", &["0", "1", "infinity", " ", "-"]),
        ("overwrite", &["T", "F", " "]),
        (
            "destination",
            &["/dav", "/calendars", "/ada", "/notes", "/", "%", "2F", "..", "https://x", ":", "ü"],
        ),
        ("content-type", &["text/calendar", "text/xml", "application/xml", ";", "/", "charset=", "ü"]),
    ];
    const BODY: [&str; 12] = [
        "BEGIN:VCALENDAR\r\n",
        "END:VCALENDAR\r\n",
        "BEGIN:VEVENT\r\n",
        "UID:1\r\n",
        "DTSTART:20260101T000000Z\r\n",
        "END:VEVENT\r\n",
        "<D:mkcol xmlns:D='DAV:'>",
        "<D:set>",
        "<D:prop/>",
        "</D:set>",
        "</D:mkcol>",
        "\0ü\r",
    ];
    let server = Server::new();
    let mut statuses = BTreeSet::new();
    let mut state = 1;
    for step in 0..4_000 {
        if step % 50 == 0 {
            server.commit(
                "ada",
                &[
                    ("calendar/a.ics", Some(&event("1", "Lunch"))),
                    ("notes/.collection.toml", Some("type = \"collection\"\n")),
                    ("notes/a.txt", Some("text")),
                ],
            );
        }
        let method = METHODS[random(&mut state, METHODS.len())];
        let path = PATHS[random(&mut state, PATHS.len())];
        let mut headers = Vec::new();
        for _ in 0..random(&mut state, 5) {
            let (name, values) = HEADERS[random(&mut state, HEADERS.len())];
            headers.push((name, pieces(&mut state, values)));
        }
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let body = pieces(&mut state, &BODY);
        let answer = server.send(method, path, &headers, &body);
        assert!(answer.status < 500, "{method} {path} {headers:?} {body:?}: {}", answer.status);
        statuses.insert(answer.status);
    }
    // The requests were not all refused for the same reason.
    for status in [200, 201, 204, 304, 400, 403, 404, 405, 409, 412, 415] {
        assert!(statuses.contains(&status), "{status} is not in {statuses:?}");
    }
}
