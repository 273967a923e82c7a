//! HTTP/1.1, with or without TLS, over sockets that block.

use kalends_interop_tests::{
    client::{authorization, tls_configuration},
    server::PASSWORD,
};
use rustls::{ClientConfig, ClientConnection, HandshakeKind, StreamOwned, client::Resumption};
use rustls_pki_types::ServerName;
use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, TcpStream},
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

/// Bytes that are read at once.
const BUFFER: usize = 64 << 10;

/// Where a server listens on loopback, and how it is spoken to.
#[derive(Clone, Debug)]
pub(crate) struct Address {
    pub(crate) port: u16,
    pub(crate) tls: Option<Arc<ClientConfig>>,
    /// Whether TLS sessions are resumed where the server has them.
    pub(crate) resumption: bool,
}

impl Address {
    /// Without TLS.
    pub(crate) fn plain(port: u16) -> Self {
        Self { port, tls: None, resumption: false }
    }

    /// With TLS, trusting the certificates of a PEM file.
    pub(crate) fn secure(port: u16, authority: &Path) -> io::Result<Self> {
        Ok(Self { port, tls: Some(Arc::new(tls_configuration(authority)?)), resumption: true })
    }

    /// With all handshakes full ones, or with sessions resumed where the server has them.
    pub(crate) fn with_resumption(mut self, resumption: bool) -> Self {
        if let Some(config) = &mut self.tls {
            let config = Arc::make_mut(config);
            config.resumption = if resumption { Resumption::default() } else { Resumption::disabled() };
        }
        Self { resumption, ..self }
    }

    /// A connection, whose every answer must be there within `limit`.
    pub(crate) fn connect(&self, limit: Duration) -> io::Result<Connection> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(limit))?;
        stream.set_write_timeout(Some(limit))?;
        let stream = match &self.tls {
            None => Stream::Plain(stream),
            Some(config) => {
                let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
                let connection = ClientConnection::new(config.clone(), name).map_err(io::Error::other)?;
                Stream::Secure(Box::new(StreamOwned::new(connection, stream)))
            }
        };
        let buffer = vec![0; BUFFER].into_boxed_slice();
        Ok(Connection { stream, limit, buffer, start: 0, end: 0, closed: false })
    }
}

/// A request as it goes over the wire, with the first user's credentials.
#[derive(Clone, Debug)]
pub(crate) struct Request(Vec<u8>);

impl Request {
    pub(crate) fn new(method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Self {
        let authorization = authorization("ada", PASSWORD);
        let mut text =
            format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: {authorization}\r\n");
        for (name, value) in headers {
            text += &format!("{name}: {value}\r\n");
        }
        let mut bytes = format!("{text}Content-Length: {}\r\n\r\n", body.len()).into_bytes();
        bytes.extend_from_slice(body);
        Self(bytes)
    }
}

enum Stream {
    Plain(TcpStream),
    Secure(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(buffer),
            Self::Secure(stream) => stream.read(buffer),
        }
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.write_all(bytes),
            Self::Secure(stream) => stream.write_all(bytes).and_then(|()| stream.flush()),
        }
    }
}

/// A connection with one request under way at a time.
pub(crate) struct Connection {
    stream: Stream,
    limit: Duration,
    buffer: Box<[u8]>,
    /// What of the buffer is not looked at yet.
    start: usize,
    end: usize,
    closed: bool,
}

impl Connection {
    /// Sends a request, and reads its answer's body into `body`; gives the status.
    ///
    /// # Errors
    /// `TimedOut` when the answer is not there within the limit; others when the connection breaks.
    pub(crate) fn exchange(&mut self, request: &Request, body: &mut Vec<u8>) -> io::Result<u16> {
        self.send(request)?;
        self.receive(body)
    }

    /// Sends a request.
    ///
    /// # Errors
    /// As [`Self::exchange`].
    pub(crate) fn send(&mut self, request: &Request) -> io::Result<()> {
        self.stream.write_all(&request.0)
    }

    /// Reads the answer's body into `body`; gives the status.
    ///
    /// # Errors
    /// As [`Self::exchange`].
    pub(crate) fn receive(&mut self, body: &mut Vec<u8>) -> io::Result<u16> {
        let end = Instant::now() + self.limit;
        body.clear();
        let header = self.header(end)?;
        self.closed = header.closes;
        match header.length {
            Length::Bytes(length) => self.take(length, body, end)?,
            Length::Chunks => loop {
                let size = self.chunk_size(end)?;
                self.take(size, body, end)?;
                let mut line_end = Vec::new();
                self.take(2, &mut line_end, end)?;
                if size == 0 {
                    break;
                }
            },
            Length::UntilTheEnd => {
                body.extend_from_slice(&self.buffer[self.start..self.end]);
                (self.start, self.end) = (0, 0);
                while self.fill(end)? > 0 {
                    body.extend_from_slice(&self.buffer[..self.end]);
                    (self.start, self.end) = (0, 0);
                }
            }
        }
        Ok(header.status)
    }

    /// Whether the server has said, with its last answer, that it closes the connection.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    /// What to wait for until an answer comes.
    pub(crate) fn socket(&self) -> &TcpStream {
        match &self.stream {
            Stream::Plain(socket) => socket,
            Stream::Secure(stream) => &stream.sock,
        }
    }

