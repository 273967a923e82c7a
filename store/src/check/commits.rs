//! The history that references reach.

use super::{finding::Findings, links::Links, resolver::Resolver};
use crate::retention::ShallowList;
use gix_hash::ObjectId;
use gix_object::{CommitRefIter, Kind};
use std::collections::{HashSet, VecDeque};

/// Walks all commits from the tips to the shallow boundary, newest first along each line. `visit` gets commit and tree.
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
        let mut queue = VecDeque::from([*tip]);
        while let Some(id) = queue.pop_front() {
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
            if let Ok(tree) = CommitRefIter::from_bytes(&object.data, gix_hash::Kind::Sha1).tree_id() {
                visit(id, tree);
            }
            if shallow.contains(&id) {
                continue;
            }
            queue.extend(CommitRefIter::from_bytes(&object.data, gix_hash::Kind::Sha1).parent_ids());
        }
    }
}
