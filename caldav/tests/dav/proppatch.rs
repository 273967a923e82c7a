//! PROPPATCH (RFC 4918 §9.2), much of it what litmus tries.

use crate::{
    multistatus::Properties,
    propfind::{asking, properties},
    random::random,
    server::{Answer, Server, block_on, event, together},
};
use futures_util::FutureExt;
use kalends_block_backend::SimulatedDevice;
use kalends_store::Store;
use std::rc::Rc;

const CALENDAR: &str = "/dav/calendars/ada/calendar/";
const EVENT: &str = "/dav/calendars/ada/calendar/lunch.ics";

fn update(content: &str) -> String {
    format!(
        "<?xml version='1.0' encoding='utf-8'?><D:propertyupdate xmlns:D='DAV:' \
         xmlns:C='urn:ietf:params:xml:ns:caldav' xmlns:A='http://apple.com/ns/ical/' xmlns:x='urn:x'>{content}\
         </D:propertyupdate>"
    )
}

fn set(properties: &str) -> String {
    update(&format!("<D:set><D:prop>{properties}</D:prop></D:set>"))
}

fn remove(properties: &str) -> String {
    update(&format!("<D:remove><D:prop>{properties}</D:prop></D:remove>"))
}

fn server() -> Server {
    let server = Server::new();
    server.commit("ada", &[("calendar/lunch.ics", Some(&event("1", "Lunch")))]);
    server
}

#[track_caller]
fn patch(server: &Server, target: &str, body: String) -> Properties {
    server.send("PROPPATCH", target, &[], body).response()
}

fn collection_file(server: &Server) -> String {
    let files = server.files("ada");
    files.into_iter().find(|(path, _)| path == "calendar/.collection.toml").unwrap().1
}

const ZONE: &str = "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//Example//EN\nBEGIN:VTIMEZONE\n\
     TZID:Europe/Berlin\nBEGIN:STANDARD\nDTSTART:19701025T030000\nTZOFFSETFROM:+0200\n\
     TZOFFSETTO:+0100\nRRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU\nEND:STANDARD\nBEGIN:DAYLIGHT\n\
     DTSTART:19700329T020000\nTZOFFSETFROM:+0100\nTZOFFSETTO:+0200\n\
     RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU\nEND:DAYLIGHT\nEND:VTIMEZONE\nEND:VCALENDAR\n";

#[test]
fn live_properties_of_a_calendar_are_set_and_kept_readable() {
    let server = server();
    let response = patch(
        &server,
        CALENDAR,
        set(&format!(
            "<D:displayname>Büro &amp; mehr</D:displayname><A:calendar-color symbolic-color='custom'>#FF8800FF\
             </A:calendar-color><A:calendar-order>-3</A:calendar-order><C:calendar-description xml:lang='de'>\
             Termine</C:calendar-description><C:schedule-calendar-transp><C:transparent/>\
             </C:schedule-calendar-transp><C:calendar-timezone><![CDATA[{ZONE}]]></C:calendar-timezone>"
        )),
    );
    assert_eq!(response.names(200).len(), 6);
    assert_eq!(response.propstats.len(), 1);
    assert!(response.propstats[0].1.iter().all(|name| name.text.is_empty()));
    let asked = "D:displayname A:calendar-color A:calendar-order C:calendar-description \
                 C:schedule-calendar-transp C:calendar-timezone";
    let found = properties(&server, CALENDAR, asked);
    assert_eq!(found.text("D:displayname"), "Büro & mehr");
    assert_eq!(found.text("A:calendar-color"), "#FF8800FF");
    assert_eq!(found.text("A:calendar-order"), "-3");
    assert_eq!(found.text("C:calendar-description"), "Termine");
    assert_eq!(found.get("C:calendar-description").lang.as_deref(), Some("de"));
    assert!(found.get("C:schedule-calendar-transp").child("C:transparent").is_some());
    assert_eq!(found.text("C:calendar-timezone"), ZONE);
    let file = collection_file(&server);
    for line in [
        "type = \"calendar\"",
        "display-name = \"Büro & mehr\"",
        "color = \"#FF8800FF\"",
        "order = -3",
        "components = [",
    ] {
        assert!(file.contains(line), "{line} in {file}");
    }
    patch(
        &server,
        CALENDAR,
        remove(
            "<D:displayname/><A:calendar-color/><A:calendar-order/><C:calendar-description/>\
             <C:schedule-calendar-transp/><C:calendar-timezone/>",
        ),
    );
    let found = properties(&server, CALENDAR, asked);
    assert_eq!(found.names(404).len(), 4);
    // The name of the directory.
    assert_eq!(found.text("D:displayname"), "calendar");
    assert!(found.get("C:schedule-calendar-transp").child("C:opaque").is_some());
}

