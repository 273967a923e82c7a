//! The end of the log: where operations are gathered into frames.

use crate::format::{
    frame::{self, FrameHeader, HEADER},
    layout::SEGMENT,
    operation::OBJECT_HEADER,
    superblock::LogPosition,
};
use bytes::Bytes;
use std::collections::VecDeque;

/// The largest operation that fits into a frame.
pub(crate) const MAX_OPERATION: usize = SEGMENT as usize - HEADER;

/// Whether an object whose entry has so many bytes does not fit into a frame, and is in an extent of its own.
pub(crate) fn is_large(entry: usize) -> bool {
    OBJECT_HEADER + entry > MAX_OPERATION
}

/// A frame that waits to be written.
#[derive(Clone)]
pub(crate) struct SealedFrame {
    pub(crate) offset: u64,
    /// Padded to whole blocks.
    pub(crate) bytes: Bytes,
    pub(crate) sequence: u64,
}

/// Gathers operations into frames at their places on the device; writing them is the caller's.
pub(crate) struct Log {
    seed: u64,
    block_size: usize,
    session: u64,
    /// Where the open frame starts.
    position: LogPosition,
    /// The open frame: room for its header, then operations.
    open: Vec<u8>,
    sealed: VecDeque<SealedFrame>,
    /// The newest frame known to be durable.
    flushed: u64,
    /// Bytes of frames since the last checkpoint.
    since_checkpoint: u64,
}

impl Log {
    /// Goes on at a position. `session` is a number never used before with this store.
    pub(crate) fn new(
        position: LogPosition,
        seed: u64,
        block_size: u32,
        session: u64,
        since_checkpoint: u64,
    ) -> Self {
        Self {
            seed,
            block_size: block_size as usize,
            session,
            position,
            open: vec![0; HEADER],
            sealed: VecDeque::new(),
            flushed: position.sequence.saturating_sub(1),
            since_checkpoint,
        }
    }

    /// How many segments beyond the current one operations of these sizes need.
    pub(crate) fn segments_needed(&self, sizes: impl Iterator<Item = usize>) -> u32 {
        let mut room = self.room();
        let mut segments = 0;
        for size in sizes {
            if size > room {
                segments += 1;
                room = MAX_OPERATION;
            }
            room = room.saturating_sub(size);
        }
        segments
    }

    /// Appends an operation of at most [`MAX_OPERATION`] bytes and gives its place on the device.
    ///
    /// `spare` are the segments that [`segments_needed`](Self::segments_needed) asked for; each becomes
    /// the one after the next, so that every frame can tell where the log goes on.
    pub(crate) fn append(&mut self, operation: &[u8], spare: &mut impl Iterator<Item = u32>) -> u64 {
        if operation.len() > self.room() {
            self.seal();
            self.position.segment = self.position.next_segment;
            self.position.offset = 0;
            self.position.next_segment = spare.next().expect("as many segments as were asked for");
        }
        let offset = self.end();
        self.open.extend_from_slice(operation);
        offset
    }

    /// Bytes of operations that the open frame still takes.
    fn room(&self) -> usize {
        (SEGMENT as usize - self.position.offset as usize).saturating_sub(self.open.len())
    }

    /// Where the open frame starts on the device.
    fn open_offset(&self) -> u64 {
        u64::from(self.position.segment) * SEGMENT + u64::from(self.position.offset)
    }

    /// Closes the open frame, if anything is in it, so that it can be written.
    pub(crate) fn seal(&mut self) {
        if self.open.len() == HEADER {
            return;
        }
        let offset = self.open_offset();
        let mut frame = std::mem::replace(&mut self.open, vec![0; HEADER]);
        let header = FrameHeader {
            length: frame.len() as u32,
            sequence: self.position.sequence,
            flushed: self.flushed,
            session: self.session,
            previous: self.position.previous,
            next_segment: self.position.next_segment,
        };
        self.position.previous = frame::seal(&mut frame, &header, self.seed);
        frame.resize(frame.len().next_multiple_of(self.block_size), 0);
        self.position.offset += frame.len() as u32;
        self.position.sequence += 1;
        self.since_checkpoint += frame.len() as u64;
        self.sealed.push_back(SealedFrame { offset, bytes: frame.into(), sequence: header.sequence });
    }

