//! Transactions: new objects and reference updates, all or nothing.

use crate::{
    Error, Object, Objects, Repository, Tree,
    objects::entry::{self, EntryContent, EntryHeader},
    tree::encode_entry,
};
use bytes::Bytes;
use gix_hash::ObjectId;
use gix_object::{Kind, tree::EntryKind};
use std::{
    collections::{BTreeMap, HashMap},
    future::Future,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

/// One change to a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeEdit {
    /// The entry's name.
    pub name: Vec<u8>,
    /// What it becomes; `None` removes it.
    pub entry: Option<(EntryKind, ObjectId)>,
}

/// One reference of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReferenceUpdate {
    /// Full name, such as `refs/heads/main`.
    pub name: String,
    /// The value it must have now; `None` when it must not exist.
    pub expected: Option<ObjectId>,
    /// Its new value; `None` deletes it.
    pub new: Option<ObjectId>,
}

/// Objects and reference updates that become visible together. Reads see the transaction's own objects.
pub struct Transaction {
    repository: Repository,
    objects: HashMap<ObjectId, Object>,
    updates: Vec<ReferenceUpdate>,
}

impl Transaction {
    pub(crate) fn new(repository: Repository) -> Self {
        Self { repository, objects: HashMap::new(), updates: Vec::new() }
    }

    /// Adds an object; one that the repository has already costs nothing.
    pub fn insert(&mut self, kind: Kind, data: impl Into<Bytes>) -> Result<ObjectId, Error> {
        let data = data.into();
        let id = entry::hash(kind, &data)?;
        self.objects.insert(id, Object { kind, data });
        Ok(id)
    }

    /// Makes the tree that results from `edits` upon `base` (an empty tree when `None`).
    ///
    /// It is stored as a delta against `base`. A name may appear once in `edits`; an edit may turn a file
    /// into a directory or back.
    pub fn edit_tree(&mut self, base: Option<&ObjectId>, edits: &[TreeEdit]) -> Result<ObjectId, Error> {
        let base = match base {
            Some(id) => self.tree(id)?,
            None => Rc::new(Tree::default()),
        };
        let mut entries: Vec<(EntryKind, Vec<u8>, ObjectId)> = base
            .iter()
            .filter(|entry| !edits.iter().any(|edit| edit.name == entry.name))
            .map(|entry| (entry.mode.kind(), entry.name.to_vec(), entry.id.to_owned()))
            .collect();
        for edit in edits {
            if let Some((kind, id)) = edit.entry {
                if !Tree::is_valid_name(&edit.name) {
                    return Err(Error::InvalidName(String::from_utf8_lossy(&edit.name).into_owned()));
                }
                entries.push((kind, edit.name.clone(), id));
            }
        }
        entries.sort_by(|a, b| {
            gix_object::tree::name_order(&a.1, a.0 == EntryKind::Tree, &b.1, b.0 == EntryKind::Tree)
        });
        let mut encoded = Vec::new();
        for (kind, name, id) in &entries {
            encode_entry(&mut encoded, *kind, name, id);
        }
        self.insert(Kind::Tree, encoded)
    }

    /// Adopts a complete pack (no bases outside it) with its version 2 index; it becomes part of the
    /// repository with the transaction.
    ///
    /// The caller has decoded every entry to compute its id; entries are verified again when read.
    ///
    /// # Errors
    /// [`Error::Malformed`] when pack and index are not of a kind or do not belong together.
    pub fn adopt_pack(&mut self, pack: Bytes, index: Bytes) -> Result<(), Error> {
        let malformed = |error: gix_error::Error| Error::Malformed(format!("pack: {error}"));
        let index =
            gix_pack::index::File::from_data(index, "".into(), gix_hash::Kind::Sha1).map_err(malformed)?;
        let by_offset: BTreeMap<u64, ObjectId> =
            index.iter().map(|entry| (entry.pack_offset, entry.oid)).collect();
        for (&start, &id) in &by_offset {
            let (mut offset, mut deltas) = (start, Vec::new());
            let kind = loop {
                let entry = usize::try_from(offset).ok().and_then(|offset| pack.get(offset..));
                let entry = entry.ok_or_else(|| Error::Malformed("pack index".into()))?;
                let header = EntryHeader::parse(entry)?;
                deltas.push(header.inflate(entry, u64::MAX)?.0);
                offset = match header.content {
                    EntryContent::Whole(kind) => break kind,
                    EntryContent::OffsetDelta(distance) => offset.saturating_sub(distance),
                    EntryContent::ReferenceDelta(base) => {
                        let at = index.lookup(base).ok_or(Error::NoObject(base))?;
                        index.pack_offset_at_index(at)
                    }
                };
            };
            let data = deltas.pop().unwrap_or_default();
            let base = Object { kind, data: data.into() };
            let object = entry::resolve(&id, base, deltas.into_iter().rev(), u64::MAX)?;
            self.objects.insert(id, object);
        }
        Ok(())
    }

    /// Moves a reference, if it has the expected value when the transaction is submitted.
    pub fn update_reference(&mut self, update: ReferenceUpdate) {
        self.updates.push(update);
    }

    /// Submits everything at once. The order of submissions is the order of history.
    ///
    /// Never blocks: the returned future resolves when the transaction is durable, and drives the shared
    /// flush when awaited. Dropping it does not take the transaction back. Until then readers do not see
    /// the change, but [`Repository::latest_reference`] does.
    ///
    /// # Errors
    /// [`Error::ReferenceConflict`] when a reference is not as expected, [`Error::DeviceFull`], or
    /// [`Error::Device`]; then nothing was changed.
    pub fn submit(self) -> Result<Commit, Error> {
        let mut core = self.repository.core().borrow_mut();
        for update in &self.updates {
            let current = core.references.get(&update.name).copied();
            if current != update.expected {
                return Err(Error::ReferenceConflict { name: update.name.clone(), current });
            }
        }
        core.objects.extend(self.objects);
        for update in self.updates {
            match update.new {
                Some(id) => core.references.insert(update.name, id),
                None => core.references.remove(&update.name),
            };
        }
        Ok(Commit { done: Ok(()) })
    }
}

impl Objects for Transaction {
    fn object(&self, id: &ObjectId) -> Result<Object, Error> {
        match self.objects.get(id) {
            Some(object) => Ok(object.clone()),
            None => self.repository.object(id),
        }
    }

    fn tree(&self, id: &ObjectId) -> Result<Rc<Tree>, Error> {
        match self.objects.get(id) {
            Some(object) if object.kind == Kind::Tree => Ok(Rc::new(Tree::decode(object.data.clone())?)),
            Some(_) => Err(Error::UnexpectedKind(*id)),
            None => self.repository.tree(id),
        }
    }
}

/// Resolves when a submitted transaction is durable.
#[must_use = "the transaction is not durable before this resolves"]
pub struct Commit {
    done: Result<(), Error>,
}

impl Future for Commit {
    type Output = Result<(), Error>;

    fn poll(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(self.done.clone())
    }
}
