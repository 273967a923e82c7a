//! The id of a tree, hashed from where it differs from the tree it was edited from.
//!
//! An object's id is the SHA-1 of its length and its bytes. A tree that is as long as the one it was edited
//! from, as when an event is changed, begins with the same bytes, and so with the same states of the hash:
//! one is kept for the start of each chunk.

use super::Tree;
use crate::Error;
use gix_hash::{Hasher, ObjectId};
use gix_object::{Kind, encode::loose_header};

/// States of the hash before chunks of a tree, from the first on; collision detection is part of them.
#[derive(Clone, Default)]
pub(super) struct MidStates(Vec<Hasher>);

impl MidStates {
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Those before a tree differs from another of the same length, which have so many chunks in common at
    /// the start.
    pub(super) fn before(mut self, shared_chunks: usize) -> Self {
        self.0.truncate(shared_chunks + 1);
        self
    }
}

impl Tree {
    /// The object id of this tree.
    ///
    /// # Errors
    /// [`Error::Malformed`] when the tree is made to collide with another object.
    pub fn id(&self) -> Result<ObjectId, Error> {
        let MidStates(states) = &mut *self.mid_states.borrow_mut();
        let mut hasher = match states.pop() {
            Some(state) => state,
            None => {
                let mut hasher = gix_hash::hasher(gix_hash::Kind::Sha1);
                hasher.update(&loose_header(Kind::Tree, self.byte_len() as u64));
                hasher
            }
        };
        for slot in self.chunks.iter().skip(states.len()) {
            states.push(hasher.clone());
            hasher.update(slot.chunk.bytes());
        }
        hasher.try_finalize().map_err(|error| Error::Malformed(error.to_string()))
    }
}
