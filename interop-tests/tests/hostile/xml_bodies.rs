//! XML that wants to be large.

use crate::assert_well;
use kalends_interop_tests::{Curl, Server};

const PROPFIND: &str =
    "<?xml version=\"1.0\"?><propfind xmlns=\"DAV:\"><prop><displayname/></prop></propfind>";

fn bodies() -> Vec<(&'static str, Vec<u8>)> {
    let laughs: String = (1..10)
        .map(|level| format!("<!ENTITY l{level} \"{}\">", format!("&l{};", level - 1).repeat(10)))
        .collect();
    let laughs = format!(
        "<?xml version=\"1.0\"?><!DOCTYPE propfind [<!ENTITY l0 \"lol\">{laughs}]>\
         <propfind xmlns=\"DAV:\"><prop>&l9;</prop></propfind>"
    );
    let external = "<?xml version=\"1.0\"?><!DOCTYPE propfind [<!ENTITY e SYSTEM \"file:///etc/passwd\">]>\
                    <propfind xmlns=\"DAV:\"><prop><displayname>&e;</displayname></prop></propfind>";
    let deep = format!(
        "<propfind xmlns=\"DAV:\"><prop>{}{}</prop></propfind>",
        "<a>".repeat(100_000),
        "</a>".repeat(100_000)
    );
    let wide = format!("<propfind xmlns=\"DAV:\"><prop>{}</prop></propfind>", "<a/>".repeat(1_000_000));
    let attributes: String = (0..100_000).map(|number| format!(" a{number}=\"\"")).collect();
    let namespaces: String = (0..50_000).map(|number| format!(" xmlns:n{number}=\"u{number}\"")).collect();
    vec![
        ("a billion laughs", laughs.into_bytes()),
        ("an external entity", external.into()),
        ("100,000 levels", deep.into_bytes()),
        ("a million elements", wide.into_bytes()),
        ("100,000 attributes", format!("<propfind xmlns=\"DAV:\"{attributes}/>").into_bytes()),
        ("50,000 namespaces", format!("<propfind xmlns=\"DAV:\"{namespaces}/>").into_bytes()),
        ("broken off", PROPFIND[..60].into()),
        ("not well-formed", b"<propfind xmlns=\"DAV:\"><prop></propfind></prop>".to_vec()),
        ("an unbound prefix", b"<D:propfind><D:allprop/></D:propfind>".to_vec()),
        ("an unknown entity", b"<propfind xmlns=\"DAV:\"><prop>&nbsp;</prop></propfind>".to_vec()),
        ("two roots", PROPFIND.repeat(2).into_bytes()),
        ("not UTF-8", b"<propfind xmlns=\"DAV:\"><prop><a>\xff\xfe</a></prop></propfind>".to_vec()),
        ("NUL", b"<propfind xmlns=\"DAV:\"><prop><a>\0</a></prop></propfind>".to_vec()),
        ("a character XML has not", b"<propfind xmlns=\"DAV:\"><prop><a>&#1;</a></prop></propfind>".to_vec()),
        ("no XML", b"{\"propfind\": true}".to_vec()),
        ("another root", b"<mkcol xmlns=\"DAV:\"/>".to_vec()),
        ("an empty element", b"<propfind xmlns=\"DAV:\"/>".to_vec()),
    ]
}

#[test]
fn a_propfind_that_is_not_one_is_refused() {
    let mut server = Server::start();
    let path = server.calendar_path();
    for (what, body) in bodies() {
        let response = Curl::new(&server, "PROPFIND", &path)
            .header("Depth", "0")
            .typed_body("application/xml", &body)
            .send();
        assert!(
            matches!(response.status, 400 | 403 | 413 | 422),
            "{what}: {} {}",
            response.status,
            response.text().chars().take(300).collect::<String>()
        );
        assert!(!response.text().contains("root:"), "{what}");
    }
    assert_well(&mut server);
}

#[test]
fn the_same_bodies_are_refused_by_other_methods() {
    let mut server = Server::start();
    let calendar = server.calendar_path();
    for (method, path) in [
        ("REPORT", calendar.as_str()),
        ("PROPPATCH", &calendar),
        ("MKCALENDAR", "/dav/calendars/ada/new/"),
        ("MKCOL", "/dav/calendars/ada/new/"),
    ] {
        for (what, body) in bodies() {
            if method == "MKCOL" && what == "another root" {
                continue;
            }
            let response = Curl::new(&server, method, path).typed_body("application/xml", &body).send();
            assert!(
                matches!(response.status, 400 | 403 | 413 | 415 | 422),
                "{method} with {what}: {} {}",
                response.status,
                response.text().chars().take(300).collect::<String>()
            );
        }
    }
    Curl::new(&server, "GET", "/dav/calendars/ada/new/").expect(&[404]);
    assert_well(&mut server);
}

#[test]
fn a_well_formed_body_in_another_encoding_is_read_or_refused_cleanly() {
    let mut server = Server::start();
    let path = server.calendar_path();
    let utf16: Vec<u8> =
        std::iter::once(0xfeff).chain(PROPFIND.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    Curl::new(&server, "PROPFIND", &path)
        .header("Depth", "0")
        .typed_body("application/xml; charset=utf-16", &utf16)
        .expect(&[207, 400, 415]);
    let marked = [b"\xef\xbb\xbf", PROPFIND.as_bytes()].concat();
    Curl::new(&server, "PROPFIND", &path)
        .header("Depth", "0")
        .typed_body("application/xml", &marked)
        .expect(&[207]);
    assert_well(&mut server);
}

#[test]
fn a_huge_body_is_refused_before_it_is_taken() {
    let mut server = Server::start();
    let path = server.calendar_path();
    let huge = vec![b' '; 64 << 20];
    for (method, path) in [
        ("PROPFIND", path.clone()),
        ("REPORT", path.clone()),
        ("PROPPATCH", path.clone()),
        ("MKCALENDAR", "/dav/calendars/ada/new/".into()),
        ("PUT", format!("{path}huge.ics")),
        ("POST", path.clone()),
    ] {
        // With its length announced, and without.
        for chunked in [false, true] {
            let mut request = Curl::new(&server, method, &path).typed_body("text/calendar", &huge);
            if chunked {
                request = request.header("Transfer-Encoding", "chunked");
            }
            match request.attempt() {
                Ok(response) => assert!(
                    matches!(response.status, 400 | 403 | 405 | 413 | 415 | 501),
                    "{method}: {}",
                    response.status
                ),
                // The server may hang up while curl still sends: 55 and 56, or 92 in HTTP/2.
                Err(error) => {
                    assert!(["(55)", "(56)", "(92)"].iter().any(|code| error.contains(code)), "{error}");
                }
            }
        }
    }
    assert_well(&mut server);
}

#[test]
fn strange_depths_timeouts_and_conditions_are_bad_requests() {
    let mut server = Server::start();
    let path = server.calendar_path();
    for depth in ["2", "-1", "infinite", "0, 1", "\u{fffd}"] {
        Curl::new(&server, "PROPFIND", &path)
            .header("Depth", depth)
            .typed_body("application/xml", PROPFIND)
            .expect(&[400]);
    }
    for condition in ["(", "<x> (", "(<opaquelocktoken:none>)", "([\"x\"])"] {
        Curl::new(&server, "DELETE", &path).header("If", condition).expect(&[400, 403, 412, 423]);
    }
    assert_well(&mut server);
}
