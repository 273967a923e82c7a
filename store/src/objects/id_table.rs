//! Ids numbered in the order in which they came: 26 to 32 bytes each.

use gix_hash::ObjectId;
use std::hash::{BuildHasher, Hasher, RandomState};
use xxhash_rust::xxh3::xxh3_64_with_seed;

const EMPTY: u32 = u32::MAX;
/// Buckets of a table that has any.
const MIN_BUCKETS: usize = 16;

/// A set of ids.
pub(crate) struct IdTable {
    ids: Vec<[u8; 20]>,
    /// Numbers of ids, open addressing; a power of two, of which a quarter at least is empty.
    buckets: Vec<u32>,
    /// Peers choose the ids: they shall not know which ones share a bucket.
    seed: u64,
}

impl Default for IdTable {
    fn default() -> Self {
        let seed = RandomState::new().build_hasher().finish();
        Self { ids: Vec::new(), buckets: Vec::new(), seed }
    }
}

impl IdTable {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.ids.len()
    }

    /// The bucket that has an id, or where it belongs.
    fn bucket(&self, id: &[u8]) -> usize {
        let mask = self.buckets.len().saturating_sub(1);
        let mut at = xxh3_64_with_seed(id, self.seed) as usize & mask;
        while let Some(number) = self.buckets.get(at).filter(|number| **number != EMPTY) {
            if self.ids.get(*number as usize).is_some_and(|known| known == id) {
                break;
            }
            at = (at + 1) & mask;
        }
        at
    }

    /// The number of an id.
    pub(crate) fn get(&self, id: &ObjectId) -> Option<u32> {
        self.buckets.get(self.bucket(id.as_slice())).copied().filter(|number| *number != EMPTY)
    }

    /// Whether an id is here.
    pub(crate) fn contains(&self, id: &ObjectId) -> bool {
        self.get(id).is_some()
    }

    /// The id of a number.
    pub(crate) fn id(&self, number: u32) -> Option<ObjectId> {
        self.ids.get(number as usize).map(|id| ObjectId::Sha1(*id))
    }

    /// All ids, in the order in which they came.
    pub(crate) fn iter(&self) -> impl Iterator<Item = ObjectId> {
        self.ids.iter().map(|id| ObjectId::Sha1(*id))
    }

    /// Adds an id; gives its number, and whether it is new. There are fewer than 2³² - 1: memory ends before.
    pub(crate) fn insert(&mut self, id: &ObjectId) -> (u32, bool) {
        if (self.ids.len() + 1) * 4 > self.buckets.len() * 3 {
            self.grow();
        }
        let at = self.bucket(id.as_slice());
        let new = self.ids.len() as u32;
        match self.buckets.get_mut(at) {
            Some(number) if *number == EMPTY => *number = new,
            Some(number) => return (*number, false),
            None => return (new, false),
        }
        let mut bytes = [0; 20];
        bytes.copy_from_slice(id.as_slice());
        self.ids.push(bytes);
        (new, true)
    }

    fn grow(&mut self) {
        let count = (self.buckets.len() * 2).max(MIN_BUCKETS);
        self.buckets = Vec::new();
        self.buckets.resize(count, EMPTY);
        let mask = count - 1;
        for (number, id) in self.ids.iter().enumerate() {
            let mut at = xxh3_64_with_seed(id, self.seed) as usize & mask;
            while let Some(bucket) = self.buckets.get_mut(at) {
                if *bucket == EMPTY {
                    *bucket = number as u32;
                    break;
                }
                at = (at + 1) & mask;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gix_object::Kind;

    #[test]
    fn ids_are_numbered_as_they_come_and_found_again() {
        let id = |number: u32| {
            gix_object::compute_hash(gix_hash::Kind::Sha1, Kind::Blob, &number.to_le_bytes()).unwrap()
        };
        let mut table = IdTable::default();
        assert_eq!(table.get(&id(0)), None);
        for number in 0..5000 {
            assert_eq!(table.insert(&id(number)), (number, true));
            assert_eq!(table.insert(&id(number / 2)), (number / 2, false));
        }
        for number in 0..5000 {
            assert_eq!((table.get(&id(number)), table.id(number)), (Some(number), Some(id(number))));
        }
        assert!(!table.contains(&id(5000)) && table.id(5000).is_none() && table.len() == 5000);
        assert!(table.iter().eq((0..5000).map(id)));
    }
}
