//! Trees, kept encoded, with an index of their entries.

mod changes;
mod delta;
mod edit;

use crate::Error;
use bytes::Bytes;
use gix_hash::{ObjectId, oid};
use gix_object::{
    TreeRefIter,
    bstr::BStr,
    tree::{EntryKind, EntryMode, name_order},
};
use gix_validate::path::component;
use std::cmp::Ordering;

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

/// A decoded tree: git's own bytes and where each entry starts, 4 bytes an entry more than the encoding.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    data: Bytes,
    offsets: Vec<u32>,
}

impl Tree {
    /// Indexes the encoding of a tree object.
    ///
    /// # Errors
    /// [`Error::Malformed`] when the bytes are no tree, or larger than 4 GiB.
    pub fn decode(data: Bytes) -> Result<Self, Error> {
        if u32::try_from(data.len()).is_err() {
            return Err(Error::Malformed("tree larger than 4 GiB".into()));
        }
        let mut offsets = Vec::new();
        let mut iter = TreeRefIter::from_bytes(&data, gix_hash::Kind::Sha1);
        loop {
            let offset = iter.offset_to_next_entry(&data);
            match iter.next() {
                Some(Ok(_)) => offsets.push(offset as u32),
                Some(Err(error)) => return Err(Error::Malformed(format!("tree: {error}"))),
                None => break,
            }
        }
        Ok(Self { data, offsets })
    }

    /// git's encoding.
    pub fn as_bytes(&self) -> &Bytes {
        &self.data
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.offsets.len()
    }

    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.offsets.is_empty()
    }

    /// The entry at `position` in git's order.
    pub fn get(&self, position: usize) -> Option<TreeEntry<'_>> {
        let offset = *self.offsets.get(position)? as usize;
        let mut iter = TreeRefIter::from_bytes(self.data.get(offset..)?, gix_hash::Kind::Sha1);
        let entry = iter.next()?.ok()?;
        Some(TreeEntry { mode: entry.mode, name: entry.filename, id: entry.oid })
    }

    /// All entries in git's order.
    pub fn iter(&self) -> impl Iterator<Item = TreeEntry<'_>> {
        TreeRefIter::from_bytes(&self.data, gix_hash::Kind::Sha1)
            .filter_map(Result::ok)
            .map(|entry| TreeEntry { mode: entry.mode, name: entry.filename, id: entry.oid })
    }

    /// The entry of this name, whatever its kind; O(log n).
    pub fn find(&self, name: impl AsRef<[u8]>) -> Option<TreeEntry<'_>> {
        let name = name.as_ref();
        self.position(name, false).or_else(|_| self.position(name, true)).ok().and_then(|at| self.get(at))
    }

    /// Where an entry is, or where it would be inserted, in git's order (a directory sorts as `name/`).
    pub(crate) fn position(&self, name: &[u8], is_tree: bool) -> Result<usize, usize> {
        self.offsets.binary_search_by(|offset| {
            let mut iter = TreeRefIter::from_bytes(&self.data[*offset as usize..], gix_hash::Kind::Sha1);
            match iter.next() {
                Some(Ok(entry)) => name_order(entry.filename, entry.mode.is_tree(), name, is_tree),
                _ => Ordering::Less,
            }
        })
    }

    /// The object id of this tree.
    ///
    /// # Errors
    /// [`Error::Malformed`] when the tree is made to collide with another object.
    pub fn id(&self) -> Result<ObjectId, Error> {
        crate::objects::entry::hash(gix_object::Kind::Tree, &self.data)
    }

    /// Whether `name` may be an entry of a tree, as `git fsck --strict` sees it: not empty, `.` or `..`;
    /// no `/`, no NUL; nothing that some file system takes for `.git`.
    pub fn is_valid_name(name: &[u8]) -> bool {
        !name.contains(&0) && gix_validate::path::component(name.into(), None, PROTECTION).is_ok()
    }
}

/// Appends one entry in git's encoding.
pub(crate) fn encode_entry(out: &mut Vec<u8>, kind: EntryKind, name: &[u8], id: &oid) {
    out.extend_from_slice(kind.as_octal_str());
    out.push(b' ');
    out.extend_from_slice(name);
    out.push(0);
    out.extend_from_slice(id.as_bytes());
}
