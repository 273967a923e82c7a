//! Request bodies that must keep coming.

use crate::{BodyError, Limits, Network};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use std::{
    cell::Cell,
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

/// A request body that errors when its peer stalls, or sends slower than the limits allow on the whole.
pub(crate) struct PacedBody<N: Network> {
    body: Incoming,
    network: N,
    stall: Duration,
    rate: u64,
    grace: Duration,
    started: Option<Instant>,
    received: u64,
    sleep: Option<N::Sleep>,
}

impl<N: Network> PacedBody<N> {
    pub(crate) fn new(body: Incoming, network: N, limits: &Limits) -> Self {
        Self {
            body,
            network,
            stall: limits.body_stall,
            rate: limits.body_rate,
            grace: limits.body_grace,
            started: None,
            received: 0,
            sleep: None,
        }
    }
}

impl<N: Network> Body for PacedBody<N> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        let started = *this.started.get_or_insert_with(Instant::now);
        match Pin::new(&mut this.body).poll_frame(context) {
            Poll::Ready(frame) => {
                this.sleep = None;
                if let Some(Ok(frame)) = &frame {
                    this.received += frame.data_ref().map_or(0, |data| data.len() as u64);
                    let elapsed = started.elapsed();
                    if elapsed > this.grace && this.received / elapsed.as_secs().max(1) < this.rate {
                        return Poll::Ready(Some(Err(slow())));
                    }
                }
                Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
            }
            Poll::Pending => {
                let sleep = this.sleep.get_or_insert_with(|| this.network.sleep(this.stall));
                match Future::poll(Pin::new(sleep), context) {
                    Poll::Ready(()) => Poll::Ready(Some(Err(slow()))),
                    Poll::Pending => Poll::Pending,
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A request body that comes back to the server when the handler drops it.
pub(crate) struct ReturnedBody<N: Network> {
    body: Option<PacedBody<N>>,
    left: Rc<Cell<Option<PacedBody<N>>>>,
}

impl<N: Network> ReturnedBody<N> {
    /// A body that goes to `left` when dropped.
    pub(crate) fn new(body: PacedBody<N>, left: Rc<Cell<Option<PacedBody<N>>>>) -> Self {
        Self { body: Some(body), left }
    }
}

impl<N: Network> Body for ReturnedBody<N> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut self.body {
            Some(body) => Pin::new(body).poll_frame(context),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map(Body::size_hint).unwrap_or_default()
    }
}

impl<N: Network> Drop for ReturnedBody<N> {
    fn drop(&mut self) {
        self.left.set(self.body.take());
    }
}

/// Reads what is left of a body, if that is at most `limit` bytes; gives up on a body that is longer.
pub(crate) async fn read_rest<N: Network>(mut body: PacedBody<N>, limit: u64) {
    let mut room = limit;
    while !body.is_end_stream() && body.size_hint().lower() <= room {
        match std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
            Some(Ok(frame)) => {
                let length = frame.data_ref().map_or(0, |data| data.len() as u64);
                match room.checked_sub(length) {
                    Some(left) => room = left,
                    None => return,
                }
            }
            Some(Err(_)) | None => return,
        }
    }
}

fn slow() -> BodyError {
    io::Error::new(io::ErrorKind::TimedOut, "the request body comes too slowly").into()
}
