//! Frames wherever they are on the device, and which of them are the log.

use crate::{
    disk::Disk,
    format::{
        frame::{self, FrameHeader, HEADER},
        layout::SEGMENT,
        superblock::LogPosition,
    },
    replay::Frame,
};
use bytes::{Bytes, BytesMut};
use std::collections::{HashMap, HashSet};

/// A whole frame of this store.
#[derive(Clone, Copy, Debug)]
pub(super) struct FoundFrame {
    pub(super) segment: u32,
    /// Where it begins in the segment.
    offset: u32,
    pub(super) header: FrameHeader,
    /// The low half of its checksum.
    checksum: u64,
}

impl FoundFrame {
    /// Reads it again, to be replayed.
    pub(super) fn read(&self, disk: &Disk, seed: u64) -> Option<Frame> {
        let start = u64::from(self.segment) * SEGMENT + u64::from(self.offset);
        let content = disk.read(start, self.header.length as usize).ok()?;
        let (header, _, operations) = frame::read(&content, seed)?;
        let operations = content.slice_ref(operations);
        Some(Frame { header, offset: start + HEADER as u64, operations, segment: self.segment })
    }
}

/// What was found on a device.
#[derive(Default)]
pub(super) struct LogScan {
    /// In the order in which they lie.
    pub(super) frames: Vec<FoundFrame>,
    /// Blocks that cannot be read.
    pub(super) unreadable: u64,
}

/// Reads a range of whole blocks; those that cannot be read are zeros, and are counted.
pub(super) fn read_what_can_be(disk: &Disk, offset: u64, length: usize) -> (Bytes, u64) {
    if let Ok(bytes) = disk.read(offset, length) {
        return (bytes, 0);
    }
    let block = disk.block_size as usize;
    let (mut bytes, mut unreadable) = (BytesMut::zeroed(length), 0);
    for (part, at) in bytes.chunks_mut(block).zip((offset..).step_by(block)) {
        match disk.read(at, part.len()) {
            Ok(content) => part.copy_from_slice(&content),
            Err(_) => unreadable += 1,
        }
    }
    (bytes.freeze(), unreadable)
}

/// Finds all whole frames of the store, those of segments that are free by now too.
pub(super) fn scan(disk: &Disk, seed: u64, segments: u32) -> LogScan {
    let mut scan = LogScan::default();
    for segment in 1..segments {
        let (content, unreadable) = read_what_can_be(disk, u64::from(segment) * SEGMENT, SEGMENT as usize);
        scan.unreadable += unreadable;
        let mut offset = 0;
        while offset + HEADER <= content.len() {
            match content.get(offset..).and_then(|rest| frame::read(rest, seed)) {
                Some((header, checksum, _)) => {
                    scan.frames.push(FoundFrame { segment, offset: offset as u32, header, checksum });
                    offset += (header.length as usize).next_multiple_of(disk.block_size as usize);
                }
                None => offset += disk.block_size as usize,
            }
        }
    }
    scan
}

/// Frames that link to one another, oldest first.
pub(super) type Chain = Vec<FoundFrame>;

