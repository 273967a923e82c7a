//! What a connection costs the server: handshake, one small request, its answer, the end.
//!
//! Processor time of the server's side alone, in one run: of rustls in memory, of rustls over sockets that
//! block, which is what the kernel adds, and of the server. What the server is above the second is its own
//! doing. `cargo bench -p kalends-tls-frontend --bench handshakes` prints microseconds and ratios, and the bytes
//! that the server sends; the least of some rounds, since other work on the machine only adds.

use futures_util::future::{Either, select};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use kalends_tls_frontend::{
    Handler, Limits, Listener, Network, RequestBody, ResponseBody, Server, Shutdown,
    certificate::Authority,
    host::{HostNetwork, block_on},
};
use rustix::time::{ClockId, clock_gettime};
use rustls::{
    ClientConfig, ClientConnection, HandshakeKind, RootCertStore, ServerConfig, ServerConnection,
    StreamOwned, SupportedProtocolVersion,
    client::Resumption,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use std::{
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    pin::pin,
    sync::Arc,
    thread,
};

/// Connections of one measurement.
const CONNECTIONS: usize = 500;
const ROUNDS: usize = 5;
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

/// Processor time in microseconds.
fn clock(id: ClockId) -> f64 {
    let time = clock_gettime(id);
    time.tv_sec as f64 * 1e6 + time.tv_nsec as f64 / 1e3
}

/// A connection of a client, whose session is resumed exactly if the configuration says so.
fn client(config: &Arc<ClientConfig>) -> ClientConnection {
    ClientConnection::new(config.clone(), ServerName::try_from("localhost").unwrap()).unwrap()
}

fn client_config(
    authority: &Authority,
    version: &'static SupportedProtocolVersion,
    resumed: bool,
) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.certificate_pem().as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    if !resumed {
        config.resumption = Resumption::disabled();
    }
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Arc::new(config)
}

/// Microseconds and bytes sent of the server's side of a connection in memory.
fn in_memory(server: &Arc<ServerConfig>, client_config: &Arc<ClientConfig>) -> (f64, usize) {
    let (mut spent, mut sent) = (0.0, 0);
    for _ in 0..CONNECTIONS {
        let mut client = client(client_config);
        client.writer().write_all(REQUEST).unwrap();
        let start = clock(ClockId::ThreadCPUTime);
        let mut server = ServerConnection::new(server.clone()).unwrap();
        spent += clock(ClockId::ThreadCPUTime) - start;
        let (mut there, mut back) = (Vec::new(), Vec::new());
        let mut answer = Vec::new();
        while answer != ANSWER {
            there.clear();
            while client.wants_write() {
                client.write_tls(&mut there).unwrap();
            }
            back.clear();
            let start = clock(ClockId::ThreadCPUTime);
            let mut unread = &there[..];
            let mut request = [0; 1024];
            while !unread.is_empty() {
                server.read_tls(&mut unread).unwrap();
                server.process_new_packets().unwrap();
            }
            if server.reader().read(&mut request).is_ok_and(|read| read > 0) {
                server.writer().write_all(ANSWER).unwrap();
            }
            while server.wants_write() {
                server.write_tls(&mut back).unwrap();
            }
            spent += clock(ClockId::ThreadCPUTime) - start;
            sent += back.len();
            let mut unread = &back[..];
            while !unread.is_empty() {
                client.read_tls(&mut unread).unwrap();
                client.process_new_packets().unwrap();
            }
            // What cannot be read yet is no failure.
            let _ = client.reader().read_to_end(&mut answer);
        }
    }
    (spent / CONNECTIONS as f64, sent / CONNECTIONS)
}

