//! Which references may exist (git-check-ref-format(1)) and move.

use gix_object::bstr::ByteSlice;
use std::collections::BTreeSet;

/// Longest name in bytes: stock git keeps references as files.
const MAX_NAME: usize = 1000;

/// A name under which a reference may be created: `refs/<category>/<rest>`.
///
/// # Errors
/// A few words that git prints beside the reference.
pub(crate) fn check_name(name: &[u8]) -> Result<&str, String> {
    let text = name.to_str().map_err(|_| "reference name is not UTF-8".to_owned())?;
    if text.len() > MAX_NAME {
        return Err(format!("reference name is longer than {MAX_NAME} bytes"));
    }
    let two_levels = text.strip_prefix("refs/").is_some_and(|rest| rest.contains('/'));
    // git lets nobody name a branch HEAD.
    if !two_levels || gix_validate::reference::branch_name(text.into()).is_err() {
        return Err("funny refname".into());
    }
    Ok(text)
}

/// References are files in a clone: `refs/heads/a` and `refs/heads/a/b` cannot both exist.
///
/// # Errors
/// The existing name that is in the way.
pub(crate) fn check_conflict<'a>(names: &'a BTreeSet<String>, name: &str) -> Result<(), &'a str> {
    let below = format!("{name}/");
    if let Some(other) = names.range(below.clone()..).next()
        && other.starts_with(&below)
    {
        return Err(other);
    }
    for (at, _) in name.match_indices('/') {
        if let Some(other) = names.get(name.get(..at).unwrap_or_default()) {
            return Err(other);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_as_git_wants_them() {
        for good in
            ["refs/heads/main", "refs/tags/v1.0", "refs/heads/a/b", "refs/notes/commits", "refs/heads/é"]
        {
            assert!(check_name(good.as_bytes()).is_ok(), "{good}");
        }
        for bad in [
            "",
            "main",
            "HEAD",
            "refs/",
            "refs/heads",
            "refs/heads/",
            "refs/heads/a..b",
            "refs/heads/.a",
            "refs/heads/a.lock",
            "refs/heads/a b",
            "refs/heads/a~1",
            "refs/heads//a",
            "heads/main",
            "refs/heads/HEAD",
            "refs/heads/a@{1}",
            "refs/heads/\u{7}",
            "refs/../heads/a",
            "refs/heads/a.",
        ] {
            assert!(check_name(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(check_name(b"refs/heads/\xff").is_err());
        assert!(check_name(format!("refs/heads/{}", "a".repeat(1000)).as_bytes()).is_err());
    }

    #[test]
    fn a_branch_cannot_be_a_directory_of_branches() {
        let names = ["refs/heads/a/b", "refs/heads/c"].map(String::from).into();
        assert_eq!(check_conflict(&names, "refs/heads/a"), Err("refs/heads/a/b"));
        assert_eq!(check_conflict(&names, "refs/heads/c/d"), Err("refs/heads/c"));
        assert_eq!(check_conflict(&names, "refs/heads/a/c"), Ok(()));
        assert_eq!(check_conflict(&names, "refs/heads/c"), Ok(()));
    }
}
