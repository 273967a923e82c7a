//! Frames of the log: operations under one checksum, chained to the frame before.

use super::codec::Reader;
use crate::Error;
use xxhash_rust::xxh3::xxh3_128_with_seed;

/// Bytes before a frame's operations.
pub(crate) const HEADER: usize = 64;
const MAGIC: u32 = u32::from_le_bytes(*b"KLOG");
/// Where the checksum is in the header; it covers what is before it, and the operations.
const CHECKSUM: usize = 48;

/// The header of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FrameHeader {
    /// Header and operations, in bytes, without the padding to a whole block.
    pub(crate) length: u32,
    /// Counts the frames of the store.
    pub(crate) sequence: u64,
    /// The newest frame that was known to be durable when this one was made. A frame after a damaged one
    /// proves with it whether the damaged one had ever been acknowledged.
    pub(crate) flushed: u64,
    /// Drawn anew with each mount: a transaction never goes on in a frame of another session.
    pub(crate) session: u64,
    /// The low half of the previous frame's checksum.
    pub(crate) previous: u64,
    /// The segment where the log goes on when this one is full.
    pub(crate) next_segment: u32,
}

/// Writes the header into the first [`HEADER`] bytes of a frame whose operations are in place, and gives
/// the low half of the checksum.
pub(crate) fn seal(frame: &mut [u8], header: &FrameHeader, seed: u64) -> u64 {
    let mut out = Vec::with_capacity(HEADER);
    out.extend_from_slice(&MAGIC.to_le_bytes());
    out.extend_from_slice(&header.length.to_le_bytes());
    out.extend_from_slice(&header.sequence.to_le_bytes());
    out.extend_from_slice(&header.flushed.to_le_bytes());
    out.extend_from_slice(&header.session.to_le_bytes());
    out.extend_from_slice(&header.previous.to_le_bytes());
    out.extend_from_slice(&header.next_segment.to_le_bytes());
    out.resize(CHECKSUM, 0);
    frame[..CHECKSUM].copy_from_slice(&out);
    let checksum = checksum(frame, seed);
    frame[CHECKSUM..HEADER].copy_from_slice(&checksum.to_le_bytes());
    checksum as u64
}

fn checksum(frame: &[u8], seed: u64) -> u128 {
    let mut state = xxhash_rust::xxh3::Xxh3::with_seed(seed);
    state.update(&frame[..CHECKSUM]);
    state.update(&frame[HEADER..]);
    state.digest128()
}

/// Reads the frame that `bytes` start with: its header, the low half of its checksum, and its operations.
/// `None` when there is no whole frame of this store.
pub(crate) fn read(bytes: &[u8], seed: u64) -> Option<(FrameHeader, u64, &[u8])> {
    let (header, stored) = parse(bytes).ok()?;
    let frame = bytes.get(..header.length as usize)?;
    if frame.len() < HEADER || checksum(frame, seed) != stored {
        return None;
    }
    Some((header, stored as u64, &frame[HEADER..]))
}

fn parse(bytes: &[u8]) -> Result<(FrameHeader, u128), Error> {
    let mut reader = Reader::new(bytes);
    if reader.u32()? != MAGIC {
        return Err(Error::Malformed("no frame".into()));
    }
    let header = FrameHeader {
        length: reader.u32()?,
        sequence: reader.u64()?,
        flushed: reader.u64()?,
        session: reader.u64()?,
        previous: reader.u64()?,
        next_segment: reader.u32()?,
    };
    reader.u32()?;
    Ok((header, reader.u128()?))
}

/// The seed of a store's checksums.
pub(crate) fn seed(uuid: u128) -> u64 {
    xxh3_128_with_seed(&uuid.to_le_bytes(), 0) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_reads_as_written_and_any_flipped_bit_is_noticed() {
        let mut frame = vec![0; HEADER];
        frame.extend_from_slice(b"operations");
        let header = FrameHeader {
            length: frame.len() as u32,
            sequence: 5,
            flushed: 3,
            session: 8,
            previous: 6,
            next_segment: 7,
        };
        let sum = seal(&mut frame, &header, 42);
        let mut padded = frame.clone();
        padded.resize(512, 0);
        assert_eq!(read(&padded, 42), Some((header, sum, &b"operations"[..])));
        assert_eq!(read(&padded, 43), None, "another store's");
        for at in (0..frame.len()).filter(|at| !(44..48).contains(at)) {
            let mut padded = padded.clone();
            padded[at] ^= 1 << (at % 8);
            assert_eq!(read(&padded, 42), None, "byte {at}");
        }
    }
}
