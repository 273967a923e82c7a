//! A device in memory.

use crate::{BlockDevice, DeviceError, Durability};
use std::cell::RefCell;

/// A device that lives in memory and ends with the process.
pub struct MemoryDevice {
    bytes: RefCell<Vec<u8>>,
}

impl MemoryDevice {
    /// A device of `capacity` bytes, rounded down to whole 512-byte blocks, all zero.
    pub fn new(capacity: usize) -> Self {
        Self { bytes: RefCell::new(vec![0; capacity / 512 * 512]) }
    }
}

impl BlockDevice for MemoryDevice {
    fn block_size(&self) -> u32 {
        512
    }

    fn capacity(&self) -> u64 {
        self.bytes.borrow().len() as u64
    }

    fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<(), DeviceError> {
        let range = crate::check_range(self, offset, buffer.len())?;
        buffer.copy_from_slice(&self.bytes.borrow()[range]);
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), DeviceError> {
        let range = crate::check_range(self, offset, data.len())?;
        self.bytes.borrow_mut()[range].copy_from_slice(data);
        Ok(())
    }

    fn flush(&self) -> Result<(), DeviceError> {
        Ok(())
    }

    fn durability(&self) -> Durability {
        Durability::Volatile
    }
}
