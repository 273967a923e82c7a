//! Superblocks: where the newest checkpoint is, and where the log goes on from it.

use super::{
    codec::Reader,
    layout::{Extent, MAX_BLOCK_SIZE, MAX_CAPACITY, MIN_CAPACITY, SEGMENT, SUPERBLOCK_LENGTH},
};
use crate::Error;
use xxhash_rust::xxh3::xxh3_64;

/// First bytes of a superblock, in every version.
pub(crate) const MAGIC: [u8; 8] = *b"KALENDS\0";
/// The format version of a device that this program writes, and the only one that it reads.
pub const VERSION: u32 = 1;

/// A place in the log between two frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LogPosition {
    /// The segment that is being filled.
    pub(crate) segment: u32,
    /// Where in it the next frame begins, if it fits; in bytes.
    pub(crate) offset: u32,
    /// The segment where the log goes on when this one is full.
    pub(crate) next_segment: u32,
    /// The number of the next frame.
    pub(crate) sequence: u64,
    /// Checksum of the frame before.
    pub(crate) previous: u64,
}

/// Where a checkpoint is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CheckpointPlace {
    /// Its segments.
    pub(crate) extent: Extent,
    /// Its bytes.
    pub(crate) length: u64,
    /// xxh3-64 of its bytes.
    pub(crate) checksum: u64,
}

/// The content of a superblock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Superblock {
    /// Made when the device was formatted; part of every checksum in the log.
    pub(crate) uuid: u128,
    /// What writes are aligned to, in bytes.
    pub(crate) block_size: u32,
    /// Bytes of the device that the store uses.
    pub(crate) capacity: u64,
    /// Counts the checkpoints; the greater of the two superblocks is valid.
    pub(crate) generation: u64,
    pub(crate) checkpoint: CheckpointPlace,
    /// Where the log goes on from the checkpoint.
    pub(crate) log: LogPosition,
}

/// Why bytes are not a superblock that this program can use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SuperblockError {
    /// No superblock was ever here.
    Absent,
    /// It is damaged or was written in part only.
    Damaged,
    /// It has another format version.
    Version(u32),
    /// Its values make no sense, although its checksum is right.
    Invalid(&'static str),
}

impl Superblock {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(SUPERBLOCK_LENGTH);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&self.block_size.to_le_bytes());
        out.extend_from_slice(&self.uuid.to_le_bytes());
        out.extend_from_slice(&self.capacity.to_le_bytes());
        out.extend_from_slice(&self.generation.to_le_bytes());
        out.extend_from_slice(&self.checkpoint.extent.first.to_le_bytes());
        out.extend_from_slice(&self.checkpoint.extent.count.to_le_bytes());
        out.extend_from_slice(&self.checkpoint.length.to_le_bytes());
        out.extend_from_slice(&self.checkpoint.checksum.to_le_bytes());
        out.extend_from_slice(&self.log.segment.to_le_bytes());
        out.extend_from_slice(&self.log.offset.to_le_bytes());
        out.extend_from_slice(&self.log.sequence.to_le_bytes());
        out.extend_from_slice(&self.log.previous.to_le_bytes());
        out.extend_from_slice(&self.log.next_segment.to_le_bytes());
        out.resize(SUPERBLOCK_LENGTH - 8, 0);
        let checksum = xxh3_64(&out);
        out.extend_from_slice(&checksum.to_le_bytes());
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, SuperblockError> {
        if bytes.len() != SUPERBLOCK_LENGTH || !bytes.starts_with(&MAGIC) {
            return Err(SuperblockError::Absent);
        }
        let (body, checksum) = bytes.split_at(SUPERBLOCK_LENGTH - 8);
        if xxh3_64(body).to_le_bytes() != checksum {
            return Err(SuperblockError::Damaged);
        }
        let mut reader = Reader::new(&body[MAGIC.len()..]);
        let decode = |reader: &mut Reader<'_>| -> Result<(u32, Self), Error> {
            let version = reader.u32()?;
            let superblock = Self {
                block_size: reader.u32()?,
                uuid: reader.u128()?,
                capacity: reader.u64()?,
                generation: reader.u64()?,
                checkpoint: CheckpointPlace {
                    extent: Extent { first: reader.u32()?, count: reader.u32()? },
                    length: reader.u64()?,
                    checksum: reader.u64()?,
                },
                log: LogPosition {
                    segment: reader.u32()?,
                    offset: reader.u32()?,
                    sequence: reader.u64()?,
                    previous: reader.u64()?,
                    next_segment: reader.u32()?,
                },
            };
            Ok((version, superblock))
        };
        let (version, superblock) = decode(&mut reader).map_err(|_| SuperblockError::Damaged)?;
        if version != VERSION {
            return Err(SuperblockError::Version(version));
        }
        superblock.validate().map_err(SuperblockError::Invalid)?;
        Ok(superblock)
    }

    fn validate(&self) -> Result<(), &'static str> {
        let inside = |first: u32, count: u32| {
            first > 0
                && count > 0
                && (u64::from(first) + u64::from(count)).saturating_mul(SEGMENT) <= self.capacity
        };
        if !self.block_size.is_power_of_two() || !(512..=MAX_BLOCK_SIZE).contains(&self.block_size) {
            return Err("block size");
        }
        if !(MIN_CAPACITY..=MAX_CAPACITY).contains(&self.capacity) {
            return Err("capacity");
        }
        let checkpoint = &self.checkpoint;
        if !inside(checkpoint.extent.first, checkpoint.extent.count)
            || checkpoint.length > checkpoint.extent.length()
        {
            return Err("place of the checkpoint");
        }
        if !self.log.offset.is_multiple_of(self.block_size)
            || u64::from(self.log.offset) > SEGMENT
            || !inside(self.log.segment, 1)
            || !inside(self.log.next_segment, 1)
        {
            return Err("place of the log");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Superblock {
        Superblock {
            uuid: 0x1234_5678_9abc_def0_1122_3344_5566_7788,
            block_size: 512,
            capacity: 64 << 20,
            generation: 9,
            checkpoint: CheckpointPlace {
                extent: Extent { first: 3, count: 2 },
                length: 1_500_000,
                checksum: 77,
            },
            log: LogPosition { segment: 9, offset: 1024, next_segment: 11, sequence: 1234, previous: 99 },
        }
    }

    #[test]
    fn a_superblock_reads_as_written_and_any_flipped_bit_is_noticed() {
        let bytes = example().encode();
        assert_eq!(Superblock::decode(&bytes), Ok(example()));
        for at in 0..bytes.len() {
            let mut bytes = bytes.clone();
            bytes[at] ^= 1 << (at % 8);
            let expected = if at < 8 { SuperblockError::Absent } else { SuperblockError::Damaged };
            assert_eq!(Superblock::decode(&bytes), Err(expected), "byte {at}");
        }
    }

    #[test]
    fn values_that_make_no_sense_are_refused() {
        let mut far = example();
        far.checkpoint.extent.first = 63;
        assert_eq!(
            Superblock::decode(&far.encode()),
            Err(SuperblockError::Invalid("place of the checkpoint"))
        );
        let mut unaligned = example();
        unaligned.log.offset += 100;
        assert_eq!(
            Superblock::decode(&unaligned.encode()),
            Err(SuperblockError::Invalid("place of the log"))
        );
        let odd = Superblock { block_size: 700, ..example() };
        assert_eq!(Superblock::decode(&odd.encode()), Err(SuperblockError::Invalid("block size")));
    }
}
