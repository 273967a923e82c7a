//! Sockets of the host that wake their futures.

use super::reactor::{Reactor, Readiness, remember};
use crate::network::Listener;
use futures_util::io::{AsyncRead, AsyncWrite};
use rustix::{
    fd::OwnedFd,
    io::Errno,
    net::{SocketFlags, acceptfrom_with, sockopt::set_tcp_nodelay},
};
use std::{
    io::{self, IoSlice, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

/// A listening host socket.
pub struct HostListener {
    socket: TcpListener,
    reactor: Rc<Reactor>,
    readiness: Rc<Readiness>,
}

impl HostListener {
    /// Listens.
    ///
    /// # Errors
    /// Those of the host.
    pub(super) fn bind(address: SocketAddr) -> io::Result<Self> {
        // The standard library sets SO_REUSEADDR, so that a restart need not wait for TIME_WAIT.
        let socket = TcpListener::bind(address)?;
        socket.set_nonblocking(true)?;
        // Answers are written whole; waiting for more would only delay them. What is accepted inherits it.
        set_tcp_nodelay(&socket, true)?;
        let reactor = Reactor::current()?;
        let readiness = reactor.register(&socket)?;
        Ok(Self { socket, reactor, readiness })
    }

    fn try_accept(&self) -> io::Result<(HostStream, SocketAddr)> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let (socket, peer): (OwnedFd, _) = acceptfrom_with(&self.socket, flags)?;
        let peer = peer.and_then(|peer| peer.try_into().ok()).ok_or(io::ErrorKind::AddrNotAvailable)?;
        Ok((HostStream::nonblocking(socket.into())?, peer))
    }
}

impl Listener for HostListener {
    type Stream = HostStream;

    async fn accept(&self) -> io::Result<(Self::Stream, SocketAddr)> {
        std::future::poll_fn(|context| {
            loop {
                if !self.readiness.readable.get() {
                    remember(&self.readiness.reader, context);
                    return Poll::Pending;
                }
                match self.try_accept() {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        self.readiness.readable.set(false);
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    result => return Poll::Ready(result),
                }
            }
        })
        .await
    }

    fn local_address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }
}

impl Drop for HostListener {
    fn drop(&mut self) {
        self.reactor.forget(&self.socket);
    }
}

/// A connected host socket. It belongs to the thread that it was made on.
pub struct HostStream {
    socket: TcpStream,
    reactor: Rc<Reactor>,
    readiness: Rc<Readiness>,
}

impl HostStream {
    /// Takes a connected socket.
    ///
    /// # Errors
    /// Those of the host.
    pub fn new(socket: TcpStream) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Self::nonblocking(socket)
    }

    fn nonblocking(socket: TcpStream) -> io::Result<Self> {
        let reactor = Reactor::current()?;
        let readiness = reactor.register(&socket)?;
        Ok(Self { socket, reactor, readiness })
    }

    fn poll_write_with(
        &self,
        context: &mut Context<'_>,
        mut write: impl FnMut(&mut &TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            if !self.readiness.writable.get() {
                remember(&self.readiness.writer, context);
                return Poll::Pending;
            }
            match write(&mut &self.socket) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.readiness.writable.set(false);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return Poll::Ready(result),
            }
        }
    }
}

impl AsyncRead for HostStream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            if !self.readiness.readable.get() {
                remember(&self.readiness.reader, context);
                return Poll::Pending;
            }
            match (&self.socket).read(buffer) {
                Ok(length) => {
                    // Less than there was room for is all there was (epoll(7)); what comes next is an event.
                    if length > 0 && length < buffer.len() && !self.readiness.ended.get() {
                        self.readiness.readable.set(false);
                    }
                    return Poll::Ready(Ok(length));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.readiness.readable.set(false);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncWrite for HostStream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_with(context, |socket| socket.write(data))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_with(context, |socket| socket.write_vectored(data))
    }

    fn poll_flush(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(match self.socket.shutdown(Shutdown::Write) {
            Err(error) if error.raw_os_error() == Some(Errno::NOTCONN.raw_os_error()) => Ok(()),
            result => result,
        })
    }
}

impl Drop for HostStream {
    fn drop(&mut self) {
        self.reactor.forget(&self.socket);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::block_on;
    use futures_util::{
        future::join,
        io::{AsyncReadExt, AsyncWriteExt},
    };
    use std::{net::Ipv4Addr, thread};

    fn pair() -> (HostStream, TcpStream) {
        let listener = HostListener::bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let peer = TcpStream::connect(listener.local_address().unwrap()).unwrap();
        let (stream, address) = block_on(listener.accept()).unwrap();
        assert_eq!(address, peer.local_addr().unwrap());
        (stream, peer)
    }

    #[test]
    fn accepted_sockets_do_not_delay_small_answers() {
        assert!(pair().0.socket.nodelay().unwrap());
    }

    #[test]
    fn every_byte_and_the_end_arrive_however_they_come() {
        for pause in [false, true] {
            let (mut stream, mut peer) = pair();
            let thread = thread::spawn(move || {
                for piece in 0..200_u8 {
                    peer.write_all(&vec![piece; usize::from(piece) + 1]).unwrap();
                    if pause {
                        thread::sleep(std::time::Duration::from_micros(u64::from(piece % 3) * 100));
                    }
                }
            });
            let mut received = Vec::new();
            block_on(async {
                let mut buffer = [0; 64];
                loop {
                    match stream.read(&mut buffer).await.unwrap() {
                        0 => break,
                        length => received.extend_from_slice(&buffer[..length]),
                    }
                }
            });
            thread.join().unwrap();
            let expected: Vec<u8> =
                (0..200_u8).flat_map(|piece| vec![piece; usize::from(piece) + 1]).collect();
            assert!(received == expected, "{} bytes", received.len());
        }
    }

    #[test]
    fn a_writer_waits_for_room_while_a_reader_waits_for_data() {
        const LENGTH: usize = 16 << 20;
        let (stream, mut peer) = pair();
        let thread = thread::spawn(move || {
            let mut received = 0;
            let mut buffer = vec![0; 100_000];
            while received < LENGTH {
                received += peer.read(&mut buffer).unwrap();
            }
            peer.write_all(b"all of it").unwrap();
        });
        let (mut reader, mut writer) = stream.split();
        let (answer, ()) = block_on(join(
            async {
                let mut answer = Vec::new();
                reader.read_to_end(&mut answer).await.unwrap();
                answer
            },
            async {
                writer.write_all(&vec![7; LENGTH]).await.unwrap();
                writer.close().await.unwrap();
            },
        ));
        assert_eq!(answer, b"all of it");
        thread.join().unwrap();
    }

    #[test]
    fn a_descriptor_that_is_used_again_is_another_socket() {
        for _ in 0..50 {
            let (mut stream, mut peer) = pair();
            peer.write_all(b"x").unwrap();
            let mut byte = [0];
            block_on(stream.read_exact(&mut byte)).unwrap();
        }
    }
}
