//! The network under the server: the layer that differs between hosted and guest.

use futures_util::io::{AsyncRead, AsyncWrite};
use std::{future::Future, io, net::SocketAddr, time::Duration};

/// Sockets and timers. A value is a cheap handle; host sockets and the guest's stack each have one.
pub trait Network: Clone + Send + Sync + Unpin + 'static {
    /// A socket that accepts connections.
    type Listener: Listener;
    /// A timer. hyper asks for `Send + Sync`, though everything stays on one thread.
    type Sleep: Future<Output = ()> + Send + Sync + Unpin + 'static;

    /// Listens on an address.
    ///
    /// # Errors
    /// Those of the stack, such as [`io::ErrorKind::AddrInUse`].
    fn listen(&self, address: SocketAddr) -> io::Result<Self::Listener>;

    /// A future that resolves after `duration`.
    fn sleep(&self, duration: Duration) -> Self::Sleep;
}

/// A listening socket.
pub trait Listener: 'static {
    /// An accepted connection.
    type Stream: AsyncRead + AsyncWrite + Unpin + 'static;

    /// The next connection and its peer.
    fn accept(&self) -> impl Future<Output = io::Result<(Self::Stream, SocketAddr)>>;

    /// The address it listens on, with the port chosen where 0 was asked for.
    fn local_address(&self) -> io::Result<SocketAddr>;
}
