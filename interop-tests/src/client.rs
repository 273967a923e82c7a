//! HTTPS by hand: bytes that no decent client sends, and connections kept open for timing.

use crate::{Response, Server};
use base64::{Engine, prelude::BASE64_STANDARD};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject};
use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    path::Path,
    sync::Arc,
    time::Duration,
};

/// Longest wait for bytes of an answer.
const PATIENCE: Duration = Duration::from_secs(120);

trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

/// A connection, with or without TLS, that speaks HTTP/1.1.
pub struct Connection {
    stream: BufReader<Box<dyn Stream>>,
    authorization: String,
    closed: bool,
}

impl Connection {
    /// Over TLS to a Kalends server, for its first user.
    pub fn to(server: &Server) -> Self {
        let secure =
            Self::secure(server.port(), &server.authority()).expect("the server accepts connections");
        secure.with_credentials(server.user(), crate::server::PASSWORD)
    }

    /// Over TLS to `localhost`, trusting the certificates in a PEM file.
    ///
    /// # Errors
    /// When there is no connection, or no trust.
    pub fn secure(port: u16, authority: &Path) -> io::Result<Self> {
        Self::secure_to((Ipv4Addr::LOCALHOST, port).into(), "localhost", authority)
    }

    /// Over TLS to a server whose certificate has this name, trusting the certificates in a PEM file.
    ///
    /// # Errors
    /// When there is no connection, or no trust.
    pub fn secure_to(address: SocketAddr, name: &str, authority: &Path) -> io::Result<Self> {
        let config = tls_configuration(authority)?;
        let name = ServerName::try_from(name.to_owned()).map_err(io::Error::other)?;
        let connection = ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
        let stream: Box<dyn Stream> = Box::new(StreamOwned::new(connection, tcp(address)?));
        Ok(Self { stream: BufReader::new(stream), authorization: String::new(), closed: false })
    }

    /// Without TLS to loopback.
    ///
    /// # Errors
    /// When there is no connection.
    pub fn plain(port: u16) -> io::Result<Self> {
        let stream: Box<dyn Stream> = Box::new(tcp((Ipv4Addr::LOCALHOST, port).into())?);
        Ok(Self { stream: BufReader::new(stream), authorization: String::new(), closed: false })
    }

    /// Sends Basic credentials with every request of [`Self::request`].
    pub fn with_credentials(mut self, user: &str, password: &str) -> Self {
        self.authorization = format!("authorization: {}\r\n", authorization(user, password));
        self
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// When the server does not take them.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let stream = self.stream.get_mut();
        stream.write_all(bytes)?;
        stream.flush()
    }

    /// One request with a body, and its answer.
    ///
    /// # Errors
    /// When the connection breaks or the answer is not HTTP.
    pub fn request(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> io::Result<Response> {
        let mut bytes = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\n{}", self.authorization);
        for (name, value) in headers {
            bytes += &format!("{name}: {value}\r\n");
        }
        let mut bytes = format!("{bytes}content-length: {}\r\n\r\n", body.len()).into_bytes();
        bytes.extend_from_slice(body);
        self.send(&bytes)?;
        self.receive()
    }

    /// Reads one answer.
    ///
    /// # Errors
    /// When the connection breaks or the answer is not HTTP.
    pub fn receive(&mut self) -> io::Result<Response> {
        let first = self.line()?;
        let status = first.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.ok_or_else(|| io::Error::other(format!("no status line: {first:?}")))?;
        let mut headers = Vec::new();
        loop {
            let line = self.line()?;
            let Some((name, value)) = line.split_once(':') else { break };
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let mut response = Response { status, headers, body: Vec::new() };
        self.closed = match response.header("connection") {
            Some(value) => !value.eq_ignore_ascii_case("keep-alive"),
            None => first.starts_with("HTTP/1.0"),
        };
        if response.header("transfer-encoding") == Some("chunked") {
            loop {
                let size = u64::from_str_radix(&self.line()?, 16).map_err(io::Error::other)?;
                (&mut self.stream).take(size).read_to_end(&mut response.body)?;
                self.line()?;
                if size == 0 {
                    break;
                }
            }
        } else if let Some(length) = response.header("content-length") {
            let length = length.parse().map_err(io::Error::other)?;
            (&mut self.stream).take(length).read_to_end(&mut response.body)?;
        } else if self.closed && status != 204 {
            self.stream.read_to_end(&mut response.body)?;
        }
        Ok(response)
    }

    /// Whether the server has said, with its last answer, that it closes the connection.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = Vec::new();
        if self.stream.read_until(b'\n', &mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
    }
}

/// TLS for HTTP/1.1, trusting the certificates in a PEM file.
///
/// # Errors
/// When the file cannot be read, or has no certificates that can be trusted.
pub fn tls_configuration(authority: &Path) -> io::Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(authority).map_err(io::Error::other)? {
        roots.add(certificate.map_err(io::Error::other)?).map_err(io::Error::other)?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// The value of the header `Authorization` with Basic credentials (RFC 7617).
pub fn authorization(user: &str, password: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}")))
}

fn tcp(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}
