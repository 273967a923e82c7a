//! Entropy from the host (virtio-rng).

use super::{
    devices::{self, Kind},
    dma::GuestMemory,
};
use virtio_drivers::device::rng::VirtIORng;

/// Fills `bytes`; says whether there is a device that did.
pub(super) fn fill(bytes: &mut [u8]) -> bool {
    let Some(Ok(transport)) = devices::any(Kind::Entropy) else { return false };
    let Ok(mut generator) = VirtIORng::<GuestMemory, _>::new(transport) else { return false };
    let mut rest = bytes;
    while !rest.is_empty() {
        match generator.request_entropy(rest) {
            Ok(length) if length > 0 => rest = rest.get_mut(length..).unwrap_or_default(),
            _ => return false,
        }
    }
    true
}
