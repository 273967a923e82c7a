//! The network interface under the stack.

use kalends_nolibc::{Current, Frames, Platform, solo5::manifest::NETWORK};
use kalends_tls_frontend::stack::PacketDevice;

/// A platform's network interface as the stack wants it.
pub(crate) struct GuestInterface<F>(F);

/// The guest's network interface.
pub(crate) fn open() -> Result<GuestInterface<<Current as Platform>::Frames>, String> {
    match Current::frames(NETWORK) {
        Some(Ok(frames)) => Ok(GuestInterface(frames)),
        Some(Err(error)) => Err(format!("network interface {NETWORK}: {error}")),
        None => Err(format!("no network interface {NETWORK} is attached{}", Current::DEVICE_ADVICE)),
    }
}

impl<F: Frames> PacketDevice for GuestInterface<F> {
    fn mac(&self) -> [u8; 6] {
        self.0.mac()
    }

    fn mtu(&self) -> usize {
        self.0.mtu()
    }

    fn receive(&mut self, frame: &mut [u8]) -> Option<usize> {
        self.0.receive(frame)
    }

    fn send(&mut self, frame: &[u8]) -> bool {
        self.0.send(frame)
    }
}
