//! COPY and MOVE.

use crate::server::{Answer, Server, event};

const HOME: &str = "/dav/calendars/ada/";

/// COPY or MOVE between paths in ada's home.
fn transfer(server: &Server, method: &str, from: &str, to: &str, headers: &[(&str, &str)]) -> Answer {
    let destination = format!("https://localhost:8443{HOME}{to}");
    let mut all = vec![("destination", destination.as_str())];
    all.extend(headers);
    server.send(method, &format!("{HOME}{from}"), &all, "")
}

/// A server with the files `notes/a.txt`, `notes/b.txt`, `notes/inner/c.txt` and the calendars `work` and
/// `calendar`, of which `work` has `lunch.ics` with the UID 1.
fn server() -> Server {
    let server = Server::new();
    let toml = "type = \"collection\"\n\n[[member.\"a.txt\"]]\nxml = '<x xmlns=\"urn:x\"/>'\n";
    server.commit(
        "ada",
        &[
            ("notes/.collection.toml", Some(toml)),
            ("notes/a.txt", Some("a")),
            ("notes/b.txt", Some("b")),
            ("notes/inner/c.txt", Some("c")),
            ("work/.collection.toml", Some("type = \"calendar\"\n")),
            ("work/lunch.ics", Some(&event("1", "Lunch"))),
        ],
    );
    server
}

fn exists(server: &Server, path: &str) -> bool {
    server.get(&format!("{HOME}{path}")).status == 200
}

#[test]
fn a_file_is_copied_and_moved() {
    let server = server();
    transfer(&server, "COPY", "notes/b.txt", "notes/d.txt", &[]).expect(201);
    assert_eq!(server.last_message("ada"), "Copy notes/b.txt to notes/d.txt");
    assert!(exists(&server, "notes/b.txt"));
    transfer(&server, "MOVE", "notes/d.txt", "e.txt", &[]).expect(201);
    assert_eq!(server.last_message("ada"), "Move notes/d.txt to e.txt");
    assert!(!exists(&server, "notes/d.txt"));
    assert_eq!(server.get("/dav/calendars/ada/e.txt").text(), "b");
    transfer(&server, "MOVE", "e.txt", "notes/a.txt", &[]).expect(204);
    assert_eq!(server.get("/dav/calendars/ada/notes/a.txt").text(), "b");
}

#[test]
fn nothing_is_overwritten_against_the_will_of_the_client() {
    let server = server();
    for method in ["COPY", "MOVE"] {
        transfer(&server, method, "notes/a.txt", "notes/b.txt", &[("overwrite", "F")]).expect(412);
        transfer(&server, method, "notes/", "work/", &[("overwrite", "F")]).expect(412);
        transfer(&server, method, "notes/a.txt", "notes/new.txt", &[("overwrite", "maybe")]).expect(400);
        transfer(&server, method, "notes/a.txt", "notes/new.txt", &[("if-match", "\"old\"")]).expect(412);
        transfer(&server, method, "notes/a.txt", "notes/new.txt", &[("if", "([\"old\"])")]).expect(412);
    }
    assert_eq!(server.last_message("ada"), "Push");
    transfer(&server, "COPY", "notes/a.txt", "notes/b.txt", &[("overwrite", "T")]).expect(204);
    // The destination is as the client last saw it, or not.
    let tag = server.get("/dav/calendars/ada/notes/b.txt").header("etag").to_owned();
    let condition = format!("<{HOME}notes/b.txt> ([{tag}])");
    transfer(&server, "COPY", "notes/inner/c.txt", "notes/b.txt", &[("if", &condition)]).expect(204);
    transfer(&server, "COPY", "notes/a.txt", "notes/b.txt", &[("if", &condition)]).expect(412);
}

