//! Reading the log: from a position on, until the first frame that is not whole.

use crate::{
    Error,
    disk::Disk,
    format::{
        frame::{self, FrameHeader, HEADER},
        layout::{SEGMENT, SUPERBLOCK_LENGTH},
        superblock::LogPosition,
    },
};
use bytes::Bytes;
use std::collections::VecDeque;

/// Segments held at once.
const LOADED: usize = 2;

/// One frame found in the log.
pub(crate) struct Frame {
    pub(crate) header: FrameHeader,
    /// Where its operations start on the device.
    pub(crate) offset: u64,
    pub(crate) operations: Bytes,
    pub(crate) segment: u32,
}

/// How the log ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LogEnd {
    /// As it should, perhaps with frames that a crash left incomplete.
    Clean,
    /// A frame that had been acknowledged is damaged: a later one proves it.
    Damaged {
        /// Where the damaged frame starts.
        offset: u64,
        /// Its number.
        sequence: u64,
        /// The number of the later frame.
        proof: u64,
    },
}

/// Walks the frames of a log.
pub(crate) struct LogReader<'a> {
    disk: &'a Disk,
    seed: u64,
    segments: u32,
    position: LogPosition,
    /// The ends of the segments at hand, from an offset on: the end of a log is looked for in two.
    loaded: VecDeque<(u32, u32, Bytes)>,
    bytes: u64,
}

impl<'a> LogReader<'a> {
    /// Starts at a position of a store with so many segments.
    pub(crate) fn new(disk: &'a Disk, seed: u64, segments: u32, position: LogPosition) -> Self {
        Self { disk, seed, segments, position, loaded: VecDeque::new(), bytes: 0 }
    }

    /// After the last whole frame.
    pub(crate) fn position(&self) -> LogPosition {
        self.position
    }

    /// Bytes of the frames read.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The next whole frame of the chain.
    pub(crate) fn next(&mut self) -> Result<Option<Frame>, Error> {
        let here = self.position;
        if let Some(frame) = self.frame_at(here.segment, here.offset)? {
            return Ok(Some(frame));
        }
        self.frame_at(here.next_segment, 0)
    }

    fn frame_at(&mut self, segment: u32, offset: u32) -> Result<Option<Frame>, Error> {
        if u64::from(offset) + HEADER as u64 > SEGMENT || segment == 0 || segment >= self.segments {
            return Ok(None);
        }
        let content = self.load(segment, offset)?;
        let Some((header, checksum, operations)) = frame::read(&content, self.seed) else {
            return Ok(None);
        };
        let expected = self.position;
        if header.sequence != expected.sequence || header.previous != expected.previous {
            return Ok(None);
        }
        let operations = content.slice_ref(operations);
        let length = header.length.next_multiple_of(self.disk.block_size);
        self.bytes += u64::from(length);
        self.position = LogPosition {
            segment,
            offset: offset + length,
            next_segment: header.next_segment,
            sequence: header.sequence + 1,
            previous: checksum,
        };
        let start = u64::from(segment) * SEGMENT + u64::from(offset) + HEADER as u64;
        Ok(Some(Frame { header, offset: start, operations, segment }))
    }

    /// The rest of a segment from an offset on: what is before it may be unreadable by now.
    fn load(&mut self, segment: u32, offset: u32) -> Result<Bytes, Error> {
        let known = self.loaded.iter().find(|(number, from, _)| *number == segment && *from <= offset);
        if let Some((_, from, content)) = known {
            return Ok(content.slice((offset - from) as usize..));
        }
        let start = u64::from(segment) * SEGMENT + u64::from(offset);
        let content = self.disk.read(start, SEGMENT as usize - offset as usize)?;
        self.loaded.truncate(LOADED - 1);
        self.loaded.push_front((segment, offset, content.clone()));
        Ok(content)
    }

    /// Looks beyond the end of the log for frames which prove that something acknowledged is missing.
    pub(crate) fn end(&mut self) -> Result<LogEnd, Error> {
        let here = self.position;
        let mut segment = here.segment;
        let mut offset = here.offset;
        let mut next = here.next_segment;
        for _ in 0..2 {
            let (start, content) = (offset, self.load(segment, offset)?);
            while u64::from(offset) + HEADER as u64 <= SEGMENT {
                let rest = content.get((offset - start) as usize..);
                match rest.and_then(|bytes| frame::read(bytes, self.seed)) {
                    Some((header, _, _)) if header.flushed >= here.sequence => {
                        return Ok(LogEnd::Damaged {
                            offset: u64::from(here.segment) * SEGMENT + u64::from(here.offset),
                            sequence: here.sequence,
                            proof: header.sequence,
                        });
                    }
                    Some((header, _, _)) => {
                        if header.sequence >= here.sequence {
                            next = header.next_segment;
                        }
                        offset += header.length.next_multiple_of(self.disk.block_size);
                    }
                    None => offset += self.disk.block_size,
                }
            }
            if next == 0 || next >= self.segments {
                break;
            }
            (segment, offset) = (next, 0);
        }
        Ok(LogEnd::Clean)
    }
}

/// The number of segments of a device.
pub(crate) fn segments(capacity: u64) -> u32 {
    debug_assert!(SUPERBLOCK_LENGTH as u64 <= SEGMENT);
    u32::try_from(capacity / SEGMENT).unwrap_or(u32::MAX)
}
