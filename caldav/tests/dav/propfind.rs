//! PROPFIND (RFC 4918 §9.1, RFC 8144).

use crate::{
    multistatus::{Properties, expand},
    server::{Answer, Server, event},
};

const NAMESPACES: &str = "xmlns:D='DAV:' xmlns:C='urn:ietf:params:xml:ns:caldav' \
     xmlns:CS='http://calendarserver.org/ns/' xmlns:A='http://apple.com/ns/ical/'";

/// A body that asks for these properties.
pub(crate) fn asking(names: &str) -> String {
    let elements: String = names.split_whitespace().map(|name| format!("<{name}/>")).collect();
    propfind(&format!("<D:prop>{elements}</D:prop>"))
}

fn propfind(content: &str) -> String {
    format!("<?xml version='1.0'?><D:propfind {NAMESPACES}>{content}</D:propfind>")
}

/// The properties of one resource.
#[track_caller]
pub(crate) fn properties(server: &Server, target: &str, names: &str) -> Properties {
    server.send("PROPFIND", target, &[("depth", "0")], asking(names)).response()
}

fn hrefs(answer: &Answer) -> Vec<String> {
    answer.responses().into_iter().map(|response| response.href).collect()
}

/// A home with a calendar of two events, a plain collection, and a file.
fn home() -> Server {
    let server = Server::new();
    server.commit(
        "ada",
        &[
            ("calendar/a&b.ics", Some(&event("1", "Lunch"))),
            ("calendar/ü.ics", Some(&event("2", "Tea"))),
            ("notes/deep/er.txt", Some("12345")),
            ("notes/.collection.toml", Some("type = \"collection\"\n")),
            ("README.md", Some("# Ada\n")),
        ],
    );
    server
}

#[test]
fn a_calendar_and_its_members_tell_what_is_asked() {
    let server = home();
    let body =
        asking("D:resourcetype D:getetag D:getcontenttype D:getcontentlength D:displayname CS:getctag");
    let answer = server.send("PROPFIND", "/dav/calendars/ada/calendar/", &[("depth", "1")], body);
    let responses = answer.responses();
    let home = "/dav/calendars/ada/calendar/";
    assert_eq!(hrefs(&answer), [home, &format!("{home}a&b.ics"), &format!("{home}%C3%BC.ics")]);
    let [calendar, lunch, _] = &responses[..] else { panic!() };
    let tree = calendar.text("CS:getctag");
    assert_eq!(calendar.text("D:getetag"), format!("\"{tree}\""));
    assert_eq!(calendar.get("D:resourcetype").child_names(), [expand("D:collection"), expand("C:calendar")]);
    assert_eq!(calendar.text("D:displayname"), "Calendar");
    assert_eq!(calendar.names(404), [expand("D:getcontenttype"), expand("D:getcontentlength")]);
    assert_eq!(lunch.text("D:getcontentlength"), event("1", "Lunch").len().to_string());
    assert_eq!(lunch.text("D:getcontenttype"), "text/calendar; charset=utf-8");
    assert_eq!(lunch.get("D:resourcetype").children, []);
    assert_eq!(lunch.names(404), [expand("D:displayname"), expand("CS:getctag")]);
}

#[test]
fn the_etag_is_the_blob_and_the_ctag_moves_with_members() {
    let server = home();
    let event = "/dav/calendars/ada/calendar/a&b.ics";
    let calendar = "/dav/calendars/ada/calendar/";
    let ask = |target: &str, name: &str| properties(&server, target, name).text(name).to_owned();
    let (etag, ctag, token) =
        (ask(event, "D:getetag"), ask(calendar, "CS:getctag"), ask(calendar, "D:sync-token"));
    server.commit("ada", &[("calendar/c.ics", Some("BEGIN:VCALENDAR"))]);
    assert_eq!(ask(event, "D:getetag"), etag);
    assert_ne!(ask(calendar, "CS:getctag"), ctag);
    assert_ne!(ask(calendar, "D:sync-token"), token);
    server.commit("ada", &[("calendar/c.ics", None)]);
    assert_eq!(ask(calendar, "CS:getctag"), ctag);
    assert_eq!(ask(calendar, "D:sync-token"), token);
}

