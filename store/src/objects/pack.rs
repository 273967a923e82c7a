//! Packs that a repository has adopted, read in place.
//!
//! An index is read a page at a time through the store's cache of pages, each page compared with its
//! checksum. What stays in memory of an index is its table: 16 bytes a page, a sixth of a byte an object.

use super::entry::{EntryContent, EntryHeader, MAX_ENTRY_HEADER};
use crate::{
    Error, Object, Pace,
    disk::Disk,
    format::{
        operation::PackPlace,
        pack_index::{self, Ends, FOOTER, Footer, PAGE, PLACES, Place, RECORDS, Row, id_key},
        record::Record,
    },
};
use bytes::Bytes;
use gix_hash::{ObjectId, oid};
use gix_object::Kind;
use std::{
    cell::{OnceCell, RefCell},
    cmp::Ordering,
    collections::HashMap,
};
use xxhash_rust::xxh3::xxh3_64;

/// Bytes of a pack before its first entry.
pub(crate) const HEADER: u64 = 12;
/// Bytes of the checksum at its end.
pub(crate) const TRAILER: u64 = 20;

/// A pack and its index.
pub(crate) struct AdoptedPack {
    source: Source,
    table: OnceCell<Table>,
    /// By the numbers of other packs on the device: whether both have an object.
    shares: RefCell<HashMap<u32, bool>>,
}

enum Source {
    Memory {
        pack: Bytes,
        index: Bytes,
    },
    Device {
        disk: Disk,
        place: PackPlace,
        owner: u32,
        /// An index that is used instead of the one on the device.
        index: Option<Bytes>,
    },
}

/// What is kept of an index.
struct Table {
    footer: Footer,
    /// Pages of records, then pages of the order.
    rows: Vec<Row>,
    ends: Ends,
}

impl Table {
    fn records(&self) -> &[Row] {
        self.rows.get(..self.footer.record_pages() as usize).unwrap_or_default()
    }

    fn order(&self) -> &[Row] {
        self.rows.get(self.footer.record_pages() as usize..).unwrap_or_default()
    }
}

/// An object of a pack: the number of its record, and where its entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PackPosition {
    record: u32,
    offset: u64,
    length: u64,
}

impl PackPosition {
    /// The number of its record, from 0 on, in the order of ids.
    pub(crate) fn number(self) -> usize {
        self.record as usize
    }

    /// Where its entry begins in the pack.
    pub(crate) fn offset(self) -> u64 {
        self.offset
    }

    /// Bytes of its entry.
    pub(crate) fn length(self) -> u64 {
        self.length
    }
}

impl AdoptedPack {
    /// A pack on the device; its index is read when it is first needed.
    pub(crate) fn on_device(disk: Disk, place: PackPlace) -> Self {
        let owner = disk.pages.owner();
        Self::new(Source::Device { disk, place, owner, index: None })
    }

    fn new(source: Source) -> Self {
        Self { source, table: OnceCell::new(), shares: RefCell::default() }
    }

    /// A pack in memory, and its index as [`pack_index::write`] makes it.
    pub(crate) fn in_memory(pack: Bytes, index: Bytes) -> Self {
        Self::new(Source::Memory { pack, index })
    }

    /// A pack on the device, with an index in memory of this checksum.
    pub(crate) fn on_device_with_index(
        disk: Disk,
        place: PackPlace,
        index: Bytes,
        index_checksum: u64,
    ) -> Self {
        let owner = disk.pages.owner();
        let place = PackPlace { index_length: index.len() as u64, index_checksum, ..place };
        Self::new(Source::Device { disk, place, owner, index: Some(index) })
    }

    /// Where the pack is on the device.
    pub(crate) fn place(&self) -> Option<PackPlace> {
        match self.source {
            Source::Memory { .. } => None,
            Source::Device { place, .. } => Some(place),
        }
    }

    fn damaged(&self, what: &str) -> Error {
        let at = self.place().map_or(0, |place| place.extent.offset());
        Error::Malformed(format!("the index of the pack at byte {at} {what}"))
    }

