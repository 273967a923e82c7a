//! Connections from their first segment to their last.
//!
//! smoltcp has no backlog: a listening socket takes one connection, and what finds none is reset. So there
//! are no sockets that listen in stock; when a segment that opens a connection arrives, and there is room, it
//! is given a socket that listens just for it. That also keeps a repeated SYN from opening a second
//! connection with the same two ends.

use super::{core::Core, frame::Tuple, resting::Place};
use smoltcp::{
    socket::{
        Socket,
        tcp::{self, CongestionControl, State},
    },
    wire::IpListenEndpoint,
};
use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, Instant},
};

/// A handshake younger than this makes no room for another: its peer's answer may still be on the way.
const ROUND_TRIP: Duration = Duration::from_millis(200);

/// Sockets kept for further use.
const MOST_SPARE: usize = 32;

/// All connections there are, whoever has them.
#[derive(Default)]
pub(super) struct Connections {
    /// Every connection, also half-open and closed ones.
    pub(super) by_tuple: HashMap<Tuple, Place>,
    /// Those whose handshake has not ended, oldest first.
    half_open: VecDeque<HalfOpen>,
    /// Those the program has let go of, oldest first.
    closing: VecDeque<Closing>,
    /// Sockets for further use: their buffers are allocated already.
    spare: Vec<tcp::Socket<'static>>,
}

struct HalfOpen {
    tuple: Tuple,
    listener: u64,
    since: Instant,
}

struct Closing {
    tuple: Tuple,
    deadline: Instant,
}

/// A connection about to be opened by the segment at hand.
pub(super) struct Opening {
    tuple: Tuple,
    listener: u64,
}

/// There is no room for another connection, or the frame is one that must not be processed.
#[derive(Debug)]
pub(super) struct Refused;

impl Core {
    /// Makes a socket for a segment that opens a connection; none when it needs none.
    pub(super) fn admit(&mut self, tuple: Tuple) -> Result<Option<Opening>, Refused> {
        if let Some(socket) = self.stir(&tuple) {
            // A new connection may follow an old one with the same ends before the wait is over: the peer
            // takes only an answer to its own SYN (RFC 1122 §4.2.2.13).
            let waiting = socket.state() == State::TimeWait;
            match self.connections.closing.iter().position(|closing| closing.tuple == tuple) {
                Some(position) if waiting => {
                    self.connections.closing.remove(position);
                    self.reclaim(&tuple);
                }
                _ => return Ok(None),
            }
        }
        let Some(listener) = self.listeners.find(tuple.local) else { return Ok(None) };
        if self.connections.half_open.len() >= self.limits.half_open && !self.drop_oldest_half_open() {
            return Err(Refused);
        }
        self.make_room()?;
        let mut socket = self.socket();
        let local = IpListenEndpoint { addr: Some(tuple.local.addr), port: tuple.local.port };
        // Fails only for port 0, which no listener has.
        socket.listen(local).map_err(|_| Refused)?;
        self.keep(tuple, socket);
        Ok(Some(Opening { tuple, listener }))
    }

    /// Keeps the connection if the segment, now processed, has opened it.
    pub(super) fn settle(&mut self, Opening { tuple, listener }: Opening) {
        if self.tcp(&tuple).is_some_and(|socket| socket.state() == State::SynReceived) {
            let since = self.now;
            self.connections.half_open.push_back(HalfOpen { tuple, listener, since });
        } else {
            self.reclaim(&tuple);
        }
    }

    /// A connection to another host.
    pub(super) fn open(&mut self, tuple: Tuple) -> Result<(), tcp::ConnectError> {
        self.make_room().map_err(|_| tcp::ConnectError::InvalidState)?;
        let mut socket = self.socket();
        socket.connect(self.interface.context(), tuple.remote, tuple.local)?;
        self.keep(tuple, socket);
        Ok(())
    }

    fn keep(&mut self, tuple: Tuple, socket: tcp::Socket<'static>) {
        let place = Place { handle: self.sockets.add(socket), resting: false, used: self.now };
        self.connections.by_tuple.insert(tuple, place);
    }

    pub(super) fn is_used(&self, tuple: &Tuple) -> bool {
        self.connections.by_tuple.contains_key(tuple)
    }

    /// Lets go of a connection: what was written is still sent, what comes is thrown away.
    pub(super) fn release(&mut self, tuple: Tuple) {
        let Some(socket) = self.stir(&tuple) else { return };
        socket.close();
        // Nobody reads any more: wakers would only keep finished tasks in memory.
        socket.register_recv_waker(std::task::Waker::noop());
        socket.register_send_waker(std::task::Waker::noop());
        let deadline = self.now + self.limits.linger;
        self.connections.closing.push_back(Closing { tuple, deadline });
    }

