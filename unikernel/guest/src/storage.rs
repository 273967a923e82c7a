//! The block device, and the store on it.

use crate::ending::Ending;
use kalends_block_backend::{BlockDevice, DeviceError, Durability};
use kalends_nolibc::{Block, Current, Platform, TransferError, exit, solo5::manifest::STORAGE};
use kalends_store::{Error, OpenOptions, Store};
use std::{io, rc::Rc};

/// A platform's block device as the store wants it.
pub(crate) struct GuestDevice<B>(pub(crate) B);

/// The guest's block device.
pub(crate) fn open() -> Result<Rc<dyn BlockDevice>, String> {
    match Current::block(STORAGE) {
        Some(Ok(block)) => Ok(Rc::new(GuestDevice(block))),
        Some(Err(error)) => Err(format!("block device {STORAGE}: {error}")),
        None => Err(format!("no block device {STORAGE} is attached{}", Current::DEVICE_ADVICE)),
    }
}

/// The store on the device; nothing is written.
pub(crate) fn open_store(device: Rc<dyn BlockDevice>, options: OpenOptions) -> Result<Store, Ending> {
    Store::open_with(device, options).map_err(|error| {
        let advice = match error {
            Error::NotAStore(_) => {
                "; nothing was written to it (on a host, `kalends fsck` tells more, and `kalends image create` \
                 makes a new device)"
            }
            Error::DamagedStore(_) => "; nothing was written to it (on a host, `kalends fsck` tells more)",
            _ => return Ending::from(format!("the block device: {error}")),
        };
        Ending { status: exit::UNUSABLE_DEVICE, reason: format!("the block device: {error}{advice}") }
    })
}

impl<B: Block> GuestDevice<B> {
    fn check(&self, offset: u64, length: usize) -> Result<(), DeviceError> {
        let block = u64::from(self.0.block_size());
        let inside = offset.checked_add(length as u64).is_some_and(|end| end <= self.0.capacity());
        if inside && offset.is_multiple_of(block) && (length as u64).is_multiple_of(block) {
            Ok(())
        } else {
            Err(DeviceError::OutOfRange { offset, length: length as u64 })
        }
    }
}

fn failed(error: TransferError) -> DeviceError {
    DeviceError::Io(io::Error::other(error))
}

impl<B: Block> BlockDevice for GuestDevice<B> {
    fn block_size(&self) -> u32 {
        self.0.block_size()
    }

    fn capacity(&self) -> u64 {
        self.0.capacity()
    }

    fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<(), DeviceError> {
        self.check(offset, buffer.len())?;
        self.0.read(offset, buffer).map_err(failed)
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), DeviceError> {
        self.check(offset, data.len())?;
        self.0.write(offset, data).map_err(failed)
    }

    fn flush(&self) -> Result<(), DeviceError> {
        self.0.flush().map_err(failed)
    }

    fn durability(&self) -> Durability {
        if self.0.can_flush() { Durability::Flushed } else { Durability::HostDefined }
    }
}
