//! What the stack stands on: a network interface, and a way to wait.

use std::{task::Waker, time::Instant};

/// One Ethernet interface below the stack.
///
/// Frames are Ethernet II without preamble and frame check sequence: destination, source, type, payload.
/// Nothing is offloaded: checksums are computed and verified by the stack.
pub trait PacketDevice {
    /// The interface's hardware address. It must be unicast and not change.
    fn mac(&self) -> [u8; 6];

    /// The longest payload of a frame in bytes, without the 14 bytes of the Ethernet header: 1500 for
    /// ordinary Ethernet. It must lie within 1280 and 9000, and not change.
    fn mtu(&self) -> usize;

    /// Takes the next frame that has arrived, and gives its length; `None` when there is none.
    ///
    /// `frame` has room for [`mtu`](Self::mtu) + 18 bytes. A longer frame is dropped by the device.
    fn receive(&mut self, frame: &mut [u8]) -> Option<usize>;

    /// Sends a frame of at most [`mtu`](Self::mtu) + 14 bytes. `false`: the device is full, try later; the
    /// stack keeps the frame, and tries again before it sends another.
    fn send(&mut self, frame: &[u8]) -> bool;
}

/// What the program does when nothing is ready.
pub trait Idle {
    /// Waits until a frame may have arrived, something has been woken, or the deadline has come. `None` is no
    /// deadline. Returning early costs a little time and is never wrong.
    fn wait(&mut self, until: Option<Instant>);

    /// A waker that ends [`wait`](Self::wait), also one that is about to begin, from another thread; `None`
    /// where there are no other threads.
    fn interrupt(&self) -> Option<Waker> {
        None
    }
}