#[test]
fn each_change_is_a_commit_that_says_what_it_is() {
    let server = server();
    patch(&server, CALENDAR, set("<D:displayname>Office\n2</D:displayname>"));
    assert_eq!(server.last_message("ada"), "Name calendar: Office 2");
    assert!(server.last_commit("ada").contains("author ada <ada@localhost>"));
    patch(
        &server,
        CALENDAR,
        set("<D:displayname>Office</D:displayname><A:calendar-order>1</A:calendar-order>"),
    );
    assert_eq!(server.last_message("ada"), "Set properties of calendar/");
    patch(&server, EVENT, set("<x:p>1</x:p>"));
    assert_eq!(server.last_message("ada"), "Set properties of calendar/lunch.ics");
    patch(&server, "/dav/calendars/ada/", set("<D:displayname>Mine</D:displayname>"));
    assert_eq!(server.last_message("ada"), "Name the calendar home: Mine");
    assert_eq!(properties(&server, "/dav/calendars/ada/", "D:displayname").text("D:displayname"), "Mine");
    let before = server.last_commit("ada");
    let response = patch(&server, EVENT, set("<x:p>1</x:p>"));
    assert_eq!(response.status("{urn:x}p"), 200);
    patch(&server, CALENDAR, remove("<x:never-was/>"));
    assert_eq!(server.last_commit("ada"), before);
}

#[test]
fn dead_properties_are_kept_as_they_are_written() {
    let server = server();
    for target in [CALENDAR, EVENT, "/dav/calendars/ada/"] {
        let values = "<x:empty/><x:text a='1' x:b='2'>  t&lt;&amp;\u{10000}\u{fffd} </x:text>\
                      <prop0 xmlns='http://example.com/neon/litmus/'>value0</prop0><none xmlns=''>n</none>\
                      <x:tree xml:lang='fr'><y:in xmlns:y='urn:y' name='n'>deep</y:in><bare/></x:tree>";
        let response = patch(&server, target, set(values));
        assert_eq!(response.names(200).len(), 5, "{target}");
        let body = asking("x").replace(
            "<x/>",
            "<x:text xmlns:x='urn:x'/><x:tree xmlns:x='urn:x'/><x:empty xmlns:x='urn:x'/>\
             <prop0 xmlns='http://example.com/neon/litmus/'/><none/>",
        );
        let found = server.send("PROPFIND", target, &[("depth", "0")], body).response();
        assert_eq!(found.text("{urn:x}text"), "  t<&\u{10000}\u{fffd} ");
        assert_eq!(found.text("{http://example.com/neon/litmus/}prop0"), "value0");
        assert_eq!(found.text("none"), "n");
        assert_eq!(found.get("{urn:x}empty").children, []);
        let tree = found.get("{urn:x}tree");
        assert_eq!(tree.lang.as_deref(), Some("fr"));
        assert_eq!(tree.child_names(), ["{urn:y}in", "bare"]);
        assert_eq!(tree.children[0].named.as_deref(), Some("n"));
        assert_eq!(tree.children[0].text, "deep");
    }
    assert_eq!(server.files("ada").iter().filter(|(path, _)| path.ends_with(".ics")).count(), 1);
}

#[test]
fn the_displayname_of_an_event_is_a_dead_property() {
    let server = server();
    patch(&server, EVENT, set("<D:displayname xml:lang='en'>Lunch</D:displayname>"));
    let found = properties(&server, EVENT, "D:displayname");
    assert_eq!(found.text("D:displayname"), "Lunch");
    assert_eq!(found.get("D:displayname").lang.as_deref(), Some("en"));
    patch(&server, EVENT, remove("<D:displayname/>"));
    assert_eq!(properties(&server, EVENT, "D:displayname").status("D:displayname"), 404);
}

#[test]
fn instructions_are_carried_out_in_their_order() {
    let server = server();
    let one = |kind: &str, value: &str| format!("<D:{kind}><D:prop>{value}</D:prop></D:{kind}>");
    let steps = [one("set", "<x:p>1</x:p>"), one("remove", "<x:p/>"), one("set", "<x:p>2</x:p><x:q/>")];
    patch(&server, EVENT, update(&steps.concat()));
    let found = |name: &str| {
        let body = asking(name).replacen("<D:propfind", "<D:propfind xmlns:x='urn:x'", 1);
        server.send("PROPFIND", EVENT, &[("depth", "0")], body).response()
    };
    assert_eq!(found("x:p").text("{urn:x}p"), "2");
    let response = patch(&server, EVENT, update(&(one("set", "<x:p>3</x:p>") + &one("remove", "<x:p/>"))));
    assert_eq!(response.names(200), ["{urn:x}p"]);
    assert_eq!(found("x:p").status("{urn:x}p"), 404);
    assert_eq!(found("x:q").status("{urn:x}q"), 200);
}

