//! Which virtio devices the machine has.

use super::{dma::GuestMemory, pci};
use crate::platform::Attached;
use virtio_drivers::transport::{
    DeviceType,
    pci::{
        PciTransport,
        bus::{DeviceFunction, PciRoot},
        virtio_device_type,
    },
};

/// The kinds that the guest uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Block,
    Network,
    Entropy,
}

impl Kind {
    fn device_type(self) -> DeviceType {
        match self {
            Self::Block => DeviceType::Block,
            Self::Network => DeviceType::Network,
            Self::Entropy => DeviceType::EntropySource,
        }
    }
}

/// A device that a driver can take.
pub(super) struct Device {
    pub(super) transport: PciTransport,
    /// Its interrupt line, for those that announce something.
    pub(super) line: Option<u8>,
}

/// The devices of one kind, in their order on bus 0, where virtual machines put them.
fn all(kind: Kind) -> Vec<DeviceFunction> {
    let root = PciRoot::new(pci::Ports);
    root.enumerate_bus(0)
        .filter(|(_, info)| virtio_device_type(info) == Some(kind.device_type()))
        .map(|(at, _)| at)
        .collect()
}

/// The only device of a kind: with two it would be left to chance which one is meant.
pub(super) fn only(kind: Kind) -> Option<Attached<Device>> {
    match all(kind)[..] {
        [] => None,
        [at] => Some(open(kind, at)),
        _ => Some(Err("the machine has more than one of its kind; leave one".into())),
    }
}

/// Any device of a kind.
pub(super) fn any(kind: Kind) -> Option<Attached<Device>> {
    all(kind).first().map(|at| open(kind, *at))
}

fn open(kind: Kind, at: DeviceFunction) -> Attached<Device> {
    let mut root = PciRoot::new(pci::Ports);
    let line = pci::enable(&mut root, at, kind == Kind::Network);
    let transport = PciTransport::new::<GuestMemory, _>(&mut root, at)
        .map_err(|error| format!("PCI device {at}: {error}"))?;
    Ok(Device { transport, line })
}
