//! The block device: `pread` and `pwrite`, one block a call as the filter demands.

use super::system_call;
use crate::{
    platform::{Block, TransferError},
    solo5::manifest::Entry,
};
use std::ffi::c_int;

/// A file or block device that the tender opened.
pub struct SptBlock {
    descriptor: c_int,
    capacity: u64,
    block_size: u32,
}

impl SptBlock {
    pub(super) fn new(entry: Entry) -> Self {
        let (capacity, block_size) = entry.block();
        Self { descriptor: entry.descriptor(), capacity, block_size }
    }
}

impl Block for SptBlock {
    fn block_size(&self) -> u32 {
        self.block_size
    }

    fn capacity(&self) -> u64 {
        self.capacity
    }

    fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<(), TransferError> {
        let size = self.block_size as usize;
        for (block, at) in buffer.chunks_exact_mut(size).zip((offset..).step_by(size)) {
            whole(system_call::read_at(self.descriptor, block, at), size)?;
        }
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), TransferError> {
        let size = self.block_size as usize;
        for (block, at) in data.chunks_exact(size).zip((offset..).step_by(size)) {
            whole(system_call::write_at(self.descriptor, block, at), size)?;
        }
        Ok(())
    }

    fn flush(&self) -> Result<(), TransferError> {
        Ok(())
    }

    fn can_flush(&self) -> bool {
        false
    }
}

fn whole(result: isize, size: usize) -> Result<(), TransferError> {
    match usize::try_from(result) {
        Ok(transferred) if transferred == size => Ok(()),
        Ok(_) => Err(TransferError::Short),
        Err(_) => Err(TransferError::Host(-(result as i64))),
    }
}
