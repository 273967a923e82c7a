//! Trees, kept encoded, with an index of their entries.
//!
//! A tree is a list of chunks of about 64 entries. An edited tree shares the chunks that are as they
//! were, so that many versions of a large directory are at hand in little more memory than one, and making
//! and comparing versions costs what differs.

mod changes;
mod chunk;
mod comparison;
mod decode;
mod delta;
mod edit;
mod hash;

use crate::{Error, objects::cache::Cached};
use bytes::Bytes;
use chunk::{Chunk, OpenChunk};
use gix_hash::oid;
use gix_object::{
    TreeRefIter,
    bstr::BStr,
    tree::{EntryKind, EntryMode},
};
use gix_validate::path::component;
use hash::MidStates;
use std::{cell::RefCell, cmp::Ordering, fmt, rc::Rc};

/// Names that a file system may take for `.git`: those of HFS+ and NTFS are refused everywhere, as git does.
pub(crate) const PROTECTION: component::Options =
    component::Options { protect_windows: false, protect_hfs: true, protect_ntfs: true };

/// One entry of a [`Tree`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TreeEntry<'a> {
    /// File, directory, link or submodule.
    pub mode: EntryMode,
    /// The name, any bytes but `/` and NUL.
    pub name: &'a BStr,
    /// The object it names.
    pub id: &'a oid,
}

/// A difference between two trees, of one name (not recursive).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TreeChange<'a> {
    /// The name that differs.
    pub name: &'a BStr,
    /// Mode and object in the old tree.
    pub old: Option<(EntryMode, &'a oid)>,
    /// Mode and object in the new tree.
    pub new: Option<(EntryMode, &'a oid)>,
}

/// A decoded tree: git's own bytes and where each entry starts, 4 bytes an entry more than the encoding, of
/// which versions of a tree share what they have in common.
#[derive(Clone, Default)]
pub struct Tree {
    chunks: Vec<Slot>,
    /// Bytes of the encoding.
    bytes: usize,
    /// Number of entries.
    entries: usize,
    mid_states: RefCell<MidStates>,
}

/// A chunk in a tree.
#[derive(Clone)]
struct Slot {
    chunk: Rc<Chunk>,
    /// Position of its first entry in the tree.
    first: u32,
    /// Where it starts in the tree's encoding.
    start: u32,
}

impl fmt::Debug for Tree {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.iter()).finish()
    }
}

impl Tree {
    /// Indexes the encoding of a tree object.
    ///
    /// # Errors
    /// [`Error::Malformed`] when the bytes are no tree, or larger than 4 GiB.
    pub fn decode(data: Bytes) -> Result<Self, Error> {
        decode::decode(&data, &Self::default())
    }

    /// Likewise, of a tree that is probably like another, whose chunks it shares where both have them.
    pub(crate) fn decode_near(data: &[u8], near: &Self) -> Result<Self, Error> {
        decode::decode(data, near)
    }

    /// Appends entries.
    fn close(&mut self, open: &mut OpenChunk) {
        open.take().into_iter().for_each(|chunk| self.push(Rc::new(chunk)));
    }

    /// Appends a chunk. Trees are at most 4 GiB, which the callers see to.
    fn push(&mut self, chunk: Rc<Chunk>) {
        let (first, start) = (self.entries as u32, self.bytes as u32);
        self.entries += chunk.len();
        self.bytes += chunk.bytes().len();
        self.chunks.push(Slot { chunk, first, start });
    }

    /// git's encoding, put together.
    pub fn to_bytes(&self) -> Bytes {
        let mut bytes = Vec::with_capacity(self.bytes);
        self.chunks.iter().for_each(|slot| bytes.extend_from_slice(slot.chunk.bytes()));
        bytes.into()
    }

    /// Length of git's encoding, in bytes.
    pub fn byte_len(&self) -> usize {
        self.bytes
    }

    /// Bytes of memory that the tree takes, as if it shared nothing with others.
    pub fn memory(&self) -> usize {
        self.own_memory() + self.chunks.iter().map(|slot| slot.chunk.memory()).sum::<usize>()
    }

    /// Bytes of memory that the tree takes beside its chunks. States of the hash are not counted: only the
    /// newest version of a directory has them, and they are about a fifteenth of it.
    fn own_memory(&self) -> usize {
        size_of::<Self>() + self.chunks.len() * size_of::<Slot>()
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.entries
    }

    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.entries == 0
    }

    /// The entry at `position` in git's order.
    pub fn get(&self, position: usize) -> Option<TreeEntry<'_>> {
        let at = self.chunks.partition_point(|slot| slot.first as usize <= position);
        let slot = self.chunks.get(at.checked_sub(1)?)?;
        slot.chunk.get(position - slot.first as usize)
    }

    /// All entries in git's order.
    pub fn iter(&self) -> impl Iterator<Item = TreeEntry<'_>> {
        self.chunks
            .iter()
            .flat_map(|slot| TreeRefIter::from_bytes(slot.chunk.bytes(), gix_hash::Kind::Sha1))
            .filter_map(Result::ok)
            .map(|entry| TreeEntry { mode: entry.mode, name: entry.filename, id: entry.oid })
    }

    /// The entry of this name, whatever its kind; O(log n).
    pub fn find(&self, name: impl AsRef<[u8]>) -> Option<TreeEntry<'_>> {
        let name = name.as_ref();
        self.position(name, false).or_else(|_| self.position(name, true)).ok().and_then(|at| self.get(at))
    }

    /// Where an entry is, or where it would be inserted, in git's order (a directory sorts as `name/`).
    fn position(&self, name: &[u8], is_tree: bool) -> Result<usize, usize> {
        let after =
            self.chunks.partition_point(|slot| slot.chunk.order(0, name, is_tree) != Ordering::Greater);
        let slot = after.checked_sub(1).and_then(|at| self.chunks.get(at)).ok_or(0_usize)?;
        let first = slot.first as usize;
        slot.chunk.position(name, is_tree).map(|at| first + at).map_err(|at| first + at)
    }

    /// Whether `name` may be an entry of a tree, as `git fsck --strict` sees it: not empty, `.` or `..`;
    /// no `/`, no NUL; nothing that some file system takes for `.git`.
    pub fn is_valid_name(name: &[u8]) -> bool {
        !name.contains(&0) && gix_validate::path::component(name.into(), None, PROTECTION).is_ok()
    }
}

/// What several versions of a tree share is counted once.
impl Cached for Rc<Tree> {
    fn size(&self) -> usize {
        self.memory()
    }

    fn enter(&self) -> usize {
        let new = self.chunks.iter().map(|slot| &slot.chunk).filter(|chunk| chunk.enter_cache());
        self.own_memory() + new.map(|chunk| chunk.memory()).sum::<usize>()
    }

    fn leave(&self) -> usize {
        let gone = self.chunks.iter().map(|slot| &slot.chunk).filter(|chunk| chunk.leave_cache());
        self.own_memory() + gone.map(|chunk| chunk.memory()).sum::<usize>()
    }
}

/// Appends one entry in git's encoding.
fn encode_entry(out: &mut Vec<u8>, kind: EntryKind, name: &[u8], id: &oid) {
    out.extend_from_slice(kind.as_octal_str());
    out.push(b' ');
    out.extend_from_slice(name);
    out.push(0);
    out.extend_from_slice(id.as_bytes());
}
