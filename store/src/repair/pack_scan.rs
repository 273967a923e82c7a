//! The objects of a pack, found from the pack alone.

use crate::{
    Error, Object,
    format::record::{Attributes, Record},
    objects::{
        cache::{Bounds, Cache},
        delta,
        entry::{EntryContent, EntryHeader, MAX_DELTA_CHAIN, hash},
    },
};
use bytes::Bytes;
use gix_hash::ObjectId;
use std::collections::{BTreeMap, HashMap};

const HEADER: usize = 12;
const TRAILER: usize = 20;
/// Bytes of decoded objects that are kept as bases of deltas.
const BASES: usize = 64 << 20;

/// A whole pack.
pub(super) struct ScannedPack {
    /// Its objects, in no order.
    pub(super) records: Vec<Record>,
    pub(super) checksum: ObjectId,
    /// In bytes.
    pub(super) length: usize,
}

/// Reads the pack that `bytes` begin with.
///
/// # Errors
/// [`Error::Malformed`] when there is no whole pack (its checksum counts), or one with bases outside.
pub(super) fn scan_pack(bytes: &Bytes, limit: u64) -> Result<ScannedPack, Error> {
    let malformed = |what: &str| Error::Malformed(format!("pack: {what}"));
    let header: &[u8; HEADER] = bytes.first_chunk().ok_or_else(|| malformed("too short"))?;
    let (version, count) =
        gix_pack::data::header::decode(header).map_err(|error| malformed(&error.to_string()))?;
    if version != gix_pack::data::Version::V2 {
        return Err(malformed("not of version 2"));
    }
    let mut scan = PackScan {
        bytes,
        limit,
        entries: BTreeMap::new(),
        ids: HashMap::new(),
        bases: Cache::new(Bounds::bytes(BASES)),
    };
    let mut offset = HEADER;
    let mut entries = Vec::new();
    for _ in 0..count {
        let rest = bytes.get(offset..).unwrap_or_default();
        let header = EntryHeader::parse(rest)?;
        let (_, stream) = header.inflate(rest, limit)?;
        let length = header.length + stream;
        scan.entries.insert(offset, header);
        entries.push((offset, length));
        offset += length;
    }
    let found = bytes.get(offset..offset + TRAILER).ok_or_else(|| malformed("too short"))?;
    let mut hasher = gix_hash::hasher(gix_hash::Kind::Sha1);
    hasher.update(bytes.get(..offset).unwrap_or_default());
    let checksum = hasher.try_finalize().map_err(|error| malformed(&error.to_string()))?;
    if checksum.as_slice() != found {
        return Err(malformed("its checksum does not match"));
    }
    // A delta may name a base by id that comes later.
    let mut records = Vec::with_capacity(entries.len());
    while !entries.is_empty() {
        let before = entries.len();
        let mut left = Vec::new();
        for (offset, length) in std::mem::take(&mut entries) {
            match scan.object(offset)? {
                Some(object) => {
                    let id = hash(object.kind, &object.data)?;
                    scan.ids.insert(id, offset);
                    let length = u32::try_from(length).map_err(|_| Error::Limit("entry size".into()))?;
                    records.push(Record::new(&id, offset as u64, length, Attributes::new(object.kind, None)));
                }
                None => left.push((offset, length)),
            }
        }
        if left.len() == before {
            return Err(malformed("a delta's base is not in it"));
        }
        entries = left;
    }
    Ok(ScannedPack { records, checksum, length: offset + TRAILER })
}

struct PackScan<'a> {
    bytes: &'a Bytes,
    limit: u64,
    entries: BTreeMap<usize, EntryHeader>,
    ids: HashMap<ObjectId, usize>,
    bases: Cache<usize, Object>,
}

impl PackScan<'_> {
    /// The object of an entry; `None` when a base is named by an id that is not known yet.
    fn object(&mut self, offset: usize) -> Result<Option<Object>, Error> {
        let malformed = |what: &str| Error::Malformed(format!("pack: {what}"));
        let (mut at, mut deltas) = (offset, Vec::new());
        let mut object = loop {
            if let Some(object) = self.bases.get(&at) {
                break object;
            }
            if deltas.len() > MAX_DELTA_CHAIN {
                return Err(malformed("a chain of deltas has no end"));
            }
            let header = *self.entries.get(&at).ok_or_else(|| malformed("a delta's base is no entry"))?;
            let (content, _) = header.inflate(self.bytes.get(at..).unwrap_or_default(), self.limit)?;
            match header.content {
                EntryContent::Whole(kind) => break Object { kind, data: content.into() },
                EntryContent::OffsetDelta(distance) => {
                    deltas.push(content);
                    let base = usize::try_from(distance).ok().filter(|distance| *distance > 0);
                    at = base
                        .and_then(|distance| at.checked_sub(distance))
                        .ok_or_else(|| malformed("a delta's base is no entry"))?;
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
            object.data = delta::apply(&object.data, &delta, self.limit)?.into();
        }
        self.bases.insert(offset, object.clone());
        Ok(Some(object))
    }
}