#[test]
fn a_collection_is_moved_whole() {
    let server = server();
    let before = server.files("ada");
    transfer(&server, "MOVE", "notes", "papers/", &[]).expect(201);
    assert_eq!(server.last_message("ada"), "Move notes/ to papers/");
    assert!(!exists(&server, "notes/") && exists(&server, "papers/inner/c.txt"));
    transfer(&server, "MOVE", "papers/", "notes/", &[("depth", "infinity")]).expect(201);
    assert_eq!(server.files("ada"), before);
    for depth in ["0", "1"] {
        transfer(&server, "MOVE", "notes/", "papers/", &[("depth", depth)]).expect(400);
    }
}

#[test]
fn a_collection_is_copied_with_its_members_or_without() {
    let server = server();
    transfer(&server, "COPY", "notes/", "deep/", &[]).expect(201);
    assert!(exists(&server, "deep/inner/c.txt"));
    transfer(&server, "COPY", "notes/", "shallow/", &[("depth", "0")]).expect(201);
    assert!(exists(&server, "shallow/") && !exists(&server, "shallow/a.txt"));
    let files = server.files("ada");
    let found = files.iter().find(|(path, _)| path == "shallow/.collection.toml").unwrap();
    assert_eq!(found.1, "type = \"collection\"\n");
    transfer(&server, "COPY", "notes/", "one/", &[("depth", "1")]).expect(400);
    // What was there is replaced, not mixed with what comes.
    transfer(&server, "COPY", "notes/inner/", "deep/", &[]).expect(204);
    assert!(exists(&server, "deep/c.txt") && !exists(&server, "deep/a.txt"));
    transfer(&server, "COPY", "notes/", "deep/", &[("depth", "0")]).expect(204);
    assert!(exists(&server, "deep/") && !exists(&server, "deep/c.txt"));
}

#[test]
fn a_file_takes_the_place_of_a_collection_and_the_other_way_round() {
    let server = server();
    transfer(&server, "COPY", "notes/b.txt", "notes/inner/", &[]).expect(204);
    assert_eq!(server.get("/dav/calendars/ada/notes/inner").text(), "b");
    transfer(&server, "MOVE", "notes/", "b.txt", &[]).expect(201);
    transfer(&server, "MOVE", "b.txt/", "work/", &[]).expect(204);
    assert!(exists(&server, "work/b.txt") && !exists(&server, "work/lunch.ics"));
}

#[test]
fn source_and_destination_must_be_apart() {
    let server = server();
    for method in ["COPY", "MOVE"] {
        for (from, to, status) in [
            ("notes/a.txt", "notes/a.txt", 403),
            ("notes/", "notes", 403),
            ("notes/", "notes/inner/again/", 403),
            ("notes/inner/", "notes/", 403),
            ("notes/inner/c.txt", "notes/", 403),
            ("notes/", "", 403),
            ("", "notes/home/", 403),
            ("notes/none", "notes/new", 404),
            ("notes/a.txt/", "notes/new", 404),
            ("notes/a.txt", "none/new", 409),
            ("notes/", "none/new/", 409),
            ("notes/a.txt", "notes/b.txt/new", 409),
            ("notes/a.txt", "notes/new/", 409),
            ("notes/a.txt", ".collection.toml", 403),
            ("notes/a.txt", "notes/%0A", 403),
        ] {
            let answer = transfer(&server, method, from, to, &[]);
            assert_eq!(answer.status, status, "{method} {from} {to}: {}", answer.text());
        }
        let from = format!("{HOME}notes/a.txt");
        for (destination, status) in [
            ("/dav/calendars/bob/a.txt", 403),
            ("/dav/principals/ada/", 403),
            ("https://elsewhere.example/a.txt", 403),
            ("/dav/calendars/ada/../bob/a", 400),
            ("no url", 400),
        ] {
            server.send(method, &from, &[("destination", destination)], "").expect(status);
        }
        server.send(method, &from, &[], "").expect(400);
        let to = [("destination", "/dav/calendars/ada/x")];
        server.send(method, "/dav/principals/ada/", &to, "").expect(405);
    }
    assert_eq!(server.last_message("ada"), "Push");
    transfer(&server, "COPY", "notes/", "notes/inner/empty/", &[("depth", "0")]).expect(201);
}

