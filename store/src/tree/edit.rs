//! Editing a tree in place: its bytes are copied around the entries that change.

use super::{Tree, encode_entry};
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
    /// Entries of the base that are dealt with.
    done: usize,
    data: Vec<u8>,
    offsets: Vec<u32>,
}

impl Tree {
    /// The tree that results from the edits; `None` when they change nothing. Apart from copying the
    /// bytes, the cost is O(edits · log entries).
    ///
    /// # Errors
    /// [`Error::InvalidName`] when a name cannot be that of an entry or is there twice.
    pub(crate) fn edit(&self, edits: &[TreeEdit]) -> Result<Option<Tree>, Error> {
        let splices = self.splices(edits)?;
        if splices.is_empty() {
            return Ok(None);
        }
        let inserted: usize =
            splices.iter().filter_map(|splice| splice.inserts).map(|(name, ..)| name.len() + 32).sum();
        let mut builder = Builder {
            base: self,
            done: 0,
            data: Vec::with_capacity(self.data.len() + inserted),
            offsets: Vec::with_capacity(self.offsets.len() + splices.len()),
        };
        for splice in splices {
            builder.copy_until(splice.position);
            if let Some((name, kind, id)) = splice.inserts {
                builder.offsets.push(builder.data.len() as u32);
                encode_entry(&mut builder.data, kind, name, &id);
            }
            builder.done += usize::from(splice.removes);
        }
        builder.copy_until(self.len());
        if u32::try_from(builder.data.len()).is_err() {
            return Err(Error::Limit("a tree of 4 GiB".into()));
        }
        Ok(Some(Tree { data: builder.data.into(), offsets: builder.offsets }))
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

    /// Where the entry at a position starts, or the end of the tree.
    pub(crate) fn byte_offset(&self, position: usize) -> usize {
        self.offsets.get(position).map_or(self.data.len(), |offset| *offset as usize)
    }
}

impl Builder<'_> {
    fn copy_until(&mut self, position: usize) {
        let Some(offsets) = self.base.offsets.get(self.done..position) else { return };
        let (start, end) = (self.base.byte_offset(self.done), self.base.byte_offset(position));
        let shift = (self.data.len() as u32).wrapping_sub(start as u32);
        self.offsets.extend(offsets.iter().map(|offset| offset.wrapping_add(shift)));
        self.data.extend_from_slice(&self.base.data[start..end]);
        self.done = position;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection, prelude::*};
    use std::collections::BTreeMap;

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
    fn encode(entries: &BTreeMap<Vec<u8>, (EntryKind, ObjectId)>) -> Vec<u8> {
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
            prop_assert_eq!(edited.as_bytes(), &encode(&expected));
            let decoded = Tree::decode(edited.as_bytes().clone()).unwrap();
            prop_assert_eq!(&decoded.offsets, &edited.offsets);
            let delta = tree.delta(&edited);
            let applied = crate::objects::delta::apply(tree.as_bytes(), &delta, 1 << 20).unwrap();
            prop_assert_eq!(applied.as_slice(), edited.as_bytes().as_ref());
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
