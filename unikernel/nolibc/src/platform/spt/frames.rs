//! The network interface: reads and writes of a tap device's descriptor.

use super::system_call;
use crate::{platform::Frames, solo5::manifest::Entry};
use std::ffi::c_int;

const TRY_AGAIN: isize = -11;
/// What Linux gives an interface when nothing says otherwise.
const DEFAULT_MTU: usize = 1500;

/// A tap device that the tender opened.
pub struct SptFrames {
    descriptor: c_int,
    mac: [u8; 6],
    mtu: usize,
}

impl SptFrames {
    pub(super) fn new(entry: Entry) -> Self {
        let (mac, mtu) = entry.network();
        // A tender that was handed an open descriptor cannot ask for the MTU, and says all ones or zero.
        let mtu = if (68..=9000).contains(&mtu) { mtu } else { DEFAULT_MTU };
        Self { descriptor: entry.descriptor(), mac, mtu }
    }
}

impl Frames for SptFrames {
    fn mac(&self) -> [u8; 6] {
        self.mac
    }

    fn mtu(&self) -> usize {
        self.mtu
    }

    fn receive(&mut self, frame: &mut [u8]) -> Option<usize> {
        let length = usize::try_from(system_call::read(self.descriptor, frame)).ok()?;
        (length > 0).then_some(length)
    }

    fn send(&mut self, frame: &[u8]) -> bool {
        // A frame that the host refuses for another reason is lost, as frames are.
        system_call::write(self.descriptor, frame) != TRY_AGAIN
    }
}