#[test]
fn one_failure_leaves_everything_as_it_was() {
    let server = server();
    let before = server.last_commit("ada");
    let response = patch(
        &server,
        CALENDAR,
        set("<D:displayname>New</D:displayname><D:getetag>x</D:getetag><x:p/><A:calendar-order>b\
             </A:calendar-order>"),
    );
    assert_eq!(response.status("D:displayname"), 424);
    assert_eq!(response.status("{urn:x}p"), 424);
    assert_eq!(response.status("D:getetag"), 403);
    assert_eq!(response.condition("D:getetag"), Some("{DAV:}cannot-modify-protected-property"));
    assert_eq!(response.status("A:calendar-order"), 409);
    assert_eq!(server.last_commit("ada"), before);
}

#[test]
fn what_is_the_servers_is_not_set_by_clients() {
    let server = server();
    for name in [
        "D:resourcetype",
        "D:getetag",
        "D:getcontentlength",
        "D:getlastmodified",
        "D:creationdate",
        "D:lockdiscovery",
        "D:sync-token",
        "D:owner",
        "D:acl",
        "D:current-user-principal",
        "D:quota-used-bytes",
        "C:supported-calendar-component-set",
        "C:max-resource-size",
        "C:max-instances",
        "C:schedule-inbox-URL",
        "C:calendar-data",
    ] {
        for target in [CALENDAR, EVENT] {
            for body in [set(&format!("<{name}/>")), remove(&format!("<{name}/>"))] {
                let response = patch(&server, target, body);
                assert_eq!(response.status(name), 403, "{name}");
                let condition = Some("{DAV:}cannot-modify-protected-property");
                assert_eq!(response.condition(name), condition, "{name}");
            }
        }
    }
}

#[test]
fn an_empty_colour_or_order_is_none() {
    let server = server();
    patch(
        &server,
        CALENDAR,
        set("<A:calendar-color>#112233</A:calendar-color><A:calendar-order>7</A:calendar-order>"),
    );
    let response = patch(&server, CALENDAR, set("<A:calendar-color/><A:calendar-order> </A:calendar-order>"));
    assert_eq!(response.names(200).len(), 2);
    assert_eq!(properties(&server, CALENDAR, "A:calendar-color A:calendar-order").names(404).len(), 2);
}

#[test]
fn values_are_checked() {
    let server = server();
    let zone = |text: &str| format!("<C:calendar-timezone>{text}</C:calendar-timezone>");
    let event = event("1", "x");
    for value in [zone(""), zone("Europe/Berlin"), zone(&event), zone(&format!("{ZONE}{ZONE}"))] {
        let response = patch(&server, CALENDAR, set(&value));
        assert_eq!(response.status("C:calendar-timezone"), 403);
        let condition = Some("{urn:ietf:params:xml:ns:caldav}valid-calendar-data");
        assert_eq!(response.condition("C:calendar-timezone"), condition);
    }
    for value in [
        "<A:calendar-color>red</A:calendar-color>",
        "<A:calendar-color>#12345</A:calendar-color>",
        "<A:calendar-color>#12345é</A:calendar-color>",
        "<A:calendar-order>first</A:calendar-order>",
        "<A:calendar-order>99999999999999999999</A:calendar-order>",
        "<C:schedule-calendar-transp/>",
        "<C:schedule-calendar-transp><C:opaque/><C:transparent/></C:schedule-calendar-transp>",
    ] {
        assert_eq!(patch(&server, CALENDAR, set(value)).propstats[0].0, 409, "{value}");
    }
}

#[test]
fn properties_beyond_the_limit_are_507() {
    let server = server();
    let before = server.last_commit("ada");
    let value = format!("<x:large>{}</x:large><x:small/>", "x".repeat(300 << 10));
    let response = patch(&server, EVENT, set(&value));
    assert_eq!(response.status("{urn:x}large"), 507);
    assert_eq!(response.status("{urn:x}small"), 424);
    assert_eq!(server.last_commit("ada"), before);
}

