//! A [`PacketDevice`] as smoltcp takes it.

use super::packet_device::PacketDevice;
use smoltcp::{
    phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken},
    time::Instant,
};

/// Destination, source and type.
const ETHERNET_HEADER: usize = 14;
/// A VLAN tag, which some hosts leave in.
const VLAN_TAG: usize = 4;

/// Holds one received frame for smoltcp to take, and one frame that the device had no room for.
pub(super) struct DeviceAdapter<D> {
    device: D,
    mtu: usize,
    received: Box<[u8]>,
    /// Length of the frame in `received` that smoltcp has not taken yet.
    ready: Option<usize>,
    outgoing: Box<[u8]>,
    /// Length of the frame in `outgoing` that waits for room.
    waiting: Option<usize>,
}

impl<D: PacketDevice> DeviceAdapter<D> {
    pub(super) fn new(device: D) -> Self {
        let mtu = device.mtu();
        Self {
            device,
            mtu,
            received: vec![0; mtu + ETHERNET_HEADER + VLAN_TAG].into(),
            ready: None,
            outgoing: vec![0; mtu + ETHERNET_HEADER].into(),
            waiting: None,
        }
    }

    /// Takes a frame from the device and holds it.
    pub(super) fn fill(&mut self) -> Option<&[u8]> {
        let length = self.device.receive(&mut self.received)?;
        let frame = self.received.get(..length)?;
        self.ready = Some(length);
        Some(frame)
    }

    /// Forgets the frame that is held.
    pub(super) fn discard(&mut self) {
        self.ready = None;
    }

    /// Sends what waits; `false` when it must go on waiting.
    pub(super) fn flush(&mut self) -> bool {
        if let Some(length) = self.waiting
            && let Some(frame) = self.outgoing.get(..length)
        {
            if !self.device.send(frame) {
                return false;
            }
            self.waiting = None;
        }
        true
    }

    /// The device itself.
    pub(super) fn device(&mut self) -> &mut D {
        &mut self.device
    }
}

impl<D: PacketDevice> Device for DeviceAdapter<D> {
    type RxToken<'a>
        = Received<'a>
    where
        Self: 'a;
    type TxToken<'a>
        = Outgoing<'a, D>
    where
        Self: 'a;

    fn receive(&mut self, _timestamp: Instant) -> Option<(Received<'_>, Outgoing<'_, D>)> {
        // An answer that finds the device full is lost. Were frames left lying instead, two hosts that wait
        // for each other to take some would wait forever.
        self.flush();
        let length = self.ready.take()?;
        let Self { device, received, outgoing, waiting, .. } = self;
        Some((Received(received.get(..length)?), Outgoing { device, buffer: outgoing, waiting }))
    }

    fn transmit(&mut self, _timestamp: Instant) -> Option<Outgoing<'_, D>> {
        if !self.flush() {
            return None;
        }
        let Self { device, outgoing, waiting, .. } = self;
        Some(Outgoing { device, buffer: outgoing, waiting })
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = self.mtu + ETHERNET_HEADER;
        capabilities
    }
}

/// The frame that is held.
pub(super) struct Received<'a>(&'a [u8]);

impl RxToken for Received<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        read(self.0)
    }
}

/// Room for a frame to send.
pub(super) struct Outgoing<'a, D> {
    device: &'a mut D,
    buffer: &'a mut [u8],
    waiting: &'a mut Option<usize>,
}

impl<D: PacketDevice> TxToken for Outgoing<'_, D> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, write: F) -> R {
        match self.buffer.get_mut(..length) {
            Some(frame) if self.waiting.is_none() => {
                let result = write(frame);
                if !self.device.send(frame) {
                    *self.waiting = Some(length);
                }
                result
            }
            Some(_) => write(&mut vec![0; length]),
            // smoltcp keeps to the MTU that it was told, except in an answer to a frame longer than that
            // (an echo of it). Such an answer is not sent.
            None => write(&mut vec![0; length]),
        }
    }
}
