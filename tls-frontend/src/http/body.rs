//! Request bodies that must keep coming.

use crate::{BodyError, Limits, Network};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use std::{
    io,
    pin::Pin,
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

fn slow() -> BodyError {
    io::Error::new(io::ErrorKind::TimedOut, "the request body comes too slowly").into()
}
