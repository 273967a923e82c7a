//! The objects of a pack, found from the pack alone.

use crate::{
    Error, Object, OpenOptions,
    disk::Disk,
    format::record::{Attributes, Record},
    objects::{
        cache::{Bounds, Cache},
        delta,
        entry::{EntryContent, EntryHeader, MAX_DELTA_CHAIN, hash},
    },
    pack::{PackLimits, Scanner},
};
use gix_hash::ObjectId;
use sha1::{Digest, Sha1};
use std::collections::HashMap;

const TRAILER: usize = 20;
/// Bytes that are read at once.
const PIECE: u64 = 256 << 10;

/// A whole pack.
pub(super) struct ScannedPack {
    /// Its objects, in no order.
    pub(super) records: Vec<Record>,
    pub(super) checksum: ObjectId,
    /// In bytes.
    pub(super) length: u64,
}

/// What a scan may take.
#[derive(Clone, Copy)]
pub(super) struct ScanLimits {
    /// Size of an object, in bytes.
    pub(super) object_size: u64,
    /// Bytes of decoded objects that are kept as bases of deltas.
    pub(super) bases: usize,
}

impl ScanLimits {
    /// As for packs that are read otherwise.
    pub(super) fn of(options: &OpenOptions) -> Self {
        Self { object_size: options.max_object_size, bases: options.base_cache }
    }
}

/// Reads the pack that begins at a byte of the device, and ends before another.
///
/// Memory: about 100 bytes an object, and one object beside the bases.
///
/// # Errors
/// [`Error::Malformed`] when there is no whole pack (its checksum counts), or one with bases outside;
/// [`Error::Device`].
pub(super) fn scan_pack(disk: &Disk, start: u64, end: u64, limits: ScanLimits) -> Result<ScannedPack, Error> {
    let mut scan = PackScan {
        disk,
        start,
        limits,
        entries: Vec::new(),
        ids: HashMap::new(),
        bases: Cache::new(Bounds::bytes(limits.bases)),
    };
    let (mut records, checksum, length) = scan.read_entries(end)?;
    scan.resolve(&mut records)?;
    Ok(ScannedPack { records, checksum, length })
}

/// Where an entry begins, and its length.
type Place = (u64, u32);

struct PackScan<'a> {
    disk: &'a Disk,
    start: u64,
    limits: ScanLimits,
    /// All entries, in the order of the pack.
    entries: Vec<Place>,
    /// Where the objects are that deltas may name by their ids.
    ids: HashMap<ObjectId, u64>,
    bases: Cache<u64, Object>,
}

impl PackScan<'_> {
    /// Reads all entries once. Gives the records of whole objects, and the null id for deltas; the checksum;
    /// and the length of the pack.
    fn read_entries(&mut self, end: u64) -> Result<(Vec<Record>, ObjectId, u64), Error> {
        let limits =
            PackLimits { objects: u32::MAX, object_size: self.limits.object_size, ..PackLimits::default() };
        let (mut scanner, mut hasher, mut records) = (Scanner::new(), Sha1::new(), Vec::new());
        let (mut at, mut after) = (self.start, gix_pack::data::header::SIZE as u64);
        let truncated = || Error::Malformed("pack: it is truncated".into());
        loop {
            let length = PIECE.min(end.saturating_sub(at));
            if length == 0 {
                return Err(truncated());
            }
            let piece = self.disk.read(at, length as usize)?;
            let mut rest: &[u8] = &piece;
            while let Some((entry, content)) = scanner.next_entry(&mut rest, &limits)? {
                let id = match entry.content {
                    EntryContent::Whole(kind) => (hash(kind, &content)?, kind),
                    _ => (ObjectId::null(gix_hash::Kind::Sha1), gix_object::Kind::Blob),
                };
                records.push(Record::new(&id.0, entry.offset, entry.length, Attributes::new(id.1, None)));
                self.entries.push((entry.offset, entry.length));
                after = entry.offset + u64::from(entry.length);
            }
            let before = at - self.start;
            at += length;
            // The header was read, since a piece is longer.
            if records.len() < scanner.count() as usize {
                hasher.update(&piece);
                continue;
            }
            let last = (after - before) as usize;
            hasher.update(piece.get(..last).ok_or_else(truncated)?);
            break;
        }
        if self.start + after + TRAILER as u64 > end {
            return Err(truncated());
        }
        let found = self.disk.read(self.start + after, TRAILER)?;
        let checksum = ObjectId::Sha1(hasher.finalize().into());
        if checksum.as_slice() != found.as_ref() {
            return Err(Error::Malformed("pack: its checksum does not match".into()));
        }
        Ok((records, checksum, after + TRAILER as u64))
    }

    /// Makes the objects of deltas, and gives their records ids and kinds.
    fn resolve(&mut self, records: &mut [Record]) -> Result<(), Error> {
        let null = ObjectId::null(gix_hash::Kind::Sha1);
        let mut waiting: Vec<usize> = Vec::new();
        for (number, record) in records.iter().enumerate() {
            if record.id() == null {
                waiting.push(number);
            } else {
                self.ids.insert(record.id(), record.offset());
            }
        }
        // A delta may name a base by id that comes later.
        while !waiting.is_empty() {
            let before = waiting.len();
            let mut left = Vec::new();
            for number in waiting {
                let Some(record) = records.get_mut(number) else { continue };
                match self.object(record.offset())? {
                    Some(object) => {
                        let id = hash(object.kind, &object.data)?;
                        self.ids.insert(id, record.offset());
                        let attributes = Attributes::new(object.kind, None);
                        *record = Record::new(&id, record.offset(), record.length(), attributes);
                    }
                    None => left.push(number),
                }
            }
            if left.len() == before {
                return Err(Error::Malformed("pack: a delta's base is not in it".into()));
            }
            waiting = left;
        }
        Ok(())
    }

    /// The object of an entry; `None` when a base is named by an id that is not known yet.
    fn object(&mut self, offset: u64) -> Result<Option<Object>, Error> {
        let malformed = |what: &str| Error::Malformed(format!("pack: {what}"));
        let (mut at, mut deltas) = (offset, Vec::new());
        let mut object = loop {
            if let Some(object) = self.bases.get(&at) {
                break object;
            }
            if deltas.len() > MAX_DELTA_CHAIN {
                return Err(malformed("a chain of deltas has no end"));
            }
            let entry = self.entries.binary_search_by_key(&at, |(offset, _)| *offset);
            let entry = entry.ok().and_then(|number| self.entries.get(number));
            let (offset, length) = *entry.ok_or_else(|| malformed("a delta's base is no entry"))?;
            let entry = self.disk.read(self.start + offset, length as usize)?;
            let header = EntryHeader::parse(&entry)?;
            let (content, _) = header.inflate(&entry, self.limits.object_size)?;
            match header.content {
                EntryContent::Whole(kind) => break Object { kind, data: content.into() },
                EntryContent::OffsetDelta(distance) => {
                    deltas.push(content);
                    let base = at.checked_sub(distance).filter(|_| distance > 0);
                    at = base.ok_or_else(|| malformed("a delta's base is no entry"))?;
                }
                EntryContent::ReferenceDelta(base) => match self.ids.get(&base) {
                    Some(base) => {
                        deltas.push(content);
                        at = *base;
                    }
                    None => return Ok(None),
                },
            }
        };
        for delta in deltas.into_iter().rev() {
            object.data = delta::apply(&object.data, &delta, self.limits.object_size)?.into();
        }
        self.bases.insert(offset, object.clone());
        Ok(Some(object))
    }
}
