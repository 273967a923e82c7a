//! A device's transport, whichever it is; over PCI its queues announce by messages (MSI-X) where they can.

use super::pci::QueueMessages;
use virtio_drivers::{
    PhysAddr, Result,
    transport::{DeviceStatus, DeviceType, InterruptStatus, SomeTransport, Transport},
};
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// A transport for drivers.
pub(super) struct DeviceTransport {
    transport: SomeTransport<'static>,
    messages: Option<QueueMessages>,
}

impl DeviceTransport {
    pub(super) fn new(transport: impl Into<SomeTransport<'static>>, messages: Option<QueueMessages>) -> Self {
        Self { transport: transport.into(), messages }
    }
}

impl Transport for DeviceTransport {
    fn device_type(&self) -> DeviceType {
        self.transport.device_type()
    }

    fn read_device_features(&mut self) -> u64 {
        self.transport.read_device_features()
    }

    fn write_driver_features(&mut self, driver_features: u64) {
        self.transport.write_driver_features(driver_features);
    }

    fn max_queue_size(&mut self, queue: u16) -> u32 {
        self.transport.max_queue_size(queue)
    }

    fn notify(&mut self, queue: u16) {
        self.transport.notify(queue);
    }

    fn get_status(&self) -> DeviceStatus {
        self.transport.get_status()
    }

    fn set_status(&mut self, status: DeviceStatus) {
        self.transport.set_status(status);
    }

    fn set_guest_page_size(&mut self, guest_page_size: u32) {
        self.transport.set_guest_page_size(guest_page_size);
    }

    fn requires_legacy_layout(&self) -> bool {
        self.transport.requires_legacy_layout()
    }

    fn queue_set(
        &mut self,
        queue: u16,
        size: u32,
        descriptors: PhysAddr,
        driver_area: PhysAddr,
        device_area: PhysAddr,
    ) {
        // Before the queue is enabled (4.1.5.1.3).
        if let Some(messages) = &self.messages {
            messages.announce(queue);
        }
        self.transport.queue_set(queue, size, descriptors, driver_area, device_area);
    }

    fn queue_unset(&mut self, queue: u16) {
        self.transport.queue_unset(queue);
    }

    fn queue_used(&mut self, queue: u16) -> bool {
        self.transport.queue_used(queue)
    }

    /// Messages need no acknowledgement, and the register that gives it may be slow to read.
    fn ack_interrupt(&mut self) -> InterruptStatus {
        match self.messages {
            Some(_) => InterruptStatus::empty(),
            None => self.transport.ack_interrupt(),
        }
    }

    fn read_config_generation(&self) -> u32 {
        self.transport.read_config_generation()
    }

    fn read_config_space<T: FromBytes + IntoBytes>(&self, offset: usize) -> Result<T> {
        self.transport.read_config_space(offset)
    }

    fn write_config_space<T: IntoBytes + Immutable>(&mut self, offset: usize, value: T) -> Result<()> {
        self.transport.write_config_space(offset, value)
    }
}
