//! HTTP that is none.

use crate::assert_well;
use kalends_interop_tests::{Curl, Server, client::Connection};
use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

/// What comes back for bytes as they are: the status, or `None` when the server just hangs up.
fn raw(server: &Server, bytes: &[u8]) -> Option<u16> {
    let mut connection = Connection::to(server);
    // The server may have answered and gone before it has everything.
    let _ = connection.send(bytes);
    connection.receive().ok().map(|response| response.status)
}

#[test]
fn a_malformed_request_is_a_bad_request() {
    let mut server = Server::start();
    for request in [
        &b"GET /dav/\0 HTTP/1.1\r\nhost: localhost\r\n\r\n"[..],
        b"GET /dav/ HTTP/1.1\r\nhost: local\0host\r\n\r\n",
        b"GET /dav/a b HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"GET /dav/ HTTP/9.9\r\nhost: localhost\r\n\r\n",
        b"GET /dav/ HTTP/1.1\r\nhost localhost\r\n\r\n",
        b"GET /dav/ HTTP/1.1\r\n: empty\r\n\r\n",
        b"G\x01T /dav/ HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"PUT /dav/x HTTP/1.1\r\nhost: localhost\r\ncontent-length: -1\r\n\r\n",
        b"PUT /dav/x HTTP/1.1\r\nhost: localhost\r\ncontent-length: 99999999999999999999999\r\n\r\n",
        b"PUT /dav/x HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello",
        b"PUT /dav/x HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: gzip\r\n\r\n",
        b"PUT /dav/x HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked, identity\r\n\r\n",
        b"\r\n\r\n\x16\x03\x01\r\n\r\n",
        &[0xff; 4096],
    ] {
        let status = raw(&server, request);
        assert!(
            matches!(status, None | Some(400 | 401 | 404 | 405 | 501 | 505)),
            "{:?}: {status:?}",
            String::from_utf8_lossy(request)
        );
        assert_ne!(status, Some(200));
    }
    assert_well(&mut server);
}

#[test]
fn a_smuggled_request_is_not_answered() {
    let mut server = Server::start();
    let mut connection = Connection::to(&server);
    connection
        .send(
            b"PUT /dav/x HTTP/1.1\r\nhost: localhost\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n\
              0\r\n\r\nGET /git/ada.git/HEAD HTTP/1.1\r\nhost: localhost\r\n\r\n",
        )
        .unwrap();
    let first = connection.receive();
    // RFC 9112 §6.1: refused, or the connection closed after the answer.
    if first.is_ok_and(|response| response.status != 400) {
        assert!(connection.receive().is_err(), "the second request was answered");
    }
    assert_well(&mut server);
}

#[test]
fn a_header_section_has_a_largest_size_and_number_of_fields() {
    let mut server = Server::start();
    let large = format!("GET / HTTP/1.1\r\nhost: localhost\r\nx: {}\r\n\r\n", "a".repeat(200_000));
    assert!(matches!(raw(&server, large.as_bytes()), None | Some(400 | 431)));
    let mut many = String::from("GET / HTTP/1.1\r\nhost: localhost\r\n");
    (0..500).for_each(|number| many += &format!("x{number}: 1\r\n"));
    assert!(matches!(raw(&server, format!("{many}\r\n").as_bytes()), None | Some(400 | 431)));
    let target = format!("GET /{} HTTP/1.1\r\nhost: localhost\r\n\r\n", "a".repeat(200_000));
    assert!(matches!(raw(&server, target.as_bytes()), None | Some(400 | 414 | 431)));
    assert_well(&mut server);
}

#[test]
fn what_is_not_tls_gets_no_service() {
    let mut server = Server::start();
    for bytes in [&b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n"[..], &[0; 1000], b"\x16\x03\x01\xff\xff"] {
        let mut stream = TcpStream::connect(("127.0.0.1", server.port())).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        // The server may have hung up already.
        let _ = stream.write_all(bytes).and_then(|()| stream.shutdown(std::net::Shutdown::Write));
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer);
        // Plain HTTP is told where to go.
        assert!(
            !answer.starts_with("HTTP/") || (answer.contains(" 400 ") && answer.contains("https:")),
            "{answer}"
        );
    }
    assert_well(&mut server);
}

#[test]
fn methods_nobody_knows_are_refused() {
    let mut server = Server::start();
    for path in ["/dav/calendars/ada/calendar/", "/git/ada.git/info/refs"] {
        for method in ["BREW", "TRACE", "get", "X-Y_Z", "CONNECT-US"] {
            let response = Curl::new(&server, method, path).expect(&[400, 405, 501]);
            assert_ne!(response.status, 200, "{method} {path}");
        }
    }
    assert_well(&mut server);
}

#[test]
fn http2_is_spoken_to_those_who_like_it() {
    let mut server = Server::start();
    let path = "/git/ada.git/info/refs?service=git-upload-pack";
    for version in ["--http1.1", "--http2"] {
        let response = Curl::new(&server, "GET", path)
            .option(&[version, "--write-out", "%{stderr}%{http_version}"])
            .expect(&[200]);
        assert!(response.text().contains("refs/heads/main"));
    }
    assert_well(&mut server);
}

#[test]
fn connections_that_say_nothing_do_not_keep_others_out() {
    let mut server = Server::start();
    let idle: Vec<_> = (0..200).map(|_| TcpStream::connect(("127.0.0.1", server.port())).unwrap()).collect();
    assert_well(&mut server);
    drop(idle);
    assert_well(&mut server);
}