    fn table(&self) -> Result<&Table, Error> {
        if let Some(table) = self.table.get() {
            return Ok(table);
        }
        let length = self.index_length();
        let damaged = || self.damaged("is damaged");
        let start = length.checked_sub(FOOTER as u64).ok_or_else(damaged)?;
        let end = self.read_index(start, FOOTER)?;
        let footer = Footer::decode(&end, length).ok_or_else(damaged)?;
        let pages = u64::from(footer.pages()) * PAGE as u64;
        let tail = start.checked_sub(pages).and_then(|length| usize::try_from(length).ok());
        let tail = self.read_index(pages, tail.ok_or_else(damaged)?)?;
        if let Source::Device { place, .. } = &self.source
            && pack_index::checksum(&[&tail, &end]) != place.index_checksum
        {
            return Err(damaged());
        }
        let (rows, ends) = footer.tail(&tail)?;
        Ok(self.table.get_or_init(|| Table { footer, rows, ends }))
    }

    fn index_length(&self) -> u64 {
        match &self.source {
            Source::Memory { index, .. } => index.len() as u64,
            Source::Device { place, .. } => place.index_length,
        }
    }

    fn read_index(&self, offset: u64, length: usize) -> Result<Bytes, Error> {
        match &self.source {
            Source::Memory { index, .. } | Source::Device { index: Some(index), .. } => {
                slice(index, offset, length)
            }
            Source::Device { disk, place, .. } => {
                disk.read(place.extent.offset() + place.index_offset + offset, length)
            }
        }
    }

    /// A page of the index, verified.
    fn page(&self, number: u32) -> Result<Bytes, Error> {
        match &self.source {
            Source::Memory { .. } => self.read_page(number),
            Source::Device { disk, owner, .. } => disk.pages.get((*owner, number), || self.read_page(number)),
        }
    }

    /// A page of the index, verified, past the cache of pages.
    fn read_page(&self, number: u32) -> Result<Bytes, Error> {
        let row = self.table()?.rows.get(number as usize);
        let row = row.ok_or_else(|| self.damaged("has fewer pages than it says"))?;
        let page = self.read_index(u64::from(number) * PAGE as u64, PAGE)?;
        if xxh3_64(&page) != row.checksum {
            return Err(self.damaged(&format!("is damaged in page {number}")));
        }
        Ok(page)
    }

    /// Whether no object is in both packs. What was found once is remembered.
    pub(crate) async fn is_disjoint(&self, other: &Self, pace: &Pace) -> Result<bool, Error> {
        let owner = match &other.source {
            Source::Memory { .. } => None,
            Source::Device { owner, .. } => Some(*owner),
        };
        if let Some(shares) = owner.and_then(|owner| self.shares.borrow().get(&owner).copied()) {
            return Ok(!shares);
        }
        let shares = self.shares_ids(other, pace).await?;
        owner.map(|owner| self.shares.borrow_mut().insert(owner, shares));
        Ok(!shares)
    }

    /// Reads the ids of both packs side by side.
    async fn shares_ids(&self, other: &Self, pace: &Pace) -> Result<bool, Error> {
        let (mut ours, mut theirs) = (Ids::of(self)?, Ids::of(other)?);
        let (mut our, mut their) = (ours.next()?, theirs.next()?);
        while let (Some(a), Some(b)) = (our, their) {
            match a.cmp(&b) {
                Ordering::Equal => return Ok(true),
                Ordering::Less => our = ours.next()?,
                Ordering::Greater => their = theirs.next()?,
            }
            pace.spend(20).await;
        }
        Ok(false)
    }

    /// Reads all pages of the index.
    pub(crate) fn check_pages(&self) -> Result<(), Error> {
        (0..self.table()?.footer.pages()).try_for_each(|number| self.page(number).map(drop))
    }

    fn record(&self, number: u32) -> Result<Record, Error> {
        if number >= self.table()?.footer.objects {
            return Err(self.damaged("names an object that it does not have"));
        }
        pack_index::record(&self.page(number / RECORDS)?, number)
    }

    fn place_at(&self, position: u32) -> Result<Place, Error> {
        let first = self.table()?.footer.record_pages();
        pack_index::place(&self.page(first + position / PLACES)?, position)
    }

    /// Number of objects.
    pub(crate) fn len(&self) -> Result<usize, Error> {
        Ok(self.table()?.footer.objects as usize)
    }

