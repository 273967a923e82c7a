//! Host sockets: the network of the hosted program; and a tap interface for the stack of its own.

mod tap;

use crate::network::{Listener, Network};
use async_io::{Async, Timer};
use std::{
    future::Future,
    io,
    net::{SocketAddr, TcpListener, TcpStream},
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

pub use tap::{Tap, TapIdle};

/// The host's sockets and clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct HostNetwork;

impl Network for HostNetwork {
    type Listener = HostListener;
    type Sleep = HostSleep;

    fn listen(&self, address: SocketAddr) -> io::Result<HostListener> {
        // The standard library sets SO_REUSEADDR, so that a restart need not wait for TIME_WAIT.
        Ok(HostListener(Async::new(TcpListener::bind(address)?)?))
    }

    fn sleep(&self, duration: Duration) -> HostSleep {
        HostSleep(Timer::after(duration))
    }
}

/// A timer of the host.
pub struct HostSleep(Timer);

impl Future for HostSleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        ready!(Pin::new(&mut self.0).poll(context));
        Poll::Ready(())
    }
}

/// A listening host socket.
pub struct HostListener(Async<TcpListener>);

impl Listener for HostListener {
    type Stream = Async<TcpStream>;

    async fn accept(&self) -> io::Result<(Self::Stream, SocketAddr)> {
        let (stream, peer) = self.0.accept().await?;
        // Answers are written whole; waiting for more would only delay them.
        stream.get_ref().set_nodelay(true)?;
        Ok((stream, peer))
    }

    fn local_address(&self) -> io::Result<SocketAddr> {
        self.0.get_ref().local_addr()
    }
}

/// Runs a future to its end on this thread, with its sockets and timers.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    async_io::block_on(future)
}
