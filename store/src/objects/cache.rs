//! A cache bounded by bytes that forgets what was used longest ago. A few large values may take more.

use crate::Object;
use std::{collections::HashMap, hash::Hash};

/// Bookkeeping of one entry, in bytes, added to its size: its slot and its place in the table, both in arrays
/// that are half empty at worst, and the allocations of the value.
const OVERHEAD: usize = 250;

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

/// A least-recently-used cache: a table, and a list from what was used last to what was used longest ago.
pub(crate) struct Cache<K, V> {
    slots: Vec<Slot<K, V>>,
    /// Slots by key.
    by_key: HashMap<K, usize>,
    /// Slots that hold nothing.
    free: Vec<usize>,
    /// The slots that were used last, and longest ago.
    ends: Option<(usize, usize)>,
    bytes: usize,
    bounds: Bounds,
}

/// How much a cache keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// Bytes of many values.
    pub(crate) many: usize,
    /// How many are few.
    pub(crate) few: usize,
    /// Bytes of few values, and the most in any case.
    pub(crate) most: usize,
}

impl Bounds {
    /// At most so many bytes, however many values that is.
    pub(crate) fn bytes(most: usize) -> Self {
        Self { many: most, few: 0, most }
    }

    fn exceeded(&self, bytes: usize, values: usize) -> bool {
        bytes > self.most || (bytes > self.many && values > self.few)
    }
}

struct Slot<K, V> {
    /// `None` while the slot is free.
    entry: Option<(K, V)>,
    /// The neighbours in the list: used next after this one, and last before it.
    newer: Option<usize>,
    older: Option<usize>,
}

