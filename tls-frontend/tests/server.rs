//! The server over real sockets: what works, and what peers cannot do to it.

mod support;

use kalends_tls_frontend::Limits;
use std::{
    io::{Read, Write},
    net::Shutdown,
    time::Duration,
};
use support::Running;

const GET: &str = "GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n";

fn short() -> Limits {
    Limits {
        handshake: Duration::from_millis(300),
        header: Duration::from_millis(300),
        idle: Duration::from_millis(300),
        body_stall: Duration::from_millis(300),
        write_stall: Duration::from_millis(300),
        shutdown: Duration::from_secs(2),
        ..Limits::default()
    }
}

fn serves(server: &Running) {
    let mut client = server.http1();
    client.send(GET).unwrap();
    assert_eq!(client.response().unwrap(), (200, "/a true 0".into()));
}

#[test]
fn tls_1_2_and_1_3_are_served_with_the_own_authority() {
    let server = Running::start(Limits::default());
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let mut client = server.tls(&["http/1.1"], &[version]);
        client.send(GET).unwrap();
        assert_eq!(client.response().unwrap(), (200, "/a true 0".into()));
        assert_eq!(client.0.conn.protocol_version(), Some(version.version));
    }
}

#[test]
fn a_client_without_alpn_gets_http_1_1() {
    let server = Running::start(Limits::default());
    let mut client = server.tls(&[], rustls::ALL_VERSIONS);
    client.send(GET).unwrap();
    assert_eq!(client.response().unwrap().0, 200);
}

#[test]
fn a_client_that_offers_h2_gets_it() {
    let server = Running::start(Limits::default());
    let mut client = server.tls(&["h2", "http/1.1"], rustls::ALL_VERSIONS);
    client.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").unwrap();
    let mut frame = [0; 9];
    client.0.read_exact(&mut frame).unwrap();
    assert_eq!(client.0.conn.alpn_protocol(), Some(&b"h2"[..]));
    assert_eq!(frame[3], 4, "the first frame is SETTINGS");
}

#[test]
fn a_connection_serves_many_requests_also_pipelined() {
    let server = Running::start(Limits::default());
    let mut client = server.http1();
    for _ in 0..100 {
        client.send(GET).unwrap();
        assert_eq!(client.response().unwrap().0, 200);
    }
    client.send(GET.repeat(50)).unwrap();
    for _ in 0..50 {
        assert_eq!(client.response().unwrap().1, "/a true 0");
    }
}