#[test]
fn collections_of_the_same_content_have_different_sync_tokens() {
    let server = Server::new();
    server.commit("ada", &[("a/x.ics", Some("x")), ("b/x.ics", Some("x"))]);
    let [a, b] = ["a", "b"]
        .map(|name| properties(&server, &format!("/dav/calendars/ada/{name}/"), "CS:getctag D:sync-token"));
    assert_eq!(a.text("CS:getctag"), b.text("CS:getctag"));
    assert_ne!(a.text("D:sync-token"), b.text("D:sync-token"));
    assert!(a.text("D:sync-token").starts_with("urn:kalends:sync:"));
}

#[test]
fn an_empty_body_asks_for_all_properties_of_webdav_and_dead_ones() {
    let server = home();
    let dead = "type = \"calendar\"\n[[property]]\nxml = \"<x:p xmlns:x='urn:x'>v</x:p>\"\n\
                [[member.\"a&b.ics\"]]\nxml = \"<q xmlns='urn:q'>w</q>\"\n";
    server.commit("ada", &[("calendar/.collection.toml", Some(dead))]);
    let answer = server.send("PROPFIND", "/dav/calendars/ada/calendar/", &[("depth", "1")], "");
    let responses = answer.responses();
    let mut names = responses[0].names(200);
    names.sort_unstable();
    let mut expected: Vec<_> =
        ["D:resourcetype", "D:displayname", "D:getetag", "D:supportedlock", "D:lockdiscovery", "{urn:x}p"]
            .map(expand)
            .to_vec();
    expected.sort_unstable();
    assert_eq!(names, expected);
    assert_eq!(responses[1].text("{urn:q}q"), "w");
    assert_eq!(responses[1].names(404), [""; 0]);
    assert_eq!(responses[2].status("{urn:q}q"), 0);
    let all =
        server.send("PROPFIND", "/dav/calendars/ada/calendar/", &[("depth", "1")], propfind("<D:allprop/>"));
    assert_eq!(all.text(), answer.text());
}

#[test]
fn include_adds_to_allprop_and_nothing_comes_twice() {
    let server = home();
    let body = propfind(
        "<D:allprop/><D:include><CS:getctag/><D:getetag/><D:supported-report-set/>
         <D:nothing/><D:getcontentlength/></D:include>",
    );
    let calendar =
        server.send("PROPFIND", "/dav/calendars/ada/calendar/", &[("depth", "0")], body).response();
    assert_eq!(calendar.names(404), [expand("D:nothing"), expand("D:getcontentlength")]);
    let mut names = calendar.names(200);
    assert!(names.contains(&expand("CS:getctag").as_str()));
    names.sort_unstable();
    let count = names.len();
    names.dedup();
    assert_eq!(names.len(), count);
}

#[test]
fn propname_names_what_is_there_without_values() {
    let server = home();
    server.commit(
        "ada",
        &[(
            "calendar/.collection.toml",
            Some(
                "type = \"calendar\"\ncolor = \"#112233\"\n[[property]]\nxml = \"<p xmlns='urn:x'>v</p>\"\n",
            ),
        )],
    );
    let answer =
        server.send("PROPFIND", "/dav/calendars/ada/calendar/", &[("depth", "1")], propfind("<D:propname/>"));
    for response in answer.responses() {
        let (status, names, _) = &response.propstats[0];
        assert_eq!((*status, response.propstats.len()), (200, 1));
        assert!(names.iter().all(|name| name.text.is_empty() && name.children.is_empty()));
    }
    let responses = answer.responses();
    for name in ["CS:getctag", "A:calendar-color", "D:sync-token", "C:supported-calendar-data", "{urn:x}p"] {
        assert_eq!(responses[0].status(name), 200, "{name}");
        assert_eq!(responses[1].status(name), 0, "{name}");
    }
    for name in ["A:calendar-order", "D:getcontentlength", "C:calendar-data", "D:principal-URL"] {
        assert_eq!(responses[0].status(name), 0, "{name}");
    }
}

#[test]
fn every_property_that_propname_gives_has_a_value() {
    let server = home();
    for target in [
        "/dav/",
        "/dav/principals/",
        "/dav/principals/ada/",
        "/dav/calendars/",
        "/dav/calendars/ada/",
        "/dav/calendars/ada/calendar/",
        "/dav/calendars/ada/calendar/a&b.ics",
        "/dav/calendars/ada/README.md",
    ] {
        let named = server.send("PROPFIND", target, &[("depth", "0")], propfind("<D:propname/>")).response();
        let names = named.names(200);
        let elements: String = names
            .iter()
            .map(|name| {
                let (namespace, local) = name[1..].split_once('}').unwrap();
                format!("<p:{local} xmlns:p='{namespace}'/>")
            })
            .collect();
        let body = propfind(&format!("<D:prop>{elements}</D:prop>"));
        let asked = server.send("PROPFIND", target, &[("depth", "0")], body).response();
        assert_eq!(asked.names(200), names, "{target}");
    }
}

