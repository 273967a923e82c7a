//! Pages of pack indexes, of all packs of a store, within a budget.

use crate::{Error, format::pack_index::PAGE};
use bytes::Bytes;
use std::{
    cell::{Cell, RefCell},
    collections::{HashMap, hash_map::Entry},
};

/// Bookkeeping of one page, in bytes, added to its size.
const OVERHEAD: usize = 128;

/// A page: the number of its owner, and its number there.
type Key = (u32, u32);

/// A cache of pages that gives each page a second chance before it forgets it.
pub(crate) struct PageCache {
    slots: RefCell<Slots>,
    limit: usize,
    owners: Cell<u32>,
}

#[derive(Default)]
struct Slots {
    pages: Vec<Slot>,
    places: HashMap<Key, usize>,
    hand: usize,
}

struct Slot {
    key: Key,
    page: Bytes,
    used: bool,
}

impl PageCache {
    /// A cache of at most `budget` bytes, but of one page at least.
    pub(crate) fn new(budget: usize) -> Self {
        let limit = (budget / (PAGE + OVERHEAD)).max(1);
        Self { slots: RefCell::default(), limit, owners: Cell::new(0) }
    }

    /// A number for one whose pages are kept. Numbers are not used twice, so that nobody finds pages of a
    /// pack that was where another is now.
    pub(crate) fn owner(&self) -> u32 {
        let owner = self.owners.get();
        self.owners.set(owner.wrapping_add(1));
        owner
    }

    /// A page from the cache, or as `load` gives it.
    pub(crate) fn get(&self, key: Key, load: impl FnOnce() -> Result<Bytes, Error>) -> Result<Bytes, Error> {
        if let Some(page) = self.slots.borrow_mut().find(&key) {
            return Ok(page);
        }
        let page = load()?;
        self.slots.borrow_mut().keep(key, page.clone(), self.limit);
        Ok(page)
    }

    /// Bytes in use.
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> usize {
        self.slots.borrow().pages.iter().map(|slot| slot.page.len() + OVERHEAD).sum()
    }
}

impl Slots {
    fn find(&mut self, key: &Key) -> Option<Bytes> {
        let slot = self.pages.get_mut(*self.places.get(key)?)?;
        slot.used = true;
        Some(slot.page.clone())
    }

    fn keep(&mut self, key: Key, page: Bytes, limit: usize) {
        let slot = Slot { key, page, used: false };
        if self.pages.len() < limit {
            if let Entry::Vacant(place) = self.places.entry(key) {
                place.insert(self.pages.len());
                self.pages.push(slot);
            }
            return;
        }
        loop {
            self.hand = (self.hand + 1) % limit;
            let Some(oldest) = self.pages.get_mut(self.hand) else { return };
            if !std::mem::take(&mut oldest.used) {
                self.places.remove(&oldest.key);
                *oldest = slot;
                self.places.insert(key, self.hand);
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_kept_within_the_budget_and_those_in_use_the_longest() {
        let cache = PageCache::new(10 * (PAGE + OVERHEAD));
        let page = |number: u32| Bytes::from(vec![number as u8; PAGE]);
        let loads = Cell::new(0);
        let get = |number: u32| {
            let load = || {
                loads.set(loads.get() + 1);
                Ok(page(number))
            };
            assert_eq!(cache.get((7, number), load).unwrap(), page(number));
            assert!(cache.bytes() <= 10 * (PAGE + OVERHEAD));
        };
        for number in 0..100 {
            get(number);
            get(0);
        }
        assert_eq!(loads.get(), 100, "the page that is asked for again and again is loaded once");
        assert_ne!(cache.owner(), cache.owner());
        let failed = cache.get((8, 0), || Err(Error::Malformed("damaged".into())));
        assert!(failed.is_err() && cache.get((8, 0), || Ok(page(3))).is_ok(), "a failure is not kept");
    }
}
