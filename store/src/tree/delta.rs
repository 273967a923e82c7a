//! Deltas between two trees, entry by entry.

use super::{Tree, comparison::Part};
use crate::objects::delta::DeltaBuilder;

/// Bytes of an id, with which an entry ends.
const ID: usize = 20;

impl Tree {
    /// The delta that makes `new` from this tree.
    pub(crate) fn delta(&self, new: &Tree) -> Vec<u8> {
        let mut delta = DeltaBuilder::new(self.byte_len(), new.byte_len());
        for part in self.compare(new) {
            match part {
                Part::Same(bytes) => delta.copy(bytes),
                Part::Removed(_) => {}
                Part::Added(_, bytes) => delta.insert(bytes),
                Part::Changed { old, old_bytes, new, new_bytes } if old.mode == new.mode => {
                    delta.copy(old_bytes.start..old_bytes.end - ID);
                    delta.insert(&new_bytes[new_bytes.len() - ID..]);
                }
                Part::Changed { new_bytes, .. } => delta.insert(new_bytes),
            }
        }
        delta.finish()
    }
}
