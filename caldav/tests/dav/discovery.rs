//! How clients find a user's calendars: the requests that they are known to send, step by step.

use crate::{
    multistatus::{Properties, expand},
    server::{Server, event},
};

/// `ada` with two mail addresses, `bob`, and the group `staff` of both.
pub(crate) fn server() -> Server {
    let server = Server::new();
    let files = server.files("realm");
    let users = &files.iter().find(|(path, _)| path == "users.toml").unwrap().1;
    let addresses =
        "[ada]\ndisplay-name = \"Ada Lovelace\"\nemail = [\"ada@example.org\", \"al@example.org\"]";
    let users = users.replacen("[ada]", addresses, 1);
    let groups = "[staff]\ndisplay-name = \"Staff\"\nmembers = [\"ada\", \"bob\"]\n";
    server.commit("realm", &[("users.toml", Some(&users)), ("groups.toml", Some(groups))]);
    let tasks = "type = \"calendar\"\ndisplay-name = \"Tasks\"\ncolor = \"#FF0000FF\"\norder = 2\n\
                 components = [\"VTODO\"]\n";
    server.commit(
        "ada",
        &[("calendar/lunch.ics", Some(&event("1", "Lunch"))), ("tasks/.collection.toml", Some(tasks))],
    );
    server
}

#[track_caller]
fn find(server: &Server, target: &str, depth: &str, body: &str) -> Vec<Properties> {
    let headers = [("depth", depth), ("content-type", "text/xml; charset=utf-8")];
    server.send("PROPFIND", target, &headers, body).responses()
}

/// The collections among responses that are calendars.
fn calendars(responses: &[Properties]) -> Vec<&Properties> {
    let is_calendar = |response: &&Properties| {
        response.status("D:resourcetype") == 200
            && response.get("D:resourcetype").child("C:calendar").is_some()
    };
    responses.iter().filter(is_calendar).collect()
}

#[test]
fn the_well_known_url_leads_to_the_service() {
    let server = server();
    for target in ["/.well-known/caldav", "/.well-known/caldav/"] {
        for method in ["PROPFIND", "GET", "OPTIONS"] {
            let answer = server.send(method, target, &[], "").expect(301);
            assert_eq!(answer.header("location"), "/dav/");
        }
    }
}

#[test]
fn the_host_alone_leads_to_the_principal() {
    let server = server();
    let body = "<propfind xmlns='DAV:'><prop><current-user-principal/><resourcetype/></prop></propfind>";
    let found = &find(&server, "/", "0", body)[0];
    assert_eq!(found.href, "/");
    assert_eq!(found.get("D:current-user-principal").hrefs(), ["/dav/principals/ada/"]);
    let hrefs: Vec<_> = find(&server, "/", "1", body).into_iter().map(|found| found.href).collect();
    assert_eq!(hrefs, ["/", "/dav/"]);
    let mut request = http::Request::new(kalends_caldav::empty());
    *request.method_mut() = "PROPFIND".parse().unwrap();
    let answer = crate::server::block_on(server.service.handle(request));
    assert_eq!(answer.status(), 401);
    assert!(answer.headers().contains_key("www-authenticate"));
    // Pages for people are not in the way.
    assert_eq!(server.get("/").status, 200);
}

