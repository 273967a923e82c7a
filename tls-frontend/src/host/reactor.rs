//! What wakes the futures of one thread: its sockets, its timers, other threads.
//!
//! Linux tells of each socket once when it becomes ready (`EPOLLET`), so that a socket costs one call to
//! register it, and none to wait for it again, whatever is waited for.

use super::interrupt::Interrupt;
use crate::{clock::Clock, signal::Signal, timers::Timers};
use rustix::{
    buffer::spare_capacity,
    event::{
        Timespec,
        epoll::{self, CreateFlags, Event, EventData, EventFlags},
    },
    fd::{AsFd, AsRawFd, OwnedFd},
};
use std::{
    cell::{Cell, OnceCell, RefCell},
    future::Future,
    io,
    pin::pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

/// Events that are taken at once.
const EVENTS: usize = 256;
/// Longest wait; a later timer is looked at again after it.
const LONGEST: Duration = Duration::from_secs(3600);
/// What the interrupt's events say instead of a socket's descriptor.
const INTERRUPT: u64 = u64::MAX;

thread_local! {
    static TIMERS: Timers = Timers::new(Clock::default());
    static REACTOR: OnceCell<Rc<Reactor>> = const { OnceCell::new() };
}

/// The timers of this thread.
pub(super) fn timers() -> Timers {
    TIMERS.with(Timers::clone)
}

/// The sockets of a thread.
pub(super) struct Reactor {
    epoll: OwnedFd,
    interrupt: Arc<Interrupt>,
    /// By descriptor.
    sockets: RefCell<Vec<Option<Rc<Readiness>>>>,
}

/// What is known of a socket, and who waits for it.
pub(super) struct Readiness {
    /// Whether there may be something to read; if not, an event is going to tell.
    pub(super) readable: Cell<bool>,
    /// Whether there may be room to write into; if not, an event is going to tell.
    pub(super) writable: Cell<bool>,
    /// Whether the peer writes no more: no event is going to tell of the end behind what is left to read.
    pub(super) ended: Cell<bool>,
    pub(super) reader: RefCell<Option<Waker>>,
    pub(super) writer: RefCell<Option<Waker>>,
}

impl Reactor {
    /// This thread's.
    ///
    /// # Errors
    /// When the process has no descriptors left.
    pub(super) fn current() -> io::Result<Rc<Self>> {
        REACTOR.with(|cell| {
            if let Some(reactor) = cell.get() {
                return Ok(reactor.clone());
            }
            let reactor = Rc::new(Self::new()?);
            Ok(cell.get_or_init(|| reactor).clone())
        })
    }

    fn new() -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let interrupt = Arc::new(Interrupt::new()?);
        // Each time that it is woken is an event, so that it need not be reset.
        epoll::add(&epoll, &*interrupt, EventData::new_u64(INTERRUPT), EventFlags::IN | EventFlags::ET)?;
        Ok(Self { epoll, interrupt, sockets: RefCell::default() })
    }

    /// Begins to tell of a socket, until [`Self::forget`].
    ///
    /// # Errors
    /// Those of `epoll_ctl`.
    pub(super) fn register(&self, socket: &(impl AsFd + AsRawFd)) -> io::Result<Rc<Readiness>> {
        let descriptor = socket.as_raw_fd().unsigned_abs();
        let flags = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        epoll::add(&self.epoll, socket, EventData::new_u64(descriptor.into()), flags)?;
        let readiness = Rc::new(Readiness {
            readable: Cell::new(true),
            writable: Cell::new(true),
            ended: Cell::new(false),
            reader: RefCell::default(),
            writer: RefCell::default(),
        });
        let mut sockets = self.sockets.borrow_mut();
        let index = descriptor as usize;
        if sockets.len() <= index {
            sockets.resize(index + 1, None);
        }
        sockets[index] = Some(readiness.clone());
        Ok(readiness)
    }

    /// Stops telling of a socket that is about to be closed, with which it leaves epoll.
    pub(super) fn forget(&self, socket: &impl AsRawFd) {
        let index = socket.as_raw_fd().unsigned_abs() as usize;
        let forgotten = self.sockets.borrow_mut().get_mut(index).and_then(Option::take);
        drop(forgotten);
    }

    /// Waits for events, at most until `until` and not at all if `immediately`, and wakes who waits for them.
    fn wait(&self, events: &mut Vec<Event>, until: Option<Instant>, immediately: bool) {
        let limit = match until {
            _ if immediately => Duration::ZERO,
            Some(until) => until.saturating_duration_since(Instant::now()).min(LONGEST),
            None => LONGEST,
        };
        // Whole milliseconds, upwards: a timer that is early would be looked at over and over.
        let milliseconds = limit.as_micros().div_ceil(1000) as i64;
        let timeout =
            Timespec { tv_sec: milliseconds / 1000, tv_nsec: (milliseconds % 1000 * 1_000_000) as _ };
        events.clear();
        // A signal may end the wait early, which is never wrong.
        let _ = epoll::wait(&self.epoll, spare_capacity(events), Some(&timeout));
        for event in events.iter() {
            let index = event.data.u64();
            if index == INTERRUPT {
                continue;
            }
            let socket = self.sockets.borrow().get(index as usize).cloned().flatten();
            // It may have been closed since, and another may have its descriptor, which then looks in vain.
            let Some(socket) = socket else { continue };
            let ends = EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR;
            // The fields of the event are not aligned.
            let flags = event.flags;
            if flags.intersects(ends) {
                socket.ended.set(true);
            }
            if flags.intersects(ends | EventFlags::IN) {
                socket.readable.set(true);
                wake(&socket.reader);
            }
            if flags.intersects(EventFlags::HUP | EventFlags::ERR | EventFlags::OUT) {
                socket.writable.set(true);
                wake(&socket.writer);
            }
        }
    }
}

