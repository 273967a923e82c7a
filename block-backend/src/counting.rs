//! A device that counts what is done to it, for tests and measurements.

use crate::{BlockDevice, DeviceError, Durability, FlushFuture};
use std::{cell::Cell, rc::Rc};

/// Passes everything on to another device, and counts it.
pub struct CountingDevice {
    below: Rc<dyn BlockDevice>,
    read: Cell<u64>,
    written: Cell<u64>,
    flushes: Cell<u64>,
}

impl CountingDevice {
    /// Counts from here on.
    pub fn new(below: Rc<dyn BlockDevice>) -> Self {
        Self { below, read: Cell::new(0), written: Cell::new(0), flushes: Cell::new(0) }
    }

    /// Bytes that were asked for.
    pub fn read_bytes(&self) -> u64 {
        self.read.get()
    }

    /// Bytes that were written, those written twice twice.
    pub fn written_bytes(&self) -> u64 {
        self.written.get()
    }

    /// Flushes that were begun.
    pub fn flushes(&self) -> u64 {
        self.flushes.get()
    }

    fn count(counter: &Cell<u64>, more: usize) {
        counter.set(counter.get() + more as u64);
    }
}

impl BlockDevice for CountingDevice {
    fn block_size(&self) -> u32 {
        self.below.block_size()
    }

    fn capacity(&self) -> u64 {
        self.below.capacity()
    }

    fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<(), DeviceError> {
        Self::count(&self.read, buffer.len());
        self.below.read(offset, buffer)
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), DeviceError> {
        Self::count(&self.written, data.len());
        self.below.write(offset, data)
    }

    fn flush(&self) -> Result<(), DeviceError> {
        Self::count(&self.flushes, 1);
        self.below.flush()
    }

    fn flush_async(&self) -> FlushFuture {
        Self::count(&self.flushes, 1);
        self.below.flush_async()
    }

    fn durability(&self) -> Durability {
        self.below.durability()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemoryDevice;

    #[test]
    fn what_is_done_is_passed_on_and_counted() {
        let device = CountingDevice::new(Rc::new(MemoryDevice::new(1 << 20)));
        device.write(512, &[7; 1024]).unwrap();
        let mut block = [0; 512];
        device.read(1024, &mut block).unwrap();
        device.flush().unwrap();
        assert_eq!(block, [7; 512]);
        assert_eq!((device.read_bytes(), device.written_bytes(), device.flushes()), (512, 1024, 1));
    }
}
