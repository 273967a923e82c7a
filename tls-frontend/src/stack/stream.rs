//! Connections as the program has them.

use super::{frame::Tuple, network::Shared};
use futures_util::io::{AsyncRead, AsyncWrite};
use smoltcp::socket::tcp::{self, RecvError, State};
use std::{
    io::{self, IoSlice},
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

/// A TCP connection. Closing it ends what it writes; what the peer writes can be read until it ends that too.
/// Dropped, it still sends what was written.
///
/// A connection that the peer has reset, or that has been silent for too long, fails with
/// [`io::ErrorKind::ConnectionReset`].
pub struct TcpStream {
    shared: Arc<Shared>,
    tuple: Tuple,
}

impl TcpStream {
    pub(super) fn new(shared: Arc<Shared>, tuple: Tuple) -> Self {
        Self { shared, tuple }
    }

    /// The peer's address.
    pub fn peer_address(&self) -> SocketAddr {
        SocketAddr::new(IpAddr::from(self.tuple.remote.addr), self.tuple.remote.port)
    }

    /// Its own address.
    pub fn local_address(&self) -> SocketAddr {
        SocketAddr::new(IpAddr::from(self.tuple.local.addr), self.tuple.local.port)
    }

    /// Waits until a connection that was begun is established.
    pub(super) async fn established(&self) -> io::Result<()> {
        std::future::poll_fn(|context| {
            let mut core = self.shared.core();
            let Some(socket) = core.tcp(&self.tuple) else { return Poll::Ready(Err(reset())) };
            match socket.state() {
                State::SynSent | State::SynReceived => {
                    socket.register_send_waker(context.waker());
                    Poll::Pending
                }
                State::Closed => Poll::Ready(Err(io::ErrorKind::ConnectionRefused.into())),
                _ => Poll::Ready(Ok(())),
            }
        })
        .await
    }

    fn write(
        &self,
        context: &Context<'_>,
        write: impl FnOnce(&mut tcp::Socket<'static>) -> Result<usize, tcp::SendError>,
    ) -> Poll<io::Result<usize>> {
        let mut core = self.shared.core();
        let Some(socket) = core.tcp(&self.tuple) else { return Poll::Ready(Err(reset())) };
        match write(socket) {
            Ok(0) => {
                socket.register_send_waker(context.waker());
                Poll::Pending
            }
            Ok(written) => {
                core.stir(&self.tuple);
                Poll::Ready(Ok(written))
            }
            Err(tcp::SendError::InvalidState) => Poll::Ready(Err(match socket.state() {
                State::Closed => reset(),
                _ => io::ErrorKind::BrokenPipe.into(),
            })),
        }
    }
}

fn reset() -> io::Error {
    io::ErrorKind::ConnectionReset.into()
}

impl AsyncRead for TcpStream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        if buffer.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let mut core = self.shared.core();
        let Some(socket) = core.tcp(&self.tuple) else { return Poll::Ready(Err(reset())) };
        match socket.recv_slice(buffer) {
            Ok(0) => {
                socket.register_recv_waker(context.waker());
                Poll::Pending
            }
            Ok(read) => {
                // The peer may have to be told of the room.
                core.stir(&self.tuple);
                Poll::Ready(Ok(read))
            }
            Err(RecvError::Finished) => Poll::Ready(Ok(0)),
            Err(RecvError::InvalidState) => Poll::Ready(Err(reset())),
        }
    }
}

impl AsyncWrite for TcpStream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        if data.is_empty() {
            return Poll::Ready(Ok(0));
        }
        self.write(context, |socket| socket.send_slice(data))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if data.iter().all(|data| data.is_empty()) {
            return Poll::Ready(Ok(0));
        }
        self.write(context, |socket| {
            let mut written = 0;
            for data in data {
                let part = socket.send_slice(data)?;
                written += part;
                if part < data.len() {
                    break;
                }
            }
            Ok(written)
        })
    }

    /// Resolves at once, as for a socket: what is written is on its way.
    fn poll_flush(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(socket) = self.shared.core().stir(&self.tuple) {
            socket.close();
        }
        Poll::Ready(Ok(()))
    }
}

impl Drop for TcpStream {
    fn drop(&mut self) {
        self.shared.core().release(self.tuple);
    }
}
