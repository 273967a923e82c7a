//! References as a file that git reads: `packed-refs` (git-pack-refs(1)).

use crate::{Error, Repository, wire::commit_walk::peel};
use std::fmt::Write;

/// The text of a repository's `packed-refs`: each reference, and for annotated tags what they tag.
pub fn packed_refs(repository: &Repository) -> Result<String, Error> {
    let mut text = "# pack-refs with: peeled fully-peeled sorted \n".to_owned();
    for reference in repository.references() {
        let (peeled, _) = peel(repository, &reference.id)?;
        let _ = writeln!(text, "{} {}", reference.id, reference.name);
        if peeled != reference.id {
            let _ = writeln!(text, "^{peeled}");
        }
    }
    Ok(text)
}
