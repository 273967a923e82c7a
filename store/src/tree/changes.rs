//! What differs between two trees.
//!
//! Most trees that are compared differ in a few entries of thousands. The encodings are compared as bytes
//! first, and only the entries between what both begin with and what both end with are walked.

use super::{Tree, TreeChange, TreeEntry};
use gix_hash::Kind;
use gix_object::{TreeRefIter, tree::name_order};
use std::cmp::Ordering;

/// Bytes compared at once.
const BLOCK: usize = 1024;

impl Tree {
    /// What changed from `self` to `new`, in git's order; not recursive. The cost is comparing the bytes,
    /// and walking the entries from the first to the last that differ.
    ///
    /// A name that turned from file to directory is reported twice: as removed and as added.
    pub fn changes<'a>(&'a self, new: &'a Tree) -> impl Iterator<Item = TreeChange<'a>> {
        let start = common_start(self, new);
        let (old_end, new_end) = common_end(self, new, start);
        let mut old_entries = entries(&self.data[start..old_end]).peekable();
        let mut new_entries = entries(&new.data[start..new_end]).peekable();
        std::iter::from_fn(move || {
            loop {
                let order = match (old_entries.peek(), new_entries.peek()) {
                    (None, None) => return None,
                    (Some(_), None) => Ordering::Less,
                    (None, Some(_)) => Ordering::Greater,
                    (Some(a), Some(b)) => name_order(a.name, a.mode.is_tree(), b.name, b.mode.is_tree()),
                };
                match order {
                    Ordering::Less => {
                        let entry = old_entries.next()?;
                        return Some(TreeChange {
                            name: entry.name,
                            old: Some((entry.mode, entry.id)),
                            new: None,
                        });
                    }
                    Ordering::Greater => {
                        let entry = new_entries.next()?;
                        return Some(TreeChange {
                            name: entry.name,
                            old: None,
                            new: Some((entry.mode, entry.id)),
                        });
                    }
                    Ordering::Equal => {
                        let (a, b) = (old_entries.next()?, new_entries.next()?);
                        if a.id != b.id || a.mode != b.mode {
                            return Some(TreeChange {
                                name: a.name,
                                old: Some((a.mode, a.id)),
                                new: Some((b.mode, b.id)),
                            });
                        }
                    }
                }
            }
        })
    }

    /// Bytes of the two encodings that are equal at the start and at the end, as a measure of likeness.
    pub fn common_bytes(&self, other: &Tree) -> usize {
        let (a, b) = (&self.data[..], &other.data[..]);
        let start = common_prefix(a, b);
        start + common_suffix(&a[start..], &b[start..])
    }
}

fn entries(data: &[u8]) -> impl Iterator<Item = TreeEntry<'_>> {
    TreeRefIter::from_bytes(data, Kind::Sha1).filter_map(Result::ok).map(|entry| TreeEntry {
        mode: entry.mode,
        name: entry.filename,
        id: entry.oid,
    })
}

/// Where the first entries that differ start: the entries before are the same bytes in both.
fn common_start(old: &Tree, new: &Tree) -> usize {
    let equal = common_prefix(&old.data, &new.data);
    if equal == old.data.len() || equal == new.data.len() {
        // One begins with the whole of the other, which ends with an entry.
        return equal;
    }
    // The entry in which they begin to differ starts at the same place in both.
    match old.offsets.partition_point(|offset| *offset as usize <= equal).checked_sub(1) {
        Some(at) => old.byte_offset(at),
        None => 0,
    }
}

/// Where the entries that both end with start, in each; not before `start`.
fn common_end(old: &Tree, new: &Tree, start: usize) -> (usize, usize) {
    let equal = common_suffix(&old.data[start..], &new.data[start..]);
    let (old_len, new_len) = (old.data.len(), new.data.len());
    let first = old.offsets.partition_point(|offset| (*offset as usize) < old_len - equal);
    // Ids are any bytes: where an entry starts in one, the other may be inside of one. A few tries do.
    for offset in old.offsets[first..].iter().take(4) {
        let old_end = *offset as usize;
        let new_end = new_len - (old_len - old_end);
        if new.offsets.binary_search(&(new_end as u32)).is_ok() {
            return (old_end, new_end);
        }
    }
    (old_len, new_len)
}

fn common_prefix(a: &[u8], b: &[u8]) -> usize {
    let blocks = a.chunks_exact(BLOCK).zip(b.chunks_exact(BLOCK)).take_while(|(a, b)| a == b).count() * BLOCK;
    blocks + a[blocks..].iter().zip(&b[blocks..]).take_while(|(a, b)| a == b).count()
}

