//! What differs between two trees.

use super::{Tree, TreeChange, comparison::Part};

impl Tree {
    /// What changed from `self` to `new`, in git's order; not recursive. The cost is that of the entries
    /// that differ, and of comparing bytes that versions of one tree do not share.
    ///
    /// A name that turned from file to directory is reported twice: as removed and as added.
    pub fn changes<'a>(&'a self, new: &'a Tree) -> impl Iterator<Item = TreeChange<'a>> {
        self.compare(new).filter_map(|part| match part {
            Part::Same(_) => None,
            Part::Removed(old) => {
                Some(TreeChange { name: old.name, old: Some((old.mode, old.id)), new: None })
            }
            Part::Added(new, _) => {
                Some(TreeChange { name: new.name, old: None, new: Some((new.mode, new.id)) })
            }
            Part::Changed { old, new, .. } => Some(TreeChange {
                name: new.name,
                old: Some((old.mode, old.id)),
                new: Some((new.mode, new.id)),
            }),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ObjectId, TreeEdit};
    use gix_object::tree::{EntryKind, name_order};
    use proptest::{collection, prelude::*};
    use std::{cmp::Ordering, collections::BTreeMap};

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
    }
}
