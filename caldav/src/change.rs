//! Changes to a repository's main branch, each one commit.

use bytes::Bytes;
use kalends_store::{
    Commit, EntryKind, Error, Kind, ObjectId, Objects, Pace, PushPolicy, PushedUpdate, ReferenceUpdate,
    Refusal, Repository, Transaction, TreeEdit,
};
use std::{
    collections::BTreeMap,
    time::{SystemTime, UNIX_EPOCH},
};

/// Who a commit is by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Author {
    /// Name, as in git's `user.name`.
    pub name: String,
    /// Address, as in git's `user.email`.
    pub email: String,
}

/// Files to write or remove, relative to the tip of `main`, that become one commit.
pub struct Change {
    repository: Repository,
    transaction: Transaction,
    parent: Option<ObjectId>,
    root: Directory,
}

#[derive(Default)]
struct Directory {
    /// `None` removes the entry.
    entries: BTreeMap<Vec<u8>, Option<Node>>,
}

enum Node {
    Directory(Directory),
    Object(EntryKind, ObjectId),
}

impl Change {
    /// Starts from the newest submitted tip of `main`, durable or not.
    pub fn new(repository: &Repository) -> Self {
        Self {
            repository: repository.clone(),
            transaction: repository.transaction(),
            parent: repository.latest_reference("refs/heads/main"),
            root: Directory::default(),
        }
    }

    /// The transaction under way: reads see what the change has added.
    pub fn objects(&self) -> &dyn Objects {
        &self.transaction
    }

    /// The root tree the change starts from; `None` in an empty repository.
    pub fn base_tree(&self) -> Result<Option<ObjectId>, Error> {
        self.parent.map(|parent| self.repository.tree_of_commit(&parent)).transpose()
    }

    /// Writes a file. Missing directories are made.
    pub fn write(&mut self, path: &[&[u8]], data: impl Into<Bytes>) -> Result<ObjectId, Error> {
        let id = self.insert(data)?;
        self.place(path, Some((EntryKind::Blob, id)));
        Ok(id)
    }

    /// Adds a file's content, for [`place`](Self::place).
    pub fn insert(&mut self, data: impl Into<Bytes>) -> Result<ObjectId, Error> {
        self.transaction.insert(Kind::Blob, data)
    }

    /// Adds a directory of one file, for [`place`](Self::place).
    pub fn insert_directory(&mut self, name: &[u8], data: impl Into<Bytes>) -> Result<ObjectId, Error> {
        let file = self.insert(data)?;
        let entry = Some((EntryKind::Blob, file));
        self.transaction.edit_tree(None, &[TreeEdit { name: name.to_vec(), entry }])
    }

    /// Puts an object that exists already (a file or a directory) at a path, or removes what is there.
    /// Directories that become empty vanish, as git has none.
    pub fn place(&mut self, path: &[&[u8]], entry: Option<(EntryKind, ObjectId)>) {
        let Some((last, directories)) = path.split_last() else { return };
        let mut directory = &mut self.root;
        for name in directories {
            let node = directory
                .entries
                .entry(name.to_vec())
                .or_insert_with(|| Some(Node::Directory(Directory::default())));
            if !matches!(node, Some(Node::Directory(_))) {
                *node = Some(Node::Directory(Directory::default()));
            }
            let Some(Node::Directory(next)) = node else { unreachable!("just made a directory") };
            directory = next;
        }
        directory.entries.insert(last.to_vec(), entry.map(|(kind, id)| Node::Object(kind, id)));
    }

    /// Makes the commit and submits it. A change that leaves the tree as it was makes no commit and
    /// gives `None`.
    pub fn submit(mut self, author: &Author, message: &str) -> Result<Option<Commit>, Error> {
        match self.make_commit(author, message)? {
            Some(_) => self.transaction.submit().map(Some),
            None => Ok(None),
        }
    }

    /// As [`submit`](Self::submit), if the commit satisfies the rules of a push.
    pub async fn submit_under(
        mut self,
        policy: &dyn PushPolicy,
        author: &Author,
        message: &str,
    ) -> Result<Result<Option<Commit>, Refusal>, Error> {
        let Some(new) = self.make_commit(author, message)? else { return Ok(Ok(None)) };
        let name = "refs/heads/main".into();
        let update =
            PushedUpdate { name, old: self.parent, new: Some(new), fast_forward: true, shallow: false };
        match policy.check(&self.transaction, &update, &Pace::default()).await? {
            Ok(()) => self.transaction.submit().map(|commit| Ok(Some(commit))),
            Err(refusal) => Ok(Err(refusal)),
        }
    }

    /// Adds the commit to the transaction; `None` when the tree is as it was.
    fn make_commit(&mut self, author: &Author, message: &str) -> Result<Option<ObjectId>, Error> {
        let base = self.base_tree()?;
        let root = std::mem::take(&mut self.root);
        let tree = match apply(&mut self.transaction, base, root)? {
            Some(tree) => tree,
            None => self.transaction.edit_tree(None, &[])?,
        };
        if Some(tree) == base {
            return Ok(None);
        }
        let commit = encode_commit(tree, self.parent, author, message);
        let commit = self.transaction.insert(Kind::Commit, commit)?;
        self.transaction.update_reference(ReferenceUpdate {
            name: "refs/heads/main".into(),
            expected: self.parent,
            new: Some(commit),
        });
        Ok(Some(commit))
    }
}

/// Applies a directory of changes; `None` when nothing is left in it.
fn apply(
    transaction: &mut Transaction,
    base: Option<ObjectId>,
    directory: Directory,
) -> Result<Option<ObjectId>, Error> {
    let mut edits = Vec::with_capacity(directory.entries.len());
    for (name, node) in directory.entries {
        let entry = match node {
            None => None,
            Some(Node::Object(kind, id)) => Some((kind, id)),
            Some(Node::Directory(directory)) => {
                let below = match base {
                    Some(base) => transaction
                        .tree(&base)?
                        .find(&name)
                        .filter(|entry| entry.mode.is_tree())
                        .map(|entry| entry.id.to_owned()),
                    None => None,
                };
                apply(transaction, below, directory)?.map(|id| (EntryKind::Tree, id))
            }
        };
        edits.push(TreeEdit { name, entry });
    }
    let id = transaction.edit_tree(base.as_ref(), &edits)?;
    Ok((!transaction.tree(&id)?.is_empty()).then_some(id))
}

fn encode_commit(tree: ObjectId, parent: Option<ObjectId>, author: &Author, message: &str) -> Vec<u8> {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    let signature = gix_signature(author, seconds);
    let mut text = format!("tree {tree}\n");
    if let Some(parent) = parent {
        text.push_str(&format!("parent {parent}\n"));
    }
    text.push_str(&format!("author {signature}\ncommitter {signature}\n\n{}\n", message.trim_end()));
    text.into_bytes()
}

fn gix_signature(author: &Author, seconds: u64) -> String {
    let clean = |text: &str| text.replace(['<', '>', '\n', '\r', '\0'], "").trim().to_owned();
    format!("{} <{}> {seconds} +0000", clean(&author.name), clean(&author.email))
}
