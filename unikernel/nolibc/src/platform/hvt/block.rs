//! The block device, by hypercall.

use super::hypercall::{self, Outcome};
use crate::{
    platform::{Block, TransferError},
    solo5::manifest::Entry,
};

/// A file or block device that the tender opened.
pub struct HvtBlock {
    handle: u64,
    capacity: u64,
    block_size: u32,
}

impl HvtBlock {
    pub(super) fn new(handle: u64, entry: Entry) -> Self {
        let (capacity, block_size) = entry.block();
        Self { handle, capacity, block_size }
    }
}

impl Block for HvtBlock {
    fn block_size(&self) -> u32 {
        self.block_size
    }

    fn capacity(&self) -> u64 {
        self.capacity
    }

    /// The interface promises single blocks only, but tenders take any number: one exit instead of many.
    fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<(), TransferError> {
        match hypercall::read_block(self.handle, offset, buffer) {
            Outcome::Done => Ok(()),
            outcome if buffer.len() <= self.block_size as usize => Err(failure(outcome)),
            _ => {
                let size = self.block_size as usize;
                for (block, at) in buffer.chunks_exact_mut(size).zip((offset..).step_by(size)) {
                    done(hypercall::read_block(self.handle, at, block))?;
                }
                Ok(())
            }
        }
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), TransferError> {
        match hypercall::write_block(self.handle, offset, data) {
            Outcome::Done => Ok(()),
            outcome if data.len() <= self.block_size as usize => Err(failure(outcome)),
            _ => {
                let size = self.block_size as usize;
                for (block, at) in data.chunks_exact(size).zip((offset..).step_by(size)) {
                    done(hypercall::write_block(self.handle, at, block))?;
                }
                Ok(())
            }
        }
    }

    fn flush(&self) -> Result<(), TransferError> {
        Ok(())
    }

    fn can_flush(&self) -> bool {
        false
    }
}

fn done(outcome: Outcome) -> Result<(), TransferError> {
    match outcome {
        Outcome::Done => Ok(()),
        other => Err(failure(other)),
    }
}

fn failure(outcome: Outcome) -> TransferError {
    match outcome {
        Outcome::Failed(number) => TransferError::Host(number.into()),
        _ => TransferError::Device,
    }
}