#[test]
fn a_collection_file_that_cannot_be_read_is_not_written_over() {
    let server = server();
    server.commit("ada", &[("calendar/.collection.toml", Some("type = \"calendar\"\norder = \"x\"\n"))]);
    for target in [CALENDAR, EVENT] {
        let answer = server.send("PROPPATCH", target, &[], set("<x:p/>")).expect(409);
        assert!(answer.text().contains("line 2"), "{}", answer.text());
    }
    assert_eq!(collection_file(&server), "type = \"calendar\"\norder = \"x\"\n");
}

#[test]
fn comments_in_the_collection_file_are_kept() {
    let server = server();
    let text = "# Ask Bob before changing this.\ntype = \"calendar\"\norder = 1 # first\n";
    server.commit("ada", &[("calendar/.collection.toml", Some(text))]);
    patch(
        &server,
        CALENDAR,
        set("<A:calendar-order>2</A:calendar-order><D:displayname>Work</D:displayname>"),
    );
    let expected = text.replace("order = 1", "order = 2") + "display-name = \"Work\"\n";
    assert_eq!(collection_file(&server), expected);
}

#[test]
fn keys_of_other_programs_are_kept() {
    let server = server();
    let text = "future = 3\ntype = \"calendar\"\n\n[acl]\nbob = \"read\"\n";
    server.commit("ada", &[("calendar/.collection.toml", Some(text))]);
    patch(&server, CALENDAR, set("<x:p/>"));
    patch(&server, EVENT, set("<x:p/>"));
    let file = collection_file(&server);
    assert!(file.contains("future = 3") && file.contains("bob = \"read\""), "{file}");
    assert!(
        properties(&server, CALENDAR, "D:resourcetype").get("D:resourcetype").child("C:calendar").is_some()
    );
}

#[test]
fn properties_of_principals_and_the_root_are_not_set() {
    let server = server();
    let before = server.last_commit("ada");
    for target in ["/dav/", "/dav/principals/", "/dav/principals/ada/", "/dav/calendars/"] {
        let response = patch(&server, target, set("<D:displayname>x</D:displayname><x:p/>"));
        assert_eq!((response.status("D:displayname"), response.status("{urn:x}p")), (403, 403));
        assert_eq!(response.href, target);
    }
    assert_eq!(server.last_commit("ada"), before);
    server.send("PROPPATCH", "/dav/principals/nobody/", &[], set("<x:p/>")).expect(404);
}

#[test]
fn what_is_not_there_or_not_the_users_is_not_found() {
    let server = server();
    let body = set("<x:p/>");
    for target in ["/dav/calendars/ada/no.ics", "/dav/calendars/ada/calendar/lunch.ics/"] {
        server.send("PROPPATCH", target, &[], &body).expect(404);
    }
    for target in [EVENT, CALENDAR, "/dav/calendars/ada/"] {
        server.send_as("bob", "PROPPATCH", target, &[], &body).expect(404);
    }
}

#[test]
fn conditions_are_kept() {
    let server = server();
    let etag = |target: &str| properties(&server, target, "D:getetag").text("D:getetag").to_owned();
    for target in [EVENT, CALENDAR] {
        let before = server.last_commit("ada");
        for (name, value) in [
            ("if-match", "\"0000000000000000000000000000000000000000\""),
            ("if-none-match", "*"),
            ("if", "([\"0000000000000000000000000000000000000000\"])"),
            ("if", "(<urn:uuid:00000000-0000-0000-0000-000000000000>)"),
        ] {
            server.send("PROPPATCH", target, &[(name, value)], set("<x:p/>")).expect(412);
        }
        assert_eq!(server.last_commit("ada"), before);
        let headers = [("if-match", &*etag(target))];
        server.send("PROPPATCH", target, &headers, set(&format!("<x:p>{target}</x:p>"))).expect(207);
        assert_ne!(server.last_commit("ada"), before);
    }
}

#[test]
fn bodies_that_say_nothing_definite_are_refused() {
    let server = server();
    for body in [
        "",
        "<a",
        "<D:propfind xmlns:D='DAV:'><D:allprop/></D:propfind>",
        "<D:propertyupdate xmlns:D='DAV:'/>",
        "<D:propertyupdate xmlns:D='DAV:'><D:set/></D:propertyupdate>",
        "<D:propertyupdate xmlns:D='DAV:'><D:set><D:prop/></D:set></D:propertyupdate>",
    ] {
        server.send("PROPPATCH", CALENDAR, &[], body).expect(400);
    }
}

#[test]
fn a_minimal_answer_to_success_has_no_body() {
    let server = server();
    let send = |value: &str| server.send("PROPPATCH", CALENDAR, &[("prefer", "return=minimal")], set(value));
    let answer = send("<x:p/>").expect(200);
    assert_eq!((answer.body.len(), answer.header("preference-applied")), (0, "return=minimal"));
    let answer = send("<D:getetag/>");
    assert_eq!((answer.response().status("D:getetag"), answer.header("preference-applied")), (403, ""));
}

