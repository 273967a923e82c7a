//! Block devices under the Kalends store.
#![doc = "See [`BlockDevice`] for the contract that every kind keeps."]

mod counting;
mod file;
mod flusher;
mod memory;
mod overlay;
mod simulated;

pub use counting::CountingDevice;
pub use file::{FileDevice, OpenError};
pub use memory::MemoryDevice;
pub use overlay::OverlayDevice;
pub use simulated::{CrashPoint, SimulatedDevice, Statistics};

use std::{fmt, future::Future, ops::Range, pin::Pin};

/// A future that resolves when a flush has ended.
pub type FlushFuture = Pin<Box<dyn Future<Output = Result<(), DeviceError>>>>;

/// What a successful [`BlockDevice::flush`] means on this device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Flushed writes survive loss of power (fdatasync, virtio-blk with FLUSH).
    Flushed,
    /// The device has no flush; a write is as durable as the host makes it (Solo5).
    HostDefined,
    /// Nothing survives the process (memory).
    Volatile,
}

/// A device of fixed capacity that is read and written in whole blocks.
///
/// Writes may be reordered, torn at block boundaries or lost until [`flush`](Self::flush) has returned
/// after them; a block itself is written wholly or not at all. Methods take `&self`: a device is used
/// from one thread, through an `Rc`.
pub trait BlockDevice {
    /// Block size in bytes: a power of two, at least 512.
    fn block_size(&self) -> u32;

    /// Capacity in bytes, a multiple of the block size.
    fn capacity(&self) -> u64;

    /// Fills `buffer` from byte `offset`. Both must be multiples of the block size.
    fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<(), DeviceError>;

    /// Writes `data` at byte `offset`. Both must be multiples of the block size.
    fn write(&self, offset: u64, data: &[u8]) -> Result<(), DeviceError>;

    /// Returns when all earlier writes are durable, in the sense of [`durability`](Self::durability).
    fn flush(&self) -> Result<(), DeviceError>;

    /// As [`flush`](Self::flush), without blocking the executor where the device can do so.
    ///
    /// It covers the writes made before this call; later writes may or may not be covered.
    fn flush_async(&self) -> FlushFuture {
        Box::pin(std::future::ready(self.flush()))
    }

    /// What a flush gives on this device.
    fn durability(&self) -> Durability;
}

/// Why a device could not do as asked.
#[derive(Debug)]
pub enum DeviceError {
    /// The range is not aligned to blocks or lies outside the device.
    OutOfRange {
        /// First byte of the range.
        offset: u64,
        /// Its length in bytes.
        length: u64,
    },
    /// The device failed.
    Io(std::io::Error),
}

impl fmt::Display for DeviceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfRange { offset, length } => {
                write!(f, "{length} bytes at offset {offset} are unaligned or outside the device")
            }
            Self::Io(error) => write!(f, "device error: {error}"),
        }
    }
}

impl std::error::Error for DeviceError {}

/// The byte range of a transfer, if it is aligned to blocks and inside the device.
fn check_range(
    device: &(impl BlockDevice + ?Sized),
    offset: u64,
    length: usize,
) -> Result<Range<usize>, DeviceError> {
    let error = DeviceError::OutOfRange { offset, length: length as u64 };
    let block = u64::from(device.block_size());
    let end = match offset.checked_add(length as u64) {
        Some(end) if end <= device.capacity() => end,
        _ => return Err(error),
    };
    if !offset.is_multiple_of(block) || !end.is_multiple_of(block) {
        return Err(error);
    }
    match (usize::try_from(offset), usize::try_from(end)) {
        (Ok(start), Ok(end)) => Ok(start..end),
        _ => Err(error),
    }
}
