//! Objects that nothing in the index leads to, because the part of the log that named them is lost.

use super::{
    log_scan::read_what_can_be,
    pack_scan::{ScanLimits, scan_pack},
};
use crate::{
    Error, Object,
    core::RepositoryState,
    disk::Disk,
    format::{
        layout::{Extent, SEGMENT},
        operation::{Operation, Operations, PackPlace},
        pack_index::{self, Ends},
    },
    objects::{
        entry::{EntryContent, EntryHeader, MAX_ENTRY_HEADER, hash},
        fetch::{self, Fetched},
        pack::AdoptedPack,
    },
    replay::Frame,
};
use gix_hash::{ObjectId, oid};
use std::{
    cell::RefCell,
    collections::{BTreeSet, HashMap},
    rc::Rc,
};

/// Where such objects lie. Nothing here is believed: whoever takes an object compares it with its id.
pub(super) struct Leftovers {
    disk: Disk,
    places: HashMap<ObjectId, (u64, u32)>,
    packs: Vec<Rc<AdoptedPack>>,
}

impl Leftovers {
    pub(super) fn new(disk: Disk) -> Self {
        Self { disk, places: HashMap::new(), packs: Vec::new() }
    }

    /// Remembers all objects that a frame names.
    pub(super) fn add_frame(&mut self, frame: &Frame) {
        let mut operations = Operations::new(&frame.operations);
        while let Ok(Some(operation)) = operations.next() {
            match operation {
                Operation::Object { id, entry, .. } => {
                    let offset = frame.offset + (operations.position() - entry.len()) as u64;
                    self.places.insert(id, (offset, entry.len() as u32));
                }
                Operation::LargeObject { id, offset, length, .. } => {
                    self.places.insert(id, (offset, length));
                }
                _ => {}
            }
        }
    }

    /// Looks for whole packs and large objects in segments that nothing uses, and gives their places.
    pub(super) fn search(&mut self, free: &BTreeSet<u32>, limits: ScanLimits) -> Vec<Extent> {
        let (mut next, mut found) = (0, Vec::new());
        for first in free {
            if *first < next {
                continue;
            }
            let (start, _) = read_what_can_be(&self.disk, u64::from(*first) * SEGMENT, 4096);
            if !start.starts_with(b"PACK") && !is_whole_object(&start) {
                continue;
            }
            let run = (*first..).take_while(|segment| free.contains(segment)).count();
            let extent = Extent { first: *first, count: run as u32 };
            let length = if start.starts_with(b"PACK") {
                self.add_pack(extent, limits)
            } else {
                self.add_large(extent, limits.object_size)
            };
            if let Some(count) = length.and_then(Extent::count_for) {
                next = first.saturating_add(count);
                found.push(Extent { first: *first, count });
            }
        }
        found
    }

    fn add_pack(&mut self, extent: Extent, limits: ScanLimits) -> Option<u64> {
        let (start, end) = (extent.offset(), extent.offset() + extent.length());
        let mut scanned = scan_pack(&self.disk, start, end, limits).ok()?;
        let mut index = Vec::new();
        let (index_length, index_checksum) =
            pack_index::write(&mut scanned.records, &scanned.checksum, &Ends::default(), &mut |bytes| {
                index.extend_from_slice(bytes);
                Ok(())
            })
            .ok()?;
        let pack_length = scanned.length;
        let place = PackPlace { extent, pack_length, index_offset: 0, index_length, index_checksum };
        let index = index.into();
        let pack = AdoptedPack::on_device_with_index(self.disk.clone(), place, index, index_checksum);
        self.packs.push(Rc::new(pack));
        Some(scanned.length)
    }

    fn add_large(&mut self, extent: Extent, limit: u64) -> Option<u64> {
        let start = self.disk.read(extent.offset(), MAX_ENTRY_HEADER).ok()?;
        let header = EntryHeader::parse(&start).ok()?;
        let EntryContent::Whole(kind) = header.content else { return None };
        // What does not compress grows by a few bytes in each of its blocks (RFC 1951 §3.2.4).
        let most = header.inflated_size.checked_add(header.inflated_size / 1024 + 4096)?;
        if header.inflated_size > limit {
            return None;
        }
        let bytes = self.disk.read(extent.offset(), most.min(extent.length()) as usize).ok()?;
        let (content, stream) = header.inflate(&bytes, limit).ok()?;
        let length = u32::try_from(header.length + stream).ok()?;
        self.places.insert(hash(kind, &content).ok()?, (extent.offset(), length));
        Some(length.into())
    }

    /// An object, if it is here and whole. Bases of its deltas may be in `repository`.
    pub(super) fn object(
        &self,
        id: &ObjectId,
        repository: &RefCell<RepositoryState>,
        limit: u64,
    ) -> Option<Object> {
        let fetch = |id: &oid| match self.fetch(id)? {
            Some(fetched) => Ok(fetched),
            None => {
                let state = repository.borrow();
                if let Some(record) = state.index.get(id) {
                    return self.disk.read(record.offset(), record.length() as usize).map(Fetched::Entry);
                }
                Err(Error::NoObject(id.to_owned()))
            }
        };
        self.contains(id).then(|| fetch::decode(id, &fetch, limit).ok()).flatten()
    }

    fn contains(&self, id: &oid) -> bool {
        self.places.contains_key(&id.to_owned())
            || self.packs.iter().any(|pack| matches!(pack.find(id), Ok(Some(_))))
    }

    fn fetch(&self, id: &oid) -> Result<Option<Fetched>, Error> {
        if let Some((offset, length)) = self.places.get(&id.to_owned()) {
            return self.disk.read(*offset, *length as usize).map(|entry| Some(Fetched::Entry(entry)));
        }
        for pack in &self.packs {
            if let Some(position) = pack.find(id)? {
                return Ok(Some(Fetched::Pack(pack.clone(), position)));
            }
        }
        Ok(None)
    }
}

/// Whether bytes look like the entry of a large object.
fn is_whole_object(start: &[u8]) -> bool {
    EntryHeader::parse(start).is_ok_and(|header| {
        matches!(header.content, EntryContent::Whole(_))
            && header.inflated_size >= SEGMENT
            && header.stream(start).first() == Some(&0x78)
    })
}
