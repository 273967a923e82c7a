//! Where in the history damaged objects are.

use super::{finding::Findings, links::Links, resolver::Resolver};
use crate::Tree;
use gix_hash::ObjectId;
use gix_object::Kind;
use std::collections::HashSet;

/// Names paths of affected objects.
pub(super) struct PathFinder<'a> {
    repository: &'a str,
    resolver: &'a Resolver<'a>,
    /// Trees that were searched.
    seen: HashSet<ObjectId>,
}

impl<'a> PathFinder<'a> {
    pub(super) fn new(repository: &'a str, resolver: &'a Resolver<'a>) -> Self {
        Self { repository, resolver, seen: HashSet::new() }
    }

    /// Searches the tree of a commit, and reports and forgets each affected object that it has.
    pub(super) fn search(
        &mut self,
        commit: ObjectId,
        root: ObjectId,
        links: &mut Links,
        findings: &mut Findings<'_>,
    ) {
        let mut stack = vec![(root, Vec::new())];
        while let Some((id, path)) = stack.pop() {
            if links.affected.is_empty() {
                return;
            }
            if !self.seen.insert(id) {
                continue;
            }
            if links.affected.remove(&id) {
                let path = if path.is_empty() { b"/".to_vec() } else { path.clone() };
                self.report(&path, "directory", &commit, &id, findings);
            }
            let Ok(object) = self.resolver.object(&id) else { continue };
            let Some(tree) = (object.kind == Kind::Tree).then(|| Tree::decode(object.data).ok()).flatten()
            else {
                continue;
            };
            for entry in tree.iter() {
                let id = entry.id.to_owned();
                let mut path = path.clone();
                path.extend_from_slice(entry.name);
                if entry.mode.is_tree() {
                    path.push(b'/');
                    stack.push((id, path));
                } else if links.affected.remove(&id) {
                    self.report(&path, "file", &commit, &id, findings);
                }
            }
        }
    }

    fn report(&self, path: &[u8], what: &str, commit: &ObjectId, id: &ObjectId, findings: &mut Findings<'_>) {
        let path = path.escape_ascii();
        let message = format!("is {what} {path} in commit {commit} and perhaps in others");
        findings.locate(self.repository, *id, message);
    }
}
