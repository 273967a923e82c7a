//! expand-property (RFC 3253 §3.8), as Apple's clients use it.

use crate::{discovery, multistatus::Xml, server::Answer};

fn ask(user: &str, at: &str, content: &str) -> Answer {
    let body =
        format!("<?xml version='1.0'?><A:expand-property xmlns:A='DAV:'>{content}</A:expand-property>");
    discovery::server().send_as(user, "REPORT", at, &[("depth", "0")], body)
}

/// The value of a property that a response has.
fn value<'a>(response: &'a Xml, name: &str) -> &'a Xml {
    let propstat = response.child("D:propstat").unwrap();
    assert_eq!(propstat.child("D:status").unwrap().text, "HTTP/1.1 200 OK");
    propstat.child("D:prop").unwrap().child(name).unwrap()
}

fn href(response: &Xml) -> &str {
    assert_eq!(response.name, "{DAV:}response");
    &response.child("D:href").unwrap().text
}

#[test]
fn urls_in_properties_become_what_they_name() {
    let answer = ask(
        "ada",
        "/dav/",
        "<A:property name='current-user-principal'><A:property name='displayname'/>\
         <A:property name='calendar-home-set' namespace='urn:ietf:params:xml:ns:caldav'>\
         <A:property name='resourcetype' namespace='DAV:'/></A:property></A:property>\
         <A:property name='principal-collection-set'/>",
    );
    let root = answer.expect(207).xml();
    let response = root.child("D:response").unwrap();
    assert_eq!(href(response), "/dav/");
    assert_eq!(value(response, "D:principal-collection-set").hrefs(), ["/dav/principals/"]);
    let principal = &value(response, "D:current-user-principal").children[0];
    assert_eq!(href(principal), "/dav/principals/ada/");
    assert_eq!(value(principal, "D:displayname").text, "Ada Lovelace");
    let home = &value(principal, "C:calendar-home-set").children[0];
    assert_eq!(href(home), "/dav/calendars/ada/");
    assert!(value(home, "D:resourcetype").child("D:collection").is_some());
}

#[test]
fn what_may_not_be_seen_or_is_no_resource_is_404_in_its_place() {
    let content = "<A:property name='group-member-set'><A:property name='displayname'/></A:property>";
    let answer = ask("bob", "/dav/principals/staff/", content).expect(207).xml();
    let members = &value(answer.child("D:response").unwrap(), "D:group-member-set").children;
    assert_eq!(
        members.iter().map(href).collect::<Vec<_>>(),
        ["/dav/principals/ada/", "/dav/principals/bob/"]
    );
    assert_eq!(members[0].child("D:status").unwrap().text, "HTTP/1.1 404 Not Found");
    assert!(members[0].child("D:propstat").is_none());
    assert_eq!(value(&members[1], "D:displayname").text, "bob");

    let addresses = "<A:property name='calendar-user-address-set' namespace='urn:ietf:params:xml:ns:caldav'>\
        <A:property name='displayname'/></A:property>";
    let answer = ask("ada", "/dav/principals/ada/", addresses).expect(207).xml();
    let targets = &value(answer.child("D:response").unwrap(), "C:calendar-user-address-set").children;
    assert_eq!(href(&targets[0]), "mailto:ada@example.org");
    assert_eq!(targets[0].child("D:status").unwrap().text, "HTTP/1.1 404 Not Found");
}

#[test]
fn malformed_and_excessive_expansions_are_refused() {
    for content in [
        "<A:property/>",
        "<A:property name=''/>",
        "<A:property name='a b'/>",
        "<A:property name='a/&gt;'/>",
        &format!("<A:property name='{}'/>", "a".repeat(256)),
    ] {
        ask("ada", "/dav/", content).expect(400);
    }
    let own = "<A:property name='current-user-principal'>";
    let deep = format!("{}{}", own.repeat(20), "</A:property>".repeat(20));
    ask("ada", "/dav/", &deep).expect(400);
    // Many properties of many members.
    let server = discovery::server();
    let files = server.files("realm");
    let mut users = files.iter().find(|(path, _)| path == "users.toml").unwrap().1.clone();
    let password = users.lines().find(|line| line.starts_with("password")).unwrap().to_owned();
    users.extend((0..60).map(|n| format!("\n[user{n}]\n{password}\n")));
    let members: Vec<_> = (0..60).map(|n| format!("\"user{n}\"")).collect();
    let groups = format!("[crowd]\ndisplay-name = \"Crowd\"\nmembers = [{}]\n", members.join(", "));
    server.commit("realm", &[("users.toml", Some(&users)), ("groups.toml", Some(&groups))]);
    let ask = |count: usize| {
        let many: String = (0..count).map(|n| format!("<A:property name='p{n}'/>")).collect();
        let body = format!(
            "<A:expand-property xmlns:A='DAV:'><A:property name='group-member-set'>{many}</A:property>\
             </A:expand-property>"
        );
        server.send("REPORT", "/dav/principals/crowd/", &[], body)
    };
    ask(300).expect(207);
    ask(400).expect_condition(507, "D:number-of-matches-within-limits");
}
