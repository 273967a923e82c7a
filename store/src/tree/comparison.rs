//! Walking two trees side by side.
//!
//! Most trees that are compared are versions of one directory, and differ in a few entries of thousands:
//! chunks that both share are passed over unread, other equal entries are compared as bytes, and only
//! entries that differ are decoded.

use super::{Slot, Tree, TreeEntry, chunk::Chunk};
use gix_object::tree::name_order;
use std::{cmp::Ordering, ops::Range, rc::Rc};

/// Bytes compared at once.
const BLOCK: usize = 64;

/// A part of two trees. Parts are in git's order; a name that is a file in one and a directory in the other
/// is removed and added.
pub(super) enum Part<'a> {
    /// Entries that are the same in both; the bytes are those in the old tree.
    Same(Range<usize>),
    /// An entry of the old tree only.
    Removed(TreeEntry<'a>),
    /// An entry of the new tree only, and its encoding.
    Added(TreeEntry<'a>, &'a [u8]),
    /// An entry that both have and that differs: where it is in the old tree, and its encoding in the new.
    Changed { old: TreeEntry<'a>, old_bytes: Range<usize>, new: TreeEntry<'a>, new_bytes: &'a [u8] },
}

/// The parts of two trees.
pub(super) struct Comparison<'a> {
    old: Cursor<'a>,
    new: Cursor<'a>,
}

/// A place between two entries of a tree.
struct Cursor<'a> {
    chunks: &'a [Slot],
    /// The entry of the first chunk that comes next.
    entry: usize,
}

impl<'a> Cursor<'a> {
    fn chunk(&self) -> Option<&'a Rc<Chunk>> {
        self.chunks.first().map(|slot| &slot.chunk)
    }

    /// The bytes of the chunk from here on.
    fn rest(&self) -> &'a [u8] {
        self.chunk().map_or(&[], |chunk| &chunk.bytes()[chunk.offset(self.entry)..])
    }

    /// The next entry, its encoding, and where it is in the tree.
    fn entry(&self) -> Option<(TreeEntry<'a>, &'a [u8], Range<usize>)> {
        let slot = self.chunks.first()?;
        let (start, end) = (slot.chunk.offset(self.entry), slot.chunk.offset(self.entry + 1));
        let in_tree = slot.start as usize + start..slot.start as usize + end;
        Some((slot.chunk.get(self.entry)?, &slot.chunk.bytes()[start..end], in_tree))
    }

    /// Passes so many entries of the chunk, and gives their place in the tree.
    fn advance(&mut self, entries: usize) -> Range<usize> {
        let Some((slot, others)) = self.chunks.split_first() else { return 0..0 };
        let start = slot.start as usize + slot.chunk.offset(self.entry);
        self.entry += entries;
        let end = slot.start as usize + slot.chunk.offset(self.entry);
        if self.entry >= slot.chunk.len() {
            (self.chunks, self.entry) = (others, 0);
        }
        start..end
    }
}

impl Tree {
    /// Compares with a newer tree.
    pub(super) fn compare<'a>(&'a self, new: &'a Tree) -> Comparison<'a> {
        Comparison {
            old: Cursor { chunks: &self.chunks, entry: 0 },
            new: Cursor { chunks: &new.chunks, entry: 0 },
        }
    }

    /// Bytes of the two encodings that are equal at the start and at the end, about, as a measure of
    /// likeness.
    pub fn common_bytes(&self, other: &Tree) -> usize {
        let same = self.compare(other).map_while(|part| match part {
            Part::Same(bytes) => Some(bytes.len()),
            _ => None,
        });
        let start: usize = same.sum();
        let end = common_end(&self.chunks, &other.chunks);
        start + end.min(self.bytes.min(other.bytes) - start)
    }
}

impl<'a> Iterator for Comparison<'a> {
    type Item = Part<'a>;

    fn next(&mut self) -> Option<Part<'a>> {
        let (Some(old), Some(new)) = (self.old.chunk(), self.new.chunk()) else {
            if let Some((entry, ..)) = self.old.entry() {
                self.old.advance(1);
                return Some(Part::Removed(entry));
            }
            let (entry, bytes, _) = self.new.entry()?;
            self.new.advance(1);
            return Some(Part::Added(entry, bytes));
        };
        let same = if Rc::ptr_eq(old, new) && self.old.entry == self.new.entry {
            old.len() - self.old.entry
        } else {
            old.entries_within(self.old.entry, common_prefix(self.old.rest(), self.new.rest()))
        };
        if same > 0 {
            self.new.advance(same);
            return Some(Part::Same(self.old.advance(same)));
        }
        let (old, _, old_bytes) = self.old.entry()?;
        let (new, new_bytes, _) = self.new.entry()?;
        let order = name_order(old.name, old.mode.is_tree(), new.name, new.mode.is_tree());
        if order != Ordering::Greater {
            self.old.advance(1);
        }
        if order != Ordering::Less {
            self.new.advance(1);
        }
        Some(match order {
            Ordering::Less => Part::Removed(old),
            Ordering::Greater => Part::Added(new, new_bytes),
            Ordering::Equal => Part::Changed { old, old_bytes, new, new_bytes },
        })
    }
}

/// How many bytes two trees have in common at their end.
fn common_end(old: &[Slot], new: &[Slot]) -> usize {
    let (mut old, mut new) = (old.iter().rev(), new.iter().rev());
    let (mut a, mut b): (&[u8], &[u8]) = (&[], &[]);
    let mut common = 0;
    loop {
        if a.is_empty() && b.is_empty() {
            let (Some(old), Some(new)) = (old.next(), new.next()) else { return common };
            if Rc::ptr_eq(&old.chunk, &new.chunk) {
                common += old.chunk.bytes().len();
                continue;
            }
            (a, b) = (old.chunk.bytes(), new.chunk.bytes());
        } else if a.is_empty() {
            let Some(slot) = old.next() else { return common };
            a = slot.chunk.bytes();
        } else if b.is_empty() {
            let Some(slot) = new.next() else { return common };
            b = slot.chunk.bytes();
        }
        let equal = common_suffix(a, b);
        common += equal;
        if equal < a.len().min(b.len()) {
            return common;
        }
        (a, b) = (&a[..a.len() - equal], &b[..b.len() - equal]);
    }
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
    use proptest::{collection, prelude::*};

    proptest! {
        #[test]
        fn prefix_and_suffix_are_the_longest(
            a in collection::vec(0_u8..2, 0..40),
            b in collection::vec(0_u8..2, 0..40),
            pad in 0_usize..300,
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
