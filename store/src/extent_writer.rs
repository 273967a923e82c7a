//! An extent that grows while it is written, before anything on the device names it.

use crate::{
    Error,
    core::{Core, Purpose},
    format::layout::{Extent, SEGMENT},
    pack::Pace,
    space::Space,
};
use bytes::Bytes;
use std::rc::Rc;

/// Bytes that are collected before they are written.
const PIECE: usize = 256 << 10;
/// Segments that an extent grows by at least, and at most when its neighbours are free.
const STEP: u32 = 4;
const MAX_STEP: u32 = 64;
/// Bytes that are copied at once when an extent has to move.
const COPY: usize = 1 << 20;

/// Bytes in a row on the device, of which nobody knows how many there will be.
///
/// The extent grows in place where the segments behind it are free, and is copied to a larger one where
/// they are not. Dropped, it is free at once, since nothing names it.
pub(crate) struct ExtentWriter {
    core: Rc<Core>,
    extent: Extent,
    /// All that was appended.
    length: u64,
    /// The end of it, from a block on, which is not written yet.
    tail: Vec<u8>,
    kept: bool,
}

impl ExtentWriter {
    /// An extent of a few segments.
    ///
    /// # Errors
    /// [`Error::DeviceFull`].
    pub(crate) fn new(core: &Rc<Core>) -> Result<Self, Error> {
        let extent = allocate(core, STEP).or_else(|_| allocate(core, 1))?;
        Ok(Self { core: core.clone(), extent, length: 0, tail: Vec::with_capacity(PIECE), kept: false })
    }

    /// An extent for so many bytes, which leaves so many segments free.
    ///
    /// # Errors
    /// [`Error::DeviceFull`].
    pub(crate) fn of_size(core: &Rc<Core>, bytes: u64, reserve: u32) -> Result<Self, Error> {
        let mut state = core.state.borrow_mut();
        state.check_writable()?;
        let extent = Extent::count_for(bytes).and_then(|count| state.space.allocate(count, reserve));
        let extent = extent.ok_or(Error::DeviceFull)?;
        Ok(Self { core: core.clone(), extent, length: 0, tail: Vec::with_capacity(PIECE), kept: false })
    }

    /// An extent for so many bytes that take the place of damaged ones: it may use the reserve for deletions.
    ///
    /// # Errors
    /// [`Error::DeviceFull`].
    pub(crate) fn to_restore(core: &Rc<Core>, bytes: u64) -> Result<Self, Error> {
        let count = Extent::count_for(bytes).ok_or(Error::DeviceFull)?;
        let extent = allocate_with(core, Purpose::Deletion, |space, reserve| space.allocate(count, reserve))?;
        Ok(Self { core: core.clone(), extent, length: 0, tail: Vec::with_capacity(PIECE), kept: false })
    }

    /// Bytes appended so far.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// Adds bytes at the end.
    pub(crate) async fn append(&mut self, bytes: &[u8], pace: &Pace) -> Result<(), Error> {
        self.make_room(bytes.len() as u64, pace).await?;
        self.append_within(bytes)
    }

    /// Adds bytes at the end, for which there must be [room](Self::make_room).
    pub(crate) fn append_within(&mut self, bytes: &[u8]) -> Result<(), Error> {
        if self.length + bytes.len() as u64 > self.extent.length() {
            return Err(Error::DeviceFull);
        }
        self.tail.extend_from_slice(bytes);
        self.length += bytes.len() as u64;
        if self.tail.len() >= PIECE {
            let whole = self.tail.len() - self.tail.len() % self.core.disk.block_size as usize;
            let start = self.length - self.tail.len() as u64;
            let part = self.tail.get(..whole).unwrap_or_default();
            self.core.disk.write(self.extent.offset() + start, part)?;
            self.tail.drain(..whole);
        }
        Ok(())
    }

    /// Adds zeros up to the next block, for which there must be room.
    pub(crate) fn pad_to_block(&mut self) -> Result<(), Error> {
        let padding = self.length.next_multiple_of(self.core.disk.block_size.into()) - self.length;
        self.append_within(&vec![0; padding as usize])
    }

    /// Writes what is collected. More can be appended.
    pub(crate) fn write_out(&mut self) -> Result<(), Error> {
        let start = self.length - self.tail.len() as u64;
        self.core.disk.write(self.extent.offset() + start, &self.tail)
    }

