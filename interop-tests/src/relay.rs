//! A port of loopback that leads to a guest: for clients that know no network namespaces, and that are to learn
//! of the guest's end, which no guest can tell when it is killed.

use crate::namespace::Namespace;
use rustix::{
    net::sockopt,
    thread::{LinkNameSpaceType, move_into_link_name_space},
};
use std::{
    fs::File,
    io,
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    os::fd::AsFd,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

/// Longest wait for the other side to accept a connection.
const PATIENCE: Duration = Duration::from_secs(10);

// A guest that ended by itself: after this silence it is asked so often, in such intervals, whether it is there.
const SILENCE: Duration = Duration::from_secs(10);
const INTERVAL: Duration = Duration::from_secs(5);
const QUESTIONS: u32 = 4;

/// Hands connections on until dropped.
#[derive(Debug)]
pub(crate) struct Relay {
    port: u16,
    way: Arc<Way>,
}

/// Where connections lead, and those there are.
#[derive(Debug)]
struct Way {
    to: SocketAddr,
    /// The file of the network namespace in which that is.
    namespace: Option<PathBuf>,
    dropped: AtomicBool,
    connections: Mutex<Connections>,
}

#[derive(Debug, Default)]
struct Connections {
    /// Whether there is a guest to connect to.
    open: bool,
    pairs: Vec<Weak<Pair>>,
}

#[derive(Debug)]
struct Pair {
    client: TcpStream,
    server: TcpStream,
}

impl Relay {
    /// From a free port of loopback to an address in the namespace, or in that of this process. It refuses
    /// clients until it is opened.
    pub(crate) fn new(namespace: Option<&Namespace>, to: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let namespace = namespace.map(Namespace::file);
        let connections = Mutex::default();
        let way = Arc::new(Way { to, namespace, dropped: AtomicBool::new(false), connections });
        let ways = way.clone();
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if ways.dropped.load(Ordering::SeqCst) {
                    break;
                }
                let way = ways.clone();
                // A guest that is not there is told to the client by the end of its connection.
                thread::spawn(move || way.connect(client));
            }
        });
        Self { port, way }
    }

    /// The port of loopback.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Lets clients in: there is a guest.
    pub(crate) fn open(&self) {
        self.way.connections.lock().unwrap_or_else(PoisonError::into_inner).open = true;
    }

    /// Ends every connection, and refuses new ones: the guest is gone.
    pub(crate) fn close(&self) {
        let mut connections = self.way.connections.lock().unwrap_or_else(PoisonError::into_inner);
        connections.open = false;
        for pair in connections.pairs.drain(..).filter_map(|pair| pair.upgrade()) {
            pair.end();
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.close();
        self.way.dropped.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

impl Way {
    /// Serves one client to its end, in a thread of its own, as a thread is in one namespace.
    fn connect(&self, client: TcpStream) -> io::Result<()> {
        if !self.admits(None) {
            return Ok(());
        }
        if let Some(namespace) = &self.namespace {
            let namespace = File::open(namespace)?;
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?;
        }
        let server = TcpStream::connect_timeout(&self.to, PATIENCE)?;
        sockopt::set_socket_keepalive(&server, true)?;
        sockopt::set_tcp_keepidle(&server, SILENCE)?;
        sockopt::set_tcp_keepintvl(&server, INTERVAL)?;
        sockopt::set_tcp_keepcnt(&server, QUESTIONS)?;
        for stream in [&client, &server] {
            stream.set_nodelay(true)?;
        }
        let pair = Arc::new(Pair { client, server });
        if self.admits(Some(&pair)) {
            let back = pair.clone();
            thread::spawn(move || back.carry(&back.server, &back.client));
            pair.carry(&pair.client, &pair.server);
        }
        Ok(())
    }

    /// Whether there is a guest; then the connection is noted.
    fn admits(&self, pair: Option<&Arc<Pair>>) -> bool {
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pair) = pair.filter(|_| connections.open) {
            connections.pairs.retain(|pair| pair.strong_count() > 0);
            connections.pairs.push(Arc::downgrade(pair));
        }
        connections.open
    }
}

impl Pair {
    /// Carries bytes one way until their end, which is passed on; a break ends both ways.
    fn carry(&self, mut from: &TcpStream, mut to: &TcpStream) {
        match io::copy(&mut from, &mut to) {
            Ok(_) => drop(to.shutdown(Shutdown::Write)),
            Err(_) => self.end(),
        }
    }

    fn end(&self) {
        let _ = self.client.shutdown(Shutdown::Both);
        let _ = self.server.shutdown(Shutdown::Both);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};

    fn relay() -> (Relay, TcpListener) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let relay = Relay::new(None, listener.local_addr().unwrap());
        relay.open();
        (relay, listener)
    }

    fn client(relay: &Relay) -> TcpStream {
        let client = TcpStream::connect((Ipv4Addr::LOCALHOST, relay.port())).unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        client
    }

    /// Whether the other side has ended the connection, in order or not.
    fn has_ended(mut stream: &TcpStream) -> bool {
        match stream.read(&mut [0]) {
            Ok(count) => count == 0,
            Err(error) => error.kind() == io::ErrorKind::ConnectionReset,
        }
    }

    #[test]
    fn bytes_go_both_ways_and_each_end_is_passed_on() {
        let (relay, listener) = relay();
        let mut client = client(&relay);
        client.write_all(b"question").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        assert_eq!(io::read_to_string(&server).unwrap(), "question");
        server.write_all(b"answer").unwrap();
        drop(server);
        assert_eq!(io::read_to_string(&client).unwrap(), "answer");
    }

    #[test]
    fn a_server_that_breaks_off_is_felt_by_a_client_that_only_waits() {
        let (relay, listener) = relay();
        let mut client = client(&relay);
        client.write_all(b"question").unwrap();
        // What was not read makes the end a reset.
        let (server, _) = listener.accept().unwrap();
        server.peek(&mut [0]).unwrap();
        drop(server);
        assert!(has_ended(&client));
    }

    #[test]
    fn clients_do_not_wait_for_each_other() {
        let (relay, listener) = relay();
        let clients: Vec<_> = (0..20).map(|_| client(&relay)).collect();
        let servers: Vec<_> = clients.iter().map(|_| listener.accept().unwrap().0).collect();
        for mut server in servers.iter().rev() {
            server.write_all(b"x").unwrap();
        }
        for mut client in &clients {
            client.read_exact(&mut [0]).unwrap();
        }
    }

    #[test]
    fn when_the_guest_is_gone_connections_end_and_new_ones_are_refused_until_there_is_one_again() {
        let (relay, listener) = relay();
        let mut before = client(&relay);
        before.write_all(b"x").unwrap();
        let (mut server, _) = listener.accept().unwrap();
        server.read_exact(&mut [0]).unwrap();
        relay.close();
        assert!(has_ended(&before) && has_ended(&server));
        assert!(has_ended(&client(&relay)));
        relay.open();
        let mut after = client(&relay);
        after.write_all(b"y").unwrap();
        let mut byte = [0];
        listener.accept().unwrap().0.read_exact(&mut byte).unwrap();
        assert_eq!(&byte, b"y");
    }
}
