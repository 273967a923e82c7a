//! A repository at one commit, as directories and files with their meaning to WebDAV.

use crate::{
    collection::{COLLECTION_FILE, Collection, CollectionKind, is_ics},
    collection_cache::CollectionCache,
};
use kalends_store::{EntryKind, Error, ObjectId, Objects, Tree, TreeEntry};
use std::rc::Rc;

/// A directory.
#[derive(Clone, Debug)]
pub(crate) struct Directory {
    /// Its tree. Its id changes with anything below it.
    pub(crate) id: ObjectId,
    /// The tree, decoded.
    pub(crate) tree: Rc<Tree>,
    /// What its `.collection.toml` says.
    pub(crate) collection: Rc<Collection>,
}

/// A file.
#[derive(Clone, Debug)]
pub(crate) struct File {
    /// Its blob.
    pub(crate) id: ObjectId,
    /// [`EntryKind::Blob`] or [`EntryKind::BlobExecutable`].
    pub(crate) kind: EntryKind,
    /// Its name.
    pub(crate) name: Vec<u8>,
    /// The directory it is in.
    pub(crate) parent: Rc<Directory>,
}

impl File {
    /// Whether it is a calendar object resource (RFC 4791 §4.1).
    pub(crate) fn is_calendar_object(&self) -> bool {
        self.parent.collection.is_calendar() && is_ics(&self.name)
    }
}

/// What a path names.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    /// A collection.
    Directory(Rc<Directory>),
    /// A resource that is no collection.
    File(File),
}

impl Node {
    /// The object's id: of the tree or the blob.
    pub(crate) fn id(&self) -> ObjectId {
        match self {
            Self::Directory(directory) => directory.id,
            Self::File(file) => file.id,
        }
    }

    /// The kind and object of its tree entry.
    pub(crate) fn entry(&self) -> (EntryKind, ObjectId) {
        match self {
            Self::Directory(directory) => (EntryKind::Tree, directory.id),
            Self::File(file) => (file.kind, file.id),
        }
    }

    /// The directory, if it is one.
    pub(crate) fn directory(&self) -> Option<&Rc<Directory>> {
        match self {
            Self::Directory(directory) => Some(directory),
            Self::File(_) => None,
        }
    }
}

/// A repository at one commit.
pub(crate) struct Snapshot<'a> {
    objects: &'a dyn Objects,
    collections: &'a CollectionCache,
    root: Option<ObjectId>,
}

impl<'a> Snapshot<'a> {
    /// The tree `root` in `objects`; `None` for a repository without commits.
    pub(crate) fn new(
        objects: &'a dyn Objects,
        collections: &'a CollectionCache,
        root: Option<ObjectId>,
    ) -> Self {
        Self { objects, collections, root }
    }

    /// The directory at the root. Whatever is in it, it is no calendar: there could be no calendars in it
    /// (RFC 4791 §4.2).
    pub(crate) fn root(&self) -> Result<Rc<Directory>, Error> {
        match self.root {
            Some(id) => {
                let directory = self.directory(id)?;
                if !directory.collection.is_calendar() {
                    return Ok(directory);
                }
                let kind = CollectionKind::Collection;
                let collection = Rc::new(Collection { kind, ..(*directory.collection).clone() });
                Ok(Rc::new(Directory { id, tree: directory.tree.clone(), collection }))
            }
            None => Ok(Rc::new(Directory {
                id: Tree::default().id()?,
                tree: Rc::new(Tree::default()),
                collection: Rc::new(Collection::plain()),
            })),
        }
    }

    /// What is at a path of names, from the root on.
    pub(crate) fn find(&self, names: &[impl AsRef<[u8]>]) -> Result<Option<Node>, Error> {
        let mut node = Node::Directory(self.root()?);
        for name in names {
            let Node::Directory(directory) = &node else { return Ok(None) };
            let Some(member) = self.member(directory, name.as_ref())? else { return Ok(None) };
            node = member;
        }
        Ok(Some(node))
    }

    /// The member of a directory that has this name.
    pub(crate) fn member(&self, directory: &Rc<Directory>, name: &[u8]) -> Result<Option<Node>, Error> {
        match directory.tree.find(name) {
            Some(entry) => self.node(directory, entry),
            None => Ok(None),
        }
    }

    /// What an entry of a directory is to WebDAV: nothing, if it is a link, a submodule or the file that
    /// describes the directory.
    pub(crate) fn node(
        &self,
        directory: &Rc<Directory>,
        entry: TreeEntry<'_>,
    ) -> Result<Option<Node>, Error> {
        Ok(match entry.mode.kind() {
            EntryKind::Tree => Some(Node::Directory(self.directory(entry.id.to_owned())?)),
            kind if is_member_file(&entry) => Some(Node::File(File {
                id: entry.id.to_owned(),
                kind,
                name: entry.name.to_vec(),
                parent: directory.clone(),
            })),
            _ => None,
        })
    }

    /// The directory of this tree.
    pub(crate) fn directory(&self, id: ObjectId) -> Result<Rc<Directory>, Error> {
        let tree = self.objects.tree(&id)?;
        let collection = self.collections.of_tree(self.objects, &tree)?;
        Ok(Rc::new(Directory { id, tree, collection }))
    }
}

/// Whether an entry is a file that WebDAV shows: no link, no submodule, and not the one that describes the
/// directory.
pub(crate) fn is_member_file(entry: &TreeEntry<'_>) -> bool {
    matches!(entry.mode.kind(), EntryKind::Blob | EntryKind::BlobExecutable) && entry.name != COLLECTION_FILE
}
