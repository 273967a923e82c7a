//! What lies where on the device.

use std::ops::Range;

/// The unit of allocation in bytes. The first one holds superblocks and secrets.
pub(crate) const SEGMENT: u64 = 1 << 20;
/// Where the two superblocks are: apart, so that no one physical sector can damage both.
pub(crate) const SUPERBLOCKS: [u64; 2] = [0, 64 << 10];
/// Bytes of a superblock.
pub(crate) const SUPERBLOCK_LENGTH: usize = 4096;
/// Where the two slots for secrets are.
pub(crate) const SECRETS: [u64; 2] = [128 << 10, 192 << 10];
/// Bytes of a slot for secrets.
pub(crate) const SECRETS_LENGTH: usize = 64 << 10;
/// The smallest device that can hold a store.
pub(crate) const MIN_CAPACITY: u64 = 8 * SEGMENT;
/// What lies beyond is not used: offsets have 48 bits.
pub(crate) const MAX_CAPACITY: u64 = 1 << 48;
/// The largest block size that the layout allows for.
pub(crate) const MAX_BLOCK_SIZE: u32 = 4096;

/// Some segments in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Extent {
    /// Number of the first segment; segment 0 starts at byte 0.
    pub(crate) first: u32,
    /// How many.
    pub(crate) count: u32,
}

impl Extent {
    /// First byte.
    pub(crate) fn offset(self) -> u64 {
        u64::from(self.first) * SEGMENT
    }

    /// Bytes.
    pub(crate) fn length(self) -> u64 {
        u64::from(self.count) * SEGMENT
    }

    pub(crate) fn segments(self) -> Range<u32> {
        self.first..self.first.saturating_add(self.count)
    }

    /// How many segments hold so many bytes.
    pub(crate) fn count_for(length: u64) -> Option<u32> {
        u32::try_from(length.div_ceil(SEGMENT)).ok()
    }
}

/// The segments that some bytes of the device lie in.
pub(crate) fn segments_of(offset: u64, length: u64) -> Range<u32> {
    let end = offset.saturating_add(length.max(1)).div_ceil(SEGMENT);
    (offset / SEGMENT) as u32..end.min(u64::from(u32::MAX)) as u32
}
