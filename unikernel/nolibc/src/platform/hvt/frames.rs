//! The network interface, by hypercall.

use super::hypercall::{self, Outcome};
use crate::{platform::Frames, solo5::manifest::Entry};

/// What Linux gives an interface when nothing says otherwise.
const DEFAULT_MTU: usize = 1500;

/// A tap device that the tender opened.
pub struct HvtFrames {
    handle: u64,
    mac: [u8; 6],
    mtu: usize,
}

impl HvtFrames {
    pub(super) fn new(handle: u64, entry: Entry) -> Self {
        let (mac, mtu) = entry.network();
        // A tender that was handed an open descriptor cannot ask for the MTU, and says all ones or zero.
        let mtu = if (68..=9000).contains(&mtu) { mtu } else { DEFAULT_MTU };
        Self { handle, mac, mtu }
    }
}

impl Frames for HvtFrames {
    fn mac(&self) -> [u8; 6] {
        self.mac
    }

    fn mtu(&self) -> usize {
        self.mtu
    }

    fn receive(&mut self, frame: &mut [u8]) -> Option<usize> {
        hypercall::read_frame(self.handle, frame)
    }

    fn send(&mut self, frame: &[u8]) -> bool {
        hypercall::write_frame(self.handle, frame) != Outcome::TryAgain
    }
}