    /// What the pack, with those that belong to it, can be reached from.
    pub(crate) fn ends(&self) -> Result<&Ends, Error> {
        Ok(&self.table()?.ends)
    }

    /// Finds the record of an object.
    fn find_record(&self, id: &oid) -> Result<Option<(u32, Record)>, Error> {
        let table = self.table()?;
        let key = id_key(id.as_bytes());
        let rows = table.records();
        let first = rows.partition_point(|row| row.key < key).saturating_sub(1);
        let end = rows.partition_point(|row| row.key <= key);
        for number in first..end {
            let page = self.page(number as u32)?;
            let start = number as u32 * RECORDS;
            let (mut low, mut high) = (start, (start + RECORDS).min(table.footer.objects));
            while low < high {
                let middle = low + (high - low) / 2;
                match pack_index::id_at(&page, middle).cmp(id.as_bytes()) {
                    Ordering::Less => low = middle + 1,
                    Ordering::Greater => high = middle,
                    Ordering::Equal => return Ok(Some((middle, pack_index::record(&page, middle)?))),
                }
            }
        }
        Ok(None)
    }

    /// The object's position, if it is here.
    pub(crate) fn find(&self, id: &oid) -> Result<Option<PackPosition>, Error> {
        Ok(self.find_with_kind(id)?.map(|(position, _)| position))
    }

    /// The object's position and kind, if it is here.
    pub(crate) fn find_with_kind(&self, id: &oid) -> Result<Option<(PackPosition, Kind)>, Error> {
        let Some((number, record)) = self.find_record(id)? else { return Ok(None) };
        let position =
            PackPosition { record: number, offset: record.offset(), length: record.length().into() };
        self.check(position).map(|position| Some((position, record.attributes().kind())))
    }

    /// Refuses places outside of the pack.
    fn check(&self, position: PackPosition) -> Result<PackPosition, Error> {
        let end = self.pack_length().saturating_sub(TRAILER);
        match position.offset.checked_add(position.length) {
            Some(last) if position.offset >= HEADER && position.length > 0 && last <= end => Ok(position),
            _ => Err(self.damaged("reaches beyond its pack")),
        }
    }

