//! Connections from their first segment to their last.
//!
//! smoltcp has no backlog: a listening socket takes one connection, and what finds none is reset. So there
//! are no sockets that listen in stock; when a segment that opens a connection arrives, and there is room, it
//! is given a socket that listens just for it. That also keeps a repeated SYN from opening a second
//! connection with the same two ends.

use super::{core::Core, frame::Tuple};
use smoltcp::{
    iface::SocketHandle,
    socket::{
        Socket,
        tcp::{self, CongestionControl, State},
    },
    wire::IpListenEndpoint,
};
use std::{
    collections::{HashMap, VecDeque},
    time::Instant,
};

/// All connections there are, whoever has them.
#[derive(Default)]
pub(super) struct Connections {
    /// Every connection, also half-open and closed ones.
    by_tuple: HashMap<Tuple, SocketHandle>,
    /// Those whose handshake has not ended, oldest first.
    half_open: VecDeque<HalfOpen>,
    /// Those the program has let go of, oldest first.
    closing: VecDeque<Closing>,
    /// Sockets for further use: their buffers are allocated already.
    spare: Vec<tcp::Socket<'static>>,
}

struct HalfOpen {
    tuple: Tuple,
    handle: SocketHandle,
    listener: u64,
    deadline: Instant,
}

struct Closing {
    tuple: Tuple,
    handle: SocketHandle,
    deadline: Instant,
}

/// A connection about to be opened by the segment at hand.
pub(super) struct Opening {
    tuple: Tuple,
    handle: SocketHandle,
    listener: u64,
}

/// There is no room for another connection.
#[derive(Debug)]
pub(super) struct Full;

impl Core {
    /// Makes a socket for a segment that opens a connection; none when it needs none.
    pub(super) fn admit(&mut self, tuple: Tuple) -> Result<Option<Opening>, Full> {
        if let Some(handle) = self.connections.by_tuple.get(&tuple).copied() {
            // A new connection may follow an old one with the same ends before the wait is over: the peer
            // takes only an answer to its own SYN (RFC 1122 §4.2.2.13).
            let waiting = self.sockets.get::<tcp::Socket>(handle).state() == State::TimeWait;
            match self.connections.closing.iter().position(|closing| closing.handle == handle) {
                Some(position) if waiting => {
                    self.connections.closing.remove(position);
                    self.reclaim(tuple, handle);
                }
                _ => return Ok(None),
            }
        }
        if !self.interface.has_ip_addr(tuple.local.addr) {
            return Ok(None);
        }
        let Some(listener) = self.listeners.find(tuple.local) else { return Ok(None) };
        if self.connections.half_open.len() >= self.limits.half_open {
            self.drop_oldest_half_open();
        }
        self.make_room()?;
        let mut socket = self.socket();
        let local = IpListenEndpoint { addr: Some(tuple.local.addr), port: tuple.local.port };
        // Fails only for port 0, which no listener has.
        socket.listen(local).map_err(|_| Full)?;
        let handle = self.sockets.add(socket);
        self.connections.by_tuple.insert(tuple, handle);
        Ok(Some(Opening { tuple, handle, listener }))
    }

    /// Keeps the connection if the segment, now processed, has opened it.
    pub(super) fn settle(&mut self, Opening { tuple, handle, listener }: Opening) {
        if self.sockets.get::<tcp::Socket>(handle).state() == State::SynReceived {
            let deadline = self.now + self.limits.handshake;
            self.connections.half_open.push_back(HalfOpen { tuple, handle, listener, deadline });
        } else {
            self.reclaim(tuple, handle);
        }
    }

    /// A connection to another host.
    pub(super) fn open(&mut self, tuple: Tuple) -> Result<SocketHandle, tcp::ConnectError> {
        self.make_room().map_err(|_| tcp::ConnectError::InvalidState)?;
        let mut socket = self.socket();
        socket.connect(self.interface.context(), tuple.remote, tuple.local)?;
        let handle = self.sockets.add(socket);
        self.connections.by_tuple.insert(tuple, handle);
        Ok(handle)
    }

    pub(super) fn is_used(&self, tuple: &Tuple) -> bool {
        self.connections.by_tuple.contains_key(tuple)
    }

