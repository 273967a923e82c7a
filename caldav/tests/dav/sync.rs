//! sync-collection (RFC 6578).

use crate::{
    multistatus::Xml,
    server::{Answer, Server, block_on, event},
};
use kalends_caldav::retain;
use kalends_store::{Kind, Retained};
use proptest::{collection, prelude::*, test_runner::TestRunner};
use std::{
    collections::BTreeMap,
    time::{SystemTime, UNIX_EPOCH},
};

const CALENDAR: &str = "/dav/calendars/ada/calendar/";

/// What a sync-collection tells.
#[derive(Debug)]
struct Synced {
    /// `href` and `getetag` of each change; none for what is gone.
    changes: Vec<(String, Option<String>)>,
    token: String,
    truncated: bool,
}

fn body(token: &str, level: &str, limit: Option<usize>) -> String {
    let limit = limit.map_or(String::new(), |n| format!("<D:limit><D:nresults>{n}</D:nresults></D:limit>"));
    format!(
        "<?xml version='1.0' encoding='utf-8'?><D:sync-collection xmlns:D='DAV:'>\
         <D:sync-token>{token}</D:sync-token><D:sync-level>{level}</D:sync-level>{limit}\
         <D:prop><D:getetag/></D:prop></D:sync-collection>"
    )
}

fn synced(answer: &Answer, at: &str) -> Synced {
    assert_eq!(answer.status, 207, "{}", answer.text());
    let root = answer.xml();
    let mut changes = Vec::new();
    let mut truncated = false;
    for response in root.children.iter().filter(|child| child.name == "{DAV:}response") {
        let href = response.child("D:href").unwrap().text.clone();
        match response.child("D:status").map(|status| status.text.as_str()) {
            Some("HTTP/1.1 404 Not Found") => changes.push((href, None)),
            Some("HTTP/1.1 507 Insufficient Storage") => {
                assert_eq!(href, at);
                let error = response.child("D:error").unwrap();
                assert!(error.child("D:number-of-matches-within-limits").is_some());
                truncated = true;
            }
            Some(other) => panic!("{other}"),
            None => {
                let propstat = response.child("D:propstat").unwrap();
                assert_eq!(propstat.child("D:status").unwrap().text, "HTTP/1.1 200 OK");
                let etag = |prop: &Xml| Some(prop.child("D:prop")?.child("D:getetag")?.text.clone());
                changes.push((href, Some(etag(propstat).unwrap_or_default())));
            }
        }
    }
    Synced { changes, token: root.child("D:sync-token").unwrap().text.clone(), truncated }
}

fn sync_at(server: &Server, at: &str, token: &str, level: &str, limit: Option<usize>) -> Synced {
    synced(&server.send("REPORT", at, &[("depth", "0")], body(token, level, limit)), at)
}

fn sync(server: &Server, token: &str) -> Synced {
    sync_at(server, CALENDAR, token, "1", None)
}

fn names(synced: &Synced, found: bool) -> Vec<&str> {
    let changes = synced.changes.iter().filter(|(_, etag)| etag.is_some() == found);
    changes.map(|(href, _)| href.strip_prefix(CALENDAR).unwrap()).collect()
}

#[test]
fn a_client_learns_what_was_added_changed_and_removed_since_its_token() {
    let server = Server::new();
    server.commit(
        "ada",
        &[
            ("calendar/a.ics", Some(&event("a", "A"))),
            ("calendar/b.ics", Some(&event("b", "B"))),
            ("calendar/c.ics", Some(&event("c", "C"))),
        ],
    );
    let first = sync(&server, "");
    assert_eq!(names(&first, true), ["a.ics", "b.ics", "c.ics"]);
    assert!(!first.truncated);
    // As a push does, in one commit.
    server.commit(
        "ada",
        &[
            ("calendar/a.ics", Some(&event("a", "Another"))),
            ("calendar/b.ics", None),
            ("calendar/d.ics", Some(&event("d", "D"))),
            ("other/x.ics", Some(&event("x", "X"))),
        ],
    );
    let second = sync(&server, &first.token);
    assert_eq!(names(&second, true), ["a.ics", "d.ics"]);
    assert_eq!(names(&second, false), ["b.ics"]);
    let etag = server.send("PROPFIND", &format!("{CALENDAR}a.ics"), &[("depth", "0")], "").response();
    assert_eq!(second.changes[0].1.as_deref(), Some(etag.text("D:getetag")));
    let third = sync(&server, &second.token);
    assert!(third.changes.is_empty());
    assert_eq!(third.token, second.token);
    // The token is the property of the collection too.
    let ask = "<D:propfind xmlns:D='DAV:'><D:prop><D:sync-token/></D:prop></D:propfind>";
    let property = server.send("PROPFIND", CALENDAR, &[("depth", "0")], ask).response();
    assert_eq!(property.text("D:sync-token"), third.token);
    // A state may come back.
    server.commit("ada", &[("calendar/b.ics", Some(&event("b", "B"))), ("calendar/d.ics", None)]);
    server.commit("ada", &[("calendar/a.ics", Some(&event("a", "A")))]);
    assert!(sync(&server, &first.token).changes.is_empty());
}