fn common_suffix(a: &[u8], b: &[u8]) -> usize {
    let blocks =
        a.rchunks_exact(BLOCK).zip(b.rchunks_exact(BLOCK)).take_while(|(a, b)| a == b).count() * BLOCK;
    let (a, b) = (&a[..a.len() - blocks], &b[..b.len() - blocks]);
    blocks + a.iter().rev().zip(b.iter().rev()).take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ObjectId, TreeEdit};
    use gix_object::tree::EntryKind;
    use proptest::{collection, prelude::*};
    use std::collections::BTreeMap;

    type Entries = BTreeMap<Vec<u8>, (EntryKind, ObjectId)>;

    /// Ids that look like entries, and names that sort differently as file and as directory.
    fn entries() -> impl Strategy<Value = Entries> {
        let name = "[a-c]{1,2}[.0-]?[a-b]?".prop_map(String::into_bytes);
        let kind = prop_oneof![Just(EntryKind::Blob), Just(EntryKind::Tree)];
        let id = prop_oneof![
            (0_u8..4).prop_map(|byte| [byte; 20]),
            Just(*b"100644 a\x00100644 a\x0012"),
            Just(*b"aaaaaaaa100644 aa\0aaa"[..20].first_chunk().unwrap()),
        ];
        collection::btree_map(name, (kind, id.prop_map(ObjectId::Sha1)), 0..40)
    }

    fn tree(entries: &Entries) -> Tree {
        let edits: Vec<_> = entries
            .iter()
            .map(|(name, entry)| TreeEdit { name: name.clone(), entry: Some(*entry) })
            .collect();
        Tree::default().edit(&edits).unwrap().unwrap_or_default()
    }

    /// Every difference by name and kind of entry, found without regard to order.
    fn expected(old: &Entries, new: &Entries) -> Vec<(Vec<u8>, bool, bool)> {
        let mut changes = Vec::new();
        for name in old.keys().chain(new.keys()) {
            let (old, new) = (old.get(name), new.get(name));
            let is_tree =
                |entry: Option<&(EntryKind, ObjectId)>| entry.is_some_and(|e| e.0 == EntryKind::Tree);
            if old == new {
                continue;
            }
            if old.is_some() && new.is_some() && is_tree(old) != is_tree(new) {
                changes.extend([(name.clone(), true, false), (name.clone(), false, true)]);
            } else {
                changes.push((name.clone(), old.is_some(), new.is_some()));
            }
        }
        changes.sort();
        changes.dedup();
        changes
    }

    proptest! {
        #[test]
        fn the_changes_are_all_that_differs_in_order(old in entries(), edits in entries(), keep in any::<bool>()) {
            let mut new = if keep { old.clone() } else { BTreeMap::new() };
            new.extend(edits);
            let (old_tree, new_tree) = (tree(&old), tree(&new));
            let changes: Vec<_> = old_tree.changes(&new_tree).collect();
            for pair in changes.windows(2) {
                let is_tree = |change: &TreeChange<'_>| change.new.or(change.old).unwrap().0.is_tree();
                let order = name_order(pair[0].name, is_tree(&pair[0]), pair[1].name, is_tree(&pair[1]));
                prop_assert_eq!(order, Ordering::Less);
            }
            let mut found: Vec<_> = changes
                .iter()
                .map(|change| (change.name.to_vec(), change.old.is_some(), change.new.is_some()))
                .collect();
            found.sort();
            prop_assert_eq!(found, expected(&old, &new));
        }

        #[test]
        fn prefix_and_suffix_are_the_longest(
            a in collection::vec(0_u8..2, 0..40),
            b in collection::vec(0_u8..2, 0..40),
            pad in 0_usize..3000,
        ) {
            let padding = vec![7; pad];
            let before = |tail: &[u8]| [&padding[..], tail].concat();
            let after = |head: &[u8]| [head, &padding[..]].concat();
            let prefix = a.iter().zip(&b).take_while(|(a, b)| a == b).count();
            let suffix = a.iter().rev().zip(b.iter().rev()).take_while(|(a, b)| a == b).count();
            prop_assert_eq!(common_prefix(&before(&a), &before(&b)), pad + prefix);
            prop_assert_eq!(common_suffix(&after(&a), &after(&b)), pad + suffix);
        }
    }
}
