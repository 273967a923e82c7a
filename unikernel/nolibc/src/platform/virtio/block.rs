//! The block device (virtio-blk).

use super::{dma::GuestMemory, transport::DeviceTransport};
use crate::platform::{Attached, Block, TransferError};
use std::cell::RefCell;
use virtio_drivers::{
    device::blk::{SECTOR_SIZE, VirtIOBlk},
    transport::Transport,
};

/// VIRTIO_BLK_F_FLUSH.
const FLUSH: u64 = 1 << 9;
/// Longest transfer in one request; a device must take as much, as no limit is negotiated.
const REQUEST: usize = 1 << 20;

/// A virtio block device.
pub struct VirtioBlock {
    device: RefCell<VirtIOBlk<GuestMemory, DeviceTransport>>,
    capacity: u64,
    flushes: bool,
}

impl VirtioBlock {
    pub(super) fn new(mut transport: DeviceTransport) -> Attached<Self> {
        let flushes = transport.read_device_features() & FLUSH != 0;
        let device = VirtIOBlk::new(transport).map_err(|error| error.to_string())?;
        if device.readonly() {
            return Err("it can only be read".into());
        }
        let capacity =
            device.capacity().checked_mul(SECTOR_SIZE as u64).ok_or("its capacity is beyond 64 bits")?;
        Ok(Self { device: RefCell::new(device), capacity, flushes })
    }
}

fn sector(offset: u64) -> usize {
    offset as usize / SECTOR_SIZE
}

impl Block for VirtioBlock {
    fn block_size(&self) -> u32 {
        SECTOR_SIZE as u32
    }

    fn capacity(&self) -> u64 {
        self.capacity
    }

    fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<(), TransferError> {
        let mut device = self.device.borrow_mut();
        for (part, at) in buffer.chunks_mut(REQUEST).zip((offset..).step_by(REQUEST)) {
            device.read_blocks(sector(at), part).map_err(|_| TransferError::Device)?;
        }
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), TransferError> {
        let mut device = self.device.borrow_mut();
        for (part, at) in data.chunks(REQUEST).zip((offset..).step_by(REQUEST)) {
            device.write_blocks(sector(at), part).map_err(|_| TransferError::Device)?;
        }
        Ok(())
    }

    fn flush(&self) -> Result<(), TransferError> {
        self.device.borrow_mut().flush().map_err(|_| TransferError::Device)
    }

    /// Without the feature the device writes through, or does not say: then nothing can be promised.
    fn can_flush(&self) -> bool {
        self.flushes
    }
}