    /// Puts other bytes in the place of the first ones.
    pub(crate) fn replace_start(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.write_out()?;
        let block = self.core.disk.block_size as usize;
        let mut start =
            self.core.disk.read(self.extent.offset(), bytes.len().next_multiple_of(block))?.to_vec();
        if let Some(place) = start.get_mut(..bytes.len()) {
            place.copy_from_slice(bytes);
        }
        if self.tail.len() as u64 == self.length
            && let Some(place) = self.tail.get_mut(..bytes.len())
        {
            place.copy_from_slice(bytes);
        }
        self.core.disk.write(self.extent.offset(), &start)
    }

    /// Any bytes that were appended.
    pub(crate) fn read(&self, offset: u64, length: usize) -> Result<Bytes, Error> {
        let written = self.length - self.tail.len() as u64;
        let end = offset.checked_add(length as u64).filter(|end| *end <= self.length);
        let end = end.ok_or_else(|| Error::Malformed("reads beyond what was written".into()))?;
        if end <= written {
            return self.core.disk.read(self.extent.offset() + offset, length);
        }
        let mut bytes = Vec::with_capacity(length);
        if offset < written {
            let before = (written - offset) as usize;
            bytes.extend_from_slice(&self.core.disk.read(self.extent.offset() + offset, before)?);
        }
        let from = offset.saturating_sub(written) as usize;
        bytes.extend_from_slice(self.tail.get(from..(end - written) as usize).unwrap_or_default());
        Ok(bytes.into())
    }

    /// Makes room for so many more bytes.
    ///
    /// # Errors
    /// [`Error::DeviceFull`].
    pub(crate) async fn make_room(&mut self, bytes: u64, pace: &Pace) -> Result<(), Error> {
        let needed = Extent::count_for(self.length.saturating_add(bytes)).ok_or(Error::DeviceFull)?;
        if needed <= self.extent.count {
            return Ok(());
        }
        let missing = needed - self.extent.count;
        let more = (self.extent.count / 4).clamp(STEP, MAX_STEP).max(missing);
        if self.extend(more) || self.extend(missing) {
            return Ok(());
        }
        let larger = needed.saturating_add(self.extent.count / 2).saturating_add(STEP);
        let extent = allocate(&self.core, larger).or_else(|_| allocate(&self.core, needed))?;
        let mut moved = Self {
            core: self.core.clone(),
            extent,
            length: self.length,
            tail: std::mem::take(&mut self.tail),
            kept: false,
        };
        let written = self.length - moved.tail.len() as u64;
        let mut at = 0;
        while at < written {
            let length = COPY.min((written - at) as usize);
            let copied = self.core.disk.read(self.extent.offset() + at, length);
            let copied = copied.and_then(|bytes| self.core.disk.write(extent.offset() + at, &bytes));
            if let Err(error) = copied {
                self.tail = std::mem::take(&mut moved.tail);
                return Err(error);
            }
            at += length as u64;
            pace.spend(length as u64).await;
        }
        // What is dropped is the old extent.
        std::mem::swap(self, &mut moved);
        Ok(())
    }

    fn extend(&mut self, more: u32) -> bool {
        let Some(first) = self.extent.first.checked_add(self.extent.count) else { return false };
        let state = &mut *self.core.state.borrow_mut();
        let reserve = state.reserve(self.core.capacity.get(), Purpose::Data);
        let taken = state.space.free_segments() >= more.saturating_add(reserve)
            && state.space.take(Extent { first, count: more });
        if taken {
            self.extent.count += more;
        }
        taken
    }

    /// Writes all of it, and gives back the segments that are not needed.
    pub(crate) fn finish(mut self) -> Result<WrittenExtent, Error> {
        self.write_out()?;
        let count = Extent::count_for(self.length.max(1)).ok_or(Error::DeviceFull)?;
        if count < self.extent.count {
            let rest = Extent { first: self.extent.first + count, count: self.extent.count - count };
            debug_assert!(self.length <= u64::from(count) * SEGMENT);
            self.core.state.borrow_mut().space.free(rest);
            self.extent.count = count;
        }
        self.kept = true;
        Ok(WrittenExtent { core: self.core.clone(), extent: self.extent, kept: false })
    }
}

impl Drop for ExtentWriter {
    fn drop(&mut self) {
        if !self.kept {
            give_back(&self.core, self.extent);
        }
    }
}