#[test]
fn dead_properties_travel_with_their_file() {
    let server = server();
    let keeps = |path: &str| {
        let files = server.files("ada");
        let (directory, name) = path.rsplit_once('/').unwrap();
        let file = files.into_iter().find(|(path, _)| *path == format!("{directory}/.collection.toml"));
        file.is_some_and(|(_, text)| {
            text.contains("urn:x") && text.contains(&format!("[[member.\"{name}\"]]"))
        })
    };
    assert!(keeps("notes/a.txt"));
    transfer(&server, "COPY", "notes/a.txt", "notes/copy.txt", &[]).expect(201);
    assert!(keeps("notes/a.txt") && keeps("notes/copy.txt"));
    // From git, the directory has no file to keep them in.
    transfer(&server, "MOVE", "notes/a.txt", "notes/inner/moved.txt", &[]).expect(201);
    assert!(!keeps("notes/a.txt") && keeps("notes/inner/moved.txt"));
    // Those of what is replaced go.
    transfer(&server, "COPY", "notes/b.txt", "notes/copy.txt", &[]).expect(204);
    assert!(!keeps("notes/copy.txt"));
    transfer(&server, "COPY", "notes/", "papers/", &[]).expect(201);
    assert!(keeps("papers/inner/moved.txt"));
}

#[test]
fn calendars_take_only_what_they_would_take_by_put() {
    let server = server();
    server.put("/dav/calendars/ada/notes/valid.ics", event("2", "Dinner")).expect(201);
    for method in ["COPY", "MOVE"] {
        transfer(&server, method, "notes/a.txt", "work/a.txt", &[]).expect(403);
        transfer(&server, method, "notes/a.txt", "work/a.ics", &[])
            .expect_condition(403, "C:valid-calendar-data");
        transfer(&server, method, "notes/valid.ics", "work/valid.txt", &[]).expect(403);
        // RFC 4791 §5.3.2.1: an object is not replaced by one with another UID.
        transfer(&server, method, "notes/valid.ics", "work/lunch.ics", &[])
            .expect_condition(403, "C:no-uid-conflict");
    }
    server
        .commit("ada", &[("todo/.collection.toml", Some("type = \"calendar\"\ncomponents = [\"VTODO\"]\n"))]);
    transfer(&server, "MOVE", "work/lunch.ics", "todo/lunch.ics", &[])
        .expect_condition(403, "C:supported-calendar-component");
    let answer = transfer(&server, "COPY", "work/lunch.ics", "work/again.ics", &[]);
    let answer = answer.expect_condition(403, "C:no-uid-conflict");
    assert!(answer.text().contains("<D:href>/dav/calendars/ada/work/lunch.ics</D:href>"));
    transfer(&server, "MOVE", "work/lunch.ics", "work/again.ics", &[]).expect(201);
    transfer(&server, "COPY", "work/again.ics", "calendar/lunch.ics", &[]).expect(201);
    transfer(&server, "MOVE", "work/again.ics", "calendar/again.ics", &[])
        .expect_condition(403, "C:no-uid-conflict");
    transfer(&server, "MOVE", "work/again.ics", "calendar/lunch.ics", &[]).expect(204);
    transfer(&server, "MOVE", "notes/valid.ics", "calendar/valid.ics", &[]).expect(201);
}

