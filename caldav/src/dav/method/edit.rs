//! A change to a home: members that come and go, with what `.collection.toml` files say of them.

use super::target::Target;
use crate::{
    Change,
    collection::{COLLECTION_FILE, Collection, CollectionKind, DeadProperty, MAX_COLLECTION_FILE, is_ics},
    collection_edit,
    dav::{error::DavError, home::Home, location::HomePath},
    realm::User,
    snapshot::Directory,
};
use bytes::Bytes;
use http::StatusCode;
use kalends_store::{Commit, EntryKind, ObjectId};
use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

/// A change to a home, from its newest submitted commit on. No `await` may come between the reading that
/// leads to it and its submission.
pub(super) struct Edit {
    change: Change,
    parents: BTreeMap<Vec<Vec<u8>>, Parent>,
}

/// A collection whose members change.
struct Parent {
    path: HomePath,
    directory: Rc<Directory>,
    removed: BTreeSet<Vec<u8>>,
    placed: BTreeMap<Vec<u8>, EntryKind>,
    /// What is to be said of the collection afterwards.
    collection: Collection,
}

impl Edit {
    /// Begins a change.
    pub(super) fn new(home: &Home) -> Self {
        Self { change: Change::new(&home.repository), parents: BTreeMap::new() }
    }

    /// Adds the content of a file, for [`place`](Self::place).
    pub(super) fn insert(&mut self, data: Bytes) -> Result<ObjectId, DavError> {
        Ok(self.change.insert(data)?)
    }

    /// Adds a directory that holds nothing but what is said of it, for [`place`](Self::place).
    pub(super) fn insert_collection(&mut self, collection: &Collection) -> Result<ObjectId, DavError> {
        let text = collection_file(collection)?;
        Ok(self.change.insert_directory(COLLECTION_FILE.as_bytes(), text)?)
    }

    /// Removes what is at the target, with its dead properties.
    pub(super) fn remove(&mut self, target: &Target) {
        self.change.place(&target.path.names(), None);
        let name = target.name();
        let parent = self.parent(target);
        parent.placed.remove(name);
        parent.removed.insert(name.to_vec());
        parent.set_properties(name, Vec::new());
    }

    /// Puts a file or a directory at the target, replacing what is there, with these dead properties.
    pub(super) fn place(
        &mut self,
        target: &Target,
        entry: (EntryKind, ObjectId),
        properties: Vec<DeadProperty>,
    ) {
        self.change.place(&target.path.names(), Some(entry));
        let name = target.name();
        let parent = self.parent(target);
        parent.removed.remove(name);
        parent.placed.insert(name.to_vec(), entry.0);
        parent.set_properties(name, properties);
    }

    fn parent(&mut self, target: &Target) -> &mut Parent {
        self.parents.entry(target.parent_path.segments.clone()).or_insert_with(|| {
            let mut collection = (*target.parent.collection).clone();
            // A push may have removed files and left their properties.
            collection.members.retain(|name, _| target.parent.tree.find(name).is_some());
            Parent {
                path: target.parent_path.clone(),
                directory: target.parent.clone(),
                removed: BTreeSet::new(),
                placed: BTreeMap::new(),
                collection,
            }
        })
    }

    /// Makes the commit and submits it; `None` when nothing changes.
    ///
    /// # Errors
    /// 409 when a dead property cannot be kept because its file is damaged, 507 when the device or the file
    /// is full; then nothing was changed.
    pub(super) fn submit(mut self, user: &User, message: &str) -> Result<Option<Commit>, DavError> {
        for parent in self.parents.values() {
            if let Some(text) = parent.new_file(&self.change)? {
                let path = parent.path.member(COLLECTION_FILE.as_bytes(), false);
                self.change.write(&path.names(), text)?;
            }
        }
        Ok(self.change.submit(&user.author(), message)?)
    }
}

/// The dead properties of the file at a target.
pub(super) fn dead_properties(target: &Target) -> Vec<DeadProperty> {
    match std::str::from_utf8(target.name()) {
        Ok(name) => target.parent.collection.dead_properties(Some(name)).to_vec(),
        Err(_) => Vec::new(),
    }
}

impl Parent {
    fn set_properties(&mut self, name: &[u8], properties: Vec<DeadProperty>) {
        // What is not UTF-8 cannot be a key of the file, and has no properties.
        let Ok(name) = std::str::from_utf8(name) else { return };
        if properties.is_empty() {
            self.collection.members.remove(name);
        } else {
            self.collection.members.insert(name.into(), properties);
        }
    }

    /// The new text of `.collection.toml`, if it must be written: its content changes, or the directory has
    /// none and would vanish (git has no empty directories) or become a collection of another kind.
    fn new_file(&self, change: &Change) -> Result<Option<String>, DavError> {
        let changed = self.collection != *self.directory.collection;
        let must_write = match Collection::stored(change.objects(), &self.directory.tree)? {
            Some(Ok(_)) => changed,
            Some(Err(reason)) if changed => {
                let reason = format!(
                    "{}{COLLECTION_FILE} cannot be read, so that no dead property can be changed: {reason}",
                    self.path.href()
                );
                return Err(DavError::new(StatusCode::CONFLICT, reason));
            }
            Some(Err(_)) => false,
            // The home needs no file to live on, and is never a calendar.
            None if self.path.segments.is_empty() => changed,
            None => changed || self.would_be() != Some(self.directory.collection.kind),
        };
        if !must_write {
            return Ok(None);
        }
        collection_file(&self.collection)?;
        let objects = change.objects();
        Ok(Some(collection_edit::file_of(&self.collection, objects, &self.directory.tree)?))
    }

    /// What the directory would be without a file; `None` if it would not be at all.
    fn would_be(&self) -> Option<CollectionKind> {
        let old = self.directory.tree.iter().filter(|entry| {
            let name: &[u8] = entry.name;
            !self.removed.contains(name) && !self.placed.contains_key(name)
        });
        let old = old.map(|entry| (entry.mode.is_tree(), &**entry.name));
        let placed = self.placed.iter().map(|(name, kind)| (*kind == EntryKind::Tree, name.as_slice()));
        let mut kind = None;
        for (is_tree, name) in old.chain(placed) {
            kind.get_or_insert(CollectionKind::Collection);
            if !is_tree && is_ics(name) {
                return Some(CollectionKind::Calendar);
            }
        }
        kind
    }
}

/// The text of a `.collection.toml`.
///
/// # Errors
/// 507 when it is larger than such a file may be.
pub(super) fn collection_file(collection: &Collection) -> Result<String, DavError> {
    let text = collection.to_toml();
    if text.len() > MAX_COLLECTION_FILE {
        let reason =
            format!("the properties of this collection and its members exceed {MAX_COLLECTION_FILE} bytes");
        return Err(DavError::new(StatusCode::INSUFFICIENT_STORAGE, reason));
    }
    Ok(text)
}