/// iOS and macOS: the service, the principal, the calendars.
#[test]
fn apple_calendar_finds_calendars() {
    let server = server();
    let body = r#"<?xml version="1.0" encoding="UTF-8"?>
<A:propfind xmlns:A="DAV:"><A:prop><A:current-user-principal/><A:principal-URL/><A:resourcetype/></A:prop></A:propfind>"#;
    let service = &find(&server, "/dav/", "0", body)[0];
    assert_eq!(service.names(404), [expand("D:principal-URL")]);
    let principal = service.get("D:current-user-principal").hrefs()[0].to_owned();

    let body = r#"<?xml version="1.0" encoding="UTF-8"?>
<A:propfind xmlns:A="DAV:">
  <A:prop>
    <B:calendar-home-set xmlns:B="urn:ietf:params:xml:ns:caldav"/>
    <B:calendar-user-address-set xmlns:B="urn:ietf:params:xml:ns:caldav"/>
    <A:current-user-principal/>
    <A:displayname/>
    <C:dropbox-home-URL xmlns:C="http://calendarserver.org/ns/"/>
    <C:email-address-set xmlns:C="http://calendarserver.org/ns/"/>
    <C:notification-URL xmlns:C="http://calendarserver.org/ns/"/>
    <A:principal-collection-set/>
    <A:principal-URL/>
    <A:resource-id/>
    <B:schedule-inbox-URL xmlns:B="urn:ietf:params:xml:ns:caldav"/>
    <B:schedule-outbox-URL xmlns:B="urn:ietf:params:xml:ns:caldav"/>
    <A:supported-report-set/>
  </A:prop>
</A:propfind>"#;
    let found = &find(&server, &principal, "0", body)[0];
    assert_eq!(found.text("D:displayname"), "Ada Lovelace");
    assert_eq!(found.get("D:principal-URL").hrefs(), [principal.as_str()]);
    assert_eq!(found.get("D:principal-collection-set").hrefs(), ["/dav/principals/"]);
    assert_eq!(
        found.get("C:calendar-user-address-set").hrefs(),
        ["mailto:ada@example.org", "mailto:al@example.org", principal.as_str()]
    );
    let addresses = &found.get("CS:email-address-set").children;
    assert_eq!(
        addresses.iter().map(|address| &address.text).collect::<Vec<_>>(),
        ["ada@example.org", "al@example.org"]
    );
    for absent in ["C:schedule-inbox-URL", "C:schedule-outbox-URL", "CS:notification-URL", "D:resource-id"] {
        assert_eq!(found.status(absent), 404, "{absent}");
    }
    let home = found.get("C:calendar-home-set").hrefs()[0].to_owned();

    let body = r#"<?xml version="1.0" encoding="UTF-8"?>
<A:propfind xmlns:A="DAV:">
  <A:prop>
    <A:add-member/>
    <C:allowed-sharing-modes xmlns:C="http://calendarserver.org/ns/"/>
    <D:autoprovisioned xmlns:D="http://apple.com/ns/ical/"/>
    <E:bulk-requests xmlns:E="http://me.com/_namespace/"/>
    <D:calendar-color xmlns:D="http://apple.com/ns/ical/"/>
    <B:calendar-description xmlns:B="urn:ietf:params:xml:ns:caldav"/>
    <B:calendar-free-busy-set xmlns:B="urn:ietf:params:xml:ns:caldav"/>
    <D:calendar-order xmlns:D="http://apple.com/ns/ical/"/>
    <B:calendar-timezone xmlns:B="urn:ietf:params:xml:ns:caldav"/>
    <A:current-user-privilege-set/>
    <B:default-alarm-vevent-date xmlns:B="urn:ietf:params:xml:ns:caldav"/>
    <B:default-alarm-vevent-datetime xmlns:B="urn:ietf:params:xml:ns:caldav"/>
    <A:displayname/>
    <C:getctag xmlns:C="http://calendarserver.org/ns/"/>
    <A:owner/>
    <C:push-transports xmlns:C="http://calendarserver.org/ns/"/>
    <C:pushkey xmlns:C="http://calendarserver.org/ns/"/>
    <A:quota-available-bytes/>
    <A:quota-used-bytes/>
    <D:refreshrate xmlns:D="http://apple.com/ns/ical/"/>
    <A:resource-id/>
    <A:resourcetype/>
    <B:schedule-calendar-transp xmlns:B="urn:ietf:params:xml:ns:caldav"/>
    <B:schedule-default-calendar-URL xmlns:B="urn:ietf:params:xml:ns:caldav"/>
    <C:source xmlns:C="http://calendarserver.org/ns/"/>
    <B:supported-calendar-component-set xmlns:B="urn:ietf:params:xml:ns:caldav"/>
    <A:supported-report-set/>
    <A:sync-token/>
  </A:prop>
</A:propfind>"#;
    let headers = [("depth", "1"), ("brief", "t"), ("prefer", "return=minimal")];
    let responses = server.send("PROPFIND", &home, &headers, body).responses();
    let calendars = calendars(&responses);
    let hrefs: Vec<_> = calendars.iter().map(|calendar| calendar.href.as_str()).collect();
    assert_eq!(hrefs, ["/dav/calendars/ada/calendar/", "/dav/calendars/ada/tasks/"]);
    let tasks = calendars[1];
    assert_eq!(tasks.names(404), [""; 0]);
    assert_eq!(tasks.text("D:displayname"), "Tasks");
    assert_eq!(tasks.text("A:calendar-color"), "#FF0000FF");
    assert_eq!(tasks.text("A:calendar-order"), "2");
    assert_eq!(tasks.get("D:owner").hrefs(), [principal.as_str()]);
    let components = &tasks.get("C:supported-calendar-component-set").children;
    assert_eq!(components.iter().map(|comp| comp.named.as_deref()).collect::<Vec<_>>(), [Some("VTODO")]);
    assert!(tasks.text("D:quota-available-bytes").parse::<u64>().unwrap() > 0);
    let privileges = &tasks.get("D:current-user-privilege-set").children;
    let privileges: Vec<_> = privileges.iter().map(|privilege| privilege.child_names()[0]).collect();
    for privilege in ["D:read", "D:write", "D:write-properties", "D:bind", "D:unbind", "C:read-free-busy"] {
        assert!(privileges.contains(&expand(privilege).as_str()), "{privilege}");
    }
    assert!(!privileges.contains(&expand("D:write-acl").as_str()));
}