/// The log after a position, with its gaps: chains of frames, oldest first.
///
/// A crash leaves frames that never counted, and the log goes on beside them with other frames of the same
/// numbers. So a chain counts only if something shows that it does: it begins at the position; a superblock
/// points to it; one of its frames knows that the frame before the chain had been durable; or it is of the
/// same session as a later chain that counts, since a session has one log.
pub(super) fn chains_from(frames: &[FoundFrame], start: &LogPosition, anchors: &[LogPosition]) -> Vec<Chain> {
    let mut newest_first: Vec<FoundFrame> =
        frames.iter().copied().filter(|frame| frame.header.sequence >= start.sequence).collect();
    newest_first.sort_by_key(|frame| std::cmp::Reverse(frame.header.sequence));
    let by_link: HashMap<(u64, u64), FoundFrame> =
        newest_first.iter().map(|frame| ((frame.header.sequence, frame.checksum), *frame)).collect();
    let mut taken = HashSet::new();
    let mut chains: Vec<Chain> = Vec::new();
    for last in newest_first {
        if !taken.insert((last.header.sequence, last.checksum)) {
            continue;
        }
        let mut chain = vec![last];
        let mut first = last;
        while let Some(before) = first
            .header
            .sequence
            .checked_sub(1)
            .and_then(|sequence| by_link.get(&(sequence, first.header.previous)))
        {
            if !taken.insert((before.header.sequence, before.checksum)) {
                break;
            }
            first = *before;
            chain.push(first);
        }
        chain.reverse();
        chains.push(chain);
    }
    let points_to = |chain: &Chain, position: &LogPosition| {
        chain.iter().any(|frame| {
            (frame.header.sequence, frame.header.previous) == (position.sequence, position.previous)
                || (frame.header.sequence + 1, frame.checksum) == (position.sequence, position.previous)
        })
    };
    let mut sessions = HashSet::new();
    let mut below = u64::MAX;
    let mut log = Vec::new();
    // Newest first, so that the sessions of later chains are known.
    for chain in chains {
        let (Some(first), Some(last)) = (chain.first(), chain.last()) else { continue };
        let flushed = chain.iter().map(|frame| frame.header.flushed).max().unwrap_or(0);
        let counts = points_to(&chain, start)
            || anchors.iter().any(|anchor| points_to(&chain, anchor))
            || first.header.sequence.checked_sub(1).is_some_and(|before| flushed >= before)
            || chain.iter().any(|frame| sessions.contains(&frame.header.session));
        if counts && last.header.sequence < below {
            below = first.header.sequence;
            sessions.extend(chain.iter().map(|frame| frame.header.session));
            log.push(chain);
        }
    }
    log.reverse();
    log
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(sequence: u64, checksum: u64, previous: u64, flushed: u64, session: u64) -> FoundFrame {
        let header = FrameHeader { length: 100, sequence, flushed, session, previous, next_segment: 9 };
        FoundFrame { segment: 2, offset: 0, header, checksum }
    }

    fn start() -> LogPosition {
        LogPosition { segment: 2, offset: 0, next_segment: 3, sequence: 5, previous: 4 }
    }

    fn sums(chains: &[Chain]) -> Vec<Vec<u64>> {
        chains.iter().map(|chain| chain.iter().map(|frame| frame.checksum).collect()).collect()
    }

    #[test]
    fn what_a_later_frame_proves_counts_and_what_a_crash_left_does_not() {
        // 7 is lost; 8 and 9 were made after it was durable.
        let log =
            [frame(5, 50, 4, 4, 1), frame(6, 60, 50, 5, 1), frame(8, 80, 70, 7, 1), frame(9, 90, 80, 8, 1)];
        assert_eq!(sums(&chains_from(&log, &start(), &[])), [vec![50, 60], vec![80, 90]]);
        // 8 was written together with 7, of which a crash left nothing: neither was ever acknowledged.
        let torn = [frame(5, 50, 4, 4, 1), frame(6, 60, 50, 5, 1), frame(8, 80, 70, 6, 1)];
        assert_eq!(sums(&chains_from(&torn, &start(), &[])), [vec![50, 60]]);
        // The log went on beside it, in another session, and 8 was overtaken.
        let beside = [torn.as_slice(), &[frame(7, 71, 60, 6, 2), frame(8, 81, 71, 7, 2)]].concat();
        assert_eq!(sums(&chains_from(&beside, &start(), &[])), [vec![50, 60, 71, 81]]);
    }

    #[test]
    fn a_superblock_and_a_later_frame_of_the_session_vouch_for_a_chain() {
        let log = [frame(5, 50, 4, 4, 1), frame(8, 80, 70, 6, 1)];
        let anchor = LogPosition { sequence: 9, previous: 80, ..start() };
        assert_eq!(sums(&chains_from(&log, &start(), &[anchor])), [vec![50], vec![80]]);
        let later = [log.as_slice(), &[frame(10, 100, 90, 9, 1)]].concat();
        assert_eq!(sums(&chains_from(&later, &start(), &[])), [vec![50], vec![80], vec![100]]);
    }
}