    /// All objects, in the order of the pack.
    pub(crate) fn positions(
        &self,
    ) -> Result<impl Iterator<Item = Result<PackPosition, Error>> + use<'_>, Error> {
        Ok((0..self.table()?.footer.objects).map(|position| self.position(position)))
    }

    /// The object at a place in the order of the pack. Entries follow each other without gaps.
    fn position(&self, at: u32) -> Result<PackPosition, Error> {
        let table = self.table()?;
        let Place { offset, record } = self.place_at(at)?;
        let next = at + 1;
        let end = if next == table.footer.objects {
            self.pack_length().saturating_sub(TRAILER)
        } else if next.is_multiple_of(PLACES) {
            table.order().get((next / PLACES) as usize).map_or(0, |row| row.key)
        } else {
            self.place_at(next)?.offset
        };
        self.check(PackPosition { record, offset, length: end.saturating_sub(offset) })
    }

    /// The object whose entry begins at an offset of the pack.
    fn at_offset(&self, offset: u64) -> Result<Option<PackPosition>, Error> {
        let table = self.table()?;
        let number = table.order().partition_point(|row| row.key <= offset);
        let Some(number) = number.checked_sub(1) else { return Ok(None) };
        let page = self.page(table.footer.record_pages() + number as u32)?;
        let start = number as u32 * PLACES;
        let (mut low, mut high) = (start, (start + PLACES).min(table.footer.objects));
        while low < high {
            let middle = low + (high - low) / 2;
            match pack_index::place(&page, middle)?.offset.cmp(&offset) {
                Ordering::Less => low = middle + 1,
                Ordering::Greater => high = middle,
                Ordering::Equal => return self.position(middle).map(Some),
            }
        }
        Ok(None)
    }

    /// The id of the object at a position.
    pub(crate) fn id(&self, position: PackPosition) -> Result<ObjectId, Error> {
        self.record(position.record).map(|record| record.id())
    }

    /// The id and the kind of the object at a position.
    pub(crate) fn id_and_kind(&self, position: PackPosition) -> Result<(ObjectId, Kind), Error> {
        self.record(position.record).map(|record| (record.id(), record.attributes().kind()))
    }

    /// The kind of the object at a position.
    pub(crate) fn kind(&self, position: PackPosition) -> Result<Kind, Error> {
        self.record(position.record).map(|record| record.attributes().kind())
    }

    /// The entry at a position, from its header to the end of its zlib stream.
    pub(crate) fn entry(&self, position: PackPosition) -> Result<Bytes, Error> {
        self.read(position.offset, position.length)
    }

    /// The first bytes of the entry at a position, at most `length`.
    pub(crate) fn start_of_entry(&self, position: PackPosition, length: u64) -> Result<Bytes, Error> {
        self.read(position.offset, position.length.min(length))
    }

    /// The header of the entry at a position.
    pub(crate) fn header(&self, position: PackPosition) -> Result<EntryHeader, Error> {
        EntryHeader::parse(&self.start_of_entry(position, MAX_ENTRY_HEADER as u64)?)
    }

    /// The object whose entry is `distance` bytes before an offset of the pack.
    pub(crate) fn id_before(&self, offset: u64, distance: u64) -> Result<ObjectId, Error> {
        let base = offset.checked_sub(distance).filter(|_| distance > 0);
        let found = base.map(|base| self.at_offset(base)).transpose()?.flatten();
        let found = found.ok_or_else(|| Error::Malformed("a delta's base is no entry of the pack".into()))?;
        self.id(found)
    }

    /// What the entry at a position is a delta against, if it is one: an object of the pack, or, in one that
    /// is not complete yet, of the repository.
    pub(crate) fn base_id(&self, position: PackPosition) -> Result<Option<ObjectId>, Error> {
        self.base_id_of(position, &self.header(position)?)
    }

    /// [`base_id`](Self::base_id), where the header of the entry has been read already.
    pub(crate) fn base_id_of(
        &self,
        position: PackPosition,
        header: &EntryHeader,
    ) -> Result<Option<ObjectId>, Error> {
        Ok(match header.content {
            EntryContent::Whole(_) => None,
            EntryContent::ReferenceDelta(base) => Some(base),
            EntryContent::OffsetDelta(distance) => Some(self.id(self.base(position, distance)?)?),
        })
    }

    /// The base of a delta that is `distance` bytes before an entry.
    pub(crate) fn base(&self, position: PackPosition, distance: u64) -> Result<PackPosition, Error> {
        let base = position.offset.checked_sub(distance).filter(|_| distance > 0);
        let found = base.map(|base| self.at_offset(base)).transpose()?.flatten();
        found.ok_or_else(|| Error::Malformed("a delta's base is no entry of the pack".into()))
    }

    /// The object at a position, if it was kept as a base: not verified, nor is what is made of it.
    pub(crate) fn cached(&self, position: PackPosition) -> Option<Object> {
        let Source::Device { disk, owner, .. } = &self.source else { return None };
        disk.bases.borrow_mut().get(&(*owner, position.offset))
    }

    /// Keeps an object that may be the base of others.
    pub(crate) fn keep(&self, position: PackPosition, object: &Object) {
        if let Source::Device { disk, owner, .. } = &self.source {
            disk.bases.borrow_mut().insert((*owner, position.offset), object.clone());
        }
    }

    /// Checks all pages of the index, that its records are sorted, that its order is that of the pack, and
    /// that both tell the same of so many objects of a pack with this checksum.
    pub(crate) fn verify_index(&self, objects: u32, pack_checksum: &ObjectId) -> Result<(), Error> {
        let malformed = |what: &str| Err(Error::Malformed(format!("its index {what}")));
        let table = self.table()?;
        let Footer { objects: found, pack_checksum: checksum, .. } = table.footer;
        if found != objects {
            return malformed(&format!("has {found} objects, and it has {objects}"));
        }
        if checksum != *pack_checksum {
            return malformed("is that of another pack");
        }
        let mut before = None;
        for number in 0..objects {
            let id = *self.record(number)?.id_bytes();
            if before.is_some_and(|before| before >= id) {
                return malformed("is not sorted");
            }
            before = Some(id);
        }
        let mut end = HEADER;
        for position in self.positions()? {
            let position = position?;
            let record = self.record(position.record)?;
            if position.offset != end {
                return malformed(&format!("does not tell what lies at offset {end} of the pack"));
            }
            if (record.offset(), u64::from(record.length())) != (position.offset, position.length) {
                return malformed(&format!("has two places for {}", record.id()));
            }
            if self.find(&record.id())? != Some(position) {
                return malformed("does not find all of its objects");
            }
            end += position.length;
        }
        if objects > 0 && end != self.pack_length().saturating_sub(TRAILER) {
            return malformed("does not reach to the end of the pack");
        }
        let mut of_pack = 0;
        for id in &table.ends.ids {
            of_pack += usize::from(self.find(id)?.is_some());
        }
        if of_pack == 0 && table.ends.packs == 1 {
            return malformed("names tips, none of which it has");
        }
        Ok(())
    }

    /// Bytes of the pack.
    pub(crate) fn pack_length(&self) -> u64 {
        match &self.source {
            Source::Memory { pack, .. } => pack.len() as u64,
            Source::Device { place, .. } => place.pack_length,
        }
    }

    /// Any bytes of the pack.
    pub(crate) fn read(&self, offset: u64, length: u64) -> Result<Bytes, Error> {
        let length = usize::try_from(length).map_err(|_| Error::Limit("entry size".into()))?;
        match &self.source {
            Source::Memory { pack, .. } => slice(pack, offset, length),
            Source::Device { disk, place, .. } => disk.read(place.extent.offset() + offset, length),
        }
    }
}

