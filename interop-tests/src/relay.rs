//! A port of loopback that leads into a network namespace, for clients that know no namespaces.

use crate::namespace::Namespace;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::{
    fs::File,
    io,
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    os::fd::AsFd,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

/// Longest wait for the other side to accept a connection.
const PATIENCE: Duration = Duration::from_secs(10);

/// Hands connections on until dropped.
#[derive(Debug)]
pub(crate) struct Relay {
    port: u16,
    ended: Arc<AtomicBool>,
}

impl Relay {
    /// From a free port of loopback to an address in the namespace.
    pub(crate) fn new(namespace: &Namespace, to: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let ended = Arc::new(AtomicBool::new(false));
        let (accepted, to_connect) = mpsc::channel::<TcpStream>();
        let file = namespace.file();
        // A thread is in one namespace: this one connects, the other accepts.
        thread::spawn(move || {
            let namespace = File::open(&file).unwrap();
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
            for client in to_connect {
                // A guest that is not there is told to the client by the end of its connection.
                if let Ok(server) = TcpStream::connect_timeout(&to, PATIENCE) {
                    carry(&client, &server);
                    carry(&server, &client);
                }
            }
        });
        let stop = ended.clone();
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if stop.load(Ordering::SeqCst) || accepted.send(client).is_err() {
                    break;
                }
            }
        });
        Self { port, ended }
    }

    /// The port of loopback.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

/// Carries bytes one way until their end, which is passed on.
fn carry(from: &TcpStream, to: &TcpStream) {
    let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
    thread::spawn(move || {
        let _ = io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
    });
}
