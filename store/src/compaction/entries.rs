//! Reading the stored entries of a repository that is being rewritten.

use crate::{
    Error,
    core::Core,
    format::{layout::SEGMENT, record::Record},
    objects::{
        entry::EntryHeader,
        pack::{AdoptedPack, PackPosition},
    },
};
use bytes::Bytes;
use flate2::Crc;
use gix_hash::ObjectId;
use std::{cell::RefCell, rc::Rc};

/// The log is read in pieces of this size: it is mostly read in its order.
const PIECE: u64 = 256 << 10;
/// As much of an entry as its header and the sizes of its delta take.
const START: u32 = 128;

/// Where a copy of an object is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In the log, or in an extent of its own.
    Log { offset: u64, length: u32 },
    /// In one of the packs that are rewritten.
    Pack(u16, PackPosition),
}

impl Place {
    pub(super) fn of(record: &Record) -> Self {
        Self::Log { offset: record.offset(), length: record.length() }
    }
}

/// Reads entries that are durable.
pub(super) struct EntryReader<'a> {
    core: &'a Core,
    packs: &'a [Rc<AdoptedPack>],
    /// A piece of the log, and where it starts.
    piece: RefCell<(u64, Bytes)>,
}

impl<'a> EntryReader<'a> {
    pub(super) fn new(core: &'a Core, packs: &'a [Rc<AdoptedPack>]) -> Self {
        Self { core, packs, piece: RefCell::default() }
    }

    pub(super) fn pack(&self, number: u16) -> Result<&'a Rc<AdoptedPack>, Error> {
        self.packs.get(usize::from(number)).ok_or_else(|| Error::Malformed("a pack is gone".into()))
    }

    /// The whole entry. What lies in a pack must match the CRC-32 of the index; that of the log is inflated by
    /// whoever copies it, and has a checksum in its zlib stream.
    pub(super) fn entry(&self, id: &ObjectId, place: Place) -> Result<Bytes, Error> {
        match place {
            Place::Log { offset, length } => self.log(offset, length),
            Place::Pack(number, position) => {
                let pack = self.pack(number)?;
                let entry = pack.entry(position)?;
                let mut crc = Crc::new();
                crc.update(&entry);
                if pack.crc32(position)? == Some(crc.sum()) {
                    return Ok(entry);
                }
                let reason = "its entry does not match the CRC-32 of the index".into();
                Err(Error::Damaged { id: *id, reason })
            }
        }
    }

    /// The header of an entry, and the bytes that it starts with.
    pub(super) fn start(&self, place: Place) -> Result<(EntryHeader, Bytes), Error> {
        let bytes = match place {
            Place::Log { offset, length } => self.log(offset, length.min(START))?,
            // Its length is not known without its index; nearly all are short.
            Place::Pack(number, position) => self.pack(number)?.entry(position)?,
        };
        Ok((EntryHeader::parse(&bytes)?, bytes))
    }

    fn log(&self, offset: u64, length: u32) -> Result<Bytes, Error> {
        let (start, piece) = &mut *self.piece.borrow_mut();
        let within = |start: u64, piece: &Bytes| {
            let at = usize::try_from(offset.checked_sub(start)?).ok()?;
            let end = at.checked_add(length as usize)?;
            (end <= piece.len()).then(|| piece.slice(at..end))
        };
        if let Some(bytes) = within(*start, piece) {
            return Ok(bytes);
        }
        // Not beyond the segment: what follows may not have been written yet.
        let end = (offset / SEGMENT + 1) * SEGMENT;
        let wanted = u64::from(length).max(PIECE.min(end - offset));
        (*start, *piece) = (offset, self.core.disk.read(offset, wanted as usize)?);
        Ok(piece.slice(..length as usize))
    }
}
