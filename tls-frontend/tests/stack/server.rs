//! The HTTPS server on the stack.

use crate::wire::{Faults, PORT, Pair, SERVER_V4, all};
use bytes::Bytes;
use futures_rustls::{TlsConnector, client::TlsStream};
use futures_util::{
    future::{join, join_all},
    io::{AsyncReadExt, AsyncWriteExt},
};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use kalends_tls_frontend::{
    Handler, Limits, Network, RequestBody, ResponseBody, Server, Shutdown,
    certificate::Authority,
    stack::{StackLimits, StackNetwork, TcpStream},
};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use std::sync::Arc;

/// Answers with the request's body.
struct Echo;

impl Handler for Echo {
    async fn handle(&self, request: Request<RequestBody>) -> Response<ResponseBody> {
        let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        Response::new(Box::pin(Full::<Bytes>::from(body).map_err(|never| match never {})))
    }
}

/// A client that trusts the server's authority.
struct Client {
    network: StackNetwork,
    tls: TlsConnector,
}

impl Client {
    async fn connect(&self) -> TlsStream<TcpStream> {
        let stream = self.network.connect((SERVER_V4, PORT).into()).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        self.tls.connect(name, stream).await.unwrap()
    }

    /// Sends a body and reads it back.
    async fn put(&self, stream: &mut TlsStream<TcpStream>, body: &[u8]) {
        let head = format!("PUT /a HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n", body.len());
        let send = [head.as_bytes(), body].concat();
        stream.write_all(&send).await.unwrap();
        stream.flush().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).await.unwrap();
            head.push(byte[0]);
        }
        assert!(head.starts_with(b"HTTP/1.1 200 OK\r\n"), "{}", String::from_utf8_lossy(&head));
        let mut answer = vec![0; body.len()];
        stream.read_exact(&mut answer).await.unwrap();
        assert!(answer == body);
    }
}

/// Runs a client against a server over a wire.
fn with_server(pair: &mut Pair, limits: Limits, client: impl AsyncFnOnce(&Client)) {
    let (ours, theirs) = pair.networks();
    let authority = Authority::generate("localhost").unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.certificate_pem().as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let asking = Client { network: theirs, tls: Arc::new(config).into() };
    let shutdown = Shutdown::default();
    let tls = authority.server_config(&["localhost".to_owned()]).unwrap();
    let server = Server::new(ours.clone(), tls, Echo, limits, shutdown.clone());
    let listener = ours.listen(all()).unwrap();
    pair.run(async {
        let ask = async {
            client(&asking).await;
            shutdown.begin();
        };
        join(server.run(vec![listener]), ask).await;
    });
}

#[test]
fn https_requests_are_served_over_a_good_and_a_bad_wire() {
    let bad = Faults { lost: 10, repeated: 10, delayed: 20, spoiled: 10 };
    for faults in [Faults::default(), bad] {
        with_server(&mut Pair::new(faults, 11), Limits::default(), async |client| {
            let mut stream = client.connect().await;
            for size in [0, 1, 1000, 100_000, 1_000_000] {
                client.put(&mut stream, &vec![b'x'; size]).await;
            }
        });
    }
}

#[test]
fn hundreds_of_https_clients_are_served_at_once() {
    let limits = StackLimits { connections: 300, ..StackLimits::default() };
    let mut pair = Pair::with_limits(Faults::default(), 1, limits);
    with_server(&mut pair, Limits::default(), async |client| {
        let mut streams = join_all((0..256).map(async |_| client.connect().await)).await;
        join_all(streams.iter_mut().map(async |stream| client.put(stream, &[b'x'; 2000]).await)).await;
    });
}
