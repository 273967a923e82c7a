//! A cache bounded by bytes that forgets what was used longest ago.

use crate::Object;
use std::{
    collections::{BTreeMap, HashMap},
    hash::Hash,
};

/// Bookkeeping of one entry, in bytes, added to its size.
const OVERHEAD: usize = 150;

/// What a cache can hold.
pub(crate) trait Cached: Clone {
    /// Bytes of memory of the value alone.
    fn size(&self) -> usize;

    /// Bytes by which the cache grows with the value; less than its size when values share memory.
    fn enter(&self) -> usize {
        self.size()
    }

    /// Bytes by which the cache shrinks when the value is taken out.
    fn leave(&self) -> usize {
        self.size()
    }
}

impl Cached for Object {
    fn size(&self) -> usize {
        self.data.len()
    }
}

/// A least-recently-used cache.
pub(crate) struct Cache<K, V> {
    entries: HashMap<K, Slot<V>>,
    by_use: BTreeMap<u64, K>,
    clock: u64,
    bytes: usize,
    limit: usize,
}

struct Slot<V> {
    value: V,
    used: u64,
}

impl<K: Copy + Eq + Hash, V: Cached> Cache<K, V> {
    /// A cache of at most `limit` bytes.
    pub(crate) fn new(limit: usize) -> Self {
        Self { entries: HashMap::new(), by_use: BTreeMap::new(), clock: 0, bytes: 0, limit }
    }

    pub(crate) fn get(&mut self, key: &K) -> Option<V> {
        let slot = self.entries.get_mut(key)?;
        self.by_use.remove(&slot.used);
        self.clock += 1;
        slot.used = self.clock;
        self.by_use.insert(self.clock, *key);
        Some(slot.value.clone())
    }

    /// Keeps a value, unless it alone would take more than half of the cache.
    pub(crate) fn insert(&mut self, key: K, value: V) {
        self.remove(&key);
        if value.size().saturating_add(OVERHEAD) > self.limit / 2 {
            return;
        }
        let bytes = value.enter() + OVERHEAD;
        self.clock += 1;
        self.entries.insert(key, Slot { value, used: self.clock });
        self.by_use.insert(self.clock, key);
        self.bytes += bytes;
        while self.bytes > self.limit {
            let Some((_, oldest)) = self.by_use.first_key_value() else { break };
            let oldest = *oldest;
            self.remove(&oldest);
        }
    }

    fn remove(&mut self, key: &K) {
        if let Some(slot) = self.entries.remove(key) {
            self.by_use.remove(&slot.used);
            self.bytes -= slot.value.leave() + OVERHEAD;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ObjectId, Tree, TreeEdit};
    use gix_object::tree::EntryKind;
    use std::rc::Rc;

    /// A value of so many bytes.
    #[derive(Clone, Debug, PartialEq)]
    struct Sized(usize, usize);

    impl Cached for Sized {
        fn size(&self) -> usize {
            self.1
        }
    }

    #[test]
    fn the_cache_stays_within_its_bytes_and_forgets_the_least_used() {
        let mut cache = Cache::new(10 * (100 + OVERHEAD));
        for key in 0..10 {
            cache.insert(key, Sized(key, 100));
        }
        assert_eq!(cache.get(&0), Some(Sized(0, 100)));
        cache.insert(10, Sized(10, 100));
        assert_eq!((cache.get(&0).is_some(), cache.get(&1), cache.get(&10).is_some()), (true, None, true));
        cache.insert(11, Sized(11, 1400));
        assert_eq!(cache.get(&11), None, "too large to be worth it");
        for key in 100..1000 {
            cache.insert(key % 130, Sized(key, 100));
            assert!(cache.bytes <= cache.limit && cache.entries.len() == cache.by_use.len());
        }
    }

    #[test]
    fn what_versions_of_a_tree_share_is_counted_once() {
        let names = |range: std::ops::Range<u32>| {
            range.map(|number| TreeEdit {
                name: format!("{number:05}.ics").into(),
                entry: Some((EntryKind::Blob, ObjectId::Sha1([7; 20]))),
            })
        };
        let whole = Tree::default().edit(&names(0..5000).collect::<Vec<_>>()).unwrap().unwrap();
        let mut tree = Rc::new(whole);
        let size = tree.size();
        let mut cache = Cache::new(4 * size);
        let mut trees = Vec::new();
        for number in 0..40 {
            cache.insert(number, tree.clone());
            trees.push(tree.clone());
            assert!(cache.bytes <= cache.limit, "{} of {}", cache.bytes, cache.limit);
            let edit = TreeEdit { name: format!("{:05}.ics", number * 37).into(), entry: None };
            tree = Rc::new(tree.edit(&[edit]).unwrap().unwrap());
        }
        assert!((0..40).all(|number| cache.get(&number).is_some()), "40 versions in the room of four trees");
        (0..40).for_each(|number| cache.remove(&number));
        assert_eq!(cache.bytes, 0);
        // Trees that share nothing need room of their own.
        for number in 0..40 {
            cache.insert(number, Rc::new(Tree::decode(trees[0].to_bytes()).unwrap()));
            assert!(cache.bytes <= cache.limit);
        }
        assert_eq!((0..40).filter(|number| cache.get(number).is_some()).count(), 3);
    }
}
