//! Which objects a repository has, and where: 32 bytes an object, and an eighth more for new ones.

use crate::{format::record::Record, log::is_large};
use gix_hash::oid;
use std::{collections::HashMap, ops::Range};

/// New records are kept aside until there are so many of them, or an eighth of all.
const MIN_RECENT: usize = 1024;

/// The index of a repository.
#[derive(Default)]
pub(crate) struct ObjectIndex {
    sorted: Vec<Record>,
    recent: HashMap<[u8; 20], Record>,
    /// Bytes of the entries that are in the log.
    bytes: u64,
    /// Number of those that are too large for it.
    large: usize,
}

impl ObjectIndex {
    /// An index of records that are sorted by id.
    pub(crate) fn from_sorted(sorted: Vec<Record>) -> Self {
        debug_assert!(sorted.is_sorted_by(|a, b| a.id_bytes() < b.id_bytes()));
        let mut index = Self { sorted, ..Self::default() };
        index.count();
        index
    }

    pub(crate) fn get(&self, id: &oid) -> Option<Record> {
        let key: [u8; 20] = id.as_bytes().try_into().ok()?;
        if let Some(record) = self.recent.get(&key) {
            return Some(*record);
        }
        // The first bytes nearly always tell, and compare as a number.
        let (start, end) = halves(&key);
        let order = |record: &Record| {
            let (record_start, record_end) = halves(record.id_bytes());
            record_start.cmp(&start).then_with(|| record_end.cmp(end))
        };
        let at = self.sorted.binary_search_by(order).ok()?;
        self.sorted.get(at).copied()
    }

    pub(crate) fn len(&self) -> usize {
        self.sorted.len() + self.recent.len()
    }

    /// Bytes of the entries that are in the log, and not in extents of their own.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Number of objects in extents of their own.
    pub(crate) fn large(&self) -> usize {
        self.large
    }

    /// Adds an object, unless it is there already.
    pub(crate) fn insert(&mut self, record: Record) {
        if self.get(&record.id()).is_some() {
            return;
        }
        self.note(&record);
        self.recent.insert(*record.id_bytes(), record);
        if self.recent.len() > MIN_RECENT.max(self.sorted.len() / 8) {
            self.merge();
        }
    }

    /// Forgets an object, to be stored anew or to be found in a pack.
    pub(crate) fn remove(&mut self, id: &oid) {
        let Ok(key) = <[u8; 20]>::try_from(id.as_bytes()) else { return };
        let mut removed = self.recent.remove(&key);
        if let Ok(at) = self.sorted.binary_search_by(|record| record.id_bytes().cmp(&key)) {
            removed = Some(self.sorted.remove(at));
        }
        match removed.map(|record| record.length()) {
            Some(length) if is_large(length as usize) => self.large -= 1,
            Some(length) => self.bytes -= u64::from(length),
            None => {}
        }
    }

    /// Forgets the objects whose entry begins in one of these ranges of bytes of the device, which are sorted
    /// and do not overlap.
    pub(crate) fn remove_ranges(&mut self, ranges: &[Range<u64>]) {
        let kept = |record: &Record| !holds(ranges, record.offset());
        self.sorted.retain(kept);
        self.recent.retain(|_, record| kept(record));
        self.sorted.shrink_to_fit();
        self.count();
    }

    fn count(&mut self) {
        (self.bytes, self.large) = (0, 0);
        for at in 0..self.sorted.len() {
            let record = self.sorted[at];
            self.note(&record);
        }
        let recent: Vec<Record> = self.recent.values().copied().collect();
        recent.iter().for_each(|record| self.note(record));
    }

    fn note(&mut self, record: &Record) {
        match is_large(record.length() as usize) {
            true => self.large += 1,
            false => self.bytes += u64::from(record.length()),
        }
    }

    /// All records, sorted by id.
    pub(crate) fn sorted(&mut self) -> &[Record] {
        self.merge();
        &self.sorted
    }

    /// All records, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Record> {
        self.sorted.iter().chain(self.recent.values())
    }

    /// Merges the recent records into the sorted ones, from the end, in place.
    fn merge(&mut self) {
        let mut recent: Vec<Record> = self.recent.drain().map(|(_, record)| record).collect();
        let Some(&filler) = recent.first() else { return };
        recent.sort_unstable_by(|a, b| a.id_bytes().cmp(b.id_bytes()));
        let mut old = self.sorted.len();
        self.sorted.reserve_exact(recent.len());
        self.sorted.resize(old + recent.len(), filler);
        let mut free = self.sorted.len();
        while let Some(last) = recent.last() {
            free -= 1;
            if old > 0 && self.sorted[old - 1].id_bytes() > last.id_bytes() {
                old -= 1;
                self.sorted[free] = self.sorted[old];
            } else {
                self.sorted[free] = *last;
                recent.pop();
            }
        }
    }
}

/// Whether an offset is in one of these ranges, which are sorted and do not overlap.
pub(crate) fn holds(ranges: &[Range<u64>], offset: u64) -> bool {
    let at = ranges.partition_point(|range| range.end <= offset);
    ranges.get(at).is_some_and(|range| range.start <= offset)
}

/// The first 8 bytes of an id as a number that sorts as they do, and the others.
fn halves(id: &[u8; 20]) -> (u64, &[u8]) {
    let (start, end) = id.split_at(8);
    (start.iter().fold(0, |number, byte| (number << 8) | u64::from(*byte)), end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::record::Attributes;
    use gix_hash::ObjectId;
    use gix_object::Kind;

    fn record(number: u32) -> Record {
        let id = gix_object::compute_hash(gix_hash::Kind::Sha1, Kind::Blob, &number.to_le_bytes()).unwrap();
        Record::new(&id, u64::from(number) << 4, number, Attributes::new(Kind::Blob, None))
    }

    #[test]
    fn every_inserted_object_is_found_across_merges() {
        let mut index = ObjectIndex::default();
        for number in 0..20_000 {
            index.insert(record(number));
            index.insert(record(number / 2));
        }
        assert_eq!(index.len(), 20_000);
        for number in 0..20_000 {
            assert_eq!(index.get(&record(number).id()), Some(record(number)));
        }
        assert_eq!(index.get(&record(20_001).id()), None);
        assert_eq!(index.get(&ObjectId::Sha1([0; 20])), None);
        assert_eq!(index.iter().count(), 20_000);
        assert!(index.sorted().is_sorted_by(|a, b| a.id_bytes() < b.id_bytes()));
        assert_eq!(index.sorted().len(), 20_000);
        // One that is sorted already, and one that is not yet.
        index.insert(record(20_002));
        for number in [7, 20_002] {
            index.remove(&record(number).id());
            assert_eq!(index.get(&record(number).id()), None);
        }
        assert_eq!(index.sorted().len(), 19_999);
    }

    #[test]
    fn the_objects_of_ranges_are_forgotten_and_no_others() {
        let mut index = ObjectIndex::default();
        for number in 0..5000 {
            index.insert(record(number));
        }
        assert_eq!(index.bytes(), (0..5000).sum());
        index.remove_ranges(&[0..16, 100 << 4..200 << 4, 4900 << 4..4901 << 4]);
        let gone = |number| number == 0 || (100..200).contains(&number) || number == 4900;
        for number in 0..5000 {
            assert_eq!(index.get(&record(number).id()).is_none(), gone(number), "{number}");
        }
        assert_eq!(index.len(), 4898);
        assert_eq!(index.bytes(), (0..5000).filter(|number| !gone(*number)).map(u64::from).sum());
    }
}