#[test]
fn the_file_that_describes_the_calendar_never_shows_but_properties_of_members_do() {
    let server = Server::new();
    server.commit("ada", &[("calendar/a.ics", Some(&event("a", "A"))), ("calendar/b.ics", Some("x"))]);
    let first = sync(&server, "");
    let described = |extra: &str| format!("type = \"calendar\"\n{extra}");
    server.commit("ada", &[("calendar/.collection.toml", Some(&described("color = \"#112233\"\n")))]);
    let second = sync(&server, &first.token);
    assert!(second.changes.is_empty(), "{second:?}");
    assert_ne!(second.token, first.token);
    let property = "[[member.\"a.ics\"]]\nxml = \"<n xmlns='urn:x'>1</n>\"\n";
    server.commit("ada", &[("calendar/.collection.toml", Some(&described(property)))]);
    let third = sync(&server, &second.token);
    assert_eq!(names(&third, true), ["a.ics"]);
    server.commit("ada", &[("calendar/.collection.toml", None)]);
    assert_eq!(names(&sync(&server, &third.token), true), ["a.ics"]);
}

#[test]
fn tokens_hold_after_a_restart_and_in_a_repository_that_was_imported_again() {
    let (server, other) = (Server::new(), Server::new());
    for server in [&server, &other] {
        server.commit("ada", &[("calendar/a.ics", Some(&event("a", "A")))]);
    }
    let first = sync(&server, "");
    let again = server.reopened();
    again.commit("ada", &[("calendar/b.ics", Some(&event("b", "B")))]);
    assert_eq!(names(&sync(&again, &first.token), true), ["b.ics"]);
    // Same content, other commits: the token names the content.
    other.commit("ada", &[("calendar/c.ics", Some(&event("c", "C")))]);
    assert_eq!(names(&sync(&other, &first.token), true), ["c.ics"]);
}

#[test]
fn tokens_of_other_collections_or_states_that_are_gone_are_refused() {
    let server = Server::new();
    server
        .commit("ada", &[("calendar/a.ics", Some(&event("a", "A"))), ("work/a.ics", Some(&event("a", "A")))]);
    let work = sync_at(&server, "/dav/calendars/ada/work/", "", "1", None).token;
    let own = sync(&server, "").token;
    let (tree, check) = own.rsplit_once(':').unwrap().1.split_once('-').unwrap();
    for token in [
        work.as_str(),
        "urn:kalends:sync:",
        "data:,nonsense",
        &own[..own.len() - 1],
        &format!("{own}0"),
        // Well formed, but no such tree; then a blob, and truncated answers that never were.
        &format!("urn:kalends:sync:{}-{check}", "1".repeat(40)),
        &format!("urn:kalends:sync:{}.0.1-{check}", "1".repeat(40)),
        &format!("urn:kalends:sync:{tree}.{}.1-{check}", "1".repeat(40)),
        &format!("urn:kalends:sync:{tree}.0.1i-{check}"),
    ] {
        let answer = server.send("REPORT", CALENDAR, &[], body(token, "1", None));
        answer.expect_condition(403, "D:valid-sync-token");
    }
    // Past the end there is nothing.
    let past = format!("urn:kalends:sync:{tree}.0.1000-{check}");
    assert!(sync(&server, &past).changes.is_empty());
    let far = format!("urn:kalends:sync:{tree}.0.4294967295-{check}");
    let answer = server.send("REPORT", CALENDAR, &[], body(&far, "1", None));
    answer.expect_condition(507, "D:number-of-matches-within-limits");
}

