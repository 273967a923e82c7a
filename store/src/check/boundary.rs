//! The shallow boundary: what is named in it must be commits.

use super::{finding::Findings, resolver::Resolver};
use crate::retention::ShallowList;
use gix_hash::ObjectId;
use gix_object::Kind;

/// Whether a link leads below the boundary, where nothing needs to be.
pub(crate) fn ends(shallow: &ShallowList, from: &ObjectId, kind: Option<Kind>) -> bool {
    kind == Some(Kind::Commit) && shallow.contains(from)
}

/// Checks the shallow list of a repository.
pub(super) fn check(
    repository: &str,
    shallow: &ShallowList,
    resolver: &Resolver<'_>,
    findings: &mut Findings<'_>,
) {
    for id in shallow.iter() {
        // What is missing is reported where something refers to it; what is damaged was.
        if let Ok(Some(kind)) = resolver.kind(&id)
            && kind != Kind::Commit
        {
            let message = format!("is a {kind}, and at the shallow boundary there are commits");
            findings.damage_in(repository, Some(id), message);
        }
    }
}
