//! A response that is made while it is sent.

use bytes::Bytes;
use futures_util::Stream;
use std::{
    cell::RefCell,
    collections::VecDeque,
    future::{Future, poll_fn},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

/// Where a protocol handler writes its response.
#[derive(Clone, Default)]
pub(crate) struct Output {
    queue: Rc<RefCell<VecDeque<Bytes>>>,
}

impl Output {
    /// Adds bytes to the response.
    pub(crate) fn push(&self, bytes: impl Into<Bytes>) {
        let bytes = bytes.into();
        if !bytes.is_empty() {
            self.queue.borrow_mut().push_back(bytes);
        }
    }

    /// Waits until the receiver has taken everything: what keeps a large response out of memory.
    pub(crate) async fn drained(&self) {
        // No waker: whoever empties the queue polls the handler next.
        poll_fn(|_| if self.queue.borrow().is_empty() { Poll::Ready(()) } else { Poll::Pending }).await;
    }
}

/// The bytes of a response, as a stream. The handler behind it runs only while the stream is polled, and
/// ends when it is dropped.
pub struct Reply {
    output: Output,
    handler: Option<Pin<Box<dyn Future<Output = ()>>>>,
}

impl Reply {
    /// The response that `handler` writes.
    pub(crate) fn new<F: Future<Output = ()> + 'static>(handler: impl FnOnce(Output) -> F) -> Self {
        let output = Output::default();
        let handler: Pin<Box<dyn Future<Output = ()>>> = Box::pin(handler(output.clone()));
        Self { output, handler: Some(handler) }
    }
}

impl Stream for Reply {
    type Item = Bytes;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        loop {
            if let Some(bytes) = self.output.queue.borrow_mut().pop_front() {
                return Poll::Ready(Some(bytes));
            }
            let Some(handler) = &mut self.handler else { return Poll::Ready(None) };
            match handler.as_mut().poll(context) {
                Poll::Ready(()) => self.handler = None,
                Poll::Pending if self.output.queue.borrow().is_empty() => return Poll::Pending,
                Poll::Pending => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::{FutureExt, StreamExt};

    #[test]
    fn a_slow_receiver_holds_the_sender_back() {
        let made = Rc::new(RefCell::new(0));
        let count = made.clone();
        let mut reply = Reply::new(|output| async move {
            for _ in 0..1000 {
                *count.borrow_mut() += 1;
                output.push(vec![0; 100]);
                output.drained().await;
            }
        });
        for taken in 1..=10 {
            assert!(reply.next().now_or_never().unwrap().is_some());
            assert_eq!(*made.borrow(), taken);
        }
    }
}
