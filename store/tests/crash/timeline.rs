//! The model: what the store must hold at each moment.

use kalends_store::{ObjectId, Store};
use std::collections::BTreeMap;

/// The references of each repository.
pub(crate) type World = BTreeMap<String, BTreeMap<String, ObjectId>>;

/// The world that a store shows.
pub(crate) fn observe(store: &Store) -> World {
    let repositories = store.repositories().into_iter();
    repositories
        .map(|name| {
            let references = store.repository(&name).unwrap().references();
            (name, references.into_iter().map(|reference| (reference.name, reference.id)).collect())
        })
        .collect()
}

/// Something that changed, and when, in steps of the device.
struct Change<T> {
    submitted: usize,
    acknowledged: Option<usize>,
    value: T,
}

/// A value that changes in order.
pub(crate) struct History<T> {
    /// What it was in sessions before.
    earlier: Vec<T>,
    start: T,
    changes: Vec<Change<T>>,
}

impl<T: Clone + PartialEq> History<T> {
    pub(crate) fn new(start: T) -> Self {
        Self { earlier: Vec::new(), start, changes: Vec::new() }
    }

    /// The value as of the last submitted change.
    pub(crate) fn latest(&self) -> &T {
        self.changes.last().map_or(&self.start, |change| &change.value)
    }

    /// A change is submitted; gives its number.
    pub(crate) fn submit(&mut self, step: usize, value: T) -> usize {
        self.changes.push(Change { submitted: step, acknowledged: None, value });
        self.changes.len() - 1
    }

    /// A change is acknowledged, and with it all before it.
    pub(crate) fn acknowledge(&mut self, number: usize, step: usize) {
        for change in &mut self.changes[..=number] {
            change.acknowledged.get_or_insert(step);
        }
    }

    /// Goes on in another session, from a value that was found.
    pub(crate) fn go_on(&self, start: T) -> Self {
        let mut earlier = self.earlier.clone();
        earlier.push(self.start.clone());
        earlier.extend(self.changes.iter().map(|change| change.value.clone()));
        Self { earlier, start, changes: Vec::new() }
    }

    /// Whether this was ever the value before `step`.
    pub(crate) fn ever(&self, step: usize, value: &T) -> bool {
        let changes = self.changes.iter().take_while(|change| change.submitted <= step);
        self.start == *value
            || self.earlier.contains(value)
            || changes.into_iter().any(|change| change.value == *value)
    }

    /// What may be found after a crash before `step`, oldest first.
    pub(crate) fn possible(&self, step: usize) -> impl Iterator<Item = &T> {
        let before = |at: Option<usize>| at.is_some_and(|at| at <= step);
        let oldest = self.changes.iter().take_while(|change| before(change.acknowledged)).count();
        let newest = self.changes.iter().take_while(|change| change.submitted <= step).count();
        let values = std::iter::once(&self.start).chain(self.changes.iter().map(|change| &change.value));
        values.take(newest + 1).skip(oldest)
    }
}

/// All that is promised.
pub(crate) struct Timeline {
    pub(crate) world: History<World>,
    pub(crate) secret: History<Option<Vec<u8>>>,
}

impl Timeline {
    pub(crate) fn new(world: World, secret: Option<Vec<u8>>) -> Self {
        Self { world: History::new(world), secret: History::new(secret) }
    }

    /// Goes on in another session.
    pub(crate) fn go_on(&self, world: World, secret: Option<Vec<u8>>) -> Self {
        Self { world: self.world.go_on(world), secret: self.secret.go_on(secret) }
    }
}
