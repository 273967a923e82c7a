//! Parts of trees, shared by all versions of a tree that have them.

use super::{TreeEntry, encode_entry};
use gix_hash::oid;
use gix_object::{
    TreeRefIter,
    tree::{EntryKind, name_order},
};
use std::{cell::Cell, cmp::Ordering, ops::Range};

/// Entries of a chunk that is made anew. An edit copies a chunk, and hashing goes on at the start of one.
pub(super) const TARGET: usize = 64;
/// A chunk with more entries is cut.
pub(super) const MAX: usize = 128;
/// A chunk with fewer entries takes the next one in.
pub(super) const MIN: usize = 16;

/// Some entries that follow each other in a tree.
pub(super) struct Chunk {
    bytes: Box<[u8]>,
    /// Where each entry starts in `bytes`.
    offsets: Box<[u32]>,
    /// How many trees in a cache have this chunk.
    cached: Cell<u32>,
}

impl Chunk {
    /// A chunk of so many entries, at least one, which start at these offsets of their encoding.
    pub(super) fn new(bytes: &[u8], offsets: &[u32]) -> Self {
        Self { bytes: bytes.into(), offsets: offsets.into(), cached: Cell::new(0) }
    }

    /// git's encoding of its entries.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Number of entries, at least one.
    pub(super) fn len(&self) -> usize {
        self.offsets.len()
    }

    /// Where an entry starts, or the end of the chunk.
    pub(super) fn offset(&self, entry: usize) -> usize {
        self.offsets.get(entry).map_or(self.bytes.len(), |offset| *offset as usize)
    }

    pub(super) fn get(&self, entry: usize) -> Option<TreeEntry<'_>> {
        let bytes = self.bytes.get(*self.offsets.get(entry)? as usize..)?;
        let entry = TreeRefIter::from_bytes(bytes, gix_hash::Kind::Sha1).next()?.ok()?;
        Some(TreeEntry { mode: entry.mode, name: entry.filename, id: entry.oid })
    }

    /// How an entry sorts beside a name.
    pub(super) fn order(&self, entry: usize, name: &[u8], is_tree: bool) -> Ordering {
        match self.get(entry) {
            Some(entry) => name_order(entry.name, entry.mode.is_tree(), name, is_tree),
            None => Ordering::Less,
        }
    }

    /// Where an entry is, or where it would be.
    pub(super) fn position(&self, name: &[u8], is_tree: bool) -> Result<usize, usize> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            match self.order(middle, name, is_tree) {
                Ordering::Less => low = middle + 1,
                Ordering::Equal => return Ok(middle),
                Ordering::Greater => high = middle,
            }
        }
        Err(low)
    }

    /// How many entries from `first` on end within so many bytes of where it starts.
    pub(super) fn entries_within(&self, first: usize, bytes: usize) -> usize {
        let end = self.offset(first) + bytes;
        if end >= self.bytes.len() {
            return self.len() - first;
        }
        self.offsets[first..].partition_point(|offset| *offset as usize <= end).saturating_sub(1)
    }

    /// Bytes of memory.
    pub(super) fn memory(&self) -> usize {
        size_of::<Self>() + self.bytes.len() + size_of_val(&*self.offsets)
    }

    /// Notes that one more cached tree has this chunk, and says whether it is the first.
    pub(super) fn enter_cache(&self) -> bool {
        self.cached.replace(self.cached.get() + 1) == 0
    }

    /// Notes that a tree with this chunk has left the cache, and says whether it was the last.
    pub(super) fn leave_cache(&self) -> bool {
        let left = self.cached.get().saturating_sub(1);
        self.cached.set(left);
        left == 0
    }
}

/// Entries that are to become chunks.
#[derive(Default)]
pub(super) struct OpenChunk {
    bytes: Vec<u8>,
    offsets: Vec<u32>,
}

impl OpenChunk {
    /// Room for a chunk that is copied with small changes.
    pub(super) fn with_room_for(chunk: &Chunk) -> Self {
        let bytes = Vec::with_capacity(chunk.bytes.len() + 512);
        Self { bytes, offsets: Vec::with_capacity(chunk.len() + 2) }
    }

    pub(super) fn len(&self) -> usize {
        self.offsets.len()
    }

    /// Appends an entry.
    pub(super) fn push(&mut self, kind: EntryKind, name: &[u8], id: &oid) {
        self.offsets.push(self.bytes.len() as u32);
        encode_entry(&mut self.bytes, kind, name, id);
    }

    /// Appends entries of a chunk.
    pub(super) fn extend(&mut self, chunk: &Chunk, entries: Range<usize>) {
        let (start, end) = (chunk.offset(entries.start), chunk.offset(entries.end));
        let shift = (self.bytes.len() as u32).wrapping_sub(start as u32);
        self.offsets.extend(chunk.offsets[entries].iter().map(|offset| offset.wrapping_add(shift)));
        self.bytes.extend_from_slice(&chunk.bytes[start..end]);
    }

    /// The chunks, of nearly the same number of entries each; nothing is left.
    pub(super) fn take(&mut self) -> Vec<Chunk> {
        let Self { bytes, offsets } = std::mem::take(self);
        if offsets.len() <= MAX {
            let chunk = Chunk { bytes: bytes.into(), offsets: offsets.into(), cached: Cell::new(0) };
            return if chunk.len() > 0 { vec![chunk] } else { Vec::new() };
        }
        let count = offsets.len().div_ceil(TARGET);
        let chunks = (0..count).map(|number| {
            let range = offsets.len() * number / count..offsets.len() * (number + 1) / count;
            let start = offsets[range.start];
            let end = offsets.get(range.end).map_or(bytes.len(), |offset| *offset as usize);
            Chunk {
                bytes: bytes[start as usize..end].into(),
                offsets: offsets[range].iter().map(|offset| offset - start).collect(),
                cached: Cell::new(0),
            }
        });
        chunks.collect()
    }
}