    /// Where the next operation will be on the device, if it fits into the open frame.
    pub(crate) fn end(&self) -> u64 {
        self.open_offset() + self.open.len() as u64
    }

    /// Where the log goes on, after what is sealed.
    pub(crate) fn position(&self) -> LogPosition {
        self.position
    }

    /// The newest sealed frame.
    pub(crate) fn last_sealed(&self) -> u64 {
        self.position.sequence.saturating_sub(1)
    }

    /// Whether the open frame has operations.
    pub(crate) fn has_open(&self) -> bool {
        self.open.len() > HEADER
    }

    /// The sealed frames up to a number, which have to be written.
    pub(crate) fn sealed(&self, up_to: u64) -> impl Iterator<Item = &SealedFrame> {
        self.sealed.iter().take_while(move |frame| frame.sequence <= up_to)
    }

    /// The frames up to a number are durable.
    pub(crate) fn set_flushed(&mut self, up_to: u64) {
        self.flushed = self.flushed.max(up_to);
        while self.sealed.front().is_some_and(|frame| frame.sequence <= up_to) {
            self.sealed.pop_front();
        }
    }

    /// Bytes of the log since the last checkpoint.
    pub(crate) fn since_checkpoint(&self) -> u64 {
        self.since_checkpoint
    }

    /// A checkpoint of the position has been made.
    pub(crate) fn restart_count(&mut self) {
        self.since_checkpoint = 0;
    }

    /// Bytes that are not on the device yet.
    pub(crate) fn read(&self, offset: u64, length: usize) -> Option<Bytes> {
        let part = |start: u64, bytes: &[u8]| {
            let at = usize::try_from(offset.checked_sub(start)?).ok()?;
            let end = at.checked_add(length)?;
            (end <= bytes.len()).then_some(at..end)
        };
        if let Some(range) = part(self.open_offset(), &self.open) {
            return Some(Bytes::copy_from_slice(&self.open[range]));
        }
        self.sealed.iter().find_map(|frame| Some(frame.bytes.slice(part(frame.offset, &frame.bytes)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log() -> Log {
        let position = LogPosition { segment: 1, offset: 0, next_segment: 2, sequence: 1, previous: 0 };
        Log::new(position, 7, 512, 1, 0)
    }

    #[test]
    fn operations_are_readable_before_and_after_their_frame_is_sealed() {
        let mut log = log();
        let place = log.append(b"operation", &mut std::iter::empty());
        assert_eq!(place, SEGMENT + HEADER as u64);
        assert_eq!(log.read(place, 9).unwrap(), "operation");
        log.seal();
        assert_eq!(log.read(place, 9).unwrap(), "operation");
        assert_eq!(log.position().offset, 512);
        log.set_flushed(1);
        assert_eq!(log.read(place, 9), None, "now on the device");
    }

    #[test]
    fn the_log_goes_on_in_the_next_segment_and_needs_as_many_as_it_says() {
        let mut log = log();
        let sizes = [400_000, 400_000, 400_000, MAX_OPERATION, 1];
        assert_eq!(log.segments_needed(sizes.into_iter()), 3);
        let mut spare = 3..6;
        let places: Vec<u64> = sizes.iter().map(|size| log.append(&vec![1; *size], &mut spare)).collect();
        assert_eq!(spare.next(), None);
        let segments: Vec<u64> = places.iter().map(|place| place / SEGMENT).collect();
        assert_eq!(segments, [1, 1, 2, 3, 4]);
        log.seal();
        assert_eq!(log.sealed(u64::MAX).count(), 4);
        assert_eq!(log.position().next_segment, 5);
    }
}