/// An extent that is written, and that nothing on the device names yet: dropped, it is free.
pub(crate) struct WrittenExtent {
    core: Rc<Core>,
    extent: Extent,
    kept: bool,
}

impl WrittenExtent {
    /// The extent.
    pub(crate) fn extent(&self) -> Extent {
        self.extent
    }

    /// Something names it now.
    pub(crate) fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for WrittenExtent {
    fn drop(&mut self) {
        if !self.kept {
            give_back(&self.core, self.extent);
        }
    }
}

fn give_back(core: &Core, extent: Extent) {
    // The state is in use only where a transaction failed half written; then nothing is written any more.
    if let Ok(mut state) = core.state.try_borrow_mut() {
        state.space.free(extent);
    }
}

fn allocate(core: &Core, count: u32) -> Result<Extent, Error> {
    allocate_with(core, Purpose::Data, |space, reserve| space.allocate_to_grow(count, reserve))
}

fn allocate_with(
    core: &Core,
    purpose: Purpose,
    allocate: impl Fn(&mut Space, u32) -> Option<Extent>,
) -> Result<Extent, Error> {
    let state = &mut *core.state.borrow_mut();
    state.check_writable()?;
    for _ in 0..3 {
        let reserve = state.reserve(core.capacity.get(), purpose);
        if let Some(extent) = allocate(&mut state.space, reserve) {
            return Ok(extent);
        }
        if !core.reclaim(state)? {
            break;
        }
    }
    Err(Error::DeviceFull)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FormatOptions, Store, noise::noise};
    use futures_util::FutureExt;
    use kalends_block_backend::MemoryDevice;

    #[test]
    fn an_extent_grows_in_place_or_moves_and_keeps_what_was_written() {
        let store = Store::format(Rc::new(MemoryDevice::new(64 << 20)), &FormatOptions::default()).unwrap();
        let (core, pace) = (store.core(), Pace::unpaced());
        let free = store.free_bytes();
        let expected = noise(9, 20 << 20);
        let mut writer = ExtentWriter::new(core).unwrap();
        let mut places = vec![writer.extent];
        for (number, piece) in expected.chunks(100_001).enumerate() {
            writer.append(piece, &pace).now_or_never().unwrap().unwrap();
            if number % 70 == 0 {
                // Somebody takes the segment behind it.
                let next = writer.extent.first + writer.extent.count;
                assert!(core.state.borrow_mut().space.take(Extent { first: next, count: 1 }));
            }
            if writer.extent.first != places[places.len() - 1].first {
                places.push(writer.extent);
            }
            let end = writer.length() as usize;
            for (offset, length) in [(end.saturating_sub(300_000), 300_000.min(end)), (0, 1), (end - 1, 1)] {
                let read = writer.read(offset as u64, length).unwrap();
                assert!(read == expected[offset..offset + length]);
            }
        }
        assert!(places.len() > 2, "it has moved: {places:?}");
        assert!(writer.read(expected.len() as u64, 1).is_err());
        writer.replace_start(b"start").unwrap();
        writer.append(b"end", &pace).now_or_never().unwrap().unwrap();
        let written = writer.finish().unwrap();
        let all = core.disk.read(written.extent().offset(), expected.len() + 3).unwrap();
        assert!(
            all[..5] == *b"start"
                && all[5..expected.len()] == expected[5..]
                && all[expected.len()..] == *b"end"
        );
        let taken = (expected.len() as u64 + 3).div_ceil(SEGMENT) * SEGMENT + 3 * SEGMENT;
        assert_eq!(
            store.free_bytes(),
            free - taken,
            "what it has left is free, and its last place is trimmed"
        );
        drop(written);
        assert_eq!(store.free_bytes(), free - 3 * SEGMENT);
    }

    #[test]
    fn an_extent_that_does_not_fit_is_refused_and_free_again() {
        let store = Store::format(Rc::new(MemoryDevice::new(16 << 20)), &FormatOptions::default()).unwrap();
        let free = store.free_bytes();
        let mut writer = ExtentWriter::new(store.core()).unwrap();
        let full = loop {
            match writer.append(&[7; 1 << 20], &Pace::unpaced()).now_or_never().unwrap() {
                Ok(()) => assert!(writer.length() <= free),
                Err(error) => break error,
            }
        };
        assert!(matches!(full, Error::DeviceFull), "{full}");
        assert!(writer.length() > free / 2);
        drop(writer);
        assert_eq!(store.free_bytes(), free);
    }
}
