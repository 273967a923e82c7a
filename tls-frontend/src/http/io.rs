//! Streams between the network, rustls and hyper.

use crate::Network;
use futures_util::io::{AsyncRead, AsyncWrite};
use hyper::rt::ReadBufCursor;
use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

/// A connection that gives back bytes already taken from it, and fails when its peer takes nothing for too
/// long.
pub(crate) struct GuardedStream<S, N: Network> {
    stream: S,
    network: N,
    /// Of these, what is from `given` on.
    first: Vec<u8>,
    given: usize,
    write_stall: Duration,
    stalled: Option<N::Sleep>,
}

impl<S, N: Network> GuardedStream<S, N> {
    pub(crate) fn new(stream: S, network: N, first: Vec<u8>, write_stall: Duration) -> Self {
        Self { stream, network, first, given: 0, write_stall, stalled: None }
    }

    fn guard<T>(&mut self, context: &mut Context<'_>, poll: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if poll.is_ready() {
            self.stalled = None;
            return poll;
        }
        let sleep = self.stalled.get_or_insert_with(|| self.network.sleep(self.write_stall));
        match Future::poll(Pin::new(sleep), context) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<S: AsyncRead + Unpin, N: Network> AsyncRead for GuardedStream<S, N> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let left = self.first.get(self.given..).unwrap_or_default();
        if !left.is_empty() {
            let length = left.len().min(buffer.len());
            buffer[..length].copy_from_slice(&left[..length]);
            self.given += length;
            if self.given == self.first.len() {
                (self.first, self.given) = (Vec::new(), 0);
            }
            return Poll::Ready(Ok(length));
        }
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin, N: Network> AsyncWrite for GuardedStream<S, N> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write(context, data);
        self.guard(context, poll)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write_vectored(context, data);
        self.guard(context, poll)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let poll = Pin::new(&mut self.stream).poll_flush(context);
        self.guard(context, poll)
    }

    fn poll_close(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let poll = Pin::new(&mut self.stream).poll_close(context);
        self.guard(context, poll)
    }
}

/// A stream as hyper reads and writes it.
pub(crate) struct HyperStream<S> {
    stream: S,
    /// Bytes pass through here because hyper's read buffer may be uninitialised, which safe code cannot fill.
    buffer: Box<[u8]>,
}

impl<S> HyperStream<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, buffer: vec![0; 16 * 1024].into() }
    }
}

impl<S: AsyncRead + Unpin> hyper::rt::Read for HyperStream<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        mut cursor: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let length = cursor.remaining().min(this.buffer.len());
        let read =
            std::task::ready!(Pin::new(&mut this.stream).poll_read(context, &mut this.buffer[..length]))?;
        cursor.put_slice(&this.buffer[..read]);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> hyper::rt::Write for HyperStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, data)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, data)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(context)
    }
}