/// iOS keeps default alarms as properties of the home and of calendars.
#[test]
fn apple_calendar_keeps_default_alarms() {
    let server = server();
    let body = r#"<?xml version="1.0" encoding="UTF-8"?>
<A:propertyupdate xmlns:A="DAV:"><A:set><A:prop>
<B:default-alarm-vevent-date xmlns:B="urn:ietf:params:xml:ns:caldav">BEGIN:VALARM&#13;
X-WR-ALARMUID:1&#13;
END:VALARM&#13;
</B:default-alarm-vevent-date></A:prop></A:set></A:propertyupdate>"#;
    let answer = server.send("PROPPATCH", "/dav/calendars/ada/", &[], body);
    assert_eq!(answer.response().status("C:default-alarm-vevent-date"), 200);
    let found = crate::propfind::properties(&server, "/dav/calendars/ada/", "C:default-alarm-vevent-date");
    let alarm = "BEGIN:VALARM\r\nX-WR-ALARMUID:1\r\nEND:VALARM\r\n";
    assert_eq!(found.text("C:default-alarm-vevent-date"), alarm);
}

/// Thunderbird asks the same of the URL that was typed in, of the principal and of the home.
#[test]
fn thunderbird_finds_calendars() {
    let server = server();
    let body = r#"<D:propfind xmlns:D="DAV:" xmlns:CS="http://calendarserver.org/ns/" xmlns:C="urn:ietf:params:xml:ns:caldav" xmlns:A="http://apple.com/ns/ical/"><D:prop><D:resourcetype/><D:owner/><D:displayname/><D:current-user-principal/><D:current-user-privilege-set/><A:calendar-color/><C:calendar-home-set/></D:prop></D:propfind>"#;
    for start in ["/", "/dav/", "/dav/calendars/", "/dav/calendars/ada/", "/dav/calendars/ada/calendar/"] {
        let found = &find(&server, start, "0", body)[0];
        let principal = found.get("D:current-user-principal").hrefs()[0].to_owned();
        let found = &find(&server, &principal, "0", body)[0];
        assert!(found.get("D:resourcetype").child("D:principal").is_some());
        let home = found.get("C:calendar-home-set").hrefs()[0].to_owned();
        let responses = find(&server, &home, "1", body);
        let names: Vec<_> =
            calendars(&responses).iter().map(|calendar| calendar.text("D:displayname")).collect();
        assert_eq!(names, ["Calendar", "Tasks"]);
    }
    let body = r#"<D:propfind xmlns:D="DAV:" xmlns:CS="http://calendarserver.org/ns/" xmlns:C="urn:ietf:params:xml:ns:caldav"><D:prop><D:resourcetype/><D:owner/><D:current-user-principal/><D:current-user-privilege-set/><D:supported-report-set/><C:supported-calendar-component-set/><CS:getctag/></D:prop></D:propfind>"#;
    let found = &find(&server, "/dav/calendars/ada/calendar/", "0", body)[0];
    assert_eq!(found.names(404), [""; 0]);
    let body = r#"<D:propfind xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><D:prop><C:calendar-home-set/><C:calendar-user-address-set/><C:schedule-inbox-URL/><C:schedule-outbox-URL/></D:prop></D:propfind>"#;
    let found = &find(&server, "/dav/principals/ada/", "0", body)[0];
    assert_eq!(found.names(404), [expand("C:schedule-inbox-URL"), expand("C:schedule-outbox-URL")]);
}

