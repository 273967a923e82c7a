//! Packs that a repository has adopted, read in place.

use super::entry::{EntryContent, EntryHeader, MAX_DELTA_CHAIN, MAX_ENTRY_HEADER};
use crate::{Error, disk::Disk, format::operation::PackPlace};
use bytes::Bytes;
use gix_hash::{ObjectId, oid};
use gix_object::Kind;
use std::cell::{OnceCell, RefCell};
use xxhash_rust::xxh3::xxh3_64;

/// A pack and its index.
pub(crate) struct AdoptedPack {
    source: Source,
    index: OnceCell<PackIndex>,
}

enum Source {
    Memory { pack: Bytes },
    Device { disk: Disk, place: PackPlace },
}

/// The index, 28 bytes an object as in the .idx file, and 5 more.
struct PackIndex {
    file: gix_pack::index::File<Bytes>,
    /// Positions in the index, in the order of the pack.
    by_offset: Vec<u32>,
    /// Kinds found so far, by position in the pack: 0 when unknown.
    kinds: RefCell<Vec<u8>>,
}

/// An object of a pack, by its position in the order of the pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PackPosition(u32);

impl From<PackPosition> for u64 {
    fn from(position: PackPosition) -> Self {
        position.0.into()
    }
}

impl AdoptedPack {
    /// A pack on the device; its index is read when it is first needed.
    pub(crate) fn on_device(disk: Disk, place: PackPlace) -> Self {
        Self { source: Source::Device { disk, place }, index: OnceCell::new() }
    }

    /// A pack in memory.
    ///
    /// # Errors
    /// [`Error::Malformed`] when pack and index do not belong together.
    pub(crate) fn in_memory(pack: Bytes, index: Bytes) -> Result<Self, Error> {
        let index = PackIndex::new(index)?;
        let malformed = |what: &str| Error::Malformed(format!("pack: {what}"));
        let header: &[u8; 12] = pack.first_chunk().ok_or_else(|| malformed("too short"))?;
        let (_, count) =
            gix_pack::data::header::decode(header).map_err(|error| malformed(&error.to_string()))?;
        if count as usize != index.by_offset.len() {
            return Err(malformed("the index has another number of objects"));
        }
        let trailer = pack.last_chunk::<20>().ok_or_else(|| malformed("too short"))?;
        if index.file.pack_checksum().as_bytes() != trailer {
            return Err(malformed("the index is of another pack"));
        }
        let last = index.by_offset.last().map_or(12, |at| index.file.pack_offset_at_index(*at));
        if last > pack.len() as u64 - 20 {
            return Err(malformed("the index reaches beyond the pack"));
        }
        Ok(Self { source: Source::Memory { pack }, index: index.into() })
    }

    /// Where the pack is on the device.
    pub(crate) fn place(&self) -> Option<PackPlace> {
        match self.source {
            Source::Memory { .. } => None,
            Source::Device { place, .. } => Some(place),
        }
    }

    fn index(&self) -> Result<&PackIndex, Error> {
        if let Some(index) = self.index.get() {
            return Ok(index);
        }
        let Source::Device { disk, place } = &self.source else {
            return Err(Error::Malformed("a pack without index".into()));
        };
        let length = usize::try_from(place.index_length).map_err(|_| Error::Limit("index size".into()))?;
        let bytes = disk.read(place.extent.offset() + place.index_offset, length)?;
        if xxh3_64(&bytes) != place.index_checksum {
            return Err(Error::Malformed(format!(
                "the index of the pack at byte {} is damaged",
                place.extent.offset()
            )));
        }
        let index = PackIndex::new(bytes)?;
        Ok(self.index.get_or_init(|| index))
    }

    /// Number of objects.
    pub(crate) fn len(&self) -> Result<usize, Error> {
        Ok(self.index()?.by_offset.len())
    }

    /// The object's position, if it is here.
    pub(crate) fn find(&self, id: &oid) -> Result<Option<PackPosition>, Error> {
        let index = self.index()?;
        let Some(at) = index.file.lookup(id) else { return Ok(None) };
        Ok(index.position_of_offset(index.file.pack_offset_at_index(at)))
    }

    /// All objects, in the order of the pack.
    pub(crate) fn positions(&self) -> Result<impl Iterator<Item = PackPosition> + use<>, Error> {
        Ok((0..self.len()? as u32).map(PackPosition))
    }

    /// The id of the object at a position.
    pub(crate) fn id(&self, position: PackPosition) -> Result<ObjectId, Error> {
        let index = self.index()?;
        let at = index.by_offset.get(position.0 as usize).copied();
        let at = at.ok_or_else(|| Error::Malformed("pack position".into()))?;
        Ok(index.file.oid_at_index(at).to_owned())
    }

    /// The entry at a position, from its header to the end of its zlib stream.
    pub(crate) fn entry(&self, position: PackPosition) -> Result<Bytes, Error> {
        let (start, end) = self.range(position)?;
        self.read(start, end - start)
    }

    /// The CRC-32 that the index has of the entry at a position.
    pub(crate) fn crc32(&self, position: PackPosition) -> Result<Option<u32>, Error> {
        let index = self.index()?;
        let at = index.by_offset.get(position.0 as usize);
        Ok(at.and_then(|at| index.file.crc32_at_index(*at)))
    }

