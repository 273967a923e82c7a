//! Editing a tree: the chunks with the entries that change are made anew, the others are shared.

use super::{
    Tree,
    chunk::{MIN, OpenChunk},
};
use crate::{Error, TreeEdit};
use gix_hash::ObjectId;
use gix_object::tree::{EntryKind, name_order};
use std::cmp::Ordering;

/// One change at a position of the base.
struct Splice<'a> {
    position: usize,
    /// Whether the entry at the position goes away.
    removes: bool,
    /// The entry that is put before the position.
    inserts: Option<(&'a [u8], EntryKind, ObjectId)>,
}

/// The result so far.
struct Builder<'a> {
    base: &'a Tree,
    /// Chunks of the base that are dealt with.
    chunk: usize,
    /// Entries of the next chunk that are dealt with.
    entry: usize,
    tree: Tree,
    /// What comes after the tree so far.
    open: OpenChunk,
    /// Chunks at the start that are those of the base.
    shared: Option<usize>,
}

impl Tree {
    /// The tree that results from the edits; `None` when they change nothing. The cost is that of copying
    /// the chunks with changes, and the list of all.
    ///
    /// # Errors
    /// [`Error::InvalidName`] when a name cannot be that of an entry or is there twice.
    pub(crate) fn edit(&self, edits: &[TreeEdit]) -> Result<Option<Tree>, Error> {
        let splices = self.splices(edits)?;
        if splices.is_empty() {
            return Ok(None);
        }
        let mut builder = Builder {
            base: self,
            chunk: 0,
            entry: 0,
            tree: Tree { chunks: Vec::with_capacity(self.chunks.len() + 1), ..Tree::default() },
            open: OpenChunk::default(),
            shared: None,
        };
        let step = self.entry_length(&splices);
        let mut added = 0;
        for splice in splices {
            builder.copy_until(splice.position);
            if let Some((name, kind, id)) = splice.inserts {
                added += name.len() + 28;
                if u32::try_from(self.byte_len() + added).is_err() {
                    return Err(Error::Limit("a tree of 4 GiB".into()));
                }
                builder.open().push(kind, name, &id);
            }
            if splice.removes {
                builder.open();
                builder.pass(1);
            }
        }
        builder.copy_until(self.len());
        Ok(Some(builder.finish(step)))
    }

    /// Bytes of the entry that is edited, if it is one.
    fn entry_length(&self, splices: &[Splice<'_>]) -> Option<usize> {
        let [splice] = splices else { return None };
        let (mode, name) = match splice.inserts {
            Some((name, kind, _)) => (kind.as_octal_str().len(), name.len()),
            None => {
                let entry = self.get(splice.position)?;
                (entry.mode.kind().as_octal_str().len(), entry.name.len())
            }
        };
        Some(mode + 1 + name + 1 + 20)
    }

    /// Where the edits change the tree, in its order.
    fn splices<'a>(&self, edits: &'a [TreeEdit]) -> Result<Vec<Splice<'a>>, Error> {
        let invalid = |name: &[u8]| Error::InvalidName(String::from_utf8_lossy(name).into_owned());
        let mut names: Vec<&[u8]> = edits.iter().map(|edit| edit.name.as_slice()).collect();
        names.sort_unstable();
        if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(invalid(twice[0]));
        }
        let mut splices = Vec::with_capacity(edits.len());
        for edit in edits {
            // The name may be there as a file or as a directory, which sort differently.
            let mut old = [false, true].into_iter().filter_map(|tree| self.position(&edit.name, tree).ok());
            let old = old.next();
            let Some((kind, id)) = edit.entry else {
                splices.extend(old.map(|position| Splice { position, removes: true, inserts: None }));
                continue;
            };
            if !Self::is_valid_name(&edit.name) {
                return Err(invalid(&edit.name));
            }
            let unchanged = old
                .and_then(|position| self.get(position))
                .is_some_and(|old| old.mode == kind.into() && *old.id == *id);
            if unchanged {
                continue;
            }
            let inserts = Some((edit.name.as_slice(), kind, id));
            match (self.position(&edit.name, kind == EntryKind::Tree), old) {
                (Ok(position), _) => splices.push(Splice { position, removes: true, inserts }),
                (Err(position), old) => {
                    splices.push(Splice { position, removes: false, inserts });
                    splices.extend(old.map(|position| Splice { position, removes: true, inserts: None }));
                }
            }
        }
        // What goes before an entry comes before what replaces or removes it.
        splices.sort_by(|a, b| {
            let order = (a.position, a.removes).cmp(&(b.position, b.removes));
            order.then_with(|| match (a.inserts, b.inserts) {
                (Some((a, a_kind, _)), Some((b, b_kind, _))) => {
                    name_order(a, a_kind == EntryKind::Tree, b, b_kind == EntryKind::Tree)
                }
                _ => Ordering::Equal,
            })
        });
        Ok(splices)
    }
}

