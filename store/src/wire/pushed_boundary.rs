//! Where the history of a push from a shallow clone ends.

use crate::{Error, Repository, format::record::Record, pack::LinkCheck};
use gix_hash::ObjectId;
use gix_object::Kind;
use std::collections::{BTreeMap, HashSet};

/// The most parents of such commits that are looked at; 40 bytes each.
const MAX_PARENTS: usize = 1 << 17;

/// Commits of a push that the client may have without their parents.
#[derive(Default)]
pub(crate) struct PushedBoundary {
    /// Those that the client has named.
    named: HashSet<ObjectId>,
    /// The parents of those that have come.
    parents: BTreeMap<ObjectId, Vec<ObjectId>>,
    count: usize,
}

impl PushedBoundary {
    pub(crate) fn new(named: &HashSet<ObjectId>) -> Self {
        Self { named: named.clone(), ..Self::default() }
    }

    /// Takes a link from a pushed object if it may lead to nothing; false when it may not.
    pub(crate) fn take(&mut self, from: &ObjectId, to: &ObjectId, kind: Option<Kind>) -> Result<bool, Error> {
        if kind != Some(Kind::Commit) || !self.named.contains(from) {
            return Ok(false);
        }
        self.count += 1;
        if self.count > MAX_PARENTS {
            return Err(Error::Limit(format!("more than {MAX_PARENTS} parents at the shallow boundary")));
        }
        self.parents.entry(*from).or_default().push(*to);
        Ok(true)
    }

    /// All objects, sorted by id, have come. Gives the commits whose parents are neither among them nor in the
    /// repository; of others, the links are followed as any.
    pub(crate) fn settle(
        self,
        repository: &Repository,
        pushed: &[Record],
        links: &mut LinkCheck,
    ) -> Result<Vec<ObjectId>, Error> {
        let has = |id: &ObjectId| {
            let pushed = pushed.binary_search_by(|record| record.id_bytes()[..].cmp(id.as_slice()));
            pushed.is_ok() || repository.contains(id)
        };
        let mut boundary = Vec::new();
        for (commit, parents) in self.parents {
            if parents.iter().all(has) {
                for parent in parents {
                    links.add(parent, Some(Kind::Commit))?;
                }
            } else {
                boundary.push(commit);
            }
        }
        Ok(boundary)
    }
}
