//! The history that references reach.

use super::{finding::Findings, links::Links, resolver::Resolver};
use crate::retention::ShallowList;
use gix_hash::ObjectId;
use gix_object::{CommitRefIter, Kind};
use std::collections::HashSet;

/// What is left to do in a walk.
enum Step {
    Read(ObjectId),
    /// All parents were visited: commit and tree.
    Visit(ObjectId, ObjectId),
}

/// Walks all commits from the tips to the shallow boundary. `visit` gets commit and tree, each commit after its
/// parents.
///
/// What is missing or damaged is in `links`, or is reported here: the history of that reference is cut.
pub(super) fn walk(
    repository: &str,
    tips: &[(String, ObjectId)],
    shallow: &ShallowList,
    resolver: &Resolver<'_>,
    links: &mut Links,
    findings: &mut Findings<'_>,
    visit: &mut dyn FnMut(ObjectId, ObjectId),
) {
    let mut seen = HashSet::new();
    for (name, tip) in tips {
        let mut steps = vec![Step::Read(*tip)];
        while let Some(step) = steps.pop() {
            let id = match step {
                Step::Read(id) => id,
                Step::Visit(commit, tree) => {
                    visit(commit, tree);
                    continue;
                }
            };
            if !seen.insert(id) {
                continue;
            }
            let object = match resolver.object(&id) {
                Ok(object) if object.kind == Kind::Commit => object,
                other => {
                    let reason = match other {
                        Ok(object) => format!("is a {}", object.kind),
                        Err(crate::Error::NoObject(_)) => "is missing".into(),
                        Err(error) => super::objects::reason(&id, &error),
                    };
                    findings.damage_in(repository, Some(id), format!("cuts the history of {name}: {reason}"));
                    links.affected.remove(&id);
                    continue;
                }
            };
            findings.summary.commits += 1;
            let commit = || CommitRefIter::from_bytes(&object.data, gix_hash::Kind::Sha1);
            if let Ok(tree) = commit().tree_id() {
                steps.push(Step::Visit(id, tree));
            }
            if !shallow.contains(&id) {
                steps.extend(commit().parent_ids().map(Step::Read));
            }
        }
    }
}
