//! A cache bounded by bytes that forgets what was used longest ago.

use std::{
    collections::{BTreeMap, HashMap},
    hash::Hash,
};

/// Bookkeeping of one entry, in bytes, added to its size.
const OVERHEAD: usize = 150;

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
    bytes: usize,
    used: u64,
}

impl<K: Copy + Eq + Hash, V: Clone> Cache<K, V> {
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

    /// Keeps a value of so many bytes, unless it alone would take more than half of the cache.
    pub(crate) fn insert(&mut self, key: K, value: V, bytes: usize) {
        self.remove(&key);
        let bytes = bytes.saturating_add(OVERHEAD);
        if bytes > self.limit / 2 {
            return;
        }
        self.clock += 1;
        self.entries.insert(key, Slot { value, bytes, used: self.clock });
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
            self.bytes -= slot.bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_stays_within_its_bytes_and_forgets_the_least_used() {
        let mut cache = Cache::new(10 * (100 + OVERHEAD));
        for key in 0..10 {
            cache.insert(key, key, 100);
        }
        assert_eq!(cache.get(&0), Some(0));
        cache.insert(10, 10, 100);
        assert_eq!((cache.get(&0), cache.get(&1), cache.get(&10)), (Some(0), None, Some(10)));
        cache.insert(11, 11, 1400);
        assert_eq!(cache.get(&11), None, "too large to be worth it");
        for key in 100..1000 {
            cache.insert(key % 130, key, 100);
            assert!(cache.bytes <= cache.limit && cache.entries.len() == cache.by_use.len());
        }
    }
}