#[test]
fn no_calendar_comes_into_a_calendar() {
    let server = server();
    for method in ["COPY", "MOVE"] {
        transfer(&server, method, "work/", "calendar/work/", &[])
            .expect_condition(403, "C:calendar-collection-location-ok");
    }
    transfer(&server, "COPY", "work/", "calendar/work/", &[("depth", "0")])
        .expect_condition(403, "C:calendar-collection-location-ok");
    transfer(&server, "MOVE", "work/", "notes/inner/work/", &[]).expect(201);
    transfer(&server, "MOVE", "notes/", "calendar/notes/", &[])
        .expect_condition(403, "C:calendar-collection-location-ok");
    transfer(&server, "MOVE", "notes/inner/work/", "work/", &[]).expect(201);
    transfer(&server, "MOVE", "notes/", "calendar/notes/", &[]).expect(201);
    transfer(&server, "MOVE", "work/", "calendar/notes/work/", &[])
        .expect_condition(403, "C:calendar-collection-location-ok");
}

#[test]
fn a_collection_outlives_what_is_moved_away() {
    let server = server();
    transfer(&server, "MOVE", "notes/inner/c.txt", "c.txt", &[]).expect(201);
    assert!(exists(&server, "notes/inner/"));
    server.commit("ada", &[("implied/a.ics", Some(&event("9", "a")))]);
    transfer(&server, "MOVE", "implied/a.ics", "calendar/a.ics", &[]).expect(201);
    // It was a calendar by what was in it, and stays one.
    let answer = server.get("/dav/calendars/ada/implied/").expect(200);
    assert!(answer.header("content-type").starts_with("text/calendar"));
    server.commit("ada", &[("plain/a.txt", Some("a"))]);
    transfer(&server, "MOVE", "calendar/a.ics", "plain/b.ics", &[]).expect(201);
    let answer = server.get("/dav/calendars/ada/plain/").expect(200);
    assert!(answer.header("content-type").starts_with("text/html"));
}

#[test]
fn copies_cannot_grow_without_bounds() {
    let server = server();
    let mut path = String::from("deep");
    server.send("MKCOL", &format!("{HOME}{path}"), &[], "").expect(201);
    for _ in 1..20 {
        path.push_str("/d");
        server.send("MKCOL", &format!("{HOME}{path}"), &[], "").expect(201);
    }
    transfer(&server, "COPY", "deep/", &format!("{path}x/"), &[]).expect(403);
    transfer(&server, "MOVE", "notes/", &format!("{path}/notes/"), &[]).expect(201);
    transfer(&server, "COPY", "deep/", "a/", &[]).expect(201);
    transfer(&server, "MOVE", "a/", "deep/d/d/d/d/d/d/d/d/d/d/d/d/d/a/", &[]).expect(403);
    // Each copy of both doubles what is there, at the cost of one commit.
    server.send("MKCOL", &format!("{HOME}bomb0/"), &[], "").expect(201);
    for n in 0..100 {
        server.put(&format!("{HOME}bomb0/{n}"), "").expect(201);
    }
    let mut refused = None;
    for n in 1..=20 {
        let (from, to) = (format!("bomb{}/", n - 1), format!("bomb{n}/"));
        server.send("MKCOL", &format!("{HOME}{to}"), &[], "").expect(201);
        transfer(&server, "COPY", &from, &format!("{to}0/"), &[]);
        let second = transfer(&server, "COPY", &from, &format!("{to}1/"), &[]);
        if second.status != 201 {
            refused = Some(second);
            break;
        }
    }
    refused.expect("2^20 copies of 100 files are too many").expect(507);
}

#[test]
fn what_is_too_much_to_look_through_can_still_be_renamed() {
    let server = Server::new();
    let paths: Vec<_> = (0..10_001).map(|n| format!("big/{n}/a")).collect();
    let files: Vec<_> = paths.iter().map(|path| (path.as_str(), Some(path.as_str()))).collect();
    server.commit("ada", &files);
    server.send("MKCOL", "/dav/calendars/ada/in/", &[], "").expect(201);
    transfer(&server, "COPY", "big/", "copy/", &[]).expect(403);
    transfer(&server, "MOVE", "big/", "in/big/", &[]).expect(403);
    transfer(&server, "MOVE", "big/", "large/", &[]).expect(201);
    assert!(exists(&server, "large/7/a"));
}