/// The ids of a pack, sorted, read past the cache of pages.
struct Ids<'a> {
    pack: &'a AdoptedPack,
    page: Bytes,
    next: u32,
    objects: u32,
}

impl<'a> Ids<'a> {
    fn of(pack: &'a AdoptedPack) -> Result<Self, Error> {
        Ok(Self { pack, page: Bytes::new(), next: 0, objects: pack.table()?.footer.objects })
    }

    fn next(&mut self) -> Result<Option<[u8; 20]>, Error> {
        if self.next >= self.objects {
            return Ok(None);
        }
        if self.next.is_multiple_of(RECORDS) {
            self.page = self.pack.read_page(self.next / RECORDS)?;
        }
        let id = pack_index::id_at(&self.page, self.next).first_chunk().copied();
        self.next += 1;
        Ok(id)
    }
}

fn slice(bytes: &Bytes, offset: u64, length: usize) -> Result<Bytes, Error> {
    let start = usize::try_from(offset).unwrap_or(usize::MAX);
    let end = start.checked_add(length).filter(|end| *end <= bytes.len());
    let end = end.ok_or_else(|| Error::Malformed("a pack ends early".into()))?;
    Ok(bytes.slice(start..end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        OpenOptions,
        format::{layout::Extent, record::Attributes},
    };
    use kalends_block_backend::{BlockDevice, MemoryDevice};
    use std::rc::Rc;

    /// An index of so many objects that do not exist, in a pack that is not there.
    fn adopted(objects: u32, budget: usize) -> (AdoptedPack, Vec<ObjectId>, Disk) {
        let mut records = Vec::new();
        let (mut offset, mut ids) = (HEADER, Vec::new());
        for number in 0..objects {
            let id =
                gix_object::compute_hash(gix_hash::Kind::Sha1, Kind::Blob, &number.to_le_bytes()).unwrap();
            let kind = [Kind::Blob, Kind::Tree, Kind::Commit][number as usize % 3];
            let length = 10 + number % 100;
            records.push(Record::new(&id, offset, length, Attributes::new(kind, None)));
            offset += u64::from(length);
            ids.push(id);
        }
        let device: Rc<dyn BlockDevice> = Rc::new(MemoryDevice::new(128 << 20));
        let options = OpenOptions { index_cache: budget, ..OpenOptions::default() };
        let disk = Disk::new(&device, 512, &options);
        let (extent, mut index) = (Extent { first: 3, count: 100 }, Vec::new());
        let (index_length, index_checksum) =
            pack_index::write(&mut records, &ids[0], &Ends::of_one(ids[..1].to_vec()), &mut |bytes| {
                index.extend_from_slice(bytes);
                Ok(())
            })
            .unwrap();
        assert_eq!(index.len() as u64, index_length);
        let pack_length = offset + TRAILER;
        let index_offset = pack_length.next_multiple_of(512);
        disk.write(extent.offset() + index_offset, &index).unwrap();
        let place = PackPlace { extent, pack_length, index_offset, index_length, index_checksum };
        (AdoptedPack::on_device(disk.clone(), place), ids, disk)
    }

    #[test]
    fn every_object_is_found_by_id_and_by_offset_at_every_size_of_the_index() {
        for objects in [0, 1, 2, 127, 128, 129, 408, 409, 410, 5000, 40_000] {
            let (pack, ids, _) = adopted(objects.max(1), 64 << 10);
            let mut found = 0;
            for (position, id) in pack.positions().unwrap().zip(&ids) {
                let position = position.unwrap();
                assert_eq!(pack.id(position).unwrap(), *id);
                assert_eq!(pack.find(id).unwrap(), Some(position));
                assert_eq!(pack.kind(position).unwrap(), [Kind::Blob, Kind::Tree, Kind::Commit][found % 3]);
                let after = PackPosition { offset: position.offset + 7, ..position };
                assert_eq!(pack.base(after, 7).unwrap(), position);
                assert!(pack.base(after, 6).is_err() && pack.base(after, 0).is_err());
                found += 1;
            }
            assert_eq!((found, pack.len().unwrap()), (ids.len(), ids.len()));
            for absent in [[0; 20], [0xff; 20], [0x80; 20]] {
                assert_eq!(pack.find(&ObjectId::Sha1(absent)).unwrap(), None);
            }
            pack.verify_index(ids.len() as u32, &ids[0]).unwrap();
            assert!(pack.verify_index(ids.len() as u32 + 1, &ids[0]).is_err());
        }
    }

    #[test]
    fn a_million_objects_are_found_within_a_budget_of_a_mebibyte() {
        let (pack, ids, disk) = adopted(1_000_000, 1 << 20);
        for (number, id) in ids.iter().enumerate().step_by(997) {
            let (position, kind) = pack.find_with_kind(id).unwrap().unwrap();
            assert_eq!(kind, [Kind::Blob, Kind::Tree, Kind::Commit][number % 3]);
            assert_eq!(
                pack.base(PackPosition { offset: position.offset + 1, ..position }, 1).unwrap(),
                position
            );
        }
        let table = pack.table().unwrap();
        let resident = disk.pages.bytes() + table.rows.capacity() * size_of::<Row>();
        assert!(
            resident < (1 << 20) + (200 << 10),
            "{resident} bytes for an index of {}",
            pack.index_length()
        );
    }

    #[test]
    fn damage_anywhere_in_an_index_is_an_error_and_never_a_wrong_place() {
        let (pack, ids, disk) = adopted(1000, 0);
        let Some(place) = pack.place() else { unreachable!() };
        let start = place.extent.offset() + place.index_offset;
        let good: Vec<_> = ids.iter().map(|id| pack.find(id).unwrap()).collect();
        for at in (0..place.index_length).step_by(577) {
            let block = (start + at) / 512 * 512;
            let before = disk.read(block, 512).unwrap();
            let mut bytes = before.to_vec();
            bytes[(start + at - block) as usize] ^= 0x10;
            disk.write(block, &bytes).unwrap();
            let damaged = AdoptedPack::on_device(disk.clone(), place);
            let mut errors = 0;
            for (id, expected) in ids.iter().zip(&good) {
                match damaged.find(id) {
                    Ok(found) => assert_eq!(found, *expected),
                    Err(Error::Malformed(reason)) => {
                        assert!(
                            reason.starts_with("the index of the pack at byte 3145728 is damaged"),
                            "{reason}"
                        );
                        errors += 1;
                    }
                    Err(error) => panic!("{error}"),
                }
            }
            let order = damaged.positions().map(|positions| positions.filter(Result::is_err).count());
            assert!(errors > 0 || order.is_ok_and(|errors| errors > 0), "the damage at {at} is not seen");
            assert!(damaged.verify_index(1000, &ids[0]).is_err());
            disk.write(block, &before).unwrap();
        }
    }
}
