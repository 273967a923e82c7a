//! DELETE.

use crate::server::{Server, event};

#[test]
fn a_file_goes_and_the_history_keeps_it() {
    let server = Server::new();
    let path = "/dav/calendars/ada/calendar/lunch.ics";
    let tag = server.put(path, event("1", "Lunch")).header("etag").to_owned();
    server.send("DELETE", path, &[("if-match", "\"old\"")], "").expect(412);
    server.send("DELETE", path, &[("if", "([\"old\"])")], "").expect(412);
    server.send("DELETE", path, &[("if-match", &tag)], "").expect(204);
    assert_eq!(server.last_message("ada"), "Delete calendar/lunch.ics: Lunch");
    server.get(path).expect(404);
    server.send("DELETE", path, &[], "").expect(404);
    server.put(path, event("2", "Another")).expect(201);
}

#[test]
fn a_collection_goes_with_all_that_is_in_it() {
    let server = Server::new();
    server.put("/dav/calendars/ada/calendar/lunch.ics", event("1", "Lunch")).expect(201);
    let path = "/dav/calendars/ada/calendar/";
    for depth in ["0", "1", "2"] {
        server.send("DELETE", path, &[("depth", depth)], "").expect(400);
    }
    server.send("DELETE", path, &[("depth", "infinity")], "").expect(204);
    assert_eq!(server.last_message("ada"), "Delete calendar/");
    assert_eq!(server.files("ada"), []);
    server.get("/dav/calendars/ada/").expect(200);
    server.send("MKCALENDAR", path, &[], "").expect(201);
}

#[test]
fn homes_and_principals_stay() {
    let server = Server::new();
    server.send("DELETE", "/dav/calendars/ada/", &[], "").expect(403);
    for path in ["/dav/", "/dav/calendars/", "/dav/principals/", "/dav/principals/ada/"] {
        let answer = server.send("DELETE", path, &[], "").expect(405);
        assert!(!answer.header("allow").contains("DELETE"));
    }
    server.send("DELETE", "/dav/calendars/ada/calendar/.collection.toml", &[], "").expect(404);
}

#[test]
fn a_collection_outlives_its_last_member() {
    let server = Server::new();
    server.commit(
        "ada",
        &[
            ("plain/a.txt", Some("a")),
            ("outer/inner/a.ics", Some(&event("1", "a"))),
            ("calendar/.collection.toml", None),
        ],
    );
    server.send("DELETE", "/dav/calendars/ada/plain/a.txt", &[], "").expect(204);
    server.get("/dav/calendars/ada/plain/").expect(200);
    server.send("DELETE", "/dav/calendars/ada/outer/inner/a.ics", &[], "").expect(204);
    // It was a calendar by what was in it, and stays one.
    let answer = server.get("/dav/calendars/ada/outer/inner/").expect(200);
    assert!(answer.header("content-type").starts_with("text/calendar"));
    server.send("DELETE", "/dav/calendars/ada/outer/inner/", &[], "").expect(204);
    server.get("/dav/calendars/ada/outer/").expect(200);
    assert_eq!(
        server.files("ada"),
        [
            ("outer/.collection.toml".into(), "type = \"collection\"\n".into()),
            ("plain/.collection.toml".into(), "type = \"collection\"\n".into()),
        ]
    );
}

#[test]
fn dead_properties_go_with_their_file() {
    let server = Server::new();
    let toml = "type = \"collection\"\n\n[[member.\"a.txt\"]]\nxml = '<x xmlns=\"urn:x\"/>'\n";
    server.commit("ada", &[("notes/.collection.toml", Some(toml)), ("notes/a.txt", Some("a"))]);
    server.put("/dav/calendars/ada/notes/a.txt", "b").expect(204);
    assert!(server.files("ada").iter().any(|(_, text)| text.contains("urn:x")));
    server.send("DELETE", "/dav/calendars/ada/notes/a.txt", &[], "").expect(204);
    assert!(!server.files("ada").iter().any(|(_, text)| text.contains("urn:x")));
}

#[test]
fn a_file_that_comes_anew_has_no_properties_of_an_earlier_one() {
    let server = Server::new();
    let toml = "type = \"collection\"\n\n[[member.\"a.txt\"]]\nxml = '<x xmlns=\"urn:x\"/>'\n";
    server.commit("ada", &[("notes/.collection.toml", Some(toml))]);
    server.put("/dav/calendars/ada/notes/a.txt", "a").expect(201);
    assert!(!server.files("ada").iter().any(|(_, text)| text.contains("urn:x")));
}

#[test]
fn properties_of_files_that_a_push_removed_go_with_the_next_change() {
    let server = Server::new();
    let member = |name: &str| format!("[[member.\"{name}\"]]\nxml = '<x xmlns=\"urn:{name}\"/>'\n");
    let toml = format!("# Ours.\ntype = \"collection\"\n\n{}{}", member("a.txt"), member("b.txt"));
    let files = [
        ("notes/.collection.toml", Some(&*toml)),
        ("notes/a.txt", Some("a")),
        ("notes/b.txt", Some("b")),
        ("notes/c.txt", Some("c")),
    ];
    server.commit("ada", &files);
    server.commit("ada", &[("notes/a.txt", None)]);
    let says = |text: &str| server.files("ada").iter().any(|(_, content)| content.contains(text));
    assert!(says("urn:a.txt") && says("urn:b.txt"));
    server.put("/dav/calendars/ada/notes/c.txt", "d").expect(204);
    assert!(!says("urn:a.txt") && says("urn:b.txt") && says("# Ours."));
}
