//! Reads of any byte range over a device that is read in blocks.

use crate::{
    Error, Object, OpenOptions,
    objects::{cache::Cache, page_cache::PageCache},
};
use bytes::Bytes;
use kalends_block_backend::BlockDevice;
use std::{cell::RefCell, rc::Rc};

/// A device, with the block size that the store was formatted for.
#[derive(Clone)]
pub(crate) struct Disk {
    pub(crate) device: Rc<dyn BlockDevice>,
    pub(crate) block_size: u32,
    /// Pages of the indexes of its packs.
    pub(crate) pages: Rc<PageCache>,
    /// Bases of deltas, by pack and offset there.
    pub(crate) bases: Rc<RefCell<Cache<(u32, u64), Object>>>,
}

impl Disk {
    /// A device, with caches as the options have them.
    pub(crate) fn new(device: &Rc<dyn BlockDevice>, block_size: u32, options: &OpenOptions) -> Self {
        Self {
            device: device.clone(),
            block_size,
            pages: Rc::new(PageCache::new(options.index_cache)),
            bases: Rc::new(RefCell::new(Cache::new(options.base_bounds()))),
        }
    }

    /// Reads any range.
    pub(crate) fn read(&self, offset: u64, length: usize) -> Result<Bytes, Error> {
        let block = u64::from(self.block_size);
        let start = offset / block * block;
        let beyond = || Error::Malformed(format!("{length} bytes at {offset} lie beyond the device"));
        let end = offset.checked_add(length as u64).ok_or_else(beyond)?.div_ceil(block) * block;
        if end > self.device.capacity() {
            return Err(beyond());
        }
        let mut buffer = vec![0; (end - start) as usize];
        self.device.read(start, &mut buffer)?;
        let skip = (offset - start) as usize;
        Ok(Bytes::from(buffer).slice(skip..skip + length))
    }

    /// Writes from the start of a block; the rest of the last block is filled with zeros.
    pub(crate) fn write(&self, offset: u64, data: &[u8]) -> Result<(), Error> {
        let block = self.block_size as usize;
        let whole = data.len() / block * block;
        if whole > 0 {
            self.device.write(offset, &data[..whole])?;
        }
        if whole < data.len() {
            let mut last = vec![0; block];
            last[..data.len() - whole].copy_from_slice(&data[whole..]);
            self.device.write(offset + whole as u64, &last)?;
        }
        Ok(())
    }
}
