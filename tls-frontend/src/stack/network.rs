//! The stack as the server has it.

use super::{core::Core, frame::Tuple, listener::TcpListener, resolver, stream::TcpStream};
use crate::{
    clock::Clock,
    network::Network,
    timers::{Sleep, Timers},
};
use smoltcp::wire::IpEndpoint;
use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Poll,
    time::Duration,
};

/// A handle on a [`Stack`](super::Stack).
#[derive(Clone)]
pub struct StackNetwork {
    pub(super) shared: Arc<Shared>,
}

/// What the stack and its handles share. Everything runs on one thread; the lock is there because hyper asks
/// for types that could be sent to others, and is never waited for.
pub(super) struct Shared {
    pub(super) core: Mutex<Core>,
    pub(super) timers: Timers,
    pub(super) clock: Clock,
}

impl Shared {
    pub(super) fn core(&self) -> MutexGuard<'_, Core> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StackNetwork {
    /// Opens a connection.
    ///
    /// # Errors
    /// [`io::ErrorKind::ConnectionRefused`] when the peer refuses or does not answer,
    /// [`io::ErrorKind::NetworkUnreachable`] without an address to connect from, and
    /// [`io::ErrorKind::QuotaExceeded`] when there are too many connections.
    pub async fn connect(&self, peer: SocketAddr) -> io::Result<TcpStream> {
        let stream = self.begin_to_connect(peer)?;
        stream.established().await?;
        Ok(stream)
    }

    fn begin_to_connect(&self, peer: SocketAddr) -> io::Result<TcpStream> {
        let mut core = self.shared.core();
        let remote = IpEndpoint::from(peer);
        let Some(local) = core.interface.get_source_address(&remote.addr) else {
            return Err(io::ErrorKind::NetworkUnreachable.into());
        };
        let mut tuple = None;
        for _ in 0..64 {
            let mut random = [0; 2];
            getrandom::fill(&mut random).map_err(io::Error::other)?;
            // The dynamic ports (RFC 6335 §6).
            let local = IpEndpoint::new(local, u16::from_le_bytes(random) | 0xc000);
            tuple = Some(Tuple { local, remote }).filter(|tuple| !core.is_used(tuple));
            if tuple.is_some() {
                break;
            }
        }
        let tuple = tuple.ok_or(io::ErrorKind::AddrInUse)?;
        core.open(tuple).map_err(|error| match error {
            smoltcp::socket::tcp::ConnectError::InvalidState => io::ErrorKind::QuotaExceeded,
            smoltcp::socket::tcp::ConnectError::Unaddressable => io::ErrorKind::NetworkUnreachable,
        })?;
        Ok(TcpStream::new(self.shared.clone(), tuple))
    }

    /// The addresses the interface has now, each with its prefix length.
    pub fn addresses(&self) -> Vec<(IpAddr, u8)> {
        addresses(&self.shared.core())
    }

    /// Waits until the interface has an address that is more than link-local, then gives all it has.
    pub async fn configured(&self) -> Vec<(IpAddr, u8)> {
        self.addresses_until(|core| core.has_address()).await
    }

    /// Waits until the addresses are others than these, then gives them.
    pub async fn addresses_other_than(&self, known: &[(IpAddr, u8)]) -> Vec<(IpAddr, u8)> {
        self.addresses_until(|core| addresses(core) != known).await
    }

    async fn addresses_until(&self, done: impl Fn(&Core) -> bool) -> Vec<(IpAddr, u8)> {
        std::future::poll_fn(|context| {
            let mut core = self.shared.core();
            if done(&core) {
                return Poll::Ready(addresses(&core));
            }
            if !core.address_wakers.iter().any(|waker| waker.will_wake(context.waker())) {
                core.address_wakers.push(context.waker().clone());
            }
            Poll::Pending
        })
        .await
    }

    /// The addresses of a host name, IPv4 first, asked of the configured name servers.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidInput`] for what is not a name, [`io::ErrorKind::NotFound`] when no server knows
    /// or answers, [`io::ErrorKind::NetworkUnreachable`] when there are no servers, and
    /// [`io::ErrorKind::QuotaExceeded`] when too many names are asked for at once.
    pub async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        resolver::resolve(&self.shared, name).await
    }
}

fn addresses(core: &Core) -> Vec<(IpAddr, u8)> {
    core.interface.ip_addrs().iter().map(|at| (IpAddr::from(at.address()), at.prefix_len())).collect()
}

impl Network for StackNetwork {
    type Listener = TcpListener;
    type Sleep = Sleep;

    fn listen(&self, address: SocketAddr) -> io::Result<TcpListener> {
        TcpListener::bind(self, address)
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        self.shared.timers.at(self.shared.clock.now() + duration)
    }
}
