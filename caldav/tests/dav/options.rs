//! What OPTIONS says.

use crate::server::{Server, event};

#[test]
fn options_tell_the_compliance_classes() {
    let server = Server::new();
    let answer = server.send("OPTIONS", "/dav/calendars/ada/calendar/", &[], "").expect(200);
    let classes: Vec<_> = answer.header("dav").split(", ").collect();
    for class in ["1", "3", "calendar-access", "extended-mkcol"] {
        assert!(classes.contains(&class), "{classes:?}");
    }
}

#[test]
fn the_methods_are_those_for_what_is_there() {
    let server = Server::new();
    server.put("/dav/calendars/ada/calendar/a.ics", event("1", "Lunch")).expect(201);
    for (path, has, lacks) in [
        ("/dav/", "PROPFIND", "PUT"),
        ("/dav/principals/ada/", "REPORT", "DELETE"),
        ("/dav/calendars/", "GET", "MKCOL"),
        ("/dav/calendars/ada/", "MKCALENDAR", "DELETE"),
        ("/dav/calendars/ada/calendar/", "PUT", "POST"),
        ("/dav/calendars/ada/calendar/a.ics", "PUT", "MKCALENDAR"),
        ("/dav/calendars/ada/calendar/b.ics", "PUT", "GET"),
    ] {
        let answer = server.send("OPTIONS", path, &[], "").expect(200);
        let allowed: Vec<_> = answer.header("allow").split(", ").collect();
        assert!(allowed.contains(&has) && !allowed.contains(&lacks), "{path}: {allowed:?}");
    }
    let answer = server.send("POST", "/dav/calendars/ada/calendar/a.ics", &[], "").expect(405);
    assert!(answer.header("allow").contains("PUT"));
    server.send("LOCK", "/dav/calendars/ada/calendar/", &[], "").expect(405);
    server.send("OPTIONS", "/dav/principals/bobby/", &[], "").expect(404);
}