#[test]
fn bodies_arrive_by_length_in_chunks_and_after_100_continue() {
    let server = Running::start(Limits::default());
    let mut client = server.http1();
    client.send("PUT /b HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello").unwrap();
    assert_eq!(client.response().unwrap().1, "/b true 5");
    client.send("PUT /b HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n").unwrap();
    client.send("3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n").unwrap();
    assert_eq!(client.response().unwrap().1, "/b true 7");
    client
        .send("PUT /b HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        .unwrap();
    assert_eq!(client.response().unwrap().0, 100);
    client.send("ok").unwrap();
    assert_eq!(client.response().unwrap().1, "/b true 2");
}

#[test]
fn plain_http_is_told_to_use_https() {
    let server = Running::start(Limits::default());
    let mut stream = server.tcp();
    stream.write_all(GET.as_bytes()).unwrap();
    let mut answer = [0; 24];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 400 Bad Request");
    serves(&server);
}

#[test]
fn garbage_leaves_the_server_serving() {
    let server = Running::start(short());
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    for round in 0..50 {
        let mut stream = server.tcp();
        let mut bytes = vec![0; 512];
        for byte in &mut bytes {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *byte = (seed >> 56) as u8;
        }
        if round % 2 == 0 {
            bytes[..3].copy_from_slice(&[22, 3, 1]);
        }
        // The server may close before all is written.
        let _ = stream.write_all(&bytes);
    }
    for text in [
        "\0\0\0\0\r\n\r\n",
        "GET\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "PUT / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
    ] {
        let mut client = server.http1();
        client.send(text).unwrap();
        assert!(client.response().map_or(true, |(status, _)| status == 400), "{text:?}");
    }
    serves(&server);
}

#[test]
fn headers_are_bounded_in_size_and_number() {
    let server = Running::start(Limits::default());
    for headers in [format!("X: {}\r\n", "y".repeat(200_000)), "X: y\r\n".repeat(500)] {
        let mut client = server.http1();
        let _ = client.send(format!("GET /a HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n"));
        assert_eq!(client.response().map(|(status, _)| status).unwrap_or(431), 431);
    }
    serves(&server);
}

#[test]
fn who_is_slow_is_let_go() {
    let server = Running::start(short());
    let mut half_open = server.tcp();
    assert_eq!(half_open.read(&mut [0]).unwrap(), 0, "no handshake");
    let mut slow_header = server.http1();
    slow_header.send("GET /a HTTP/1.1\r\nHo").unwrap();
    assert!(slow_header.closed(), "no end of the header");
    let mut slow_body = server.http1();
    slow_body.send("PUT /a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nhe").unwrap();
    assert_eq!(slow_body.response().unwrap().0, 408, "no end of the body");
    let mut idle = server.http1();
    idle.send(GET).unwrap();
    assert_eq!(idle.response().unwrap().0, 200);
    assert!(idle.closed(), "no further request");
    serves(&server);
}

#[test]
fn who_does_not_read_is_let_go() {
    let mut server = Running::start(short());
    let mut client = server.http1();
    client.send("GET /endless HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    std::thread::sleep(Duration::from_millis(600));
    // Nothing is left for the shutdown to wait for.
    server.stop();
    server.join();
    drop(client);
}

#[test]
fn who_vanishes_leaves_nothing_behind() {
    let server = Running::start(Limits { connections: 2, ..Limits::default() });
    for _ in 0..20 {
        let mut client = server.http1();
        client.send("PUT /a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\nhe").unwrap();
        client.0.sock.shutdown(Shutdown::Both).unwrap();
        drop(client);
        std::thread::sleep(Duration::from_millis(20));
    }
    serves(&server);
}

#[test]
fn connections_from_one_address_are_bounded() {
    let server = Running::start(Limits { connections_per_address: 3, ..Limits::default() });
    let mut held: Vec<_> = (0..3).map(|_| server.http1()).collect();
    for client in &mut held {
        client.send(GET).unwrap();
        assert_eq!(client.response().unwrap().0, 200);
    }
    let mut further = server.http1();
    assert!(further.send(GET).and_then(|()| further.response()).is_err());
    held.pop();
    std::thread::sleep(Duration::from_millis(100));
    serves(&server);
}

#[test]
fn shutdown_lets_a_request_end_and_closes_idle_connections() {
    let mut server = Running::start(Limits::default());
    let mut idle = server.http1();
    idle.send(GET).unwrap();
    idle.response().unwrap();
    let mut busy = server.http1();
    busy.send("PUT /b HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhe").unwrap();
    std::thread::sleep(Duration::from_millis(100));
    server.stop();
    assert!(idle.closed());
    busy.send("llo").unwrap();
    assert_eq!(busy.response().unwrap(), (200, "/b true 5".into()));
    server.join();
}

#[test]
fn a_first_message_that_comes_byte_by_byte_is_served() {
    let server = Running::start(Limits::default());
    let mut client = server.http1();
    // The record of the handshake, as the client would write it at once.
    let mut hello = Vec::new();
    client.0.conn.write_tls(&mut hello).unwrap();
    for byte in &hello {
        client.0.sock.write_all(std::slice::from_ref(byte)).unwrap();
    }
    client.send(GET).unwrap();
    assert_eq!(client.response().unwrap(), (200, "/a true 0".into()));
}
