//! A device whose writes are kept in memory, for trying out what would be written.

use crate::{BlockDevice, DeviceError, Durability};
use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

/// Reads as another device, except where it was written; the other device is never written.
pub struct OverlayDevice {
    below: Rc<dyn BlockDevice>,
    /// Written blocks, by offset.
    written: RefCell<BTreeMap<u64, Box<[u8]>>>,
}

impl OverlayDevice {
    /// An overlay over `below`. It takes as much memory as is written to it.
    pub fn new(below: Rc<dyn BlockDevice>) -> Self {
        Self { below, written: RefCell::default() }
    }

    /// Bytes that were written, counting those written twice once.
    pub fn written_bytes(&self) -> u64 {
        self.written.borrow().values().map(|block| block.len() as u64).sum()
    }
}

impl BlockDevice for OverlayDevice {
    fn block_size(&self) -> u32 {
        self.below.block_size()
    }

    fn capacity(&self) -> u64 {
        self.below.capacity()
    }

    fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<(), DeviceError> {
        crate::check_range(self, offset, buffer.len())?;
        let written = self.written.borrow();
        let end = offset + buffer.len() as u64;
        if written.range(offset..end).next().is_none() {
            return self.below.read(offset, buffer);
        }
        let block = self.block_size() as usize;
        for (part, at) in buffer.chunks_mut(block).zip((offset..).step_by(block)) {
            match written.get(&at) {
                Some(content) => part.copy_from_slice(content),
                None => self.below.read(at, part)?,
            }
        }
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), DeviceError> {
        crate::check_range(self, offset, data.len())?;
        let block = self.block_size() as usize;
        let mut written = self.written.borrow_mut();
        for (part, at) in data.chunks(block).zip((offset..).step_by(block)) {
            written.insert(at, part.into());
        }
        Ok(())
    }

    fn flush(&self) -> Result<(), DeviceError> {
        Ok(())
    }

    fn durability(&self) -> Durability {
        Durability::Volatile
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemoryDevice;

    #[test]
    fn what_is_written_is_read_again_and_the_device_below_stays_as_it_is() {
        let below = Rc::new(MemoryDevice::new(4096));
        below.write(512, &[1; 1024]).unwrap();
        let overlay = OverlayDevice::new(below.clone());
        overlay.write(1024, &[2; 1024]).unwrap();
        overlay.write(1024, &[3; 512]).unwrap();
        let mut bytes = [9; 4096];
        overlay.read(0, &mut bytes).unwrap();
        let blocks: Vec<u8> = bytes.chunks(512).map(|block| block[0]).collect();
        assert_eq!(blocks, [0, 1, 3, 2, 0, 0, 0, 0]);
        assert_eq!(overlay.written_bytes(), 1024);
        below.read(0, &mut bytes).unwrap();
        assert_eq!(bytes.chunks(512).map(|block| block[0]).collect::<Vec<_>>(), [0, 1, 1, 0, 0, 0, 0, 0]);
        assert!(overlay.write(4096, &[0; 512]).is_err() && overlay.read(100, &mut [0; 512]).is_err());
    }
}
