//! MKCOL and MKCALENDAR.

use crate::server::{Server, block_on, event};
use kalends_store::ReferenceUpdate;

const XML: (&str, &str) = ("content-type", "application/xml; charset=utf-8");

#[test]
fn collections_are_made_and_kept_without_members() {
    let server = Server::new();
    server.send("MKCOL", "/dav/calendars/ada/notes", &[], "").expect(201);
    assert_eq!(server.last_message("ada"), "Add notes/");
    server.send("MKCOL", "/dav/calendars/ada/notes/inner/", &[], "").expect(201);
    server.get("/dav/calendars/ada/notes/inner/").expect(200);
    assert!(
        server
            .files("ada")
            .contains(&("notes/inner/.collection.toml".into(), "type = \"collection\"\n".into()))
    );
}

#[test]
fn a_collection_needs_a_free_place_in_another() {
    let server = Server::new();
    server.put("/dav/calendars/ada/a", "file").expect(201);
    for (path, status) in [
        ("/dav/calendars/ada/", 405),
        ("/dav/calendars/ada/calendar/", 405),
        ("/dav/calendars/ada/a", 405),
        ("/dav/principals/ada/", 405),
        ("/dav/calendars/ada/none/new/", 409),
        ("/dav/calendars/ada/a/new/", 409),
        ("/dav/calendars/ada/.collection.toml/", 403),
        ("/dav/calendars/ada/%07/", 403),
    ] {
        server.send("MKCOL", path, &[], "").expect(status);
    }
    let answer = server.send("MKCOL", "/dav/calendars/ada/a", &[], "");
    assert!(!answer.header("allow").contains("MKCOL"), "{:?}", answer.headers);
    server.send("MKCOL", "/dav/calendars/ada/new", &[("if-match", "*")], "").expect(412);
    server.send("MKCOL", "/dav/calendars/ada/new", &[("if-none-match", "*")], "").expect(201);
}

#[test]
fn a_body_that_is_not_understood_is_415() {
    let server = Server::new();
    let path = "/dav/calendars/ada/new/";
    server.send("MKCOL", path, &[("content-type", "xyz-foo/bar-512")], "afafafaf").expect(415);
    server.send("MKCOL", path, &[], "afafafaf").expect(415);
    server.send("MKCALENDAR", path, &[("content-type", "text/plain")], "a").expect(415);
    server.send("MKCOL", path, &[XML], "<a").expect(400);
    server.send("MKCOL", path, &[XML], "<a/>").expect(415);
    server.send("MKCALENDAR", path, &[XML], "<a/>").expect(415);
    server.get(path).expect(404);
}

#[test]
fn calendars_are_made_but_not_in_calendars() {
    let server = Server::new();
    let answer = server.send("MKCALENDAR", "/dav/calendars/ada/work/", &[], "").expect(201);
    assert_eq!(answer.header("cache-control"), "no-cache");
    server.put("/dav/calendars/ada/work/a.ics", event("1", "Lunch")).expect(201);
    server.put("/dav/calendars/ada/work/a.txt", "text").expect(403);
    server.send("MKCOL", "/dav/calendars/ada/work/plain/", &[], "").expect(201);
    for path in ["/dav/calendars/ada/work/new/", "/dav/calendars/ada/work/plain/new/"] {
        server.send("MKCALENDAR", path, &[], "").expect_condition(403, "C:calendar-collection-location-ok");
    }
    for path in ["/dav/calendars/ada/", "/dav/calendars/ada/work", "/dav/calendars/ada/work/a.ics"] {
        server.send("MKCALENDAR", path, &[], "").expect_condition(403, "D:resource-must-be-null");
    }
    server.send("MKCALENDAR", "/dav/calendars/ada/none/new/", &[], "").expect(409);
    server.send("MKCOL", "/dav/calendars/ada/plain/", &[], "").expect(201);
    server.send("MKCALENDAR", "/dav/calendars/ada/plain/new/", &[], "").expect(201);
}

#[test]
fn a_home_without_any_commit_can_be_filled_again() {
    let server = Server::new();
    let repository = server.repository("ada");
    let mut transaction = repository.transaction();
    transaction.update_reference(ReferenceUpdate {
        name: repository.head().into(),
        expected: repository.reference(repository.head()),
        new: None,
    });
    block_on(transaction.submit().unwrap()).unwrap();
    server.get("/dav/calendars/ada/").expect(200);
    server.get("/dav/calendars/ada/calendar/").expect(404);
    server.send("DELETE", "/dav/calendars/ada/calendar/", &[], "").expect(404);
    server.send("MKCALENDAR", "/dav/calendars/ada/calendar/", &[], "").expect(201);
    server.put("/dav/calendars/ada/calendar/a.ics", event("1", "Lunch")).expect(201);
}
