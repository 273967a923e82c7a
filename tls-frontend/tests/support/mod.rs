//! A server on loopback with a handler that echoes, and a plain blocking TLS client.
#![allow(unreachable_pub)]

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use kalends_tls_frontend::{
    Handler, Limits, Listener, Network, RequestBody, ResponseBody, Server, Shutdown,
    certificate::Authority,
    host::{HostNetwork, block_on},
};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::{Arc, mpsc},
    thread::JoinHandle,
    time::Duration,
};

struct Echo;

impl Handler for Echo {
    async fn handle(&self, request: Request<RequestBody>) -> Response<ResponseBody> {
        let path = request.uri().path().to_owned();
        let peer = request.extensions().get::<SocketAddr>().is_some();
        if path == "/endless" {
            let chunk = || Ok(http_body::Frame::data(Bytes::from_static(&[b'x'; 65536])));
            return Response::new(Box::pin(StreamBody::new(futures_util::stream::repeat_with(chunk))));
        }
        match request.into_body().collect().await {
            Ok(_) if path == "/empty" => {
                Response::new(Box::pin(Empty::new().map_err(|never| match never {})))
            }
            Ok(body) => {
                let text = format!("{path} {peer} {}", body.to_bytes().len());
                Response::new(Box::pin(Full::from(text).map_err(|never| match never {})))
            }
            Err(error) => {
                let mut response: Response<ResponseBody> =
                    Response::new(Box::pin(Full::from(error.to_string()).map_err(|never| match never {})));
                *response.status_mut() = StatusCode::REQUEST_TIMEOUT;
                response
            }
        }
    }
}

/// A running server; it shuts down when dropped.
pub struct Running {
    pub address: SocketAddr,
    pub authority: String,
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    /// Starts a server with these limits on a free port.
    pub fn start(limits: Limits) -> Self {
        let (started, address) = mpsc::channel();
        let (stop, stopped) = mpsc::channel::<()>();
        let authority = Authority::generate("localhost").unwrap();
        let pem = authority.certificate_pem().to_owned();
        let thread = std::thread::spawn(move || {
            let listener = HostNetwork.listen("127.0.0.1:0".parse().unwrap()).unwrap();
            started.send(listener.local_address().unwrap()).unwrap();
            let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
            let shutdown = Shutdown::default();
            let tls = authority.server_config(&names).unwrap();
            let server = Server::new(HostNetwork, tls, Echo, limits, shutdown.clone());
            block_on(async {
                let stop = async {
                    while stopped.try_recv() == Err(mpsc::TryRecvError::Empty) {
                        HostNetwork.sleep(Duration::from_millis(5)).await;
                    }
                    shutdown.begin();
                };
                futures_util::future::join(server.run(vec![listener]), stop).await;
            });
        });
        Self { address: address.recv().unwrap(), authority: pem, stop: Some(stop), thread: Some(thread) }
    }

    /// Begins to shut down.
    pub fn stop(&mut self) {
        self.stop = None;
    }

    /// Waits until the server has ended.
    pub fn join(&mut self) {
        self.thread.take().unwrap().join().unwrap();
    }

    /// A TCP connection with a time-out, so that a test ends when the server does not answer.
    pub fn tcp(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    }

    /// A TLS connection that has offered `protocols` by ALPN.
    pub fn tls(&self, protocols: &[&str], versions: &[&'static SupportedProtocolVersion]) -> Client {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.authority.as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        let name = ServerName::try_from("localhost").unwrap();
        let connection = ClientConnection::new(Arc::new(config), name).unwrap();
        Client(StreamOwned::new(connection, self.tcp()))
    }

    /// An HTTP/1.1 connection.
    pub fn http1(&self) -> Client {
        self.tls(&["http/1.1"], rustls::ALL_VERSIONS)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

/// A TLS connection that requests are written to as text.
pub struct Client(pub StreamOwned<ClientConnection, TcpStream>);

impl Client {
    /// Writes these bytes.
    pub fn send(&mut self, text: impl AsRef<[u8]>) -> io::Result<()> {
        self.0.write_all(text.as_ref())?;
        self.0.flush()
    }

    /// Reads one response with a Content-Length; gives its status and body.
    pub fn response(&mut self) -> io::Result<(u16, String)> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            self.0.read_exact(&mut byte)?;
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let length = head
            .lines()
            .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:").map(str::to_owned))
            .map_or(0, |length| length.trim().parse().unwrap());
        let mut body = vec![0; length];
        self.0.read_exact(&mut body)?;
        Ok((status, String::from_utf8(body).unwrap()))
    }

    /// Whether the server has closed the connection (with or without close_notify).
    pub fn closed(&mut self) -> bool {
        let mut byte = [0];
        match self.0.read(&mut byte) {
            Ok(count) => count == 0,
            Err(error) => !matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut),
        }
    }
}