#[test]
fn depth_reaches_as_far_as_it_says() {
    let server = home();
    let all = |target: &str, depth: Option<&str>| {
        let headers: Vec<_> = depth.iter().map(|depth| ("depth", *depth)).collect();
        hrefs(&server.send("PROPFIND", target, &headers, asking("D:resourcetype")))
    };
    let home = "/dav/calendars/ada/";
    let below = |names: &[&str]| names.iter().map(|name| format!("{home}{name}")).collect::<Vec<_>>();
    assert_eq!(all(home, Some("0")), [home]);
    assert_eq!(all(home, Some("1")), below(&["", "README.md", "calendar/", "notes/"]));
    let everything = below(&[
        "",
        "README.md",
        "calendar/",
        "calendar/a&b.ics",
        "calendar/%C3%BC.ics",
        "notes/",
        "notes/deep/",
        "notes/deep/er.txt",
    ]);
    assert_eq!(all(home, Some("Infinity")), everything);
    assert_eq!(all(home, None), everything);
    let principals = ["/dav/principals/", "/dav/principals/ada/", "/dav/principals/bob/"];
    assert_eq!(all("/dav/principals/", Some("1")), principals);
    assert_eq!(all("/dav/calendars/", Some("1")), ["/dav/calendars/", home]);
    assert_eq!(all("/dav/", Some("1")), ["/dav/", "/dav/principals/", "/dav/calendars/"]);
    let mut from_root = vec!["/dav/".to_owned()];
    from_root.extend(principals.map(str::to_owned));
    from_root.push("/dav/calendars/".into());
    from_root.extend(everything);
    assert_eq!(all("/dav/", None), from_root);
    let file = below(&["README.md"]);
    assert_eq!(all(&file[0], None), file);
    server.send("PROPFIND", home, &[("depth", "2")], "").expect(400);
}

#[test]
fn endless_depth_ends_where_there_is_too_much() {
    let server = Server::new();
    // 10 directories in each of 10, six levels deep, are seven trees and a million files.
    let mut change = kalends_caldav::Change::new(&server.repository("ada"));
    change.write(&[b"0", b"file"], "x").unwrap();
    let author = kalends_caldav::Author { name: "Push".into(), email: "push@localhost".into() };
    crate::server::block_on(change.submit(&author, "Push").unwrap().unwrap()).unwrap();
    for _ in 0..6 {
        let mut change = kalends_caldav::Change::new(&server.repository("ada"));
        let root = change.base_tree().unwrap().unwrap();
        let names: Vec<_> = (0..10).map(|n| format!("d{n}")).collect();
        for name in &names {
            change.place(&[b"deep", name.as_bytes()], Some((kalends_store::EntryKind::Tree, root)));
        }
        crate::server::block_on(change.submit(&author, "Push").unwrap().unwrap()).unwrap();
    }
    let ask =
        |depth| server.send("PROPFIND", "/dav/calendars/ada/", &[("depth", depth)], asking("D:getetag"));
    ask("infinity").expect_condition(403, "D:propfind-finite-depth");
    ask("1").expect(207);
}

#[test]
fn links_submodules_and_the_describing_file_are_not_members() {
    let server = home();
    let repository = server.repository("ada");
    let commit = repository.reference(repository.head()).unwrap();
    let mut change = kalends_caldav::Change::new(&repository);
    let blob = change.write(&[b"x"], "README.md").unwrap();
    change.place(&[b"x"], None);
    change.place(&[b"link"], Some((kalends_store::EntryKind::Link, blob)));
    change.place(&[b"module"], Some((kalends_store::EntryKind::Commit, commit)));
    let author = kalends_caldav::Author { name: "Push".into(), email: "push@localhost".into() };
    crate::server::block_on(change.submit(&author, "Push").unwrap().unwrap()).unwrap();
    let answer = server.send("PROPFIND", "/dav/calendars/ada/", &[], asking("D:getetag"));
    assert!(answer.responses().len() > 5);
    for name in ["link", "module", ".collection.toml"] {
        assert!(!answer.text().contains(name), "{name}");
        let target = format!("/dav/calendars/ada/{name}");
        server.send("PROPFIND", &target, &[("depth", "0")], "").expect(404);
    }
}

