//! One password hash at a time, in the order of arrival.

use super::throttle::Source;
use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    future::Future,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

/// The most that may wait: at some 20 ms for a hash, the last waits about a second.
const MAX_WAITING: usize = 64;

/// The most that may wait from one address.
const MAX_WAITING_PER_SOURCE: usize = 16;

/// Lets one through at a time. Between two, the executor runs everything else that is ready.
#[derive(Default)]
pub(super) struct Turnstile {
    taken: Cell<bool>,
    waiting: RefCell<VecDeque<Rc<Waiter>>>,
}

struct Waiter {
    source: Source,
    called: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

/// Too many wait already.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Full;

impl Turnstile {
    /// Waits for one's turn, which lasts until the result is dropped.
    pub(super) async fn enter(&self, source: Source) -> Result<Turn<'_>, Full> {
        if !self.taken.replace(true) {
            return Ok(Turn { turnstile: self });
        }
        let waiter = {
            let mut waiting = self.waiting.borrow_mut();
            let same = waiting.iter().filter(|waiter| waiter.source == source).count();
            if waiting.len() >= MAX_WAITING || same >= MAX_WAITING_PER_SOURCE {
                return Err(Full);
            }
            let waiter = Rc::new(Waiter { source, called: Cell::new(false), waker: RefCell::new(None) });
            waiting.push_back(waiter.clone());
            waiter
        };
        Ok(Waiting { turnstile: self, waiter, entered: false }.await)
    }

    fn call_next(&self) {
        let next = self.waiting.borrow_mut().pop_front();
        match next {
            Some(next) => {
                next.called.set(true);
                if let Some(waker) = next.waker.take() {
                    waker.wake();
                }
            }
            None => self.taken.set(false),
        }
    }
}

/// A place in the queue.
struct Waiting<'t> {
    turnstile: &'t Turnstile,
    waiter: Rc<Waiter>,
    entered: bool,
}

impl<'t> Future for Waiting<'t> {
    type Output = Turn<'t>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Turn<'t>> {
        if self.waiter.called.get() {
            self.entered = true;
            return Poll::Ready(Turn { turnstile: self.turnstile });
        }
        *self.waiter.waker.borrow_mut() = Some(context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Waiting<'_> {
    /// Whoever gives up (a closed connection) leaves the queue, or passes the turn on.
    fn drop(&mut self) {
        if self.entered {
            return;
        }
        if self.waiter.called.get() {
            self.turnstile.call_next();
        } else {
            self.turnstile.waiting.borrow_mut().retain(|waiter| !Rc::ptr_eq(waiter, &self.waiter));
        }
    }
}

/// A turn; ends when dropped.
pub(super) struct Turn<'t> {
    turnstile: &'t Turnstile,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.turnstile.call_next();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use std::net::{IpAddr, Ipv4Addr};

    fn source(n: u8) -> Source {
        Source::Address(IpAddr::V4(Ipv4Addr::new(192, 0, 2, n)))
    }

    fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
        future.poll_unpin(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn turns_come_in_order_and_one_at_a_time() {
        let turnstile = Turnstile::default();
        let first = turnstile.enter(source(1)).now_or_never().unwrap().unwrap();
        let mut second = Box::pin(turnstile.enter(source(2)));
        let mut third = Box::pin(turnstile.enter(source(3)));
        assert!(poll(&mut second).is_pending() && poll(&mut third).is_pending());
        drop(first);
        assert!(poll(&mut third).is_pending(), "the second was first");
        let Poll::Ready(Ok(turn)) = poll(&mut second) else { panic!("the second's turn") };
        assert!(poll(&mut third).is_pending());
        drop(turn);
        assert!(matches!(poll(&mut third), Poll::Ready(Ok(_))));
        drop((second, third));
        assert!(turnstile.enter(source(1)).now_or_never().is_some(), "free again");
    }

    #[test]
    fn who_gives_up_holds_nobody_up() {
        let turnstile = Turnstile::default();
        let first = turnstile.enter(source(1)).now_or_never().unwrap().unwrap();
        let mut waiting: Vec<_> = (0..4).map(|n| Box::pin(turnstile.enter(source(n)))).collect();
        for waiter in &mut waiting {
            assert!(poll(waiter).is_pending());
        }
        let mut last = waiting.pop().unwrap();
        drop(waiting.remove(0));
        drop(first);
        drop(waiting.remove(0)); // called, but never came
        drop(waiting);
        assert!(matches!(poll(&mut last), Poll::Ready(Ok(_))));
    }

    #[test]
    fn the_queue_is_bounded_overall_and_for_each_address() {
        let turnstile = Turnstile::default();
        let _first = turnstile.enter(source(0)).now_or_never().unwrap().unwrap();
        let mut waiting = Vec::new();
        for peer in 1..=5 {
            for _ in 0..MAX_WAITING_PER_SOURCE {
                let mut waiter = Box::pin(turnstile.enter(source(peer)));
                match poll(&mut waiter) {
                    Poll::Pending => waiting.push(waiter),
                    Poll::Ready(result) => assert!(matches!(result, Err(Full)) && peer == 5),
                }
            }
            if peer < 5 {
                assert!(matches!(poll(&mut Box::pin(turnstile.enter(source(peer)))), Poll::Ready(Err(Full))));
            }
        }
        assert_eq!(waiting.len(), MAX_WAITING);
    }
}
