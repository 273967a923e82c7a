//! git's pack indexes, version 2 (gitformat-pack(5)): as exports have them, and of packs that are adopted.

use crate::{
    Error,
    format::record::{Attributes, Record},
    objects::entry::{EntryContent, EntryHeader, MAX_DELTA_CHAIN},
    pack::scan::TRAILER,
};
use bytes::Bytes;
use gix_hash::ObjectId;
use gix_object::Kind;

/// One object of a pack index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct IndexEntry {
    pub(crate) id: ObjectId,
    pub(crate) offset: u64,
    pub(crate) crc32: u32,
}

/// Encodes the index of a pack, just as `git index-pack` does. Sorts `entries`.
pub(crate) fn encode_index(entries: &mut [IndexEntry], pack_checksum: &ObjectId) -> Result<Vec<u8>, Error> {
    /// From here on, offsets are kept in the table of 64-bit offsets.
    const LARGE: u64 = 1 << 31;
    entries.sort_unstable();
    let mut out = Vec::with_capacity(8 + 1024 + entries.len() * 28 + 40);
    out.extend_from_slice(b"\xfftOc\0\0\0\x02");
    let mut below = 0;
    for byte in 0..=255 {
        below +=
            entries.get(below..).unwrap_or_default().iter().take_while(|e| e.id.first_byte() == byte).count();
        out.extend_from_slice(&(below as u32).to_be_bytes());
    }
    for entry in entries.iter() {
        out.extend_from_slice(entry.id.as_slice());
    }
    for entry in entries.iter() {
        out.extend_from_slice(&entry.crc32.to_be_bytes());
    }
    let mut large = Vec::new();
    for entry in entries.iter() {
        let offset = if entry.offset < LARGE {
            entry.offset as u32
        } else {
            large.push(entry.offset);
            LARGE as u32 | (large.len() - 1) as u32
        };
        out.extend_from_slice(&offset.to_be_bytes());
    }
    for offset in large {
        out.extend_from_slice(&offset.to_be_bytes());
    }
    out.extend_from_slice(pack_checksum.as_slice());
    let mut hasher = gix_hash::hasher(gix_hash::Kind::Sha1);
    hasher.update(&out);
    let checksum = hasher.try_finalize().map_err(|error| Error::Malformed(error.to_string()))?;
    out.extend_from_slice(checksum.as_slice());
    Ok(out)
}

/// The records of a complete pack, from its index. Finds the kinds of deltas, and decodes nothing.
///
/// # Errors
/// [`Error::Malformed`] when pack and index do not belong together, or the pack is not complete.
pub(crate) fn records_of(pack: &Bytes, index: &Bytes) -> Result<Vec<Record>, Error> {
    let malformed = |what: &str| Error::Malformed(format!("pack: {what}"));
    let header = pack.first_chunk().ok_or_else(|| malformed("too short"))?;
    let (_, count) = gix_pack::data::header::decode(header).map_err(|error| malformed(&error.to_string()))?;
    let index = gix_pack::index::File::from_data(index.clone(), "".into(), gix_hash::Kind::Sha1)
        .map_err(|error| malformed(&format!("index: {error}")))?;
    if index.version() != gix_pack::index::Version::V2 {
        return Err(malformed("the index is not of version 2"));
    }
    if count != index.num_objects() {
        return Err(malformed("the index has another number of objects"));
    }
    if Some(index.pack_checksum().as_slice()) != pack.last_chunk::<TRAILER>().map(|id| &id[..]) {
        return Err(malformed("the index is of another pack"));
    }
    let mut order: Vec<(u64, u32)> = (0..count).map(|at| (index.pack_offset_at_index(at), at)).collect();
    order.sort_unstable();
    let end = (pack.len() - TRAILER) as u64;
    let entry = |at: usize| {
        let start = order.get(at).map_or(end, |(offset, _)| *offset);
        let end = order.get(at + 1).map_or(end, |(offset, _)| *offset);
        let bytes = pack.get(start as usize..end as usize).filter(|bytes| !bytes.is_empty());
        bytes.ok_or_else(|| malformed("the index reaches beyond the pack")).map(|bytes| (start, bytes))
    };
    let missing = || malformed("a delta's base is no entry of the pack");
    let base = |start: u64, bytes: &[u8]| match EntryHeader::parse(bytes)?.content {
        EntryContent::Whole(kind) => Ok(Err(kind)),
        EntryContent::OffsetDelta(distance) => {
            let base = start.checked_sub(distance).ok_or_else(missing)?;
            order.binary_search_by_key(&base, |(offset, _)| *offset).map(Ok).map_err(|_| missing())
        }
        EntryContent::ReferenceDelta(id) => {
            let at = index.lookup(id).ok_or_else(missing)?;
            let base = index.pack_offset_at_index(at);
            order.binary_search_by_key(&base, |(offset, _)| *offset).map(Ok).map_err(|_| missing())
        }
    };
    let mut kinds: Vec<Option<Kind>> = vec![None; order.len()];
    let mut records = Vec::with_capacity(order.len());
    for (position, (_, number)) in order.iter().enumerate() {
        let (mut at, mut chain) = (position, Vec::new());
        let kind = loop {
            if let Some(Some(kind)) = kinds.get(at) {
                break *kind;
            }
            if chain.len() > MAX_DELTA_CHAIN {
                return Err(malformed("a chain of deltas has no end"));
            }
            chain.push(at);
            let (start, bytes) = entry(at)?;
            match base(start, bytes)? {
                Ok(base) => at = base,
                Err(kind) => break kind,
            }
        };
        for at in chain {
            if let Some(known) = kinds.get_mut(at) {
                *known = Some(kind);
            }
        }
        let (start, bytes) = entry(position)?;
        let length = u32::try_from(bytes.len()).map_err(|_| Error::Limit("entry size".into()))?;
        records.push(Record::new(index.oid_at_index(*number), start, length, Attributes::new(kind, None)));
    }
    Ok(records)
}