    /// Ends a connection with a reset.
    pub(super) fn abort(&mut self, tuple: Tuple) {
        if let Some(socket) = self.tcp(&tuple) {
            socket.abort();
        }
        self.release(tuple);
    }

    /// Moves connections on that have been established, and removes those that have ended.
    pub(super) fn advance_connections(&mut self) {
        for _ in 0..self.connections.half_open.len() {
            let Some(half_open) = self.connections.half_open.pop_front() else { break };
            let HalfOpen { tuple, listener, since } = half_open;
            let Some(socket) = self.tcp(&tuple) else { continue };
            match socket.state() {
                State::SynReceived if self.now < since + self.limits.handshake => {
                    self.connections.half_open.push_back(half_open)
                }
                // A reset has turned it back into a listening socket, or its time is over.
                State::SynReceived | State::Listen | State::Closed => self.reclaim(&tuple),
                _ => match self.listeners.push(listener, self.limits.backlog, tuple) {
                    true => {}
                    false => self.abort(tuple),
                },
            }
        }
        for _ in 0..self.connections.closing.len() {
            let Some(closing) = self.connections.closing.pop_front() else { break };
            let Closing { tuple, deadline } = closing;
            let now = self.now;
            let Some(socket) = self.tcp(&tuple) else { continue };
            while socket.can_recv() && socket.recv(|data| (data.len(), data.len())).is_ok_and(|read| read > 0)
            {
            }
            match socket.state() {
                // Without its ends it has nothing to send any more, not even a reset.
                State::Closed if socket.remote_endpoint().is_none() || now >= deadline => {
                    self.reclaim(&tuple);
                }
                State::Closed => self.connections.closing.push_back(closing),
                _ if now >= deadline => {
                    socket.abort();
                    let deadline = now + Duration::from_secs(1);
                    self.connections.closing.push_back(Closing { tuple, deadline });
                }
                _ => self.connections.closing.push_back(closing),
            }
        }
    }

    /// When the next connection's time is over.
    pub(super) fn connections_due(&self) -> Option<Instant> {
        let half_open = self.connections.half_open.front().map(|oldest| oldest.since + self.limits.handshake);
        let closing = self.connections.closing.iter().map(|closing| closing.deadline).min();
        half_open.into_iter().chain(closing).min()
    }

    /// Room for one more connection.
    fn make_room(&mut self) -> Result<(), Refused> {
        if self.connections.by_tuple.len() < self.limits.connections {
            return Ok(());
        }
        // What has ended is worth least, then what has not begun, then what is ending.
        let ended = self.connections.closing.iter().position(|closing| {
            let place = self.connections.by_tuple.get(&closing.tuple);
            let state = place.map(|place| self.sockets.get::<tcp::Socket>(place.handle).state());
            matches!(state, Some(State::TimeWait | State::Closed))
        });
        let position = match ended {
            Some(position) => position,
            None if self.drop_oldest_half_open() => return Ok(()),
            None => 0,
        };
        let closing = self.connections.closing.remove(position).ok_or(Refused)?;
        self.reclaim(&closing.tuple);
        Ok(())
    }

    /// Gives up the oldest handshake, unless its peer may only be far away.
    fn drop_oldest_half_open(&mut self) -> bool {
        let now = self.now;
        let old = |oldest: &mut HalfOpen| now.saturating_duration_since(oldest.since) >= ROUND_TRIP;
        let Some(oldest) = self.connections.half_open.pop_front_if(old) else { return false };
        self.reclaim(&oldest.tuple);
        true
    }

    fn reclaim(&mut self, tuple: &Tuple) {
        let Some(place) = self.connections.by_tuple.remove(tuple) else { return };
        let set = if place.resting { &mut self.resting } else { &mut self.sockets };
        // Together with those in use they stay below the limit, and thus below the memory that it allows.
        let most = MOST_SPARE.min(self.limits.connections.saturating_sub(self.connections.by_tuple.len()));
        if let Socket::Tcp(mut socket) = set.remove(place.handle)
            && self.connections.spare.len() < most
        {
            socket.abort();
            self.connections.spare.push(socket);
        }
    }

    fn socket(&mut self) -> tcp::Socket<'static> {
        let mut socket = self.connections.spare.pop().unwrap_or_else(|| {
            let receive = tcp::SocketBuffer::new(vec![0; self.limits.receive_buffer]);
            let send = tcp::SocketBuffer::new(vec![0; self.limits.send_buffer]);
            tcp::Socket::new(receive, send)
        });
        socket.set_congestion_control(CongestionControl::Cubic);
        // Answers are written whole; waiting for more would only delay them.
        socket.set_nagle_enabled(false);
        socket.set_keep_alive(Some(self.limits.keep_alive.into()));
        socket.set_timeout(Some(self.limits.silence.into()));
        socket
    }
}
