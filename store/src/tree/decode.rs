//! From git's encoding to a tree.

use super::{
    Slot, Tree, TreeEntry,
    chunk::{Chunk, MAX, MIN, TARGET},
};
use crate::Error;
use gix_object::{TreeRefIter, tree::name_order};
use std::{cmp::Ordering, rc::Rc};

/// The chunks of a tree that another may have too.
struct Candidates<'a> {
    slots: &'a [Slot],
    /// The first entry of the first of them.
    first: Option<TreeEntry<'a>>,
}

impl<'a> Candidates<'a> {
    fn new(slots: &'a [Slot]) -> Self {
        // Small ones are put together: whatever versions a tree goes through, its chunks do not become crumbs.
        let small = slots.iter().take_while(|slot| slot.chunk.len() < MIN).count();
        let slots = &slots[small..];
        Self { slots, first: slots.first().and_then(|slot| slot.chunk.get(0)) }
    }

    fn pass(&mut self) {
        *self = Self::new(self.slots.get(1..).unwrap_or_default());
    }

    /// The chunk that begins with an entry, and that `data`, which begins with it, begins with.
    fn find(&mut self, entry: &TreeEntry<'_>, data: &[u8]) -> Option<&'a Rc<Chunk>> {
        loop {
            let first = self.first.as_ref()?;
            match name_order(first.name, first.mode.is_tree(), entry.name, entry.mode.is_tree()) {
                Ordering::Less => self.pass(),
                Ordering::Greater => return None,
                Ordering::Equal => {
                    let chunk = self.slots.first().map(|slot| &slot.chunk);
                    self.pass();
                    return chunk.filter(|chunk| data.starts_with(chunk.bytes()));
                }
            }
        }
    }
}

/// Indexes the encoding of a tree, and shares the chunks of another that it has too: these are compared, not
/// read.
pub(super) fn decode(data: &[u8], near: &Tree) -> Result<Tree, Error> {
    if u32::try_from(data.len()).is_err() {
        return Err(Error::Malformed("tree larger than 4 GiB".into()));
    }
    let mut tree = Tree { chunks: Vec::with_capacity(near.chunks.len() + 1), ..Tree::default() };
    let mut candidates = Candidates::new(&near.chunks);
    let most = if candidates.first.is_some() { MAX } else { TARGET };
    // The entries that are to become the next chunk: where it starts, and where they do in it.
    let (mut start, mut offsets) = (0, Vec::with_capacity(most));
    let close = |tree: &mut Tree, offsets: &mut Vec<u32>, start: usize, end: usize| {
        if !offsets.is_empty() {
            tree.push(Rc::new(Chunk::new(&data[start..end], offsets)));
            offsets.clear();
        }
    };
    let mut at = 0;
    while at < data.len() {
        let rest = &data[at..];
        let mut entries = TreeRefIter::from_bytes(rest, gix_hash::Kind::Sha1);
        loop {
            let here = at + entries.offset_to_next_entry(rest);
            let entry = match entries.next() {
                Some(Ok(entry)) => entry,
                Some(Err(error)) => return Err(Error::Malformed(format!("tree: {error}"))),
                None => {
                    at = data.len();
                    break;
                }
            };
            let entry = TreeEntry { mode: entry.mode, name: entry.filename, id: entry.oid };
            if let Some(chunk) = candidates.find(&entry, &data[here..]) {
                close(&mut tree, &mut offsets, start, here);
                tree.push(chunk.clone());
                at = here + chunk.bytes().len();
                start = at;
                break;
            }
            if offsets.len() == most {
                close(&mut tree, &mut offsets, start, here);
                start = here;
            }
            offsets.push((here - start) as u32);
        }
    }
    close(&mut tree, &mut offsets, start, data.len());
    Ok(tree)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TreeEdit;
    use gix_hash::ObjectId;
    use gix_object::tree::EntryKind;
    use proptest::{collection, prelude::*};

    fn edits(names: &[(u16, Option<u8>)]) -> Vec<TreeEdit> {
        let edit = |(name, id): &(u16, Option<u8>)| TreeEdit {
            name: format!("{name:04}").into(),
            entry: id.map(|id| (EntryKind::Blob, ObjectId::Sha1([id; 20]))),
        };
        let mut edits: Vec<_> = names.iter().map(edit).collect();
        edits.sort_by(|a, b| a.name.cmp(&b.name));
        edits.dedup_by(|a, b| a.name == b.name);
        edits
    }

    fn shape(tree: &Tree) -> Vec<usize> {
        tree.chunks.iter().map(|slot| slot.chunk.len()).collect()
    }

    proptest! {
        #[test]
        fn a_tree_is_the_same_whatever_it_is_decoded_near(
            names in collection::vec((0_u16..900, any::<u8>()), 0..700),
            versions in collection::vec(
                collection::vec((0_u16..900, any::<Option<u8>>()), 1..8), 0..6,
            ),
        ) {
            let names: Vec<_> = names.into_iter().map(|(name, id)| (name, Some(id))).collect();
            let mut tree = Tree::default().edit(&edits(&names)).unwrap().unwrap_or_default();
            let mut near = Tree::default();
            for version in &versions {
                let bytes = tree.to_bytes();
                let (plain, like) = (Tree::decode(bytes.clone()).unwrap(), Tree::decode_near(&bytes, &near).unwrap());
                prop_assert_eq!(like.to_bytes(), bytes.clone());
                prop_assert_eq!((like.len(), like.byte_len()), (plain.len(), bytes.len()));
                prop_assert!(like.iter().eq(plain.iter()));
                prop_assert!(like.chunks.iter().all(|slot| slot.chunk.len() <= MAX));
                for (position, entry) in plain.iter().enumerate() {
                    prop_assert_eq!(like.get(position), Some(entry));
                    prop_assert_eq!(like.find(entry.name), Some(entry));
                }
                if let Some(end) = bytes.len().checked_sub(3) {
                    prop_assert!(Tree::decode_near(&bytes[..end], &near).is_err());
                }
                near = like;
                tree = tree.edit(&edits(version)).unwrap_or_default().unwrap_or_default();
            }
        }
    }

    #[test]
    fn versions_share_what_they_have_in_common_and_stay_in_pieces_of_fair_size() {
        let names: Vec<_> = (0..900).map(|name| (name, Some(1))).collect();
        let mut tree = Tree::default().edit(&edits(&names)).unwrap().unwrap();
        let mut near = Tree::decode(tree.to_bytes()).unwrap();
        for number in 0..900_u16 {
            let name = number.wrapping_mul(577) % 900;
            let id = (number % 3 > 0).then_some(2);
            let Ok(Some(new)) = tree.edit(&edits(&[(name, id)])) else { continue };
            tree = new;
            let like = Tree::decode_near(&tree.to_bytes(), &near).unwrap();
            let shared = |slot: &&Slot| near.chunks.iter().any(|old| Rc::ptr_eq(&old.chunk, &slot.chunk));
            let fresh = like.chunks.iter().filter(|slot| !shared(slot)).count();
            assert!(fresh <= 2 || like.len() < 2 * MAX, "{fresh} of {:?}", shape(&like));
            near = like;
        }
        assert!(near.chunks.len() <= near.len() / MIN + 1, "{:?}", shape(&near));
    }
}
