//! Indexes of packs in place of damaged ones.

use super::{log_scan::read_what_can_be, pack_scan::index_of_pack};
use crate::{
    disk::Disk,
    format::operation::PackPlace,
    pack::{IndexEntry, encode_index},
};
use bytes::Bytes;
use gix_hash::ObjectId;
use std::collections::BTreeMap;
use xxhash_rust::xxh3::xxh3_64;

/// Bytes of an index before its table of ids, of an object in its tables, and after them.
const START: usize = 8 + 1024;
const OBJECT: usize = 28;
const END: usize = 40;

/// The very index that is damaged, made from the pack; `None` when the pack is damaged too.
pub(super) fn index_anew(disk: &Disk, place: &PackPlace, limit: u64) -> Option<Vec<u8>> {
    let length = usize::try_from(place.pack_length).ok()?;
    let pack = disk.read(place.extent.offset(), length).ok()?;
    let (index, found) = index_of_pack(&pack, limit).ok()?;
    let same = found == length
        && index.len() as u64 == place.index_length
        && xxh3_64(&index) == place.index_checksum;
    same.then_some(index)
}

/// What a damaged index still says, as an index: what is wrong in it finds objects that do not match.
pub(super) fn usable_index(disk: &Disk, place: &PackPlace) -> Option<Bytes> {
    let length = usize::try_from(place.index_length).ok()?;
    let (bytes, _) = read_what_can_be(disk, place.extent.offset() + place.index_offset, length);
    // Packs of 2 GiB and more have another table, which is not read here.
    let count = length.checked_sub(START + END).filter(|tables| tables % OBJECT == 0)? / OBJECT;
    let tables = bytes.get(START..length - END)?;
    let (ids, rest) = tables.split_at_checked(20 * count)?;
    let (sums, offsets) = rest.split_at_checked(4 * count)?;
    let numbers = |bytes: &[u8]| -> Vec<u32> {
        bytes.chunks_exact(4).map(|four| u32::from_be_bytes([four[0], four[1], four[2], four[3]])).collect()
    };
    let mut by_offset = BTreeMap::new();
    for ((id, crc32), offset) in ids.chunks_exact(20).zip(numbers(sums)).zip(numbers(offsets)) {
        let offset = u64::from(offset);
        if offset >= 12 && offset + 20 < place.pack_length {
            by_offset.insert(offset, (ObjectId::try_from(id).ok()?, crc32));
        }
    }
    let mut seen = std::collections::HashSet::new();
    let mut entries: Vec<IndexEntry> = by_offset
        .into_iter()
        .filter(|(_, (id, _))| seen.insert(*id))
        .map(|(offset, (id, crc32))| IndexEntry { id, offset, crc32 })
        .collect();
    encode_index(&mut entries, &ObjectId::null(gix_hash::Kind::Sha1)).ok().map(Bytes::from)
}