    /// Whether the TLS session was resumed.
    pub(crate) fn is_resumed(&self) -> bool {
        let Stream::Secure(stream) = &self.stream else { return false };
        stream.conn.handshake_kind() == Some(HandshakeKind::Resumed)
    }

    fn header(&mut self, end: Instant) -> io::Result<Header> {
        loop {
            let unread = &self.buffer[self.start..self.end];
            if let Some(at) = unread.windows(4).position(|window| window == b"\r\n\r\n") {
                let header = Header::parse(&unread[..at]);
                self.start += at + 4;
                return header;
            }
            if self.fill(end)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    fn chunk_size(&mut self, end: Instant) -> io::Result<usize> {
        loop {
            let unread = &self.buffer[self.start..self.end];
            if let Some(at) = unread.windows(2).position(|window| window == b"\r\n") {
                let size =
                    str::from_utf8(&unread[..at]).ok().and_then(|text| usize::from_str_radix(text, 16).ok());
                self.start += at + 2;
                return size.ok_or_else(|| io::Error::other("a chunk without a size"));
            }
            if self.fill(end)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// So many bytes, into `body`.
    fn take(&mut self, mut length: usize, body: &mut Vec<u8>, end: Instant) -> io::Result<()> {
        loop {
            let piece = length.min(self.end - self.start);
            body.extend_from_slice(&self.buffer[self.start..self.start + piece]);
            self.start += piece;
            length -= piece;
            if length == 0 {
                return Ok(());
            }
            if self.fill(end)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// Reads what has come; 0 at the end of the stream.
    fn fill(&mut self, end: Instant) -> io::Result<usize> {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        if self.end == self.buffer.len() {
            return Err(io::Error::other("a header that is too long"));
        }
        if Instant::now() >= end {
            return Err(io::ErrorKind::TimedOut.into());
        }
        match self.stream.read(&mut self.buffer[self.end..]) {
            Ok(length) => {
                self.end += length;
                Ok(length)
            }
            // Without a closing alert; HTTP/1.0 ends bodies that way.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(0),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(io::ErrorKind::TimedOut.into()),
            Err(error) => Err(error),
        }
    }
}

/// How long a body is.
enum Length {
    Bytes(usize),
    Chunks,
    UntilTheEnd,
}

struct Header {
    status: u16,
    length: Length,
    closes: bool,
}

impl Header {
    fn parse(bytes: &[u8]) -> io::Result<Self> {
        let invalid = || io::Error::other(format!("no HTTP header: {:?}", String::from_utf8_lossy(bytes)));
        let text = str::from_utf8(bytes).map_err(|_| invalid())?;
        let mut lines = text.split("\r\n");
        let first = lines.next().unwrap_or_default();
        let status = first.get(9..12).and_then(|status| status.parse().ok()).ok_or_else(invalid)?;
        let (mut length, mut closes) = (None, first.starts_with("HTTP/1.0"));
        for line in lines {
            let Some((name, value)) = line.split_once(':') else { continue };
            let value = value.trim_ascii();
            if name.eq_ignore_ascii_case("content-length") {
                length = Some(Length::Bytes(value.parse().map_err(|_| invalid())?));
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                length = Some(Length::Chunks);
            } else if name.eq_ignore_ascii_case("connection") {
                closes = value.eq_ignore_ascii_case("close");
            }
        }
        let length = match length {
            _ if status == 204 || status == 304 => Length::Bytes(0),
            Some(length) => length,
            None if closes => Length::UntilTheEnd,
            None => Length::Bytes(0),
        };
        Ok(Self { status, length, closes })
    }
}

/// A client that keeps its connection open as long as the server does.
pub(crate) struct Client {
    address: Address,
    limit: Duration,
    connection: Option<Connection>,
    /// The last answer's body.
    pub(crate) body: Vec<u8>,
}

impl Client {
    /// A client whose requests may each take as long as `limit`.
    pub(crate) fn new(address: Address, limit: Duration) -> Self {
        Self { address, limit, connection: None, body: Vec::new() }
    }

    /// From now on requests may take as long as this.
    pub(crate) fn set_limit(&mut self, limit: Duration) {
        if limit != self.limit {
            (self.limit, self.connection) = (limit, None);
        }
    }

    /// One request; gives the status. The body of the answer is in [`Self::body`].
    ///
    /// # Errors
    /// As [`Connection::exchange`].
    pub(crate) fn send(&mut self, request: &Request) -> io::Result<u16> {
        if let Some(mut connection) = self.connection.take() {
            match connection.exchange(request, &mut self.body) {
                Ok(status) => return Ok(self.keep(connection, status)),
                // The server had closed it meanwhile.
                Err(error) if error.kind() != io::ErrorKind::TimedOut => {}
                Err(error) => return Err(error),
            }
        }
        let mut connection = self.address.connect(self.limit)?;
        let status = connection.exchange(request, &mut self.body)?;
        Ok(self.keep(connection, status))
    }

    fn keep(&mut self, connection: Connection, status: u16) -> u16 {
        if !connection.closed {
            self.connection = Some(connection);
        }
        status
    }
}
