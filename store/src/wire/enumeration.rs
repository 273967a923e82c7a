//! Which objects a fetch needs.
//!
//! History is walked from both sides; then each commit's tree is compared with the trees of its parents,
//! and only what differs is looked at. So an incremental fetch costs what changed, not what exists.
//! Memory: about 80 bytes a commit and 32 bytes an object that is sent.

use crate::{
    Error, Objects, Repository, Tree,
    objects::id_table::IdTable,
    pack::Pace,
    wire::{
        commit_walk::{Found, commits_between, peel},
        filter::Filter,
    },
};
use gix_hash::ObjectId;
use gix_object::{Kind, tree::EntryMode};
use std::{collections::HashSet, rc::Rc};

/// Trees of this many commits that the client has are compared with a commit whose parents it gets not.
const MAX_BASES: usize = 8;

/// What to enumerate.
#[derive(Clone, Debug, Default)]
pub(crate) struct Selection {
    /// Objects of any kind, with all that they refer to.
    pub(crate) wants: Vec<ObjectId>,
    /// Objects that the client has, with all that they refer to.
    pub(crate) haves: Vec<ObjectId>,
    /// Commits whose parents are left out.
    pub(crate) grafts: HashSet<ObjectId>,
    /// What else is left out.
    pub(crate) filter: Filter,
    /// Annotated tags of what is sent go along.
    pub(crate) include_tag: bool,
}

/// The objects of a pack.
#[derive(Default)]
pub(crate) struct Enumeration {
    /// Commits, newest first, then tags, then trees and blobs, oldest first.
    pub(crate) objects: IdTable,
    /// Objects that the client has and that deltas may be against: the old sides of what changed.
    pub(crate) known: HashSet<ObjectId>,
}

/// A tree to compare with.
#[derive(Clone, Copy)]
struct Base {
    tree: ObjectId,
    /// Whether the client has it already (or gets it with this pack).
    known: bool,
}

struct Walk<'a> {
    repository: &'a Repository,
    selection: &'a Selection,
    pace: &'a Pace,
    /// What the client has said to have, other than commits.
    had: HashSet<ObjectId>,
    found: Enumeration,
}

/// Enumerates the objects that `selection.wants` reach and `selection.haves` do not.
pub(crate) async fn enumerate(
    repository: &Repository,
    selection: &Selection,
    pace: &Pace,
    progress: &mut dyn FnMut(u64),
) -> Result<Enumeration, Error> {
    let (mut wanted, mut had) = (Vec::new(), Vec::new());
    let mut walk = Walk { repository, selection, pace, had: HashSet::new(), found: Enumeration::default() };
    for have in &selection.haves {
        let (id, kind) = peel(repository, have)?;
        match kind {
            Kind::Commit => had.push(id),
            _ => drop(walk.had.insert(id)),
        }
        if id != *have {
            walk.had.insert(*have);
        }
    }
    let (mut tags, mut loose) = (Vec::new(), Vec::new());
    for want in &selection.wants {
        let mut id = *want;
        loop {
            let object_kind = repository.kind(&id)?;
            match object_kind {
                Kind::Commit => wanted.push(id),
                Kind::Tag => {
                    tags.push(id);
                    let object = repository.object(&id)?;
                    id = gix_object::TagRefIter::from_bytes(&object.data, gix_hash::Kind::Sha1)
                        .target_id()
                        .map_err(|error| Error::Malformed(format!("tag {id}: {error}")))?;
                    continue;
                }
                Kind::Tree | Kind::Blob => loose.push((id, object_kind)),
            }
            break;
        }
        pace.spend(1000).await;
    }
    let commits = commits_between(repository, &wanted, &had, &selection.grafts, pace, progress).await?;
    for id in commits.numbers().iter().filter_map(|number| commits.id(*number)) {
        walk.add(id);
    }
    for tag in tags {
        walk.add(tag);
    }
    if selection.include_tag {
        for reference in repository.references() {
            if reference.name.starts_with("refs/tags/") && !walk.seen(&reference.id) {
                let (target, _) = peel(repository, &reference.id)?;
                if target != reference.id && walk.seen(&target) {
                    walk.add(reference.id);
                }
                pace.spend(1000).await;
            }
        }
    }
    walk.trees_of(&commits, &had, progress).await?;
    for (id, kind) in loose {
        match kind {
            // What is asked for by its id is not filtered.
            Kind::Tree => walk.tree(id, Vec::new(), true).await?,
            _ => drop(walk.add(id)),
        }
    }
    progress(walk.found.objects.len() as u64);
    Ok(walk.found)
}

