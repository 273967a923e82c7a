//! Requests one after the other, or on many connections side by side.

use super::{Address, Request, connection::Connection};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::{
    io,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

/// Why there is no number.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Failure {
    /// A request took longer than this.
    Unfinished(Duration),
    /// Not asked, since too much before it took too long.
    LeftOut,
    /// What the server answered instead, or what broke.
    Refused(String),
}

impl Failure {
    pub(crate) fn new(error: &io::Error, limit: Duration) -> Self {
        match error.kind() {
            io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => Self::Unfinished(limit),
            _ => Self::Refused(error.to_string()),
        }
    }
}

/// How long and how often one kind of request is made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    /// Time after which no further one begins, unless there are fewer than three, or the first took longer.
    pub(crate) budget: Duration,
    /// The most.
    pub(crate) samples: usize,
    /// The longest that one may take.
    pub(crate) limit: Duration,
    /// The longest that the first may take, for which servers make their indexes.
    pub(crate) first_limit: Duration,
}

/// What each request took.
pub(crate) type Samples = Result<Vec<Duration>, Failure>;

/// Times a request again and again, each as `ask` measures it within the limit that it is given. The first
/// warms the caches and is not counted.
pub(crate) fn one_after_another(
    load: &Load,
    mut ask: impl FnMut(Duration) -> Result<Duration, Failure>,
) -> Samples {
    let warm = ask(load.first_limit)?;
    // Where one takes so long, three would not tell more.
    let least = if warm > load.budget { 1 } else { 3 };
    let end = Instant::now() + load.budget;
    let mut times = Vec::new();
    while times.len() < least || (times.len() < load.samples && Instant::now() < end) {
        times.push(ask(load.limit)?);
    }
    Ok(times)
}

/// As [`one_after_another`], of several that are compared: they take turns, so that what else the machine does
/// meanwhile meets all of them. One that fails is asked no more.
pub(crate) fn in_turn(
    load: &Load,
    count: usize,
    mut ask: impl FnMut(usize, Duration) -> Result<Duration, Failure>,
) -> Vec<Samples> {
    // However long one takes: of a comparison, one sample each tells nothing.
    const LEAST: usize = 3;
    let mut all: Vec<Samples> =
        (0..count).map(|one| ask(one, load.first_limit).map(|_| Vec::new())).collect();
    let end = Instant::now() + load.budget * count as u32;
    let mut rounds = 0;
    while rounds < LEAST || (rounds < load.samples && Instant::now() < end) {
        for (one, samples) in all.iter_mut().enumerate() {
            let Ok(times) = samples else { continue };
            match ask(one, load.limit) {
                Ok(time) => times.push(time),
                Err(failure) => *samples = Err(failure),
            }
        }
        rounds += 1;
    }
    all
}

/// Sends the requests in turn, on so many connections side by side, and gives the number that were answered in
/// a second. After the budget no further one begins. Every answer must have one of the statuses, or be 423: a
/// server that refuses what comes side by side does not get it counted. Requests and answers have to be small:
/// they go in one piece, and nothing waits for the rest of one.
pub(crate) fn side_by_side(
    address: &Address,
    connections: usize,
    requests: &[Request],
    statuses: &[u16],
    load: &Load,
) -> Result<f64, Failure> {
    let failure = |error: io::Error| Failure::new(&error, load.limit);
    let timeout = Timespec::try_from(load.limit).map_err(|error| Failure::Refused(error.to_string()))?;
    let (mut begun, mut answered, mut body) = (0, 0, Vec::new());
    let start = Instant::now();
    let mut next = || {
        let more = begun < load.samples && start.elapsed() < load.budget;
        begun += usize::from(more);
        more.then(|| &requests[(begun - 1) % requests.len()])
    };
    // Each has a request under way.
    let mut busy: Vec<Connection> = Vec::new();
    loop {
        while busy.len() < connections
            && let Some(request) = next()
        {
            let mut connection = address.connect(load.limit).map_err(failure)?;
            connection.send(request).map_err(failure)?;
            busy.push(connection);
        }
        if busy.is_empty() {
            return Ok(answered as f64 / start.elapsed().as_secs_f64());
        }
        let sockets = busy.iter().map(|connection| PollFd::new(connection.socket(), PollFlags::IN));
        let mut polled: Vec<_> = sockets.collect();
        if poll(&mut polled, Some(&timeout)).map_err(|error| failure(error.into()))? == 0 {
            return Err(Failure::Unfinished(load.limit));
        }
        let ready: Vec<bool> = polled.iter().map(|one| !one.revents().is_empty()).collect();
        let mut going_on = Vec::with_capacity(connections);
        for (mut connection, ready) in busy.drain(..).zip(ready) {
            if ready {
                let status = connection.receive(&mut body).map_err(failure)?;
                match status {
                    423 => {}
                    status if statuses.contains(&status) => answered += 1,
                    status => return Err(Failure::Refused(format!("status {status}"))),
                }
                match if connection.is_closed() { None } else { next() } {
                    Some(request) => connection.send(request).map_err(failure)?,
                    // Another takes its place, if there is more to ask.
                    None => continue,
                }
            }
            going_on.push(connection);
        }
        busy = going_on;
    }
}

/// Connections a second, each with a request, by four clients side by side.
///
/// # Errors
/// When the server does not answer, or does not resume nearly all sessions that it should.
pub(crate) fn connect_again_and_again(
    address: &Address,
    request: &Request,
    load: &Load,
) -> Result<f64, Failure> {
    let start = Instant::now();
    let (count, resumed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        let work = || {
            let mut body = Vec::new();
            while start.elapsed() < load.budget {
                let failure = |error| Failure::new(&error, load.limit);
                let mut connection = address.connect(load.limit).map_err(failure)?;
                connection.exchange(request, &mut body).map_err(failure)?;
                count.fetch_add(1, Ordering::Relaxed);
                resumed.fetch_add(connection.is_resumed().into(), Ordering::Relaxed);
            }
            Ok(())
        };
        let workers: Vec<_> = (0..4).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("a worker does not panic"))
    })?;
    let (elapsed, count) = (start.elapsed().as_secs_f64(), count.into_inner() as f64);
    let share = resumed.into_inner() as f64 / count;
    match address.resumption && address.tls.is_some() && share < 0.9 {
        true => Err(Failure::Refused(format!("{:.0} % of the sessions are resumed", share * 100.0))),
        false => Ok(count / elapsed),
    }
}
