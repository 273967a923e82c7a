//! Timers for futures.

use crate::clock::Clock;
use std::{
    collections::{BTreeMap, btree_map::Entry},
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::Instant,
};

/// The timers that are waited for, soonest first.
#[derive(Clone, Debug)]
pub(crate) struct Timers {
    queue: Arc<Mutex<Queue>>,
    clock: Clock,
}

#[derive(Debug, Default)]
struct Queue {
    /// The number tells timers of the same instant apart.
    wakers: BTreeMap<(Instant, u64), Waker>,
    next: u64,
}

impl Timers {
    pub(crate) fn new(clock: Clock) -> Self {
        Self { queue: Arc::default(), clock }
    }

    /// A future that resolves at `deadline`.
    pub(crate) fn at(&self, deadline: Instant) -> Sleep {
        Sleep { timers: self.clone(), deadline, number: None }
    }

    /// Wakes whoever's time has come, and says when the next one's does.
    pub(crate) fn fire(&self, now: Instant) -> Option<Instant> {
        loop {
            let mut queue = self.lock();
            let first = queue.wakers.first_entry()?;
            if first.key().0 > now {
                return Some(first.key().0);
            }
            let waker = first.remove();
            // A waker may run anything, which may set a timer.
            drop(queue);
            waker.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A timer of a network.
#[derive(Debug)]
pub struct Sleep {
    timers: Timers,
    deadline: Instant,
    /// Its number in the queue, once it has been polled.
    number: Option<u64>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.timers.clock.now() >= self.deadline {
            return Poll::Ready(());
        }
        let mut queue = self.timers.lock();
        let number = self.number.unwrap_or_else(|| {
            queue.next += 1;
            queue.next
        });
        match queue.wakers.entry((self.deadline, number)) {
            Entry::Occupied(entry) if entry.get().will_wake(context.waker()) => {}
            Entry::Occupied(mut entry) => entry.get_mut().clone_from(context.waker()),
            Entry::Vacant(entry) => drop(entry.insert(context.waker().clone())),
        }
        drop(queue);
        self.number = Some(number);
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            let waker = self.timers.lock().wakers.remove(&(self.deadline, number));
            drop(waker);
        }
    }
}
