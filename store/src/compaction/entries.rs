//! Reading the stored entries of a repository that is being rewritten.

use crate::{
    Error,
    core::Core,
    format::{layout::SEGMENT, record::Record},
    objects::{
        entry::{EntryContent, EntryHeader},
        pack::{AdoptedPack, PackPosition},
    },
};
use bytes::Bytes;
use gix_hash::ObjectId;
use std::{cell::RefCell, rc::Rc};

/// The log is read in pieces of this size: it is mostly read in its order.
const PIECE: u64 = 256 << 10;
/// As much of an entry as its header and the sizes of its delta take.
const START: u32 = 128;

/// Where a copy of an object is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// On the device, or in the pack.
    offset: u64,
    /// Bytes of its entry.
    pub(super) length: u32,
    /// One of the packs that are rewritten; none for the log, or an extent of its own.
    pub(super) pack: Option<u16>,
}

impl Place {
    pub(super) fn of(record: &Record) -> Self {
        Self { offset: record.offset(), length: record.length(), pack: None }
    }

    pub(super) fn in_pack(pack: u16, position: PackPosition) -> Result<Self, Error> {
        let length = u32::try_from(position.length()).map_err(|_| Error::Limit("entry size".into()))?;
        Ok(Self { offset: position.offset(), length, pack: Some(pack) })
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

    fn pack(&self, number: u16) -> Result<&'a Rc<AdoptedPack>, Error> {
        self.packs.get(usize::from(number)).ok_or_else(|| Error::Malformed("a pack is gone".into()))
    }

    /// The whole entry. It is not verified: whoever copies it inflates it, and its zlib stream has a checksum.
    pub(super) fn entry(&self, place: Place) -> Result<Bytes, Error> {
        match place.pack {
            None => self.log(place.offset, place.length),
            Some(number) => self.pack(number)?.read(place.offset, place.length.into()),
        }
    }

    /// The header of an entry, and the bytes that it starts with.
    pub(super) fn start(&self, place: Place) -> Result<(EntryHeader, Bytes), Error> {
        let length = place.length.min(START);
        let bytes = match place.pack {
            None => self.log(place.offset, length)?,
            Some(number) => self.pack(number)?.read(place.offset, length.into())?,
        };
        Ok((EntryHeader::parse(&bytes)?, bytes))
    }

    /// The base of the delta that an entry is, if it is one.
    pub(super) fn base(
        &self,
        id: &ObjectId,
        place: Place,
        header: &EntryHeader,
    ) -> Result<Option<ObjectId>, Error> {
        Ok(match (header.content, place.pack) {
            (EntryContent::Whole(_), _) => None,
            (EntryContent::ReferenceDelta(base), _) => Some(base),
            (EntryContent::OffsetDelta(distance), Some(number)) => {
                Some(self.pack(number)?.id_before(place.offset, distance)?)
            }
            (EntryContent::OffsetDelta(_), None) => {
                let reason = "its delta's base is given by offset, outside a pack".into();
                return Err(Error::Damaged { id: *id, reason });
            }
        })
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