#[test]
fn changes_at_the_same_time_all_stand() {
    let server = server();
    let begun = (0..8).map(|n| {
        let target = if n % 2 == 0 { CALENDAR } else { EVENT };
        server.answer_to("ada", "PROPPATCH", target, &[], set(&format!("<x:p{n}>{n}</x:p{n}>")))
    });
    let answers: Vec<Answer> = together(begun.collect());
    assert!(answers.iter().all(|answer| answer.response().propstats[0].0 == 200));
    block_on(server.store.sync()).unwrap();
    let file = collection_file(&server);
    for n in 0..8 {
        assert!(file.contains(&format!("p{n}")), "{file}");
    }
}

#[test]
fn an_answer_means_that_the_change_is_durable() {
    let device = Rc::new(SimulatedDevice::new(8 << 20, 512));
    let server = Server::on(device.clone());
    device.hold_flushes();
    let body = set("<D:displayname>Work</D:displayname>");
    let mut first = server.answer_to("ada", "PROPPATCH", CALENDAR, &[], &body);
    // The same again is nothing to write, but to be waited for too.
    let mut again = server.answer_to("ada", "PROPPATCH", CALENDAR, &[], &body);
    for _ in 0..10 {
        assert!((&mut first).now_or_never().is_none());
        assert!((&mut again).now_or_never().is_none());
    }
    assert_eq!(properties(&server, CALENDAR, "D:displayname").text("D:displayname"), "Calendar");
    device.release_flushes();
    for answer in together(vec![first, again]) {
        assert_eq!(answer.response().status("D:displayname"), 200);
    }
    let (step, files) = (device.steps(), server.files("ada"));
    assert!(files.iter().any(|(_, text)| text.contains("display-name = \"Work\"")));
    for seed in 0..10 {
        let after = Store::open(Rc::new(device.crash(step, seed))).unwrap();
        assert_eq!(Server::files_of(&after, "ada"), files, "seed {seed}");
    }
}

#[test]
fn a_device_that_fails_changes_nothing() {
    let device = Rc::new(SimulatedDevice::new(8 << 20, 512));
    let server = Server::on(device.clone());
    device.fail_flushes(true);
    server.send("PROPPATCH", CALENDAR, &[], set("<D:displayname>Work</D:displayname>")).expect(500);
    assert_eq!(properties(&server, CALENDAR, "D:displayname").text("D:displayname"), "Calendar");
}

#[test]
fn damaged_bodies_get_an_answer_and_leave_files_that_can_be_read() {
    let server = server();
    let patches = set(&format!(
        "<D:displayname xml:lang='de'>B&#252;ro</D:displayname><A:calendar-color>#FF8800FF</A:calendar-color>\
         <C:calendar-timezone>{ZONE}</C:calendar-timezone><x:p a='1'><y xmlns='urn:y'>&lt;</y></x:p>"
    ));
    let finds = asking("D:displayname A:calendar-color C:calendar-timezone D:supported-report-set");
    let mut state = 1;
    let mut next = |below: usize| random(&mut state, below);
    for round in 0..400 {
        let (method, whole) = if round % 2 == 0 { ("PROPPATCH", &patches) } else { ("PROPFIND", &finds) };
        let mut body = whole.clone().into_bytes();
        for _ in 0..=next(3) {
            let at = next(body.len());
            match next(4) {
                0 => body[at] = next(256) as u8,
                1 => drop(body.remove(at)),
                2 => body.insert(at, b"<>/'\":=&; "[next(10)]),
                _ => {
                    let from = next(body.len());
                    let piece = body[from..(from + 30).min(body.len())].to_vec();
                    body.splice(at..at, piece);
                }
            }
        }
        let target = [CALENDAR, EVENT, "/dav/calendars/ada/", "/dav/"][next(4)];
        let answer = server.send(method, target, &[("depth", "0")], &body);
        let text = String::from_utf8_lossy(&body);
        assert!([207, 400, 403, 413].contains(&answer.status), "{}: {text}", answer.status);
        if answer.status == 207 {
            assert_eq!(answer.responses().len(), 1, "{text}");
        }
    }
    let files = server.files("ada").into_iter().filter(|(path, _)| path.ends_with(".toml"));
    for (path, text) in files {
        toml::from_str::<toml::Table>(&text).expect(&path);
    }
    let found = properties(&server, CALENDAR, "D:resourcetype");
    assert!(found.get("D:resourcetype").child("C:calendar").is_some());
}
