//! Objects as readers see them.

use crate::{Error, Tree};
use bytes::Bytes;
use gix_hash::ObjectId;
use gix_object::Kind;
use std::rc::Rc;

/// A git object, decoded.
#[derive(Clone, Debug)]
pub struct Object {
    /// Blob, tree, commit or tag.
    pub kind: Kind,
    /// The content, without git's loose-object header.
    pub data: Bytes,
}

/// An object's kind and size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ObjectHeader {
    /// Blob, tree, commit or tag.
    pub kind: Kind,
    /// Decoded size in bytes.
    pub size: u64,
}

/// An object as it is encoded in a pack, so that a clone can copy it without compressing again.
#[derive(Clone, Debug)]
pub struct EncodedEntry {
    /// The kind of the decoded object.
    pub kind: Kind,
    /// The object this entry is a delta against, if it is one.
    pub delta_base: Option<ObjectId>,
    /// Size after inflating, in bytes: of the object, or of the delta instructions.
    pub inflated_size: u64,
    /// The zlib stream.
    pub zlib: Bytes,
}

/// Something that objects can be read from: a repository, a transaction, a push under examination.
pub trait Objects {
    /// The object, verified against its id.
    fn object(&self, id: &ObjectId) -> Result<Object, Error>;

    /// The object as a tree; trees may be cached.
    fn tree(&self, id: &ObjectId) -> Result<Rc<Tree>, Error> {
        let object = self.object(id)?;
        if object.kind != Kind::Tree {
            return Err(Error::UnexpectedKind(*id));
        }
        Ok(Rc::new(Tree::decode(object.data)?))
    }

    /// Sorts objects as they lie, in which order many are read most cheaply: a pack has the bases of deltas
    /// before what is made from them. The order means nothing where objects have no place.
    ///
    /// # Errors
    /// Those of reading the indexes of packs.
    fn sort_for_reading(&self, _ids: &mut [ObjectId]) -> Result<(), Error> {
        Ok(())
    }

    /// Whether a commit is at the shallow boundary: its parents are not looked for, and need not be here.
    fn is_shallow(&self, _id: &ObjectId) -> bool {
        false
    }

    /// The tree of a commit.
    fn tree_of_commit(&self, id: &ObjectId) -> Result<ObjectId, Error> {
        let object = self.object(id)?;
        if object.kind != Kind::Commit {
            return Err(Error::UnexpectedKind(*id));
        }
        gix_object::CommitRefIter::from_bytes(&object.data, id.kind())
            .tree_id()
            .map_err(|error| Error::Malformed(format!("commit {id}: {error}")))
    }
}