/// DAVx5 follows groups, and looks at what may be done to each collection.
#[test]
fn davx5_finds_calendars() {
    let server = server();
    let body = r#"<?xml version='1.0' encoding='UTF-8' ?><propfind xmlns="DAV:" xmlns:CAL="urn:ietf:params:xml:ns:caldav" xmlns:CARD="urn:ietf:params:xml:ns:carddav"><prop><resourcetype /><displayname /><CAL:calendar-description /><CAL:calendar-home-set /><CARD:addressbook-home-set /><current-user-principal /></prop></propfind>"#;
    let found = &find(&server, "/dav/", "0", body)[0];
    assert_eq!(found.get("D:current-user-principal").hrefs(), ["/dav/principals/ada/"]);
    let body = r#"<propfind xmlns="DAV:" xmlns:CAL="urn:ietf:params:xml:ns:caldav" xmlns:CS="http://calendarserver.org/ns/"><prop><displayname /><CAL:calendar-home-set /><CAL:calendar-user-address-set /><CS:calendar-proxy-read-for /><CS:calendar-proxy-write-for /><group-membership /></prop></propfind>"#;
    let found = &find(&server, "/dav/principals/ada/", "0", body)[0];
    assert_eq!(found.get("D:group-membership").hrefs(), ["/dav/principals/staff/"]);
    let group = &find(&server, "/dav/principals/staff/", "0", body)[0];
    assert_eq!(group.text("D:displayname"), "Staff");
    assert_eq!(group.status("C:calendar-home-set"), 404);
    let body = r#"<propfind xmlns="DAV:" xmlns:CAL="urn:ietf:params:xml:ns:caldav" xmlns:CS="http://calendarserver.org/ns/" xmlns:ICAL="http://apple.com/ns/ical/"><prop><resourcetype /><displayname /><owner /><current-user-privilege-set /><CAL:calendar-description /><ICAL:calendar-color /><CAL:calendar-timezone /><CAL:calendar-timezone-id /><CAL:supported-calendar-component-set /><CS:source /></prop></propfind>"#;
    let responses = find(&server, "/dav/calendars/ada/", "1", body);
    let calendars = calendars(&responses);
    assert_eq!(calendars.len(), 2);
    let components = &calendars[0].get("C:supported-calendar-component-set").children;
    assert_eq!(
        components.iter().map(|comp| comp.named.as_deref().unwrap()).collect::<Vec<_>>(),
        ["VEVENT", "VTODO", "VJOURNAL"]
    );
    let body = r#"<propfind xmlns="DAV:" xmlns:CAL="urn:ietf:params:xml:ns:caldav" xmlns:CS="http://calendarserver.org/ns/"><prop><CAL:max-resource-size /><supported-report-set /><CS:getctag /><sync-token /></prop></propfind>"#;
    let found = &find(&server, "/dav/calendars/ada/calendar/", "0", body)[0];
    assert_eq!(found.text("C:max-resource-size"), "10485760");
    let reports = &found.get("D:supported-report-set").children;
    let reports: Vec<_> = reports
        .iter()
        .map(|supported| supported.child("D:report").unwrap().children[0].name.clone())
        .collect();
    for report in ["D:sync-collection", "C:calendar-query", "C:calendar-multiget"] {
        assert!(reports.contains(&expand(report)), "{report}");
    }
}

