//! Where a pack is kept that is being received: a small one in memory, a large one on the device.

use crate::{Error, extent_writer::ExtentWriter, pack::Pace};
use bytes::Bytes;

/// The bytes of a pack, as far as they have come.
pub(crate) enum PackStorage {
    /// In memory.
    Memory(Vec<u8>),
    /// On the device.
    Device(ExtentWriter),
}

impl PackStorage {
    /// Bytes so far.
    pub(crate) fn length(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::Device(extent) => extent.length(),
        }
    }

    /// Adds bytes.
    pub(crate) async fn append(&mut self, bytes: &[u8], pace: &Pace) -> Result<(), Error> {
        match self {
            Self::Memory(all) => {
                all.extend_from_slice(bytes);
                Ok(())
            }
            Self::Device(extent) => extent.append(bytes, pace).await,
        }
    }

    /// Puts other bytes in the place of the first ones.
    pub(crate) fn replace_start(&mut self, bytes: &[u8]) -> Result<(), Error> {
        match self {
            Self::Memory(all) => {
                if let Some(place) = all.get_mut(..bytes.len()) {
                    place.copy_from_slice(bytes);
                }
                Ok(())
            }
            Self::Device(extent) => extent.replace_start(bytes),
        }
    }

    /// Any bytes of it.
    pub(crate) fn read(&self, offset: u64, length: usize) -> Result<Bytes, Error> {
        match self {
            Self::Memory(bytes) => {
                let start = offset as usize;
                let part = start.checked_add(length).and_then(|end| bytes.get(start..end));
                part.map(Bytes::copy_from_slice).ok_or_else(|| Error::Malformed("pack ends early".into()))
            }
            Self::Device(extent) => extent.read(offset, length),
        }
    }
}
