//! Paths that want to get out.

use crate::assert_well;
use kalends_interop_tests::{Curl, Server, TemporaryDirectory, WorkingCopy, event};

/// Segments that no resource may be called by, as they come in a URL.
const BAD_SEGMENTS: [&str; 15] = [
    "..",
    ".",
    "%2e%2e",
    "%2E",
    ".%2e",
    "..%2f..%2fx.ics",
    "a%2Fb.ics",
    "a%2fb.ics",
    "%00.ics",
    "a%00.ics",
    "%ff%fe.ics",
    "%c0%ae%c0%ae",
    ".git",
    ".GIT",
    ".git%2fconfig",
];

#[test]
fn no_path_leads_out_of_the_repository() {
    let mut server = Server::start();
    let copy = TemporaryDirectory::new();
    let before = WorkingCopy::clone_of(&server, &copy, "before");
    let event = event::event(1);
    for segment in BAD_SEGMENTS {
        for path in [
            format!("/dav/calendars/ada/calendar/{segment}"),
            format!("/dav/calendars/ada/{segment}/x.ics"),
            format!("/dav/calendars/{segment}/calendar/x.ics"),
        ] {
            let put = Curl::new(&server, "PUT", &path).typed_body("text/calendar", &event.text).send();
            // `.` may be taken away as RFC 3986 §6.2.2.3 has it; then the name is a good one.
            assert!(
                (400..500).contains(&put.status),
                "PUT {path}: {} {}",
                put.status,
                put.text().chars().take(300).collect::<String>()
            );
            Curl::new(&server, "GET", &path).expect(&[400, 403, 404, 405]);
            Curl::new(&server, "DELETE", &path).expect(&[400, 403, 404, 405]);
            Curl::new(&server, "MKCOL", &path).expect(&[400, 403, 404, 405, 409]);
        }
    }
    let after = WorkingCopy::clone_of(&server, &copy, "after");
    assert_eq!(before.tip(), after.tip(), "something was written");
    after.fsck();
    assert_well(&mut server);
}

#[test]
fn a_copy_or_move_goes_nowhere_else() {
    let mut server = Server::start();
    let event = event::event(1);
    let path = format!("{}{}", server.calendar_path(), event.name);
    Curl::new(&server, "PUT", &path).typed_body("text/calendar", &event.text).expect(&[201]);
    let elsewhere = [
        "https://elsewhere.example/x.ics".to_owned(),
        server.url("/git/ada.git"),
        server.url("/dav/calendars/bob/calendar/x.ics"),
        server.url("/dav/calendars/ada/calendar/..%2f..%2fx.ics"),
        server.url("/dav/calendars/ada/calendar/%00"),
        server.url("/dav/calendars/ada/missing/x.ics"),
        "not a URL".into(),
        "//".into(),
        String::new(),
    ];
    for destination in &elsewhere {
        for method in ["COPY", "MOVE"] {
            let response = Curl::new(&server, method, &path)
                .option(&["--header", &format!("Destination:{destination}")])
                .send();
            assert!(
                matches!(response.status, 400..500 | 502),
                "{method} to {destination:?}: {}",
                response.status
            );
        }
    }
    Curl::new(&server, "GET", &path).expect(&[200]);
    assert_well(&mut server);
}

#[test]
fn names_that_look_strange_but_are_good_come_back() {
    let mut server = Server::start();
    let names =
        ["ev%C3%A9nement.ics", "a%20b.ics", "%e6%97%a5%e6%9c%ac.ics", "a+b&c=d;e,f.ics", "a%3Fb%23c.ics"];
    for (number, name) in names.iter().enumerate() {
        let event = event::event(number as u32);
        let path = format!("{}{name}", server.calendar_path());
        Curl::new(&server, "PUT", &path).typed_body("text/calendar", &event.text).expect(&[201]);
        let got = Curl::new(&server, "GET", &path).expect(&[200]);
        assert_eq!(got.body, event.text.as_bytes(), "{name}");
    }
    let copy = TemporaryDirectory::new();
    let copy = WorkingCopy::clone_of(&server, &copy, "copy");
    let mut files = copy.files("calendar");
    files.sort();
    let mut expected = ["evénement.ics", "a b.ics", "日本.ics", "a+b&c=d;e,f.ics", "a?b#c.ics"]
        .map(|name| format!("calendar/{name}"));
    expected.sort();
    assert_eq!(files, expected);
    assert_well(&mut server);
}