    /// Checks that the index is whole, and that of a pack with so many objects and this checksum.
    pub(crate) fn verify_index(&self, objects: u32, pack_checksum: &ObjectId) -> Result<(), Error> {
        let malformed = |what: &str| Err(Error::Malformed(format!("its index {what}")));
        let index = self.index()?;
        if index.file.num_objects() != objects {
            return malformed(&format!("has {} objects, and it has {objects}", index.file.num_objects()));
        }
        if index.file.pack_checksum() != *pack_checksum {
            return malformed("is that of another pack");
        }
        let ids = (0..index.file.num_objects()).map(|at| index.file.oid_at_index(at));
        if !ids.is_sorted_by(|a, b| a < b) {
            return malformed("is not sorted");
        }
        for at in 0..index.file.num_objects() {
            if index.file.lookup(index.file.oid_at_index(at)) != Some(at) {
                return malformed("does not find all of its objects");
            }
        }
        match index.by_offset.first() {
            Some(first) if index.file.pack_offset_at_index(*first) != 12 => {
                malformed("misses the first entry of the pack")
            }
            _ => Ok(()),
        }
    }

    /// The header of the entry at a position.
    pub(crate) fn header(&self, position: PackPosition) -> Result<EntryHeader, Error> {
        let (start, end) = self.range(position)?;
        EntryHeader::parse(&self.read(start, (end - start).min(MAX_ENTRY_HEADER as u64))?)
    }

    /// The base of a delta that is `distance` bytes before an entry.
    pub(crate) fn base(&self, position: PackPosition, distance: u64) -> Result<PackPosition, Error> {
        let (start, _) = self.range(position)?;
        let base = start.checked_sub(distance).filter(|_| distance > 0);
        base.and_then(|base| self.index().ok()?.position_of_offset(base))
            .ok_or_else(|| Error::Malformed("a delta's base is no entry of the pack".into()))
    }

    /// The kind of the object at a position; `outside` finds that of a base in no pack.
    pub(crate) fn kind(
        &self,
        position: PackPosition,
        outside: &dyn Fn(&oid) -> Result<Kind, Error>,
    ) -> Result<Kind, Error> {
        let index = self.index()?;
        let (mut at, mut chain) = (position, Vec::new());
        let kind = loop {
            if let Some(kind) = index.kinds.borrow().get(at.0 as usize).and_then(|byte| kind_of(*byte)) {
                break kind;
            }
            if chain.len() > MAX_DELTA_CHAIN {
                return Err(Error::Malformed("a chain of deltas has no end".into()));
            }
            chain.push(at);
            match self.header(at)?.content {
                EntryContent::Whole(kind) => break kind,
                EntryContent::OffsetDelta(distance) => at = self.base(at, distance)?,
                EntryContent::ReferenceDelta(base) => match self.find(&base)? {
                    Some(base) => at = base,
                    None => break outside(&base)?,
                },
            }
        };
        let mut kinds = index.kinds.borrow_mut();
        kinds.resize(index.by_offset.len(), 0);
        for at in chain {
            if let Some(known) = kinds.get_mut(at.0 as usize) {
                *known = kind as u8 + 1;
            }
        }
        Ok(kind)
    }

    fn range(&self, position: PackPosition) -> Result<(u64, u64), Error> {
        let index = self.index()?;
        let offset = |at: usize| index.by_offset.get(at).map(|at| index.file.pack_offset_at_index(*at));
        let start = offset(position.0 as usize);
        let end = offset(position.0 as usize + 1).unwrap_or(self.pack_length().saturating_sub(20));
        match start {
            Some(start) if start < end && end <= self.pack_length() => Ok((start, end)),
            _ => Err(Error::Malformed("an index reaches beyond its pack".into())),
        }
    }

    /// Bytes of the pack.
    pub(crate) fn pack_length(&self) -> u64 {
        match &self.source {
            Source::Memory { pack } => pack.len() as u64,
            Source::Device { place, .. } => place.pack_length,
        }
    }

    /// Any bytes of the pack.
    pub(crate) fn read(&self, offset: u64, length: u64) -> Result<Bytes, Error> {
        let length = usize::try_from(length).map_err(|_| Error::Limit("entry size".into()))?;
        match &self.source {
            Source::Memory { pack } => {
                let start = usize::try_from(offset).unwrap_or(usize::MAX);
                let end = start.checked_add(length).filter(|end| *end <= pack.len());
                let end = end.ok_or_else(|| Error::Malformed("pack entry".into()))?;
                Ok(pack.slice(start..end))
            }
            Source::Device { disk, place } => disk.read(place.extent.offset() + offset, length),
        }
    }
}

fn kind_of(byte: u8) -> Option<Kind> {
    [Kind::Tree, Kind::Blob, Kind::Commit, Kind::Tag].into_iter().find(|kind| *kind as u8 + 1 == byte)
}

impl PackIndex {
    fn new(bytes: Bytes) -> Result<Self, Error> {
        let malformed = |what: &str| Error::Malformed(format!("pack index: {what}"));
        let file = gix_pack::index::File::from_data(bytes, "".into(), gix_hash::Kind::Sha1)
            .map_err(|error| malformed(&error.to_string()))?;
        if file.version() != gix_pack::index::Version::V2 {
            return Err(malformed("not of version 2"));
        }
        let mut by_offset: Vec<u32> = (0..file.num_objects()).collect();
        by_offset.sort_unstable_by_key(|at| file.pack_offset_at_index(*at));
        Ok(Self { file, by_offset, kinds: RefCell::default() })
    }

    fn position_of_offset(&self, offset: u64) -> Option<PackPosition> {
        let found = self.by_offset.binary_search_by_key(&offset, |at| self.file.pack_offset_at_index(*at));
        found.ok().map(|at| PackPosition(at as u32))
    }
}