#[test]
fn long_listings_are_streamed() {
    let server = Server::new();
    let names: Vec<_> = (0..2000).map(|n| format!("calendar/{n:04}.ics")).collect();
    let files: Vec<_> = names.iter().map(|name| (name.as_str(), Some(name.as_str()))).collect();
    server.commit("ada", &files);
    let answer =
        server.send("PROPFIND", "/dav/calendars/ada/calendar/", &[("depth", "1")], asking("D:getetag"));
    assert!(answer.pieces > 5, "{}", answer.pieces);
    let responses = answer.responses();
    assert_eq!(responses.len(), 2001);
    assert!(responses.windows(2).all(|pair| pair[0].href < pair[1].href));
    assert_eq!(responses[1500].href, "/dav/calendars/ada/calendar/1499.ics");
}

#[test]
fn a_collection_without_its_slash_is_told_its_name() {
    let server = home();
    for target in ["/dav", "/dav/principals/ada", "/dav/calendars/ada", "/dav/calendars/ada/calendar"] {
        let answer = server.send("PROPFIND", target, &[("depth", "0")], asking("D:getetag"));
        assert_eq!(answer.header("content-location"), format!("{target}/"));
        assert_eq!(answer.response().href, format!("{target}/"));
    }
    let file = "/dav/calendars/ada/README.md";
    let answer = server.send("PROPFIND", file, &[("depth", "0")], asking("D:getetag"));
    assert_eq!(answer.header("content-location"), "");
    server.send("PROPFIND", &format!("{file}/"), &[("depth", "0")], asking("D:getetag")).expect(404);
}

#[test]
fn a_minimal_answer_leaves_out_what_is_not_there() {
    let server = home();
    let target = "/dav/calendars/ada/calendar/";
    let body = asking("D:getcontentlength D:nothing");
    for (headers, applied) in [
        (&[("depth", "1"), ("prefer", "return=minimal")], "return=minimal"),
        (&[("depth", "1"), ("brief", "t")], ""),
    ] {
        let answer = server.send("PROPFIND", target, headers, &body);
        assert_eq!(answer.header("preference-applied"), applied);
        let responses = answer.responses();
        assert_eq!(responses.len(), 3);
        // RFC 8144 §2.1: an empty prop with 200 where nothing is left.
        assert_eq!(responses[0].propstats.len(), 1);
        assert_eq!((responses[0].propstats[0].0, responses[0].propstats[0].1.len()), (200, 0));
        assert_eq!(responses[1].names(200), [expand("D:getcontentlength")]);
        assert!(responses.iter().all(|response| response.names(404).is_empty()));
    }
    let headers = [("depth", "1"), ("prefer", "depth-noroot, return=minimal")];
    let answer = server.send("PROPFIND", target, &headers, &body);
    assert_eq!(answer.header("preference-applied"), "return=minimal, depth-noroot");
    assert_eq!(answer.responses().len(), 2);
    let answer = server.send("PROPFIND", target, &[("depth", "0"), ("prefer", "depth-noroot")], &body);
    assert_eq!((answer.header("preference-applied"), answer.responses().len()), ("", 1));
}

#[test]
fn names_are_told_apart_by_namespace_and_written_back() {
    let server = home();
    let body = propfind(
        "<D:prop><displayname/><x:displayname xmlns:x='urn:x&amp;&quot;y'/><D:DisplayName/>\
         <p xmlns='http://example.com/neon/litmus/'/><D:displayname/><D:displayname/></D:prop>",
    );
    let response =
        server.send("PROPFIND", "/dav/calendars/ada/calendar/", &[("depth", "0")], body).response();
    assert_eq!(response.names(200), [expand("D:displayname")]);
    assert_eq!(
        response.names(404),
        ["displayname", "{urn:x&\"y}displayname", "{DAV:}DisplayName", "{http://example.com/neon/litmus/}p"]
    );
}