impl<K: Copy + Eq + Hash, V: Cached> Cache<K, V> {
    /// A cache within these bounds.
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self { slots: Vec::new(), by_key: HashMap::new(), free: Vec::new(), ends: None, bytes: 0, bounds }
    }

    pub(crate) fn get(&mut self, key: &K) -> Option<V> {
        let slot = *self.by_key.get(key)?;
        if self.ends.is_some_and(|(newest, _)| newest != slot) {
            self.unlink(slot);
            self.link(slot);
        }
        Some(self.slots.get(slot)?.entry.as_ref()?.1.clone())
    }

    /// Keeps a value, unless it alone would take more than half of the most that the cache takes.
    pub(crate) fn insert(&mut self, key: K, value: V) {
        self.remove(&key);
        if value.size().saturating_add(OVERHEAD) > self.bounds.most / 2 {
            return;
        }
        self.bytes += value.enter() + OVERHEAD;
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot { entry: None, newer: None, older: None });
            self.slots.len() - 1
        });
        self.slots[slot].entry = Some((key, value));
        self.by_key.insert(key, slot);
        self.link(slot);
        while self.bounds.exceeded(self.bytes, self.by_key.len())
            && let Some((_, oldest)) = self.ends
            && let Some((key, _)) = &self.slots[oldest].entry
        {
            let key = *key;
            self.remove(&key);
        }
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        while let Some((_, oldest)) = self.ends
            && let Some((key, _)) = &self.slots[oldest].entry
        {
            let key = *key;
            self.remove(&key);
        }
    }

    fn remove(&mut self, key: &K) {
        let Some(slot) = self.by_key.remove(key) else { return };
        self.unlink(slot);
        self.free.push(slot);
        if let Some((_, value)) = self.slots[slot].entry.take() {
            self.bytes -= value.leave() + OVERHEAD;
        }
    }

    /// Puts a slot at the newest end of the list.
    fn link(&mut self, slot: usize) {
        let older = self.ends.map(|(newest, _)| newest);
        if let Some(older) = older {
            self.slots[older].newer = Some(slot);
        }
        let entry = &mut self.slots[slot];
        (entry.newer, entry.older) = (None, older);
        self.ends = Some((slot, self.ends.map_or(slot, |(_, oldest)| oldest)));
    }

    /// Takes a slot out of the list.
    fn unlink(&mut self, slot: usize) {
        let (newer, older) = (self.slots[slot].newer, self.slots[slot].older);
        if let Some(newer) = newer {
            self.slots[newer].older = older;
        }
        if let Some(older) = older {
            self.slots[older].newer = newer;
        }
        let Some((newest, oldest)) = self.ends else { return };
        let newest = if newest == slot { older } else { Some(newest) };
        let oldest = if oldest == slot { newer } else { Some(oldest) };
        self.ends = newest.zip(oldest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ObjectId, Tree, TreeEdit};
    use gix_object::tree::EntryKind;
    use proptest::prelude::*;
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
        let mut cache = Cache::new(Bounds::bytes(10 * (100 + OVERHEAD)));
        for key in 0..10 {
            cache.insert(key, Sized(key, 100));
        }
        assert_eq!(cache.get(&0), Some(Sized(0, 100)));
        cache.insert(10, Sized(10, 100));
        assert_eq!((cache.get(&0).is_some(), cache.get(&1), cache.get(&10).is_some()), (true, None, true));
        cache.insert(11, Sized(11, 5 * (100 + OVERHEAD)));
        assert_eq!(cache.get(&11), None, "too large to be worth it");
        for key in 100..1000 {
            cache.insert(key % 130, Sized(key, 100));
            assert!(cache.bytes <= cache.bounds.most && cache.by_key.len() == by_use(&cache).len());
        }
    }

    #[test]
    fn a_few_large_values_may_take_what_many_small_ones_may_not() {
        let bounds = Bounds { many: 10 * (100 + OVERHEAD), few: 4, most: 25_000 };
        let mut cache = Cache::new(bounds);
        (0..50).for_each(|key| cache.insert(key, Sized(key, 100)));
        assert_eq!(by_use(&cache), (40..50).rev().collect::<Vec<_>>(), "many");
        (100..110).for_each(|key| cache.insert(key, Sized(key, 2000)));
        assert_eq!(by_use(&cache), [109, 108, 107, 106], "few");
        (200..210).for_each(|key| cache.insert(key, Sized(key, 10_000)));
        assert_eq!(by_use(&cache), [209, 208], "the most in any case");
    }

    /// The keys from what was used last to what was used longest ago; the list is the same from both ends.
    fn by_use(cache: &Cache<usize, Sized>) -> Vec<usize> {
        let walk = |mut at: Option<usize>, older: bool| {
            let mut keys = Vec::new();
            while let Some(slot) = at.map(|at| &cache.slots[at]) {
                keys.push(slot.entry.as_ref().unwrap().0);
                at = if older { slot.older } else { slot.newer };
            }
            keys
        };
        let keys = walk(cache.ends.map(|(newest, _)| newest), true);
        let mut reversed = walk(cache.ends.map(|(_, oldest)| oldest), false);
        reversed.reverse();
        assert_eq!(keys, reversed);
        keys
    }

    proptest! {
        #[test]
        fn any_use_leaves_what_was_used_last(uses in proptest::collection::vec((0_usize..12, 0_u8..3), 0..200)) {
            let mut cache = Cache::new(Bounds::bytes(6 * (10 + OVERHEAD)));
            let mut expected: Vec<usize> = Vec::new();
            for (key, act) in uses {
                let known = expected.iter().position(|other| *other == key);
                if let Some(known) = known {
                    expected.remove(known);
                }
                match act {
                    0 => prop_assert_eq!(cache.get(&key).is_some(), known.is_some()),
                    1 => cache.insert(key, Sized(key, 10)),
                    _ => cache.remove(&key),
                }
                if act == 1 || (act == 0 && known.is_some()) {
                    expected.insert(0, key);
                }
                expected.truncate(6);
                prop_assert_eq!(by_use(&cache), expected.clone());
            }
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
        let mut cache = Cache::new(Bounds::bytes(4 * size));
        let mut trees = Vec::new();
        for number in 0..40 {
            cache.insert(number, tree.clone());
            trees.push(tree.clone());
            assert!(cache.bytes <= cache.bounds.most, "{} of {}", cache.bytes, cache.bounds.most);
            let edit = TreeEdit { name: format!("{:05}.ics", number * 37).into(), entry: None };
            tree = Rc::new(tree.edit(&[edit]).unwrap().unwrap());
        }
        assert!((0..40).all(|number| cache.get(&number).is_some()), "40 versions in the room of four trees");
        (0..40).for_each(|number| cache.remove(&number));
        assert_eq!(cache.bytes, 0);
        // Trees that share nothing need room of their own.
        for number in 0..40 {
            cache.insert(number, Rc::new(Tree::decode(trees[0].to_bytes()).unwrap()));
            assert!(cache.bytes <= cache.bounds.most);
        }
        assert_eq!((0..40).filter(|number| cache.get(number).is_some()).count(), 3);
    }
}
