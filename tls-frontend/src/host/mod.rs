//! Host sockets: the network of the hosted program; and a tap interface for the stack of its own.
//!
//! Sockets and timers belong to the thread that they are made on, and its [`block_on`] drives them: there are
//! no threads beside it that events would have to pass through.

mod interrupt;
mod reactor;
mod socket;
mod tap;

use crate::{network::Network, timers::Sleep};
use std::{
    io,
    net::SocketAddr,
    time::{Duration, Instant},
};

pub use reactor::block_on;
pub use socket::{HostListener, HostStream};
pub use tap::{Tap, TapIdle};

/// Longest sleep that is told apart from forever.
const FOREVER: Duration = Duration::from_secs(100 * 365 * 86_400);

/// The host's sockets and clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct HostNetwork;

impl Network for HostNetwork {
    type Listener = HostListener;
    type Sleep = Sleep;

    fn listen(&self, address: SocketAddr) -> io::Result<HostListener> {
        HostListener::bind(address)
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        reactor::timers().at(Instant::now() + duration.min(FOREVER))
    }
}
