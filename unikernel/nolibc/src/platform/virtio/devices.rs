//! Which virtio devices the machine has.

use super::{
    boot, command_line, dma::GuestMemory, interrupts, io_apic, mmio::MmioDevice, pci,
    transport::DeviceTransport,
};
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

/// Where a device is.
#[derive(Clone, Copy)]
enum Place {
    Pci(DeviceFunction),
    Mmio(MmioDevice),
}

/// The devices of one kind: those that the command line names, then those on PCI bus 0, where virtual machines
/// put them.
fn all(kind: Kind) -> Vec<Place> {
    let kind = kind.device_type();
    let registers = boot::device_registers();
    let is_device = |device: &MmioDevice| {
        let place = device.registers();
        registers.start <= place.start && place.end <= registers.end && device.device_type() == Some(kind)
    };
    let named = command_line::devices().filter(is_device).map(Place::Mmio);
    let mut places: Vec<_> = named.collect();
    if command_line::has_pci() {
        let root = PciRoot::new(pci::Ports);
        let found = root.enumerate_bus(0).filter(|(_, info)| virtio_device_type(info) == Some(kind));
        places.extend(found.map(|(at, _)| Place::Pci(at)));
    }
    places
}

/// The only device of a kind: with two it would be left to chance which one is meant.
pub(super) fn only(kind: Kind) -> Option<Attached<DeviceTransport>> {
    match all(kind)[..] {
        [] => None,
        [place] => Some(open(kind, place)),
        _ => Some(Err("the machine has more than one of its kind; leave one".into())),
    }
}

/// Any device of a kind.
pub(super) fn any(kind: Kind) -> Option<Attached<DeviceTransport>> {
    all(kind).first().map(|place| open(kind, *place))
}

/// Opens a device; that of the network will end waits.
fn open(kind: Kind, place: Place) -> Attached<DeviceTransport> {
    let announces = kind == Kind::Network;
    Ok(match place {
        Place::Mmio(device) => {
            let transport = device.open()?;
            if announces && !io_apic::add_line(device.line) {
                interrupts::poll();
            }
            DeviceTransport::new(transport, None)
        }
        Place::Pci(at) => {
            let mut root = PciRoot::new(pci::Ports);
            pci::enable(&mut root, at);
            let transport = PciTransport::new::<GuestMemory, _>(&mut root, at)
                .map_err(|error| format!("PCI device {at}: {error}"))?;
            let messages = if announces { pci::enable_messages(&mut root, at) } else { None };
            if announces && messages.is_none() {
                match pci::enable_line(&mut root, at) {
                    Some(line) => interrupts::add_line(line),
                    None => interrupts::poll(),
                }
            }
            DeviceTransport::new(transport, messages)
        }
    })
}