#[test]
fn a_token_of_history_that_was_given_back_is_refused_and_others_hold() {
    let server = Server::new();
    server.commit("ada", &[("calendar/a.ics", Some(&event("a", "A")))]);
    let first = sync(&server, "").token;
    server.commit("ada", &[("calendar/b.ics", Some(&event("b", "B")))]);
    let last = sync(&server, "").token;
    // Enough that nothing reaches for a collection to pay.
    let ada = server.store.repository("ada").unwrap();
    let mut transaction = ada.transaction();
    let mut state = 1_u64;
    let noise = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as u8
    });
    transaction.insert(Kind::Blob, noise.take(200_000).collect::<Vec<u8>>()).unwrap();
    block_on(transaction.submit().unwrap()).unwrap();
    drop(ada);
    let soon = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64 + 3 * 24 * 60 * 60;
    let mut told = Vec::new();
    let mut report = |name: &str, result: Result<Retained, _>| told.push((name.to_owned(), result.unwrap()));
    block_on(retain(&server.store, 1, soon, &mut report)).unwrap();
    assert!(matches!(told.as_slice(), [(name, done)] if name == "ada" && done.given_back == 2), "{told:?}");
    block_on(server.store.compact()).unwrap();
    let server = server.reopened();
    let answer = server.send("REPORT", CALENDAR, &[], body(&first, "1", None));
    answer.expect_condition(403, "D:valid-sync-token");
    assert!(sync(&server, &last).changes.is_empty());
    server.commit("ada", &[("calendar/c.ics", Some(&event("c", "C")))]);
    assert_eq!(sync(&server, &last).changes.len(), 1);
}

#[test]
fn malformed_requests_are_refused() {
    let server = Server::new();
    let token = "<D:sync-token/>";
    let prop = "<D:prop><D:getetag/></D:prop>";
    for content in [
        prop.to_owned(),
        format!("{token}<D:sync-level>2</D:sync-level>{prop}"),
        format!("{token}<D:limit><D:nresults>few</D:nresults></D:limit>{prop}"),
        format!("{token}<D:limit/>{prop}"),
        format!("{token}{prop}<D:allprop/>"),
    ] {
        let body = format!("<D:sync-collection xmlns:D='DAV:'>{content}</D:sync-collection>");
        server.send("REPORT", CALENDAR, &[], &body).expect(400);
    }
    let file = "/dav/calendars/ada/calendar/a.ics";
    server.commit("ada", &[("calendar/a.ics", Some(&event("a", "A")))]);
    server.send("REPORT", file, &[], body("", "1", None)).expect_condition(403, "D:supported-report");
    server.send("REPORT", "/dav/", &[], body("", "1", None)).expect_condition(403, "D:supported-report");
    let none = server.send("REPORT", CALENDAR, &[], body("", "1", Some(0)));
    none.expect_condition(507, "D:number-of-matches-within-limits");
}

#[test]
fn clients_that_send_the_depth_of_old_drafts_are_understood() {
    let server = Server::new();
    server.commit("ada", &[("calendar/a.ics", Some(&event("a", "A")))]);
    // Thunderbird sends both; the level counts.
    let answer = server.send("REPORT", CALENDAR, &[("depth", "1")], body("", "1", None));
    assert_eq!(synced(&answer, CALENDAR).changes.len(), 1);
    let draft = "<sync-collection xmlns='DAV:'><sync-token/><prop><getetag/></prop></sync-collection>";
    let home = "/dav/calendars/ada/";
    let flat = synced(&server.send("REPORT", home, &[("depth", "1")], draft), home);
    let deep = synced(&server.send("REPORT", home, &[("depth", "infinity")], draft), home);
    assert_eq!((flat.changes.len(), deep.changes.len()), (1, 2));
}

