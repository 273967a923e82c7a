//! Reports about principals (RFC 3744 §9).

use crate::{
    discovery,
    server::{Answer, Server},
};

const PRINCIPALS: &str = "/dav/principals/";

fn ask(server: &Server, user: &str, body: &str) -> Answer {
    let body = body.replacen('>', " xmlns:D='DAV:' xmlns:C='urn:ietf:params:xml:ns:caldav'>", 1);
    server.send_as(user, "REPORT", PRINCIPALS, &[("depth", "0")], body)
}

fn hrefs(answer: &Answer) -> Vec<String> {
    answer.responses().iter().map(|found| found.href.strip_prefix(PRINCIPALS).unwrap().to_owned()).collect()
}

fn search(terms: &str, test: &str) -> String {
    format!(
        "<D:principal-property-search{test}>{terms}<D:prop><D:displayname/></D:prop>\
         </D:principal-property-search>"
    )
}

fn term(property: &str, text: &str) -> String {
    format!("<D:property-search><D:prop><{property}/></D:prop><D:match>{text}</D:match></D:property-search>")
}

#[test]
fn people_are_found_by_name_and_address_without_regard_to_case() {
    let server = discovery::server();
    let find = |terms: &str, test: &str| hrefs(&ask(&server, "ada", &search(terms, test)));
    assert_eq!(find(&term("D:displayname", "LOVE"), ""), ["ada/"]);
    assert_eq!(find(&term("C:calendar-user-address-set", "al@example"), ""), ["ada/"]);
    assert_eq!(find(&term("C:calendar-user-type", "group"), ""), ["staff/"]);
    assert!(find(&term("D:displayname", "nobody"), "").is_empty());
    assert!(find(&term("D:no-such-property", "a"), "").is_empty());
    let both = term("D:displayname", "love") + &term("C:calendar-user-type", "group");
    assert!(find(&both, "").is_empty());
    assert_eq!(find(&both, " test='anyof'"), ["ada/", "staff/"]);
    let start = term("C:calendar-user-address-set", "ada@")
        .replace("<D:match>", "<D:match match-type='starts-with'>");
    assert_eq!(find(&start, ""), ["ada/"]);
    let start = term("D:displayname", "love").replace("<D:match>", "<D:match match-type='starts-with'>");
    assert!(find(&start, "").is_empty());
    let answer = ask(&server, "ada", &search(&term("D:displayname", "love"), ""));
    assert_eq!(answer.response().text("D:displayname"), "Ada Lovelace");
}

#[test]
fn only_principals_that_the_user_may_see_are_found() {
    let server = discovery::server();
    let all = search(&term("C:calendar-user-address-set", "/dav/"), "");
    assert_eq!(hrefs(&ask(&server, "ada", &all)), ["ada/", "bob/", "staff/"]);
    assert_eq!(hrefs(&ask(&server, "bob", &all)), ["bob/", "staff/"]);
}

#[test]
fn users_find_themselves() {
    let server = discovery::server();
    let own = "<D:principal-match><D:self/></D:principal-match>";
    assert_eq!(hrefs(&ask(&server, "ada", own)), ["ada/", "staff/"]);
    assert_eq!(hrefs(&ask(&server, "bob", own)), ["bob/", "staff/"]);
    let member = "<D:principal-match><D:principal-property><D:group-member-set/></D:principal-property>\
        </D:principal-match>";
    assert_eq!(hrefs(&ask(&server, "bob", member)), ["staff/"]);
}

#[test]
fn what_can_be_searched_is_told() {
    let server = discovery::server();
    let answer = ask(&server, "ada", "<D:principal-search-property-set></D:principal-search-property-set>");
    let root = answer.expect(200).xml();
    assert_eq!(root.name, "{DAV:}principal-search-property-set");
    for property in &root.children {
        let name = property.child("D:prop").unwrap().child_names()[0].to_owned();
        let description = property.child("D:description").unwrap();
        assert!(!description.text.is_empty() && description.lang.as_deref() == Some("en"), "{name}");
    }
    assert_eq!(root.children[0].child("D:prop").unwrap().child_names(), ["{DAV:}displayname"]);
}

#[test]
fn malformed_searches_are_refused() {
    let server = discovery::server();
    for body in [
        search("", ""),
        search("<D:property-search><D:match>a</D:match></D:property-search>", ""),
        search("<D:property-search><D:prop><D:displayname/></D:prop></D:property-search>", ""),
        search(&term("D:displayname", "a"), " test='maybe'"),
        search(&term("D:displayname", "a").replace("<D:match>", "<D:match match-type='like'>"), ""),
        search(&term("D:displayname", "a").repeat(51), ""),
        "<D:principal-match></D:principal-match>".into(),
    ] {
        ask(&server, "ada", &body).expect(400);
    }
    let body = search(&term("D:displayname", "a"), "").replacen('>', " xmlns:D='DAV:'>", 1);
    server
        .send("REPORT", "/dav/calendars/ada/calendar/", &[], body)
        .expect_condition(403, "D:supported-report");
}
