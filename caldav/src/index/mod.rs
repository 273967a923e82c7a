//! What is in each calendar, in memory: who has which UID, and when something takes place.
//!
//! Indexes are kept by the calendars' trees, and so never stale. A calendar that changed is brought up to
//! date from the index of the tree most like it: only objects that are new are read.

mod calendar;
#[cfg(test)]
mod tests;

pub(crate) use calendar::{CalendarIndex, Wanted};

use crate::give_way::give_way;
use kalends_icalendar::Summary;
use kalends_store::{Error, ObjectId, Objects, Tree};
use std::{
    cell::RefCell,
    collections::{HashMap, hash_map::Entry},
};

/// Bytes of memory that all indexes may take, about; one alone may take more.
const MEMORY: usize = 24 << 20;
/// Calendars with an index.
const MAX_CALENDARS: usize = 1_000;
/// With more differences than this an index is copied, so that the one for the tree before is kept.
const FEW: usize = 64;
/// Objects that are read before other requests get their turn.
const PAUSE: usize = 16;

/// Indexes of calendars, by their trees.
pub(crate) struct Index {
    state: RefCell<State>,
    /// Held while a large index is made, so that two requests do not make the same.
    making: futures_util::lock::Mutex<()>,
    memory: usize,
}

#[derive(Default)]
struct State {
    calendars: HashMap<ObjectId, Kept>,
    /// Counts uses.
    clock: u64,
    /// Bytes that the indexes take.
    bytes: usize,
}

struct Kept {
    index: CalendarIndex,
    last_used: u64,
}

impl Default for Index {
    fn default() -> Self {
        Self::with_memory(MEMORY)
    }
}

impl Index {
    /// Indexes that take about so many bytes.
    pub(crate) fn with_memory(memory: usize) -> Self {
        Self { state: RefCell::default(), making: Default::default(), memory }
    }

    /// The member of the calendar `tree` that holds the object with this UID; the first by name, if old
    /// data has several.
    ///
    /// # Errors
    /// Those of reading the calendar's objects.
    pub(crate) fn member_with_uid(
        &self,
        objects: &dyn Objects,
        tree: &ObjectId,
        uid: &str,
    ) -> Result<Option<Vec<u8>>, Error> {
        self.with(objects, tree, |calendar| calendar.members_with_uid(uid).next().map(<[u8]>::to_vec))
    }

    /// Makes the index of the calendar `tree` if there is none, without keeping other requests waiting: to
    /// be awaited where thousands of objects may have to be read.
    ///
    /// # Errors
    /// Those of reading the calendar's objects.
    pub(crate) async fn prepare(&self, objects: &impl Objects, tree: &ObjectId) -> Result<(), Error> {
        if self.state.borrow().calendars.contains_key(tree) {
            return Ok(());
        }
        let _making = self.making.lock().await;
        let mut summaries = HashMap::new();
        for (number, id) in self.unknown_objects(objects, tree)?.into_iter().enumerate() {
            summaries.insert(id, calendar::summarize(objects, &id)?);
            if number % PAUSE == PAUSE - 1 {
                give_way().await;
            }
        }
        self.bring_up(objects, tree, &mut summaries)
    }

    /// Runs `read` on the index of the calendar `tree`, which is made if there is none.
    ///
    /// # Errors
    /// Those of reading the calendar's objects.
    pub(crate) fn with<T>(
        &self,
        objects: &dyn Objects,
        tree: &ObjectId,
        read: impl FnOnce(&CalendarIndex) -> T,
    ) -> Result<T, Error> {
        if !self.state.borrow().calendars.contains_key(tree) {
            self.bring_up(objects, tree, &mut HashMap::new())?;
        }
        let mut state = self.state.borrow_mut();
        state.clock += 1;
        let clock = state.clock;
        match state.calendars.get_mut(tree) {
            Some(kept) => {
                kept.last_used = clock;
                Ok(read(&kept.index))
            }
            // Not reached: the newest index is never dropped.
            None => Err(Error::NoObject(*tree)),
        }
    }

    /// The objects of the calendar `tree` that the index most like it does not know.
    fn unknown_objects(&self, objects: &dyn Objects, id: &ObjectId) -> Result<Vec<ObjectId>, Error> {
        let tree = objects.tree(id)?;
        let state = self.state.borrow();
        if state.calendars.contains_key(id) {
            return Ok(Vec::new());
        }
        let base = state.most_like(&tree).and_then(|base| state.calendars.get(&base));
        let nothing = CalendarIndex::default();
        let base = base.map_or(&nothing, |kept| &kept.index);
        let mut unknown = base.unknown_objects(&tree);
        objects.sort_for_reading(&mut unknown)?;
        Ok(unknown)
    }

    /// Makes the index of a tree. `summaries` has some of its objects.
    fn bring_up(
        &self,
        objects: &dyn Objects,
        id: &ObjectId,
        summaries: &mut HashMap<ObjectId, Option<Summary>>,
    ) -> Result<(), Error> {
        let tree = objects.tree(id)?;
        for unknown in self.unknown_objects(objects, id)? {
            if let Entry::Vacant(missing) = summaries.entry(unknown) {
                missing.insert(calendar::summarize(objects, &unknown)?);
            }
        }
        let mut state = self.state.borrow_mut();
        if state.calendars.contains_key(id) {
            return Ok(());
        }
        let mut index = state.start_from(&tree);
        index.update(tree, summaries);
        state.keep(*id, index, self.memory);
        Ok(())
    }
}

impl State {
    /// The tree with an index that shares most with `tree`, if that is half of it.
    fn most_like(&self, tree: &Tree) -> Option<ObjectId> {
        let length = tree.byte_len();
        let common = |kept: &Kept| kept.index.tree().common_bytes(tree);
        let best = self.calendars.iter().map(|(id, kept)| (common(kept), id)).max()?;
        (length > 0 && best.0 * 2 >= length).then_some(*best.1)
    }

    /// An index to make that of `tree` from.
    fn start_from(&mut self, tree: &Tree) -> CalendarIndex {
        let Some(id) = self.most_like(tree) else { return CalendarIndex::default() };
        let few =
            self.calendars.get(&id).is_some_and(|kept| kept.index.tree().changes(tree).nth(FEW).is_none());
        if few && let Some(kept) = self.calendars.remove(&id) {
            self.bytes -= kept.index.bytes();
            return kept.index;
        }
        self.calendars.get(&id).map(|kept| kept.index.clone()).unwrap_or_default()
    }

    /// Keeps an index, and drops those least recently used until all fit.
    fn keep(&mut self, id: ObjectId, index: CalendarIndex, memory: usize) {
        self.bytes += index.bytes();
        self.clock += 1;
        while (self.bytes > memory || self.calendars.len() >= MAX_CALENDARS)
            && let Some(oldest) = self.calendars.iter().min_by_key(|(_, kept)| kept.last_used)
        {
            let oldest = *oldest.0;
            if let Some(dropped) = self.calendars.remove(&oldest) {
                self.bytes -= dropped.index.bytes();
            }
        }
        self.calendars.insert(id, Kept { index, last_used: self.clock });
    }
}
