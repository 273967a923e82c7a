//! Listening.

use super::{
    frame::Tuple,
    network::{Shared, StackNetwork},
    stream::TcpStream,
};
use crate::network::Listener;
use smoltcp::wire::IpEndpoint;
use std::{
    collections::{HashMap, VecDeque},
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    task::{Poll, Waker},
};

/// The ports that are listened on.
#[derive(Default)]
pub(super) struct Listeners {
    by_number: HashMap<u64, Backlog>,
    next: u64,
}

struct Backlog {
    address: SocketAddr,
    established: VecDeque<Tuple>,
    wakers: Vec<Waker>,
}

impl Listeners {
    /// Which listener a segment to `local` is for. An exact address goes before all addresses; `::` takes
    /// IPv4 as well.
    pub(super) fn find(&self, local: IpEndpoint) -> Option<u64> {
        let address = IpAddr::from(local.addr);
        let fits = |backlog: &Backlog| {
            let listening = backlog.address.ip();
            let all = listening.is_unspecified() && (listening.is_ipv6() || address.is_ipv4());
            backlog.address.port() == local.port && (listening == address || all)
        };
        let candidates = self.by_number.iter().filter(|(_, backlog)| fits(backlog));
        candidates.min_by_key(|(_, backlog)| backlog.address.ip().is_unspecified()).map(|(number, _)| *number)
    }

    /// Hands over an established connection; `false` when the listener is gone or has enough of them.
    pub(super) fn push(&mut self, number: u64, most: usize, connection: Tuple) -> bool {
        match self.by_number.get_mut(&number) {
            Some(backlog) if backlog.established.len() < most => {
                backlog.established.push_back(connection);
                backlog.wakers.drain(..).for_each(Waker::wake);
                true
            }
            _ => false,
        }
    }

    fn add(&mut self, mut address: SocketAddr) -> io::Result<(u64, SocketAddr)> {
        if address.ip().is_loopback() || address.ip().is_multicast() {
            return Err(io::Error::new(
                io::ErrorKind::AddrNotAvailable,
                format!("{} is not an address of the network interface", address.ip()),
            ));
        }
        if address.port() == 0 {
            const DYNAMIC: std::ops::RangeInclusive<u16> = 49152..=65535;
            let free = DYNAMIC.into_iter().find(|port| self.is_free(SocketAddr::new(address.ip(), *port)));
            address.set_port(free.ok_or(io::ErrorKind::AddrInUse)?);
        }
        if !self.is_free(address) {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        self.next += 1;
        let backlog = Backlog { address, established: VecDeque::new(), wakers: Vec::new() };
        self.by_number.insert(self.next, backlog);
        Ok((self.next, address))
    }

    fn is_free(&self, address: SocketAddr) -> bool {
        self.by_number.values().all(|backlog| backlog.address != address)
    }
}

/// A port that is listened on. Connections that nobody has accepted are reset when it is dropped.
pub struct TcpListener {
    shared: Arc<Shared>,
    number: u64,
    address: SocketAddr,
}

impl TcpListener {
    pub(super) fn bind(network: &StackNetwork, address: SocketAddr) -> io::Result<Self> {
        let (number, address) = network.shared.core().listeners.add(address)?;
        Ok(Self { shared: network.shared.clone(), number, address })
    }
}

impl Listener for TcpListener {
    type Stream = TcpStream;

    async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let tuple = std::future::poll_fn(|context| {
            let mut core = self.shared.core();
            let Some(backlog) = core.listeners.by_number.get_mut(&self.number) else { return Poll::Pending };
            if let Some(connection) = backlog.established.pop_front() {
                return Poll::Ready(connection);
            }
            if !backlog.wakers.iter().any(|waker| waker.will_wake(context.waker())) {
                backlog.wakers.push(context.waker().clone());
            }
            Poll::Pending
        })
        .await;
        let peer = SocketAddr::new(IpAddr::from(tuple.remote.addr), tuple.remote.port);
        Ok((TcpStream::new(self.shared.clone(), tuple), peer))
    }

    fn local_address(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}

impl Drop for TcpListener {
    fn drop(&mut self) {
        let mut core = self.shared.core();
        if let Some(backlog) = core.listeners.by_number.remove(&self.number) {
            for tuple in backlog.established {
                core.abort(tuple);
            }
        }
    }
}
