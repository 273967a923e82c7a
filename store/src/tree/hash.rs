//! The id of a tree, hashed from where it differs from the tree it was edited from.
//!
//! An object's id is the SHA-1 of its length and its bytes. A tree that is as long as the one it was edited
//! from, as when an event is changed, begins with the same bytes, and so with the same states of the hash:
//! one is kept for the start of each chunk. An event that comes or goes changes the length, and with it every
//! state; so states are also made, at leisure, for the lengths that the next change is likely to lead to
//! ([`Tree::hash_ahead`]).

use super::{Slot, Tree};
use crate::Error;
use gix_hash::{Hasher, ObjectId};
use gix_object::{Kind, encode::loose_header};

/// A tree of fewer chunks is hashed in less time than it takes to prepare for it.
const MIN_CHUNKS: usize = 8;

/// States of the hash for trees that begin with the same chunks, one for each length that such a tree may
/// have; collision detection is part of them.
#[derive(Clone, Default)]
pub(super) struct MidStates {
    chains: Vec<Chain>,
    /// By how many bytes the next change is likely to change the length, if it does; 0 when that is not known.
    step: usize,
}

/// States of the hash of a tree of one length.
#[derive(Clone)]
struct Chain {
    length: usize,
    /// The states before the chunks of the tree, from the first on; never empty.
    states: Vec<Hasher>,
}

impl Chain {
    fn new(length: usize) -> Self {
        let mut hasher = gix_hash::hasher(gix_hash::Kind::Sha1);
        hasher.update(&loose_header(Kind::Tree, length as u64));
        Self { length, states: vec![hasher] }
    }

    /// Chunks before the last state.
    fn hashed(&self) -> usize {
        self.states.len().saturating_sub(1)
    }

    /// The last state.
    fn last(&self) -> Hasher {
        self.states.last().cloned().unwrap_or_else(|| unreachable!("a chain has a state"))
    }

    /// Goes on to the last chunk, or until so many bytes have been hashed. Returns the bytes that are left.
    fn extend(&mut self, chunks: &[Slot], mut budget: usize) -> usize {
        let end = chunks.len().saturating_sub(1);
        for slot in chunks.get(self.hashed()..end).unwrap_or_default() {
            if budget == 0 {
                break;
            }
            let mut hasher = self.last();
            hasher.update(slot.chunk.bytes());
            self.states.push(hasher);
            budget = budget.saturating_sub(slot.chunk.bytes().len());
        }
        budget
    }
}

impl MidStates {
    /// Those for a tree of this length that was edited from the one whose states these are, with which it has
    /// so many chunks in common at the start. `step` is the length of the entry that was edited, if it was one.
    pub(super) fn of_edited(mut self, shared_chunks: usize, length: usize, step: Option<usize>) -> Self {
        self.step = step.unwrap_or(self.step);
        let lengths = self.likely_lengths(length);
        self.chains.retain_mut(|chain| {
            chain.states.truncate(shared_chunks + 1);
            chain.length == length || lengths.contains(&chain.length)
        });
        self
    }

    /// The other lengths that the next change of a tree of this length is likely to lead to: an entry such as
    /// the last one more, or one less.
    fn likely_lengths(&self, length: usize) -> [usize; 2] {
        [length.saturating_add(self.step), length.saturating_sub(self.step)]
    }

    fn chain(&mut self, length: usize) -> &mut Chain {
        let known = self.chains.iter().position(|chain| chain.length == length);
        let at = known.unwrap_or_else(|| {
            self.chains.push(Chain::new(length));
            self.chains.len() - 1
        });
        &mut self.chains[at]
    }

    /// States that are known for a length.
    #[cfg(test)]
    pub(super) fn known(&self, length: usize) -> usize {
        self.chains.iter().find(|chain| chain.length == length).map_or(0, |chain| chain.states.len())
    }

    /// For how many lengths states are known.
    #[cfg(test)]
    pub(super) fn lengths(&self) -> usize {
        self.chains.len()
    }
}

impl Tree {
    /// The object id of this tree.
    ///
    /// # Errors
    /// [`Error::Malformed`] when the tree is made to collide with another object.
    pub fn id(&self) -> Result<ObjectId, Error> {
        let mut states = self.mid_states.borrow_mut();
        let chain = states.chain(self.byte_len());
        chain.extend(&self.chunks, usize::MAX);
        let mut hasher = chain.last();
        for slot in self.chunks.iter().skip(chain.hashed()) {
            hasher.update(slot.chunk.bytes());
        }
        hasher.try_finalize().map_err(|error| Error::Malformed(error.to_string()))
    }

    /// Whether [`hash_ahead`](Self::hash_ahead) may have something to do.
    pub(crate) fn is_worth_hashing_ahead(&self) -> bool {
        self.chunks.len() >= MIN_CHUNKS && self.mid_states.borrow().step > 0
    }

    /// Hashes about so many bytes of what the next edited tree is likely to begin with, and says whether there
    /// is more to do.
    pub(crate) fn hash_ahead(&self, mut budget: usize) -> bool {
        if !self.is_worth_hashing_ahead() {
            return false;
        }
        let mut states = self.mid_states.borrow_mut();
        for length in states.likely_lengths(self.byte_len()) {
            budget = states.chain(length).extend(&self.chunks, budget);
        }
        budget == 0
    }
}
