//! PUT.

use crate::server::{Server, event, together};

const LUNCH: &str = "/dav/calendars/ada/calendar/lunch.ics";
const ICS: (&str, &str) = ("content-type", "text/calendar; charset=utf-8");

#[test]
fn an_object_is_made_replaced_and_kept_verbatim() {
    let server = Server::new();
    let first = event("1", "Lunch with Ada");
    let answer = server.send("PUT", LUNCH, &[ICS], &first).expect(201);
    let tag = answer.header("etag").to_owned();
    assert_eq!(server.last_message("ada"), "Add calendar/lunch.ics: Lunch with Ada");
    assert!(server.last_commit("ada").contains("\nauthor ada <ada@localhost> "));
    let second = event("1", "Late lunch").replace("\r\n", "\n");
    let answer = server.send("PUT", LUNCH, &[ICS, ("if-match", &tag)], &second).expect(204);
    assert_ne!(answer.header("etag"), tag);
    assert_eq!(server.last_message("ada"), "Update calendar/lunch.ics: Late lunch");
    assert_eq!(server.get(LUNCH).expect(200).text(), second);
    assert!(server.files("ada").contains(&("calendar/lunch.ics".into(), second)));
}

#[test]
fn the_same_bytes_again_make_no_commit() {
    let server = Server::new();
    let tag = server.put(LUNCH, event("1", "Lunch")).expect(201).header("etag").to_owned();
    let before = server.last_commit("ada");
    let answer = server.put(LUNCH, event("1", "Lunch")).expect(204);
    assert_eq!(answer.header("etag"), tag);
    assert_eq!(server.last_commit("ada"), before);
}

#[test]
fn conditions_protect_what_another_client_wrote() {
    let server = Server::new();
    server.send("PUT", LUNCH, &[("if-match", "*")], event("1", "Lunch")).expect(412);
    let only_new = ("if-none-match", "*");
    let tag = server.send("PUT", LUNCH, &[only_new], event("1", "Lunch")).expect(201);
    let tag = tag.header("etag");
    server.send("PUT", LUNCH, &[only_new], event("1", "Other")).expect(412);
    server.send("PUT", LUNCH, &[("if-match", "\"old\"")], event("1", "Other")).expect(412);
    server.send("PUT", LUNCH, &[("if-match", &format!("W/{tag}"))], event("1", "Other")).expect(412);
    server.send("PUT", LUNCH, &[("if", "([\"old\"])")], event("1", "Other")).expect(412);
    server.send("PUT", LUNCH, &[("if", "(<opaquelocktoken:1>)")], event("1", "Other")).expect(412);
    assert_eq!(server.get(LUNCH).text(), event("1", "Lunch"));
    let holds = format!("(<opaquelocktoken:1>) ([{tag}] Not <DAV:no-lock>)");
    server.send("PUT", LUNCH, &[("if", &holds)], event("1", "Other")).expect(204);
}

#[test]
fn of_two_who_make_the_same_file_at_once_one_is_told() {
    let server = Server::new();
    let put = |text: &str| server.answer_to("ada", "PUT", LUNCH, &[("if-none-match", "*")], event("1", text));
    let mut statuses: Vec<_> =
        together(vec![put("a"), put("b")]).into_iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 412]);
}

#[test]
fn changes_that_come_together_are_all_kept() {
    let server = Server::new();
    let put = |n: usize| {
        let path = format!("/dav/calendars/ada/calendar/{n}.ics");
        server.answer_to("ada", "PUT", &path, &[], event(&n.to_string(), "Lunch"))
    };
    for answer in together((0..20).map(put).collect()) {
        answer.expect(201);
    }
    assert_eq!(server.files("ada").iter().filter(|(path, _)| path.ends_with(".ics")).count(), 20);
}

#[test]
fn a_calendar_refuses_what_is_no_calendar_object() {
    let server = Server::new();
    let put = |headers: &[(&str, &str)], body: &str| server.send("PUT", LUNCH, headers, body);
    put(&[ICS], "no calendar").expect_condition(403, "C:valid-calendar-data");
    put(&[ICS], "").expect_condition(403, "C:valid-calendar-data");
    let two = event("1", "a").replace("END:VCALENDAR\r\n", "")
        + "BEGIN:VEVENT\r\nUID:2\r\nDTSTART:20260101T000000Z\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
    put(&[ICS], &two).expect_condition(403, "C:valid-calendar-object-resource");
    let free_busy =
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VFREEBUSY\r\nUID:1\r\nEND:VFREEBUSY\r\nEND:VCALENDAR\r\n";
    server
        .commit("ada", &[("todo/.collection.toml", Some("type = \"calendar\"\ncomponents = [\"VTODO\"]\n"))]);
    server
        .put("/dav/calendars/ada/todo/a.ics", event("1", "Lunch"))
        .expect_condition(403, "C:supported-calendar-component");
    server
        .put("/dav/calendars/ada/todo/a.ics", free_busy)
        .expect_condition(403, "C:supported-calendar-component");
    put(&[("content-type", "text/vcard")], &event("1", "a"))
        .expect_condition(403, "C:supported-calendar-data");
    let answer = server.put("/dav/calendars/ada/calendar/lunch.txt", event("1", "Lunch")).expect(403);
    assert!(answer.text().contains("end in .ics"), "{}", answer.text());
    assert_eq!(server.files("ada").len(), 2);
}