impl Builder<'_> {
    /// The open chunk, with what comes before in the chunk of the base.
    fn open(&mut self) -> &mut OpenChunk {
        if self.open.len() == 0
            && let Some(slot) = self.base.chunks.get(self.chunk)
        {
            self.open = OpenChunk::with_room_for(&slot.chunk);
        }
        self.shared.get_or_insert(self.tree.chunks.len());
        &mut self.open
    }

    /// Entries of the base that are dealt with.
    fn done(&self) -> usize {
        self.base.chunks.get(self.chunk).map_or(self.base.len(), |slot| slot.first as usize + self.entry)
    }

    /// Passes over entries of the chunk of the base.
    fn pass(&mut self, entries: usize) {
        self.entry += entries;
        if self.base.chunks.get(self.chunk).is_some_and(|slot| self.entry >= slot.chunk.len()) {
            (self.chunk, self.entry) = (self.chunk + 1, 0);
        }
    }

    /// Takes the entries of the base up to a position.
    fn copy_until(&mut self, position: usize) {
        let base = self.base;
        while let Some(slot) = base.chunks.get(self.chunk) {
            let wanted = position.saturating_sub(self.done());
            if wanted == 0 {
                return;
            }
            let left = slot.chunk.len() - self.entry;
            let whole = self.entry == 0 && wanted >= left;
            if whole && (self.open.len() == 0 || self.open.len() >= MIN) {
                self.tree.close(&mut self.open);
                self.tree.push(slot.chunk.clone());
                self.pass(left);
                continue;
            }
            let entries = self.entry..self.entry + wanted.min(left);
            self.open().extend(&slot.chunk, entries.clone());
            self.pass(entries.len());
        }
    }

    /// The tree; `step` is the length of the entry that was edited, if it was one.
    fn finish(mut self, step: Option<usize>) -> Tree {
        self.tree.close(&mut self.open);
        // The base is seldom edited again; what is made from it would be hashed from the start.
        let states = self.base.mid_states.take();
        let shared = self.shared.unwrap_or(self.tree.chunks.len());
        self.tree.mid_states = states.of_edited(shared, self.tree.byte_len(), step).into();
        self.tree
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::encode_entry;
    use proptest::{collection, prelude::*};
    use std::collections::BTreeMap;

    type Entries = BTreeMap<Vec<u8>, (EntryKind, ObjectId)>;

    fn id(byte: u8) -> ObjectId {
        ObjectId::Sha1([byte; 20])
    }

    /// Names that sort differently as file and as directory.
    fn name() -> impl Strategy<Value = Vec<u8>> {
        "[a-c]{1,2}[.0-]?[a-b]?".prop_map(String::into_bytes)
    }

    fn entry() -> impl Strategy<Value = (EntryKind, ObjectId)> {
        let kind = prop_oneof![
            Just(EntryKind::Blob),
            Just(EntryKind::Tree),
            Just(EntryKind::BlobExecutable),
            Just(EntryKind::Link)
        ];
        (kind, 0_u8..4).prop_map(|(kind, byte)| (kind, id(byte)))
    }

    /// The encoding from scratch.
    fn encode(entries: &Entries) -> Vec<u8> {
        let mut sorted: Vec<_> = entries.iter().collect();
        sorted.sort_by(|a, b| name_order(a.0, a.1.0 == EntryKind::Tree, b.0, b.1.0 == EntryKind::Tree));
        let mut out = Vec::new();
        for (name, (kind, id)) in sorted {
            encode_entry(&mut out, *kind, name, id);
        }
        out
    }

    proptest! {
        #[test]
        fn editing_gives_what_encoding_from_scratch_gives(
            base in collection::btree_map(name(), entry(), 0..40),
            edits in collection::btree_map(name(), proptest::option::of(entry()), 0..12),
        ) {
            let tree = Tree::decode(encode(&base).into()).unwrap();
            let list: Vec<TreeEdit> =
                edits.iter().rev().map(|(name, entry)| TreeEdit { name: name.clone(), entry: *entry }).collect();
            let mut expected = base.clone();
            for (name, entry) in edits {
                match entry {
                    Some(entry) => expected.insert(name, entry),
                    None => expected.remove(&name),
                };
            }
            let edited = tree.edit(&list).unwrap();
            prop_assert_eq!(edited.is_none(), expected == base);
            let edited = edited.unwrap_or(tree.clone());
            prop_assert_eq!(edited.to_bytes(), encode(&expected));
            let delta = tree.delta(&edited);
            let applied = crate::objects::delta::apply(&tree.to_bytes(), &delta, 1 << 20).unwrap();
            prop_assert_eq!(applied, edited.to_bytes());
        }
    }

    /// Edits of a tree, and how many bytes are hashed ahead of them, step by step.
    type Edits = (Vec<TreeEdit>, Vec<usize>);

    /// A tree of several chunks, and edits of it, one after the other; many keep its length, or change it by
    /// one entry.
    fn history() -> impl Strategy<Value = (Entries, Vec<Edits>)> {
        let name = (0_u32..1200).prop_map(|number| format!("{:04}.ics", number * 7919 % 1200).into_bytes());
        let blob = (0_u8..4).prop_map(|byte| (EntryKind::Blob, id(byte)));
        let base = collection::btree_map(name.clone(), blob.clone(), 0..1100);
        let count = prop_oneof![Just(1..2), Just(1..40)];
        let edit = count.prop_flat_map(move |count| {
            collection::btree_map(name.clone(), proptest::option::weighted(0.7, blob.clone()), count)
        });
        let edits = edit.prop_map(|edit| {
            edit.into_iter().map(|(name, entry)| TreeEdit { name, entry }).collect::<Vec<_>>()
        });
        let ahead = collection::vec(0_usize..40_000, 0..4);
        (base, collection::vec((edits, ahead), 1..24))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn a_history_of_edits_gives_what_decoding_gives((base, history) in history()) {
            let mut tree = Tree::decode(encode(&base).into()).unwrap();
            let mut expected = base;
            for (edits, ahead) in history {
                let old = tree;
                // Hashed ahead in part, wholly or not at all.
                for budget in ahead {
                    old.hash_ahead(budget);
                }
                for edit in &edits {
                    match edit.entry {
                        Some(entry) => expected.insert(edit.name.clone(), entry),
                        None => expected.remove(&edit.name),
                    };
                }
                tree = old.edit(&edits).unwrap().unwrap_or_else(|| old.clone());
                let decoded = Tree::decode(encode(&expected).into()).unwrap();
                prop_assert_eq!(tree.to_bytes(), decoded.to_bytes());
                // Hashed from where it differs, from the start, and once more.
                prop_assert_eq!(tree.id().unwrap(), decoded.id().unwrap());
                prop_assert_eq!(tree.id().unwrap(), decoded.id().unwrap());
                prop_assert_eq!((tree.len(), tree.byte_len()), (decoded.len(), decoded.to_bytes().len()));
                prop_assert!(tree.chunks.iter().all(|slot| (1..=super::super::chunk::MAX).contains(&slot.chunk.len())));
                for (position, (name, entry)) in expected.iter().enumerate() {
                    let found = tree.get(position).unwrap();
                    prop_assert_eq!((&**found.name, found.mode, found.id.to_owned()), (&**name, entry.0.into(), entry.1));
                    prop_assert_eq!(tree.position(name, false), Ok(position));
                }
                prop_assert_eq!(tree.get(expected.len()), None);
                // Between trees that share chunks and between trees that do not.
                for (old, new) in [(&old, &tree), (&old, &decoded), (&decoded, &old)] {
                    let delta = old.delta(new);
                    let applied = crate::objects::delta::apply(&old.to_bytes(), &delta, 1 << 20).unwrap();
                    prop_assert_eq!(applied, new.to_bytes());
                    prop_assert!(old.common_bytes(new) <= old.byte_len().min(new.byte_len()));
                }
                prop_assert_eq!(tree.common_bytes(&decoded), tree.byte_len());
                prop_assert_eq!(
                    old.changes(&tree).collect::<Vec<_>>(),
                    old.changes(&decoded).collect::<Vec<_>>()
                );
            }
        }
    }

    #[test]
    fn an_edit_makes_one_chunk_anew_and_hashes_from_there() {
        let edit = |number: u32, byte: u8| TreeEdit {
            name: format!("{number:05}.ics").into(),
            entry: Some((EntryKind::Blob, id(byte))),
        };
        let edits: Vec<_> = (0..10_000).map(|number| edit(number, 1)).collect();
        let tree = Tree::default().edit(&edits).unwrap().unwrap();
        tree.id().unwrap();
        let edited = tree.edit(&[edit(9_000, 2)]).unwrap().unwrap();
        let shared = |at: &usize| std::rc::Rc::ptr_eq(&tree.chunks[*at].chunk, &edited.chunks[*at].chunk);
        assert_eq!((0..tree.chunks.len()).filter(|at| !shared(at)).count(), 1);
        let changed = (0..tree.chunks.len()).find(|at| !shared(at)).unwrap();
        assert_eq!(edited.mid_states.borrow().known(edited.byte_len()), changed + 1);
        assert_eq!(edited.id().unwrap(), Tree::decode(edited.to_bytes()).unwrap().id().unwrap());
    }

    #[test]
    fn what_was_hashed_ahead_serves_new_events_and_deletions() {
        let edit = |number: u32, byte: Option<u8>| TreeEdit {
            name: format!("{number:05}.ics").into(),
            entry: byte.map(|byte| (EntryKind::Blob, id(byte))),
        };
        let edits: Vec<_> = (0..10_000).map(|number| edit(2 * number, Some(1))).collect();
        let mut tree = Tree::default().edit(&edits).unwrap().unwrap();
        tree.id().unwrap();
        assert!(!tree.hash_ahead(usize::MAX), "nothing tells yet how the directory is going to change");
        // A change, a new event, a deletion, a new event where the first one was, another one.
        let edits = [(4_000, Some(2)), (15_001, Some(1)), (18_000, None), (15_003, Some(1)), (7, Some(1))];
        for (round, (number, entry)) in edits.into_iter().enumerate() {
            let edited = tree.edit(&[edit(number, entry)]).unwrap().unwrap();
            let shared = tree.chunks.iter().zip(&edited.chunks);
            let shared = shared.take_while(|(old, new)| std::rc::Rc::ptr_eq(&old.chunk, &new.chunk)).count();
            let known = edited.mid_states.borrow().known(edited.byte_len());
            assert_eq!(known, shared + 1, "{round}");
            assert_eq!(edited.id().unwrap(), Tree::decode(edited.to_bytes()).unwrap().id().unwrap());
            let mut steps = 0;
            while edited.hash_ahead(64 << 10) {
                steps += 1;
            }
            // No more is hashed than both lengths have, and no more is kept.
            assert!((1..=2 * edited.byte_len() / (64 << 10) + 2).contains(&steps), "{steps}");
            assert_eq!(edited.mid_states.borrow().lengths(), 3);
            tree = edited;
        }
    }

    #[test]
    fn names_that_cannot_be_are_refused() {
        let edit = |name: &str| TreeEdit { name: name.into(), entry: Some((EntryKind::Blob, id(1))) };
        for name in ["", ".", "..", ".git", ".GIT", "git~1", ".g\u{200c}it", ".git. ", "a/b", "a\0b"] {
            assert!(matches!(Tree::default().edit(&[edit(name)]), Err(Error::InvalidName(_))), "{name:?}");
        }
        assert!(matches!(Tree::default().edit(&[edit("a"), edit("a")]), Err(Error::InvalidName(_))));
    }
}