/// A client's connections, one after the other, on a thread of its own.
fn connect(address: SocketAddr, config: Arc<ClientConfig>, resumed: bool) -> thread::JoinHandle<f64> {
    thread::spawn(move || {
        let start = clock(ClockId::ThreadCPUTime);
        for number in 0..CONNECTIONS {
            let socket = TcpStream::connect(address).unwrap();
            socket.set_nodelay(true).unwrap();
            let mut stream = StreamOwned::new(client(&config), socket);
            stream.write_all(REQUEST).unwrap();
            let (mut answer, mut length) = ([0; 1024], 0);
            while !answer[..length].ends_with(b"hello") {
                let read = stream.read(&mut answer[length..]).unwrap();
                assert_ne!(read, 0, "ended early");
                length += read;
            }
            let kind = if resumed && number > 0 { HandshakeKind::Resumed } else { HandshakeKind::Full };
            assert_eq!(stream.conn.handshake_kind(), Some(kind));
        }
        clock(ClockId::ThreadCPUTime) - start
    })
}

/// Microseconds of the server's side of a connection with rustls over sockets that block.
fn over_sockets(server: &Arc<ServerConfig>, config: &Arc<ClientConfig>, resumed: bool) -> f64 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let client = connect(listener.local_addr().unwrap(), config.clone(), resumed);
    let start = clock(ClockId::ThreadCPUTime);
    for _ in 0..CONNECTIONS {
        let (socket, _) = listener.accept().unwrap();
        socket.set_nodelay(true).unwrap();
        let mut stream = StreamOwned::new(ServerConnection::new(server.clone()).unwrap(), socket);
        let mut request = [0; 1024];
        assert_eq!(stream.read(&mut request).unwrap(), REQUEST.len());
        stream.write_all(ANSWER).unwrap();
        stream.flush().unwrap();
        // The client's end, with or without an alert.
        let _ = stream.read(&mut request);
    }
    let spent = clock(ClockId::ThreadCPUTime) - start;
    client.join().unwrap();
    spent / CONNECTIONS as f64
}

struct Hello;

impl Handler for Hello {
    async fn handle(&self, _request: Request<RequestBody>) -> Response<ResponseBody> {
        Response::new(Box::pin(Full::from(&b"hello"[..]).map_err(|never| match never {})))
    }
}

/// Microseconds of the whole server for a connection.
fn with_server(server: &Arc<ServerConfig>, config: &Arc<ClientConfig>, resumed: bool) -> f64 {
    let listener = HostNetwork.listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
    let address = listener.local_address().unwrap();
    let shutdown = Shutdown::default();
    let server = Server::new(HostNetwork, server.clone(), Hello, Limits::default(), shutdown.clone());
    let start = clock(ClockId::ProcessCPUTime);
    let client = connect(address, config.clone(), resumed);
    block_on(async {
        let end = async {
            while !client.is_finished() {
                HostNetwork.sleep(std::time::Duration::from_millis(5)).await;
            }
        };
        if let Either::Left(_) = select(pin!(server.run(vec![listener])), pin!(end)).await {
            panic!("the server has ended");
        }
    });
    let spent = clock(ClockId::ProcessCPUTime) - start;
    (spent - client.join().unwrap()) / CONNECTIONS as f64
}

fn main() {
    let authority = Authority::generate("localhost").unwrap();
    let server = authority.server_config(&["localhost".to_owned()]).unwrap();
    println!("processor microseconds of the server for a connection with one request");
    println!("                          rustls    over sockets    the server    ratio    bytes sent");
    for (name, version) in [("TLS 1.3", &rustls::version::TLS13), ("TLS 1.2", &rustls::version::TLS12)] {
        for (kind, resumed) in [("full", false), ("resumed", true)] {
            let config = client_config(&authority, version, resumed);
            let (mut alone, mut sockets, mut whole, mut bytes) = (f64::MAX, f64::MAX, f64::MAX, 0);
            for _ in 0..ROUNDS {
                let (spent, sent) = in_memory(&server, &config);
                (alone, bytes) = (alone.min(spent), sent);
                sockets =
                    sockets.min(over_sockets(&server, &client_config(&authority, version, resumed), resumed));
                whole =
                    whole.min(with_server(&server, &client_config(&authority, version, resumed), resumed));
            }
            let ratio = whole / sockets;
            println!("{name}, {kind:<12} {alone:12.0} {sockets:15.0} {whole:13.0} {ratio:8.2} {bytes:13}");
        }
    }
}
