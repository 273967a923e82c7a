//! Whether what objects refer to is there.

use super::{boundary, finding::Findings, resolver::Resolver};
use crate::retention::ShallowList;
use gix_hash::ObjectId;
use gix_object::Kind;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Links that are remembered as good: a directory of 10,000 files comes in many versions. About 64 MiB.
const REMEMBERED: usize = 1 << 20;
/// Objects that are remembered as damaged or missing, to be found in the history and named once.
const AFFECTED: usize = 10_000;

/// Deltas that cannot be read because of one damaged object that are named each.
const DEPENDENTS: u64 = 10;
/// Affected objects that nothing whole leads to that are named each.
const UNREACHED: usize = 100;

/// What is known of the objects of a repository.
#[derive(Default)]
pub(super) struct Links {
    good: HashMap<ObjectId, Kind>,
    /// Objects that are damaged or missing.
    pub(super) affected: BTreeSet<ObjectId>,
    /// Affected objects that are not remembered.
    beyond: u64,
    /// Objects that cannot be made since another one cannot, and that one, at the end of the chain.
    causes: HashMap<ObjectId, ObjectId>,
    /// For how many each of those is the cause.
    dependents: HashMap<ObjectId, u64>,
    /// Commits whose parents need not be there.
    shallow: ShallowList,
}

impl Links {
    pub(super) fn new(shallow: ShallowList) -> Self {
        Self { shallow, ..Self::default() }
    }

    /// Remembers a damaged or missing object; false when it was known.
    pub(super) fn affect(&mut self, id: ObjectId) -> bool {
        if self.affected.len() < AFFECTED {
            return self.affected.insert(id);
        }
        self.beyond += u64::from(!self.affected.contains(&id));
        false
    }

    /// Notes an object that cannot be made since the base of its delta cannot; whether it is to be named.
    pub(super) fn depend(&mut self, id: ObjectId, base: ObjectId) -> bool {
        let cause = self.causes.get(&base).copied().unwrap_or(base);
        if self.causes.len() < AFFECTED {
            self.causes.insert(id, cause);
        }
        let dependents = self.dependents.entry(cause).or_default();
        *dependents += 1;
        *dependents <= DEPENDENTS
    }

    /// Says how many deltas were not named.
    pub(super) fn tell_of_dependents(&mut self, repository: &str, findings: &mut Findings<'_>) {
        self.causes.clear();
        let dependents: BTreeMap<_, _> = std::mem::take(&mut self.dependents).into_iter().collect();
        for (base, count) in dependents.iter().filter(|(_, count)| **count > DEPENDENTS) {
            let message = format!("is why {count} deltas, on it or on one another, cannot be read");
            findings.explain(repository, Some(*base), message);
        }
    }

    /// Says of which affected objects it is not known where they are.
    pub(super) fn tell_of_the_rest(&mut self, repository: &str, findings: &mut Findings<'_>) {
        let nowhere = "reached by no reference, or by damaged objects only";
        for id in self.affected.iter().take(UNREACHED) {
            findings.explain(repository, Some(*id), format!("is {nowhere}"));
        }
        if let Some(more) = self.affected.len().checked_sub(UNREACHED).filter(|more| *more > 0) {
            findings.explain(repository, None, format!("{more} more objects are {nowhere}"));
        }
        if self.beyond > 0 {
            let message = format!("where {} more damaged objects are was not looked for", self.beyond);
            findings.explain(repository, None, message);
        }
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