impl Walk<'_> {
    fn seen(&self, id: &ObjectId) -> bool {
        self.had.contains(id) || self.found.objects.contains(id)
    }

    /// Adds an object; whether it is new.
    fn add(&mut self, id: ObjectId) -> bool {
        !self.had.contains(&id) && self.found.objects.insert(&id).1
    }

    /// Adds what the trees of these commits have that those of their parents have not.
    ///
    /// Oldest first: a tree that was seen is then one whose content is all found or known, also when a later
    /// commit returns to it, and so is a base. With dates out of order a parent may be still to come; it is no
    /// base then.
    async fn trees_of(
        &mut self,
        commits: &Found,
        had: &[ObjectId],
        progress: &mut dyn FnMut(u64),
    ) -> Result<(), Error> {
        let mut done = vec![false; commits.bound()];
        for number in commits.numbers().iter().rev() {
            let mut bases = Vec::new();
            for parent in commits.parents(*number) {
                if done.get(parent.number as usize) == Some(&true) {
                    bases.push(Base { tree: commits.tree(parent.number), known: false });
                } else if !parent.found {
                    bases.push(Base { tree: self.repository.tree_of_commit(&parent.id)?, known: true });
                }
            }
            if bases.is_empty() {
                for have in had.iter().rev().take(MAX_BASES) {
                    bases.push(Base { tree: self.repository.tree_of_commit(have)?, known: true });
                }
            }
            self.tree(commits.tree(*number), bases, false).await?;
            if let Some(done) = done.get_mut(*number as usize) {
                *done = true;
            }
            progress(self.found.objects.len() as u64);
        }
        Ok(())
    }

    /// Adds a tree and all below it that is not in `bases`.
    async fn tree(&mut self, root: ObjectId, bases: Vec<Base>, asked_for: bool) -> Result<(), Error> {
        let mut stack = vec![(root, bases, 0u64)];
        while let Some((id, bases, depth)) = stack.pop() {
            let too_deep = self.selection.filter.tree_depth.is_some_and(|limit| depth >= limit);
            if bases.iter().any(|base| base.tree == id) || (too_deep && !(asked_for && depth == 0)) {
                continue;
            }
            if !self.add(id) {
                continue;
            }
            let mut old_trees: Vec<(Rc<Tree>, bool)> = Vec::with_capacity(bases.len());
            for base in &bases {
                old_trees.push((self.repository.tree(&base.tree)?, base.known));
                if base.known {
                    self.found.known.insert(base.tree);
                }
            }
            let near = old_trees.first().map(|(old, _)| &**old);
            let tree = self.repository.tree_near(&id, near)?;
            let mut changed: Vec<(EntryMode, ObjectId, Vec<u8>)> = Vec::new();
            match old_trees.first() {
                None => changed
                    .extend(tree.iter().map(|entry| (entry.mode, entry.id.to_owned(), entry.name.to_vec()))),
                Some((old, known)) => {
                    for change in old.changes(&tree) {
                        let Some((mode, id)) = change.new else { continue };
                        if let (Some((_, old)), true) = (change.old, known) {
                            self.found.known.insert(old.to_owned());
                        }
                        changed.push((mode, id.to_owned(), change.name.to_vec()));
                    }
                }
            }
            self.pace.spend(tree.byte_len() as u64 / 4 + 500).await;
            for (mode, id, name) in changed {
                if mode.is_commit() || self.seen(&id) {
                    continue;
                }
                let others = old_trees.iter().filter_map(|(old, known)| Some((old.find(&name)?, *known)));
                if mode.is_tree() {
                    let bases = others
                        .filter(|(entry, _)| entry.mode.is_tree())
                        .map(|(entry, known)| Base { tree: entry.id.to_owned(), known })
                        .collect();
                    stack.push((id, bases, depth + 1));
                } else if !others.into_iter().any(|(entry, _)| *entry.id == *id) {
                    self.blob(id, depth + 1)?;
                }
            }
        }
        Ok(())
    }

    fn blob(&mut self, id: ObjectId, depth: u64) -> Result<(), Error> {
        let filter = &self.selection.filter;
        if filter.tree_depth.is_some_and(|limit| depth >= limit) {
            return Ok(());
        }
        match filter.blob_limit {
            Some(0) => return Ok(()),
            Some(limit) if self.repository.header(&id)?.size >= limit => return Ok(()),
            _ => {}
        }
        self.add(id);
        Ok(())
    }
}