#[test]
fn a_home_tells_of_collections_and_at_all_levels_of_what_is_in_them() {
    let server = Server::new();
    let home = "/dav/calendars/ada/";
    server
        .commit("ada", &[("calendar/a.ics", Some(&event("a", "A"))), ("work/b.ics", Some(&event("b", "B")))]);
    let flat = sync_at(&server, home, "", "1", None);
    let deep = sync_at(&server, home, "", "infinite", None);
    let hrefs = |synced: &Synced| -> Vec<String> {
        synced
            .changes
            .iter()
            .map(|(href, etag)| format!("{}{href}", if etag.is_some() { "" } else { "-" }))
            .collect()
    };
    assert_eq!(hrefs(&flat), ["/dav/calendars/ada/calendar/", "/dav/calendars/ada/work/"]);
    assert_eq!(
        hrefs(&deep),
        [
            "/dav/calendars/ada/calendar/",
            "/dav/calendars/ada/calendar/a.ics",
            "/dav/calendars/ada/work/",
            "/dav/calendars/ada/work/b.ics"
        ]
    );
    server.commit(
        "ada",
        &[
            ("calendar/c.ics", Some(&event("c", "C"))),
            ("work/b.ics", None),
            ("new/x.ics", Some(&event("x", "X"))),
        ],
    );
    assert_eq!(
        hrefs(&sync_at(&server, home, &flat.token, "1", None)),
        ["/dav/calendars/ada/calendar/", "/dav/calendars/ada/new/", "-/dav/calendars/ada/work/"]
    );
    let mut walked = Vec::new();
    let mut token = deep.token;
    loop {
        let step = sync_at(&server, home, &token, "infinite", Some(2));
        walked.extend(hrefs(&step));
        token = step.token;
        if !step.truncated {
            break;
        }
    }
    assert_eq!(
        walked,
        [
            "/dav/calendars/ada/calendar/",
            "/dav/calendars/ada/calendar/c.ics",
            "/dav/calendars/ada/new/",
            "/dav/calendars/ada/new/x.ics",
            "-/dav/calendars/ada/work/"
        ]
    );
}

#[test]
fn a_truncated_answer_ends_in_the_state_it_began_with_and_then_goes_on() {
    let server = Server::new();
    let text = |n: u32| event(&n.to_string(), "x");
    server.commit("ada", &[("calendar/1.ics", Some(&text(1))), ("calendar/2.ics", Some(&text(2)))]);
    let first = sync_at(&server, CALENDAR, "", "1", Some(1));
    assert_eq!((names(&first, true), first.truncated), (vec!["1.ics"], true));
    // Meanwhile what was told goes, what was not changes, and something comes before both.
    server.commit(
        "ada",
        &[
            ("calendar/0.ics", Some(&text(0))),
            ("calendar/1.ics", None),
            ("calendar/2.ics", Some(&event("2", "changed"))),
        ],
    );
    let second = sync_at(&server, CALENDAR, &first.token, "1", Some(10));
    assert_eq!((names(&second, true), second.truncated), (vec!["2.ics"], true));
    let third = sync_at(&server, CALENDAR, &second.token, "1", Some(10));
    assert_eq!((names(&third, true), names(&third, false)), (vec!["0.ics", "2.ics"], vec!["1.ics"]));
    assert!(!third.truncated);
    assert_ne!(third.changes[1].1, second.changes[0].1);
}

/// A client that does what an answer says.
fn apply(known: &mut BTreeMap<String, String>, synced: &Synced) {
    for (href, etag) in &synced.changes {
        match etag {
            Some(etag) => known.insert(href.clone(), etag.clone()),
            None => known.remove(href),
        };
    }
}

#[test]
fn however_answers_are_cut_a_client_that_follows_them_knows_everything() {
    let server = Server::new();
    let names = collection::btree_map("[a-d][0-2]?", prop::option::of(0_u8..3), 0..6);
    let rounds = collection::vec((names, 1_usize..5, any::<bool>()), 1..6);
    TestRunner::new(ProptestConfig::with_cases(48))
        .run(&rounds, |rounds| {
            let mut known = BTreeMap::new();
            let mut token = String::new();
            for (edits, limit, finish) in rounds {
                let files: Vec<_> = edits
                    .iter()
                    .map(|(name, content)| {
                        let text = content.map(|summary| event(name, &summary.to_string()));
                        (format!("calendar/{name}.ics"), text)
                    })
                    .collect();
                let files: Vec<_> =
                    files.iter().map(|(path, text)| (path.as_str(), text.as_deref())).collect();
                server.commit("ada", &files);
                // Some clients are interrupted between two answers.
                loop {
                    let step = sync_at(&server, CALENDAR, &token, "1", Some(limit));
                    prop_assert!(step.changes.len() <= limit);
                    apply(&mut known, &step);
                    token = step.token;
                    if !step.truncated || !finish {
                        break;
                    }
                }
            }
            while let step = sync_at(&server, CALENDAR, &token, "1", Some(3))
                && (step.truncated || !step.changes.is_empty())
            {
                apply(&mut known, &step);
                token = step.token;
            }
            let mut expected = BTreeMap::new();
            apply(&mut expected, &sync(&server, ""));
            prop_assert_eq!(known, expected);
            Ok(())
        })
        .unwrap();
}