/// Evolution looks for a home on whatever it is given.
#[test]
fn evolution_finds_calendars() {
    let server = server();
    let body = r#"<?xml version="1.0" encoding="utf-8"?><D:propfind xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav" xmlns:A="urn:ietf:params:xml:ns:carddav"><D:prop><D:resourcetype/><D:current-user-principal/><D:principal-URL/><C:calendar-home-set/><C:calendar-user-address-set/></D:prop></D:propfind>"#;
    let found = &find(&server, "/dav/", "0", body)[0];
    let principal = found.get("D:current-user-principal").hrefs()[0].to_owned();
    let found = &find(&server, &principal, "0", body)[0];
    assert_eq!(found.names(404), [""; 0]);
    let home = found.get("C:calendar-home-set").hrefs()[0].to_owned();
    let body = r#"<?xml version="1.0" encoding="utf-8"?><D:propfind xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav" xmlns:CS="http://calendarserver.org/ns/" xmlns:IC="http://apple.com/ns/ical/"><D:prop><D:resourcetype/><D:displayname/><D:getetag/><D:current-user-privilege-set/><CS:getctag/><C:calendar-description/><C:supported-calendar-component-set/><IC:calendar-color/><IC:calendar-order/></D:prop></D:propfind>"#;
    assert_eq!(calendars(&find(&server, &home, "1", body)).len(), 2);
}

/// vdirsyncer takes no redirects for granted, and goes by types and ETags.
#[test]
fn vdirsyncer_finds_calendars_and_events() {
    let server = server();
    let body = r#"<d:propfind xmlns:d="DAV:"><d:prop><d:current-user-principal /></d:prop></d:propfind>"#;
    let found = &find(&server, "/dav/", "0", body)[0];
    let principal = found.get("D:current-user-principal").hrefs()[0].to_owned();
    let body = r#"<d:propfind xmlns:d="DAV:" xmlns:c="urn:ietf:params:xml:ns:caldav"><d:prop><c:calendar-home-set /></d:prop></d:propfind>"#;
    let found = &find(&server, &principal, "0", body)[0];
    let home = found.get("C:calendar-home-set").hrefs()[0].to_owned();
    let body = r#"<d:propfind xmlns:d="DAV:"><d:prop><d:resourcetype /></d:prop></d:propfind>"#;
    let responses = find(&server, &home, "1", body);
    let calendar = &calendars(&responses)[0].href;
    let body = r#"<?xml version="1.0" encoding="utf-8" ?><propfind xmlns="DAV:"><prop><resourcetype/><getcontenttype/><getetag/></prop></propfind>"#;
    let responses = find(&server, calendar, "1", body);
    let events: Vec<_> = responses.iter().filter(|found| found.status("D:getcontenttype") == 200).collect();
    assert_eq!(events.len(), 1);
    assert!(events[0].text("D:getcontenttype").starts_with("text/calendar"));
    assert_eq!(events[0].text("D:getetag").len(), 42);
}

#[test]
fn principals_tell_who_they_are() {
    let server = server();
    let ask = |user: &str, target: &str| {
        let body = crate::propfind::asking(
            "D:displayname D:resourcetype D:group-member-set D:group-membership D:alternate-URI-set \
             D:principal-URL C:calendar-user-type D:owner",
        );
        server.send_as(user, "PROPFIND", target, &[("depth", "0")], body).response()
    };
    let staff = ask("bob", "/dav/principals/staff/");
    assert_eq!(staff.get("D:group-member-set").hrefs(), ["/dav/principals/ada/", "/dav/principals/bob/"]);
    assert_eq!(staff.text("C:calendar-user-type"), "GROUP");
    assert_eq!(staff.get("D:group-membership").children, []);
    let bob = ask("bob", "/dav/principals/bob/");
    assert_eq!(bob.text("C:calendar-user-type"), "INDIVIDUAL");
    assert_eq!(bob.status("D:group-member-set"), 404);
    assert_eq!(bob.get("D:alternate-URI-set").children, []);
    assert_eq!(ask("ada", "/dav/principals/bob/").get("D:principal-URL").hrefs(), ["/dav/principals/bob/"]);
    let list = |user: &str| {
        let answer = server.send_as(user, "PROPFIND", "/dav/principals/", &[("depth", "1")], "");
        answer.responses().into_iter().skip(1).map(|found| found.href).collect::<Vec<_>>()
    };
    assert_eq!(list("bob"), ["/dav/principals/bob/", "/dav/principals/staff/"]);
    assert_eq!(list("ada"), ["/dav/principals/ada/", "/dav/principals/bob/", "/dav/principals/staff/"]);
}
