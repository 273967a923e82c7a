//! How much load the generator makes when the server does next to nothing: a process of one thread that
//! reads a request and answers what it has ready. What a real server reaches of that is the server's own doing.

use super::{Address, Client, Load, Request, connect_again_and_again, one_after_another, side_by_side};
use crate::{
    certificate::{self, CERTIFICATE},
    report::median,
    servers::Process,
};
use kalends_interop_tests::{TemporaryDirectory, target::free_port};
use rustix::event::{PollFd, PollFlags, poll};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::{
    env,
    io::{self, Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::Path,
    process::Command,
    slice,
    sync::Arc,
    time::Instant,
};

/// The argument that makes this program the server: then port, and directory of the certificate or `plain`.
const ARGUMENT: &str = "--answer-at-once";
/// Bytes of the answer: those of an event.
const ANSWER: usize = 1000;

/// What the load generator makes of a server that costs nothing.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ceiling {
    /// Requests a second on 1, 8 and 32 connections.
    pub(crate) requests: [f64; 3],
    /// Connections a second, each with a handshake (with TLS) and a request, full and resumed.
    pub(crate) connections: [f64; 2],
}

/// The numbers of connections.
pub(crate) const CONNECTIONS: [usize; 3] = [1, 8, 32];

/// Measures it, with or without TLS.
pub(crate) fn measure(tls: bool, load: &Load) -> Ceiling {
    let (directory, port) = (TemporaryDirectory::new(), free_port());
    let mut command = Command::new(env::current_exe().unwrap());
    command.args([ARGUMENT, &port.to_string()]);
    if tls {
        certificate::make(directory.path());
        command.arg(directory.path());
    } else {
        command.arg("plain");
    }
    let _process = Process::start(&mut command, port);
    let address = match tls {
        true => Address::secure(port, &directory.join(CERTIFICATE)).unwrap(),
        false => Address::plain(port),
    };
    let request = Request::new("GET", "/", &[], b"");
    let mut client = Client::new(address.clone(), load.limit);
    let alone = one_after_another(load, |_| {
        let start = Instant::now();
        assert_eq!(client.send(&request).unwrap(), 200);
        Ok(start.elapsed())
    });
    let mut requests = [1.0 / median(&alone.unwrap()).as_secs_f64(), 0.0, 0.0];
    for (result, connections) in requests.iter_mut().zip(CONNECTIONS).skip(1) {
        *result = side_by_side(&address, connections, slice::from_ref(&request), &[200], load).unwrap();
    }
    let connections = [false, true].map(|resumption| {
        let address = address.clone().with_resumption(resumption);
        connect_again_and_again(&address, &request, load).unwrap()
    });
    Ceiling { requests, connections }
}

/// Becomes the server, if that is what this process was started for.
pub(crate) fn serve_if_asked() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [argument, port, tls] = &arguments[..] else { return };
    if argument != ARGUMENT {
        return;
    }
    let config = (tls != "plain").then(|| Arc::new(certificate::server_config(Path::new(tls))));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port.parse().unwrap())).unwrap();
    let mut clients: Vec<Served> = Vec::new();
    loop {
        let mut polled = vec![PollFd::new(&listener, PollFlags::IN)];
        polled.extend(clients.iter().map(|client| PollFd::new(client.socket(), PollFlags::IN)));
        poll(&mut polled, None).unwrap();
        let ready: Vec<bool> = polled.iter().map(|one| !one.revents().is_empty()).collect();
        let mut at = 0;
        clients.retain_mut(|client| {
            at += 1;
            !ready[at] || client.answer().unwrap_or(false)
        });
        if ready[0] {
            let (socket, _) = listener.accept().unwrap();
            clients.push(Served::new(socket, config.clone()).unwrap());
        }
    }
}

/// A client of the server that answers at once.
enum Served {
    Plain(TcpStream),
    Secure(Box<StreamOwned<ServerConnection, TcpStream>>),
}

impl Served {
    fn new(socket: TcpStream, config: Option<Arc<ServerConfig>>) -> io::Result<Self> {
        socket.set_nodelay(true)?;
        let Some(config) = config else { return Ok(Self::Plain(socket)) };
        let connection = ServerConnection::new(config).map_err(io::Error::other)?;
        Ok(Self::Secure(Box::new(StreamOwned::new(connection, socket))))
    }

    fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(socket) => socket,
            Self::Secure(stream) => &stream.sock,
        }
    }

    /// Answers a request that is there, and has no body, with the same as ever; gives whether there was one.
    fn answer(&mut self) -> io::Result<bool> {
        let mut response = format!("HTTP/1.1 200 OK\r\nContent-Length: {ANSWER}\r\n\r\n").into_bytes();
        response.resize(response.len() + ANSWER, b'.');
        let stream: &mut dyn Stream = match self {
            Self::Plain(socket) => socket,
            Self::Secure(stream) => stream,
        };
        let (mut buffer, mut length) = ([0; 4096], 0);
        while !buffer[..length].ends_with(b"\r\n\r\n") {
            match stream.read(&mut buffer[length..])? {
                0 => return Ok(false),
                read => length += read,
            }
        }
        stream.write_all(&response)?;
        stream.flush()?;
        Ok(true)
    }
}

trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}