#[test]
fn bodies_that_ask_for_nothing_definite_are_refused() {
    let server = Server::new();
    let ask = |body: &str| server.send("PROPFIND", "/dav/calendars/ada/", &[("depth", "0")], body);
    for body in [
        "not xml",
        " ",
        "<foo>",
        "<D:propfind xmlns:D='DAV:'/>",
        "<D:propfind xmlns:D='DAV:'><D:prop/><D:allprop/></D:propfind>",
        "<D:propfind xmlns:D='DAV:'><D:prop/><D:prop/></D:propfind>",
        "<D:propfind xmlns:D='DAV:'><D:propname/><D:prop><D:getetag/></D:prop></D:propfind>",
        "<D:propertyupdate xmlns:D='DAV:'><D:prop/></D:propertyupdate>",
        "<propfind><prop/></propfind>",
        "<D:propfind><D:prop/></D:propfind>",
        "<D:propfind xmlns:D='DAV:'><D:prop><bar:foo xmlns:bar=''/></D:prop></D:propfind>",
    ] {
        ask(body).expect(400);
    }
    // What is not known is passed over (RFC 4918 §17).
    ask("<D:propfind xmlns:D='DAV:'><x/><D:prop><D:getetag/></D:prop><D:more/></D:propfind>").expect(207);
    ask("<!DOCTYPE a [<!ENTITY x 'y'>]><D:propfind xmlns:D='DAV:'><D:allprop/></D:propfind>")
        .expect_condition(403, "D:no-external-entities");
}

#[test]
fn too_many_properties_at_once_are_refused() {
    let server = Server::new();
    let many: String = (0..501).map(|n| format!("<p{n} xmlns='urn:x'/>")).collect();
    let long = format!("<{} xmlns='urn:x'/>", "p".repeat(65 << 10));
    for names in [many, long] {
        let body = propfind(&format!("<D:prop>{names}</D:prop>"));
        server.send("PROPFIND", "/dav/calendars/ada/", &[("depth", "1")], body).expect(413);
    }
}

#[test]
fn what_is_not_the_users_is_not_found() {
    let server = home();
    for target in [
        "/dav/calendars/ada/",
        "/dav/calendars/ada/README.md",
        "/dav/principals/ada/",
        "/dav/calendars/realm/",
    ] {
        server.send_as("bob", "PROPFIND", target, &[("depth", "0")], "").expect(404);
    }
    let answer = server.send_as("bob", "PROPFIND", "/dav/", &[("depth", "infinity")], "");
    assert!(!answer.text().contains("ada"));
    assert!(answer.responses().iter().any(|response| response.href == "/dav/calendars/bob/calendar/"));
    server.send("PROPFIND", "/dav/calendars/realm/", &[("depth", "0")], "").expect(404);
    server.send("PROPFIND", "/dav/calendars/ada/nothing.ics", &[("depth", "0")], "").expect(404);
}

#[test]
fn a_directory_made_by_git_is_a_calendar_with_a_name() {
    let server = Server::new();
    server.commit(
        "ada",
        &[("Büro/a.ics", Some(&event("1", "x"))), ("broken/.collection.toml", Some("type ="))],
    );
    let made = properties(&server, "/dav/calendars/ada/B%C3%BCro/", "D:displayname D:resourcetype");
    assert_eq!(made.text("D:displayname"), "Büro");
    assert!(made.get("D:resourcetype").child("C:calendar").is_some());
    let broken = properties(&server, "/dav/calendars/ada/broken/", "D:displayname D:resourcetype");
    assert_eq!(broken.text("D:displayname"), "broken");
    assert!(broken.get("D:resourcetype").child("C:calendar").is_none());
}

#[test]
fn a_member_that_cannot_be_read_is_reported_alone() {
    let server = home();
    let mut change = kalends_caldav::Change::new(&server.repository("ada"));
    let missing = kalends_store::ObjectId::from_hex(&[b'1'; 40]).unwrap();
    change.place(&[b"calendar", b"lost.ics"], Some((kalends_store::EntryKind::Blob, missing)));
    change.place(&[b"calendar", b"lost"], Some((kalends_store::EntryKind::Tree, missing)));
    let author = kalends_caldav::Author { name: "Push".into(), email: "push@localhost".into() };
    crate::server::block_on(change.submit(&author, "Push").unwrap().unwrap()).unwrap();
    let body = asking("D:getetag D:getcontentlength");
    let answer = server.send("PROPFIND", "/dav/calendars/ada/calendar/", &[("depth", "1")], body);
    let responses = answer.responses();
    assert_eq!(responses.len(), 5);
    let lost = responses.iter().find(|found| found.href.ends_with("/lost.ics")).unwrap();
    assert_eq!((lost.status("D:getetag"), lost.status("D:getcontentlength")), (200, 500));
    let lunch = responses.iter().find(|found| found.href.ends_with("/a&b.ics")).unwrap();
    assert_eq!(lunch.names(200).len(), 2);
}
