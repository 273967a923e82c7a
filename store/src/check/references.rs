//! References: their names, and what they name.

use super::{finding::Findings, resolver::Resolver};
use crate::Error;
use gix_hash::ObjectId;
use gix_object::Kind;
use std::collections::BTreeMap;

/// Tags of tags that are followed.
const MAX_TAGS: usize = 64;

/// Checks the references of a repository and gives the commits that they name, each with the reference.
pub(super) fn check(
    repository: &str,
    references: &BTreeMap<String, ObjectId>,
    resolver: &Resolver<'_>,
    findings: &mut Findings<'_>,
) -> Vec<(String, ObjectId)> {
    let mut tips = Vec::new();
    for (name, id) in references {
        findings.summary.references += 1;
        if gix_validate::reference::name(name.as_str().into()).is_err() {
            findings.damage_in(repository, None, format!("{name:?} is no valid name of a reference"));
        }
        match peel(id, resolver) {
            Ok((commit, Kind::Commit)) => tips.push((name.clone(), commit)),
            Ok((_, kind)) if name.starts_with("refs/heads/") => {
                findings.damage_in(
                    repository,
                    Some(*id),
                    format!("is a {kind}, and {name} must be a commit"),
                );
            }
            Ok(_) => {}
            Err(Error::NoObject(_)) => {
                findings.damage_in(repository, Some(*id), format!("is missing; {name} names it"));
            }
            Err(error) => {
                let message = format!("{name} names it: {}", super::objects::reason(id, &error));
                findings.damage_in(repository, Some(*id), message);
            }
        }
    }
    tips
}

fn peel(id: &ObjectId, resolver: &Resolver<'_>) -> Result<(ObjectId, Kind), Error> {
    let mut id = *id;
    for _ in 0..MAX_TAGS {
        let object = resolver.object(&id)?;
        if object.kind != Kind::Tag {
            return Ok((id, object.kind));
        }
        id = gix_object::TagRefIter::from_bytes(&object.data, gix_hash::Kind::Sha1)
            .target_id()
            .map_err(|error| Error::Malformed(format!("tag {id}: {error}")))?;
    }
    Err(Error::Malformed(format!("more than {MAX_TAGS} tags of tags")))
}
