//! Deltas between two trees, entry by entry.

use super::Tree;
use crate::objects::delta::DeltaBuilder;
use gix_object::tree::name_order;
use std::cmp::Ordering;

/// Bytes of an id, with which an entry ends.
const ID: usize = 20;

impl Tree {
    /// The delta that makes `new` from this tree. It compares bytes where they are equal, and looks at
    /// entries only where they differ.
    pub(crate) fn delta(&self, new: &Tree) -> Vec<u8> {
        let (old_bytes, new_bytes) = (&self.data[..], &new.data[..]);
        let mut delta = DeltaBuilder::new(old_bytes.len(), new_bytes.len());
        // Positions of entries, in each tree.
        let (mut old_at, mut new_at) = (0, 0);
        loop {
            let (start, new_start) = (self.byte_offset(old_at), new.byte_offset(new_at));
            let same = common_prefix(&old_bytes[start..], &new_bytes[new_start..]);
            // Bytes that are equal up to the end of an entry are equal entries.
            let until = self.entries_before(start + same).max(old_at);
            delta.copy(start..self.byte_offset(until));
            new_at += until - old_at;
            old_at = until;
            let (start, new_start) = (self.byte_offset(old_at), new.byte_offset(new_at));
            let (Some(old_entry), Some(new_entry)) = (self.get(old_at), new.get(new_at)) else {
                delta.insert(&new_bytes[new_start..]);
                return delta.finish();
            };
            let order = name_order(
                old_entry.name,
                old_entry.mode.is_tree(),
                new_entry.name,
                new_entry.mode.is_tree(),
            );
            let new_end = new.byte_offset(new_at + 1);
            match order {
                Ordering::Less => old_at += 1,
                Ordering::Greater => {
                    delta.insert(&new_bytes[new_start..new_end]);
                    new_at += 1;
                }
                Ordering::Equal => {
                    let old_end = self.byte_offset(old_at + 1);
                    if old_entry.mode == new_entry.mode {
                        delta.copy(start..old_end - ID);
                        delta.insert(&new_bytes[new_end - ID..new_end]);
                    } else {
                        delta.insert(&new_bytes[new_start..new_end]);
                    }
                    old_at += 1;
                    new_at += 1;
                }
            }
        }
    }

    /// How many entries end at or before a byte.
    fn entries_before(&self, byte: usize) -> usize {
        if byte >= self.data.len() {
            return self.offsets.len();
        }
        self.offsets.partition_point(|offset| *offset as usize <= byte).saturating_sub(1)
    }
}

/// How many bytes two slices have in common at their start.
fn common_prefix(a: &[u8], b: &[u8]) -> usize {
    const STEP: usize = 4096;
    let length = a.len().min(b.len());
    let mut same = 0;
    while same + STEP <= length && a[same..same + STEP] == b[same..same + STEP] {
        same += STEP;
    }
    same + a[same..length].iter().zip(&b[same..length]).take_while(|(a, b)| a == b).count()
}