    /// Lets go of a connection: what was written is still sent, what comes is thrown away.
    pub(super) fn release(&mut self, tuple: Tuple, handle: SocketHandle) {
        let socket = self.sockets.get_mut::<tcp::Socket>(handle);
        socket.close();
        // Nobody reads any more: wakers would only keep finished tasks in memory.
        socket.register_recv_waker(std::task::Waker::noop());
        socket.register_send_waker(std::task::Waker::noop());
        let deadline = self.now + self.limits.linger;
        self.connections.closing.push_back(Closing { tuple, handle, deadline });
    }

    /// Ends a connection with a reset.
    pub(super) fn abort(&mut self, tuple: Tuple, handle: SocketHandle) {
        self.sockets.get_mut::<tcp::Socket>(handle).abort();
        self.release(tuple, handle);
    }

    /// Moves connections on that have been established, and removes those that have ended.
    pub(super) fn advance_connections(&mut self) {
        for _ in 0..self.connections.half_open.len() {
            let Some(half_open) = self.connections.half_open.pop_front() else { break };
            let HalfOpen { tuple, handle, listener, deadline } = half_open;
            match self.sockets.get::<tcp::Socket>(handle).state() {
                State::SynReceived if self.now < deadline => self.connections.half_open.push_back(half_open),
                // A reset has turned it back into a listening socket, or its time is over.
                State::SynReceived | State::Listen | State::Closed => self.reclaim(tuple, handle),
                _ => match self.listeners.push(listener, self.limits.backlog, (tuple, handle)) {
                    true => {}
                    false => self.abort(tuple, handle),
                },
            }
        }
        for _ in 0..self.connections.closing.len() {
            let Some(closing) = self.connections.closing.pop_front() else { break };
            let Closing { tuple, handle, deadline } = closing;
            let socket = self.sockets.get_mut::<tcp::Socket>(handle);
            while socket.can_recv() && socket.recv(|data| (data.len(), data.len())).is_ok_and(|read| read > 0)
            {
            }
            match socket.state() {
                // Without its ends it has nothing to send any more, not even a reset.
                State::Closed if socket.remote_endpoint().is_none() || self.now >= deadline => {
                    self.reclaim(tuple, handle);
                }
                State::Closed => self.connections.closing.push_back(closing),
                _ if self.now >= deadline => {
                    socket.abort();
                    let deadline = self.now + std::time::Duration::from_secs(1);
                    self.connections.closing.push_back(Closing { deadline, ..closing });
                }
                _ => self.connections.closing.push_back(closing),
            }
        }
    }

    /// When the next connection's time is over.
    pub(super) fn connections_due(&self) -> Option<Instant> {
        let half_open = self.connections.half_open.iter().map(|half_open| half_open.deadline);
        let closing = self.connections.closing.iter().map(|closing| closing.deadline);
        half_open.chain(closing).min()
    }

    /// Room for one more connection.
    fn make_room(&mut self) -> Result<(), Full> {
        if self.connections.by_tuple.len() < self.limits.connections {
            return Ok(());
        }
        // What has ended is worth least, then what has not begun, then what is ending.
        let ended = self.connections.closing.iter().position(|closing| {
            let state = self.sockets.get::<tcp::Socket>(closing.handle).state();
            matches!(state, State::TimeWait | State::Closed)
        });
        let position = match ended {
            Some(position) => position,
            None if self.drop_oldest_half_open() => return Ok(()),
            None => 0,
        };
        let closing = self.connections.closing.remove(position).ok_or(Full)?;
        self.reclaim(closing.tuple, closing.handle);
        Ok(())
    }

    fn drop_oldest_half_open(&mut self) -> bool {
        let Some(oldest) = self.connections.half_open.pop_front() else { return false };
        self.reclaim(oldest.tuple, oldest.handle);
        true
    }

    fn reclaim(&mut self, tuple: Tuple, handle: SocketHandle) {
        self.connections.by_tuple.remove(&tuple);
        if let Socket::Tcp(mut socket) = self.sockets.remove(handle)
            && self.connections.spare.len() < self.limits.half_open
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
