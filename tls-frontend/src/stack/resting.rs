//! Connections at rest.
//!
//! smoltcp walks all its sockets for every frame and whenever it is asked to send. Most connections of a
//! server have nothing to do most of the time; so those that have had nothing to do for a second lie in a set
//! of their own, which is walked once a second. A segment, or the program, brings one back.

use super::{core::Core, device_adapter::DeviceAdapter, frame::Tuple, packet_device::PacketDevice};
use smoltcp::{
    iface::{PollResult, SocketHandle},
    socket::{
        Socket,
        tcp::{self, State},
    },
};
use std::time::{Duration, Instant};

/// Time with nothing to do after which a connection rests, and time between two walks through those that do.
/// Keep-alive and silence are late by this much at most.
const REST: Duration = Duration::from_secs(1);

/// Where a connection is.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) handle: SocketHandle,
    pub(super) resting: bool,
    /// When it last had something to do.
    pub(super) used: Instant,
}

impl Core {
    /// The connection with these ends.
    pub(super) fn tcp(&mut self, tuple: &Tuple) -> Option<&mut tcp::Socket<'static>> {
        let place = self.connections.by_tuple.get(tuple)?;
        let set = if place.resting { &mut self.resting } else { &mut self.sockets };
        Some(set.get_mut(place.handle))
    }

    /// The same, brought back from its rest.
    pub(super) fn stir(&mut self, tuple: &Tuple) -> Option<&mut tcp::Socket<'static>> {
        let place = self.connections.by_tuple.get_mut(tuple)?;
        place.used = self.now;
        if place.resting
            && let Socket::Tcp(socket) = self.resting.remove(place.handle)
        {
            place.handle = self.sockets.add(socket);
            place.resting = false;
        }
        Some(self.sockets.get_mut(place.handle))
    }

    /// Lets connections rest, and those that do send what is due. Gives the instant of the next walk.
    pub(super) fn rest<D: PacketDevice>(&mut self, adapter: &mut DeviceAdapter<D>) -> Option<Instant> {
        if self.connections.by_tuple.is_empty() {
            return None;
        }
        if self.now >= self.next_rest {
            let timestamp = self.timestamp(self.now);
            // A resting connection sends one segment at most: a keep-alive or a reset.
            for _ in 0..2 {
                if self.interface.poll_egress(timestamp, adapter, &mut self.resting) == PollResult::None {
                    break;
                }
            }
            for place in self.connections.by_tuple.values_mut() {
                if place.resting || self.now < place.used + REST {
                    continue;
                }
                let socket = self.sockets.get::<tcp::Socket>(place.handle);
                let at_rest = matches!(socket.state(), State::Established | State::CloseWait);
                if at_rest
                    && socket.send_queue() == 0
                    && let Socket::Tcp(socket) = self.sockets.remove(place.handle)
                {
                    place.handle = self.resting.add(socket);
                    place.resting = true;
                }
            }
            self.next_rest = self.now + REST;
        }
        Some(self.next_rest)
    }
}