#[test]
fn a_uid_is_that_of_one_object() {
    let server = Server::new();
    server.put(LUNCH, event("1", "Lunch")).expect(201);
    let other = "/dav/calendars/ada/calendar/other.ics";
    let answer = server.put(other, event("1", "Copy")).expect_condition(403, "C:no-uid-conflict");
    assert!(answer.text().contains(&format!("<D:href>{LUNCH}</D:href>")), "{}", answer.text());
    server.put(other, event("2", "Other")).expect(201);
    server.put(other, event("1", "Other")).expect_condition(403, "C:no-uid-conflict");
    // RFC 4791 §5.3.2.1: an object does not become another.
    let answer = server.put(LUNCH, event("3", "Lunch")).expect_condition(403, "C:no-uid-conflict");
    assert!(answer.text().contains(&format!("<D:href>{LUNCH}</D:href>")), "{}", answer.text());
    server.commit("ada", &[("second/.collection.toml", Some("type = \"calendar\"\n"))]);
    server.put("/dav/calendars/ada/second/a.ics", event("1", "In another calendar")).expect(201);
}

#[test]
fn what_git_brought_and_nobody_can_read_may_be_replaced() {
    let server = Server::new();
    server.commit("ada", &[("calendar/lunch.ics", Some("broken"))]);
    server.put(LUNCH, event("1", "Lunch")).expect(204);
}

#[test]
fn other_collections_take_any_bytes_and_stay_what_they_are() {
    let server = Server::new();
    server.send("MKCOL", "/dav/calendars/ada/notes/", &[], "").expect(201);
    server.put("/dav/calendars/ada/notes/a", "").expect(201);
    server.put("/dav/calendars/ada/notes/b.ics", "no calendar").expect(201);
    // From git, without a file that says what it is.
    server.commit("ada", &[("plain/a.txt", Some("a"))]);
    server.put("/dav/calendars/ada/plain/b.ics", "no calendar").expect(201);
    server.put("/dav/calendars/ada/plain/c.ics", "none either").expect(201);
    server.put("/dav/calendars/ada/root.ics", "nor this").expect(201);
    server.send("MKCALENDAR", "/dav/calendars/ada/new/", &[], "").expect(201);
    let text = server.get("/dav/calendars/ada/").expect(200);
    assert_eq!(text.header("content-type"), "text/html; charset=utf-8");
}

#[test]
fn the_place_must_be_one_for_a_file() {
    let server = Server::new();
    for (path, status) in [
        ("/dav/calendars/ada/none/a.ics", 409),
        ("/dav/calendars/ada/none/deeper/a.ics", 409),
        ("/dav/calendars/ada/calendar", 405),
        ("/dav/calendars/ada/calendar/", 405),
        ("/dav/calendars/ada/", 405),
        ("/dav/principals/ada/", 405),
        ("/dav/calendars/ada/a.txt/", 409),
        ("/dav/calendars/ada/.collection.toml", 403),
        ("/dav/calendars/ada/calendar/.collection.toml", 403),
        ("/dav/calendars/ada/.Collection.toml", 403),
        ("/dav/calendars/ada/a%0Ab", 403),
        ("/dav/calendars/ada/%FF", 403),
        ("/dav/calendars/ada/git~1", 400),
        ("/dav/calendars/ada/.git%20", 400),
        ("/dav/calendars/ada/.git", 400),
    ] {
        server.put(path, "text").expect(status);
    }
    server.put("/dav/calendars/ada/a", "text").expect(201);
    server.put("/dav/calendars/ada/a/b", "text").expect(409);
    let part = ("content-range", "bytes 0-1/2");
    server.send("PUT", "/dav/calendars/ada/a", &[part], "te").expect(400);
    let answer = server.put("/dav/calendars/ada/calendar/", "text");
    assert!(!answer.header("allow").contains("PUT") && answer.header("allow").contains("DELETE"));
}

#[test]
fn what_is_too_large_is_refused_by_name() {
    let server = Server::new();
    let large = "a".repeat((10 << 20) + 1);
    server.put("/dav/calendars/ada/large.txt", &large).expect(413);
    server.put(LUNCH, &large).expect_condition(403, "C:max-resource-size");
}

#[test]
fn a_full_device_loses_nothing() {
    let server = Server::on_device_of(8 << 20);
    server.put(LUNCH, event("1", "Lunch")).expect(201);
    let mut state = 1_u64;
    let mut noise = || {
        // Nothing that compresses: xorshift.
        let bytes = (0..1 << 20).map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state as u8
        });
        bytes.collect::<Vec<u8>>()
    };
    let mut kept = Vec::new();
    let refused = (0..16).find_map(|n| {
        let (path, data) = (format!("/dav/calendars/ada/{n}.bin"), noise());
        let answer = server.put(&path, &data);
        if answer.status == 201 {
            kept.push((path, data));
            return None;
        }
        Some(answer)
    });
    refused.expect("16 MiB do not fit on 8").expect_condition(507, "D:sufficient-disk-space");
    assert!(!kept.is_empty());
    for (path, data) in &kept {
        assert!(server.get(path).expect(200).body == *data, "{path}");
    }
    server.send("DELETE", &kept[0].0, &[], "").expect(204);
    assert_eq!(server.get(LUNCH).text(), event("1", "Lunch"));
}

#[test]
fn a_sync_token_is_a_condition_on_its_collection() {
    let server = Server::new();
    let calendar = "/dav/calendars/ada/calendar/";
    let body = "<propfind xmlns='DAV:'><prop><sync-token/></prop></propfind>";
    let answer = server.send("PROPFIND", calendar, &[("depth", "0")], body).expect(207).text();
    let token = answer.split_once("<D:sync-token>").unwrap().1.split_once('<').unwrap().0;
    let condition = format!("<{calendar}> (<{token}>)");
    server.send("PUT", LUNCH, &[("if", &condition)], event("1", "Lunch")).expect(201);
    // The calendar has changed since.
    server.send("PUT", LUNCH, &[("if", &condition)], event("1", "Later")).expect(412);
}
