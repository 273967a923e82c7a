//! GET and HEAD.

use crate::server::{Server, event};

const CALENDAR: &str = "/dav/calendars/ada/calendar/";
const LUNCH: &str = "/dav/calendars/ada/calendar/lunch.ics";

#[test]
fn a_file_is_given_as_it_was_put_with_its_type_length_and_tag() {
    let server = Server::new();
    let text = event("1", "Lunch");
    let tag = server.put(LUNCH, &text).expect(201).header("etag").to_owned();
    for method in ["GET", "HEAD"] {
        let answer = server.send(method, LUNCH, &[], "").expect(200);
        assert_eq!(answer.text(), if method == "GET" { &text } else { "" });
        assert_eq!(answer.header("etag"), tag);
        assert_eq!(answer.header("content-length"), text.len().to_string());
        assert_eq!(answer.header("content-type"), "text/calendar; charset=utf-8");
        assert_eq!(answer.header("last-modified"), "");
    }
    server.get(&format!("{LUNCH}/")).expect(404);
    server.get(&format!("{LUNCH}/below")).expect(404);
    server.get("/dav/calendars/ada/calendar/.collection.toml").expect(404);
}

#[test]
fn a_page_that_was_pushed_cannot_run_scripts() {
    let server = Server::new();
    server.commit("ada", &[("site/a.html", Some("<script>alert(1)</script>")), ("site/b", Some("<html>"))]);
    let page = server.get("/dav/calendars/ada/site/a.html").expect(200);
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert!(page.header("content-security-policy").contains("sandbox"));
    let unknown = server.get("/dav/calendars/ada/site/b").expect(200);
    assert_eq!(unknown.header("content-type"), "application/octet-stream");
    assert_eq!(unknown.header("x-content-type-options"), "nosniff");
}

#[test]
fn a_client_with_the_current_file_gets_304() {
    let server = Server::new();
    let tag = server.put(LUNCH, event("1", "Lunch")).header("etag").to_owned();
    let weak = format!("W/{tag}, \"other\"");
    for (method, condition, status) in
        [("GET", tag.as_str(), 304), ("HEAD", &weak, 304), ("GET", "*", 304), ("GET", "\"other\"", 200)]
    {
        let answer = server.send(method, LUNCH, &[("if-none-match", condition)], "").expect(status);
        assert_eq!(answer.header("etag"), tag);
    }
    let date = ("if-modified-since", "Fri, 01 Jan 2100 00:00:00 GMT");
    server.send("GET", LUNCH, &[date], "").expect(200);
    server.send("GET", LUNCH, &[("if-match", "\"other\"")], "").expect(412);
    server.send("GET", LUNCH, &[("if-match", tag.as_str())], "").expect(200);
    server.send("GET", LUNCH, &[("if-match", "unquoted")], "").expect(400);
    server.send("GET", "/dav/calendars/ada/none", &[("if-match", "*")], "").expect(404);
}

#[test]
fn a_part_of_a_file_can_be_had() {
    let server = Server::new();
    let path = "/dav/calendars/ada/digits.txt";
    let tag = server.put(path, "0123456789").header("etag").to_owned();
    let answer = server.send("GET", path, &[("range", "bytes=2-4")], "").expect(206);
    assert_eq!((answer.text().as_str(), answer.header("content-range")), ("234", "bytes 2-4/10"));
    assert_eq!(answer.header("content-length"), "3");
    let answer = server.send("GET", path, &[("range", "bytes=-3"), ("if-range", &tag)], "").expect(206);
    assert_eq!(answer.text(), "789");
    let answer = server.send("GET", path, &[("range", "bytes=-3"), ("if-range", "\"old\"")], "").expect(200);
    assert_eq!(answer.text(), "0123456789");
    server.send("GET", path, &[("range", "bytes=0-1,5-6")], "").expect(200);
    server.send("HEAD", path, &[("range", "bytes=0-1")], "").expect(200);
    let answer = server.send("GET", path, &[("range", "bytes=10-")], "").expect(416);
    assert_eq!(answer.header("content-range"), "bytes */10");
}

/// An event in a zone whose rules come with it, ended by bare line feeds.
fn zoned(uid: &str) -> String {
    format!(
        "BEGIN:VCALENDAR\nVERSION:2.0\nBEGIN:VTIMEZONE\nTZID:Here\nBEGIN:STANDARD\nDTSTART:19700101T000000\n\
         TZOFFSETFROM:+0100\nTZOFFSETTO:+0100\nEND:STANDARD\nEND:VTIMEZONE\nBEGIN:VEVENT\nUID:{uid}\n\
         DTSTAMP:20260101T000000Z\nDTSTART;TZID=Here:20260102T100000\nEND:VEVENT\nEND:VCALENDAR\n"
    )
}

