//! Indexes of packs in place of damaged ones.

use super::{
    log_scan::read_what_can_be,
    pack_scan::{ScanLimits, ScannedPack, scan_pack},
};
use crate::{
    disk::Disk,
    format::{
        operation::PackPlace,
        pack_index::{self, Ends, FOOTER, Footer, PAGE, RECORDS},
        record::Record,
    },
};
use bytes::Bytes;
use gix_hash::ObjectId;
use std::collections::{BTreeMap, HashMap, HashSet};

/// Bytes of a pack before its first entry, and after its last one.
const HEADER: u64 = 12;
const TRAILER: u64 = 20;

/// An index in memory, and its checksum.
pub(super) struct NewIndex {
    pub(super) bytes: Bytes,
    pub(super) checksum: u64,
}

fn encode(records: &mut [Record], checksum: &ObjectId, ends: &Ends) -> Option<NewIndex> {
    let mut bytes = Vec::new();
    let mut add = |part: &[u8]| {
        bytes.extend_from_slice(part);
        Ok(())
    };
    let (_, checksum) = pack_index::write(records, checksum, ends, &mut add).ok()?;
    Some(NewIndex { bytes: bytes.into(), checksum })
}

/// The very index that is damaged, made from the pack and from what is whole of the index; `None` when that
/// cannot be proven.
pub(super) fn index_anew(disk: &Disk, place: &PackPlace, limits: ScanLimits) -> Option<Bytes> {
    let mut scanned = scan_whole(disk, place, limits)?;
    let old = OldIndex::read(disk, place)?;
    // The pack does not tell what the index knows of chains of deltas.
    let known: HashMap<ObjectId, Record> = old.records().map(|record| (record.id(), record)).collect();
    for record in &mut scanned.records {
        if let Some(old) = known.get(&record.id())
            && (old.offset(), old.length()) == (record.offset(), record.length())
            && old.attributes().kind() == record.attributes().kind()
        {
            *record = *old;
        }
    }
    let ids = old.ends(scanned.records.len());
    // How many packs belong together may have rotted; most often it is one.
    let counts = if ids.is_empty() { [0, 0] } else { [old.packs(), 1] };
    counts.into_iter().find_map(|packs| {
        let ends = Ends { ids: ids.clone(), packs };
        let index = encode(&mut scanned.records, &scanned.checksum, &ends)?;
        let same = index.checksum == place.index_checksum && index.bytes.len() as u64 == place.index_length;
        same.then_some(index.bytes)
    })
}

/// The pack of an index, if it is whole.
fn scan_whole(disk: &Disk, place: &PackPlace, limits: ScanLimits) -> Option<ScannedPack> {
    let start = place.extent.offset();
    let scanned = scan_pack(disk, start, start.checked_add(place.pack_length)?, limits).ok();
    scanned.filter(|scanned| scanned.length == place.pack_length)
}

/// An index of a pack that is whole; else what a damaged index still says, as an index: what is wrong in it
/// finds objects that do not match.
pub(super) fn usable_index(disk: &Disk, place: &PackPlace, limits: ScanLimits) -> Option<NewIndex> {
    if let Some(mut scanned) = scan_whole(disk, place, limits) {
        // What the pack can be reached from is lost, and nothing else.
        return encode(&mut scanned.records, &scanned.checksum, &Ends::default());
    }
    let old = OldIndex::read(disk, place)?;
    let end = place.pack_length.checked_sub(TRAILER)?;
    let inside = |record: &Record| {
        record.offset() >= HEADER
            && record.length() > 0
            && record.offset().saturating_add(record.length().into()) <= end
    };
    // One entry an offset, and one an id.
    let by_offset: BTreeMap<u64, Record> =
        old.records().filter(inside).map(|record| (record.offset(), record)).collect();
    let mut seen = HashSet::new();
    let mut records: Vec<Record> =
        by_offset.into_values().filter(|record| seen.insert(*record.id_bytes())).collect();
    encode(&mut records, &ObjectId::null(gix_hash::Kind::Sha1), &Ends::default())
}

/// The bytes of a damaged index.
struct OldIndex {
    bytes: Bytes,
}

impl OldIndex {
    fn read(disk: &Disk, place: &PackPlace) -> Option<Self> {
        let length = usize::try_from(place.index_length).ok()?;
        let (bytes, _) = read_what_can_be(disk, place.extent.offset() + place.index_offset, length);
        Some(Self { bytes })
    }

    /// Whatever its pages of records seem to say: what else is in it reads as records that do not match.
    fn records(&self) -> impl Iterator<Item = Record> {
        self.bytes
            .chunks(PAGE)
            .flat_map(|page| (0..RECORDS).map_while(|number| pack_index::record(page, number).ok()))
            .filter(|record| record.length() > 0)
    }

    /// Its tips and boundary, if it has so many objects.
    fn ends(&self, objects: usize) -> Vec<ObjectId> {
        let pack_checksum = ObjectId::null(gix_hash::Kind::Sha1);
        let footer = Footer { objects: objects as u32, tips: 0, pack_checksum, packs: 0 };
        let without = usize::try_from(footer.index_length()).unwrap_or(usize::MAX);
        let end = self.bytes.len().saturating_sub(FOOTER);
        let start = without.saturating_sub(FOOTER);
        let tips = self.bytes.get(start..end).unwrap_or_default().chunks_exact(20);
        tips.filter_map(|id| ObjectId::try_from(id).ok()).collect()
    }

    /// How many packs are to name the same ends.
    fn packs(&self) -> u32 {
        self.bytes.last_chunk().map_or(0, |end| u32::from_le_bytes(*end))
    }
}
