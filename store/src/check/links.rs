//! Whether what objects refer to is there.

use super::{boundary, finding::Findings, resolver::Resolver};
use crate::retention::ShallowList;
use gix_hash::ObjectId;
use gix_object::Kind;
use std::collections::{BTreeSet, HashMap};

/// Links that are remembered as good: a directory of 10,000 files comes in many versions. About 64 MiB.
const REMEMBERED: usize = 1 << 20;
/// Objects that are remembered as damaged or missing, to be found in the history and named once.
const AFFECTED: usize = 10_000;

/// What is known of the objects of a repository.
#[derive(Default)]
pub(super) struct Links {
    good: HashMap<ObjectId, Kind>,
    /// Objects that are damaged or missing.
    pub(super) affected: BTreeSet<ObjectId>,
    /// Commits whose parents need not be there.
    shallow: ShallowList,
}

impl Links {
    pub(super) fn new(shallow: ShallowList) -> Self {
        Self { shallow, ..Self::default() }
    }

    /// Remembers a damaged or missing object; false when it was known.
    pub(super) fn affect(&mut self, id: ObjectId) -> bool {
        self.affected.len() < AFFECTED && self.affected.insert(id)
    }

    /// Follows a link from an object that reads well. `kind` is what it must lead to.
    pub(super) fn follow(
        &mut self,
        repository: &str,
        resolver: &Resolver<'_>,
        from: &ObjectId,
        to: ObjectId,
        kind: Option<Kind>,
        findings: &mut Findings<'_>,
    ) {
        if boundary::ends(&self.shallow, from, kind) {
            return;
        }
        let found = match self.good.get(&to) {
            Some(found) => Some(*found),
            None => match resolver.kind(&to) {
                Ok(Some(found)) => {
                    if self.good.len() == REMEMBERED {
                        self.good.clear();
                    }
                    self.good.insert(to, found);
                    Some(found)
                }
                Ok(None) => None,
                // Its own entry or one below it is damaged, which is reported there.
                Err(_) => return,
            },
        };
        match (found, kind) {
            (None, _) if self.affected.contains(&to) => {}
            (None, _) => {
                findings.damage_in(repository, Some(to), format!("is missing; {from} refers to it"));
                self.affect(to);
            }
            (Some(found), Some(wanted)) if found != wanted => {
                let message = format!("refers to {to} as a {wanted}, and that is a {found}");
                findings.damage_in(repository, Some(*from), message);
                self.affect(*from);
            }
            _ => {}
        }
    }
}