#[test]
fn a_calendar_is_one_stream_with_each_time_zone_once() {
    let server = Server::new();
    server.commit(
        "ada",
        &[
            ("work/.collection.toml", Some("type = \"calendar\"\ndisplay-name = \"Work; and more\"\n")),
            ("work/a.ics", Some(&zoned("a"))),
            ("work/b.ics", Some(&zoned("b"))),
            ("work/broken.ics", Some("BEGIN:VCALENDAR")),
            ("work/README.md", Some("no event")),
        ],
    );
    let answer = server.get("/dav/calendars/ada/work/").expect(200);
    assert_eq!(answer.header("content-type"), "text/calendar; charset=utf-8");
    let text = answer.text();
    for (line, count) in [
        ("BEGIN:VCALENDAR", 1),
        ("X-WR-CALNAME:Work\\; and more", 1),
        ("BEGIN:VTIMEZONE", 1),
        ("BEGIN:VEVENT", 2),
        ("UID:a", 1),
        ("UID:b", 1),
        ("END:VCALENDAR", 1),
    ] {
        assert_eq!(text.split("\r\n").filter(|found| *found == line).count(), count, "{line} in {text}");
    }
    assert!(!text.replace("\r\n", "").contains('\n'));
    let tag = answer.header("etag");
    server.send("GET", "/dav/calendars/ada/work/", &[("if-none-match", tag)], "").expect(304);
    server.put("/dav/calendars/ada/work/c.ics", event("c", "New")).expect(201);
    server.send("GET", "/dav/calendars/ada/work/", &[("if-none-match", tag)], "").expect(200);
}

#[test]
fn a_large_calendar_comes_in_pieces() {
    let server = Server::new();
    let files: Vec<_> = (0..500).map(|n| (format!("work/{n}.ics"), event(&n.to_string(), "Lunch"))).collect();
    let files: Vec<_> = files.iter().map(|(path, text)| (path.as_str(), Some(text.as_str()))).collect();
    server.commit("ada", &files);
    let answer = server.get("/dav/calendars/ada/work").expect(200);
    assert!(answer.pieces > 1, "{}", answer.pieces);
    assert_eq!(answer.text().matches("BEGIN:VEVENT").count(), 500);
}

#[test]
fn other_collections_are_pages_of_escaped_links() {
    let server = Server::new();
    let toml = "type = \"collection\"\ndisplay-name = \"<b>Notes</b>\"\n";
    server.commit("ada", &[("notes/.collection.toml", Some(toml)), ("notes/a <i>.txt", Some("text"))]);
    let answer = server.get("/dav/calendars/ada/notes/").expect(200);
    assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
    assert!(answer.header("content-security-policy").starts_with("default-src 'none'"));
    let text = answer.text();
    assert!(text.contains("&lt;b&gt;Notes&lt;/b&gt;"), "{text}");
    assert!(
        text.contains("<a href=\"/dav/calendars/ada/notes/a%20%3Ci%3E.txt\">a &lt;i&gt;.txt</a>"),
        "{text}"
    );
    assert!(!text.contains(".collection.toml"), "{text}");
    for (path, link) in [
        ("/dav/", "/dav/calendars/ada/"),
        ("/dav/principals/", "/dav/principals/ada/"),
        ("/dav/principals/ada/", "/dav/calendars/ada/"),
        ("/dav/calendars/", "/dav/calendars/ada/"),
        ("/dav/calendars/ada/", CALENDAR),
    ] {
        let text = server.get(path).expect(200).text();
        assert!(text.contains(&format!("<a href=\"{link}\">")), "{text}");
    }
}

#[test]
fn homes_of_others_are_not_found() {
    let server = Server::new();
    for method in ["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "MKCOL", "MKCALENDAR", "COPY", "MOVE"] {
        let headers = [("destination", "/dav/calendars/bob/x")];
        server.send_as("bob", method, CALENDAR, &headers, "").expect(404);
        server.send_as("bob", method, "/dav/calendars/ada/new", &headers, "").expect(404);
        server.send_as("bob", method, "/dav/calendars/realm/users.toml", &headers, "").expect(404);
    }
    assert_eq!(server.last_message("ada"), "Add calendar/");
}
