//! What must not be collected although no reference may reach it: what somebody is reading, or relies on for
//! something that is not submitted yet.

use gix_hash::ObjectId;
use std::{
    cell::RefCell,
    collections::{BTreeMap, HashSet, VecDeque},
    rc::Rc,
};

/// The pins of a repository.
///
/// A pin holds all that the references reach while it is there: when a reference is moved, its former value
/// is kept here as long as a pin is older than the move. A pin can hold single objects too, which need not
/// be reachable.
#[derive(Default)]
pub(crate) struct Pins {
    next: u64,
    /// Counts the moves.
    moves: u64,
    live: BTreeMap<u64, Pinned>,
    /// Former values of references, each with the number of its move.
    former: VecDeque<(u64, ObjectId)>,
}

struct Pinned {
    /// The moves that came before it.
    since: u64,
    objects: HashSet<ObjectId>,
    everything: bool,
}

impl Pins {
    /// A reference is moved away from a value.
    pub(crate) fn moved(&mut self, former: ObjectId) {
        if !self.live.is_empty() {
            self.moves += 1;
            self.former.push_back((self.moves, former));
        }
    }

    /// Whether there is a pin.
    pub(crate) fn any(&self) -> bool {
        !self.live.is_empty()
    }

    /// The objects that are pinned, with all that they refer to; `None` when nothing may be collected.
    pub(crate) fn roots(&self) -> Option<Vec<ObjectId>> {
        if self.live.values().any(|pinned| pinned.everything) {
            return None;
        }
        let objects = self.live.values().flat_map(|pinned| &pinned.objects);
        Some(self.former.iter().map(|(_, id)| id).chain(objects).copied().collect())
    }
}

/// While it lives, nothing of a repository is collected that its references reached when it was made, and a
/// repository that is removed stays readable for those who have it.
///
/// Of what is read for longer than a moment: take a pin first, then read the references.
pub struct Pin {
    pins: Rc<RefCell<Pins>>,
    number: u64,
}

impl Pin {
    pub(crate) fn new(pins: &Rc<RefCell<Pins>>) -> Self {
        let mut state = pins.borrow_mut();
        state.next += 1;
        let (number, since) = (state.next, state.moves);
        state.live.insert(number, Pinned { since, objects: HashSet::new(), everything: false });
        drop(state);
        Self { pins: pins.clone(), number }
    }

    /// Holds an object too, with all that it refers to, whether a reference reaches it or not.
    pub(crate) fn add(&self, id: ObjectId) {
        if let Some(pinned) = self.pins.borrow_mut().live.get_mut(&self.number)
            && !pinned.everything
        {
            pinned.objects.insert(id);
        }
    }

    /// Holds everything: what is relied on is too much to remember.
    pub(crate) fn add_everything(&self) {
        if let Some(pinned) = self.pins.borrow_mut().live.get_mut(&self.number) {
            pinned.everything = true;
            pinned.objects = HashSet::new();
        }
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        let mut pins = self.pins.borrow_mut();
        pins.live.remove(&self.number);
        // Pins are numbered in the order of time.
        let oldest = pins.live.first_key_value().map_or(u64::MAX, |(_, pinned)| pinned.since);
        while pins.former.front().is_some_and(|(number, _)| *number <= oldest) {
            pins.former.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(byte: u8) -> ObjectId {
        ObjectId::Sha1([byte; 20])
    }

    fn roots(pins: &Rc<RefCell<Pins>>) -> Vec<ObjectId> {
        let mut roots = pins.borrow().roots().unwrap();
        roots.sort_unstable();
        roots
    }

    #[test]
    fn former_values_are_kept_for_the_pins_that_are_older() {
        let pins: Rc<RefCell<Pins>> = Rc::default();
        pins.borrow_mut().moved(id(1));
        assert!(roots(&pins).is_empty());
        let first = Pin::new(&pins);
        pins.borrow_mut().moved(id(2));
        let second = Pin::new(&pins);
        pins.borrow_mut().moved(id(3));
        assert_eq!(roots(&pins), [id(2), id(3)]);
        second.add(id(9));
        drop(first);
        assert_eq!(roots(&pins), [id(3), id(9)]);
        drop(second);
        assert!(roots(&pins).is_empty());
    }

    #[test]
    fn a_pin_of_everything_forbids_collection_while_it_lives() {
        let pins: Rc<RefCell<Pins>> = Rc::default();
        let pin = Pin::new(&pins);
        pin.add_everything();
        assert_eq!(pins.borrow().roots(), None);
        drop(pin);
        assert_eq!(pins.borrow().roots(), Some(Vec::new()));
    }
}