fn wake(waker: &RefCell<Option<Waker>>) {
    let waker = waker.borrow_mut().take();
    waker.into_iter().for_each(Waker::wake);
}

/// Keeps who waits; whoever waited before has given up.
pub(super) fn remember(place: &RefCell<Option<Waker>>, context: &Context<'_>) {
    let mut place = place.borrow_mut();
    match &mut *place {
        Some(waker) => waker.clone_from(context.waker()),
        None => *place = Some(context.waker().clone()),
    }
}

/// Runs a future to its end on this thread, with its sockets and timers.
///
/// # Panics
/// When the process has no descriptors left to wait by.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    let reactor = Reactor::current().expect("there are descriptors to wait by");
    let timers = timers();
    let signal = Arc::new(Signal::new(Some(reactor.interrupt.clone().into())));
    let waker = Waker::from(signal.clone());
    let mut context = Context::from_waker(&waker);
    let mut events = Vec::with_capacity(EVENTS);
    let mut future = pin!(future);
    loop {
        if signal.take()
            && let Poll::Ready(value) = future.as_mut().poll(&mut context)
        {
            return value;
        }
        let until = timers.fire(Instant::now());
        signal.wait(|woken| reactor.wait(&mut events, until, woken));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_thread_wakes_the_loop_again_and_again() {
        let (sender, receiver) = std::sync::mpsc::channel::<Waker>();
        let thread = std::thread::spawn(move || receiver.into_iter().for_each(Waker::wake));
        let (mut sender, mut left) = (Some(sender), 1000);
        block_on(std::future::poll_fn(|context| {
            if left == 0 {
                return Poll::Ready(());
            }
            left -= 1;
            sender.as_ref().unwrap().send(context.waker().clone()).unwrap();
            Poll::Pending
        }));
        sender = None;
        assert!(sender.is_none());
        thread.join().unwrap();
    }

    #[test]
    fn timers_end_in_their_order_and_not_early() {
        let start = Instant::now();
        let order = RefCell::new(Vec::new());
        let sleep = async |milliseconds: u64| {
            timers().at(start + Duration::from_millis(milliseconds)).await;
            assert!(start.elapsed() >= Duration::from_millis(milliseconds));
            order.borrow_mut().push(milliseconds);
        };
        block_on(futures_util::future::join3(sleep(30), sleep(1), sleep(10)));
        assert_eq!(order.take(), [1, 10, 30]);
    }

    #[test]
    fn a_loop_runs_within_another() {
        let sleep = |milliseconds| timers().at(Instant::now() + Duration::from_millis(milliseconds));
        block_on(async {
            sleep(1).await;
            block_on(sleep(2));
            sleep(1).await;
        });
    }
}
