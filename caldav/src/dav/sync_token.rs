//! Sync tokens (RFC 6578 §4): states of a collection.
//!
//! A token names the collection's tree, so it stays good across restarts, restores and imports of the same
//! repository. Its last part ties it to the collection's URL. Two forms:
//!
//! - `urn:kalends:sync:<tree>-<check>`: all that is in the tree is known to the client.
//! - `urn:kalends:sync:<tree>.<from>.<count>-<check>`: of the changes that lead from the tree `from` (`0` for
//!   none) to `tree`, in git's order, the first `count` are known, the others are not. `count` ends in `i`
//!   when they are those of all levels.

use super::location::HomePath;
use crate::snapshot::Directory;
use kalends_store::ObjectId;
use sha1::{Digest, Sha1};
use std::fmt::Write;

/// What every token starts with.
const PREFIX: &str = "urn:kalends:sync:";
/// No token is longer, in bytes.
const MAX_LENGTH: usize = 160;

/// What a client knows of a collection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SyncToken {
    /// The state it knows, or is on its way to.
    pub(crate) tree: ObjectId,
    /// Where on its way it is, when an answer was truncated.
    pub(crate) progress: Option<Progress>,
}

/// The part of the changes to a tree that a client knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Progress {
    /// The state before them; `None` when the client began with nothing.
    pub(crate) from: Option<ObjectId>,
    /// How many changes it knows.
    pub(crate) count: u32,
    /// Whether they are those of all levels, not of the members only.
    pub(crate) infinite: bool,
}

/// The token of the collection at `path` in the state of `directory`.
pub(crate) fn sync_token(path: &HomePath, directory: &Directory) -> String {
    SyncToken { tree: directory.id, progress: None }.to_text(path)
}

impl SyncToken {
    /// Reads a token of the collection at `path`; `None` for anything else.
    pub(crate) fn parse(path: &HomePath, text: &str) -> Option<Self> {
        if text.len() > MAX_LENGTH {
            return None;
        }
        let (state, check) = text.strip_prefix(PREFIX)?.split_once('-')?;
        if check != check_of(path) {
            return None;
        }
        let mut parts = state.split('.');
        let tree = object_id(parts.next()?)?;
        let progress = match (parts.next(), parts.next(), parts.next()) {
            (None, ..) => None,
            (Some(from), Some(count), None) => {
                let from = if from == "0" { None } else { Some(object_id(from)?) };
                let (digits, infinite) = match count.strip_suffix('i') {
                    Some(digits) => (digits, true),
                    None => (count, false),
                };
                if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                    return None;
                }
                Some(Progress { from, count: digits.parse().ok()?, infinite })
            }
            _ => return None,
        };
        Some(Self { tree, progress })
    }

    /// The token as text.
    pub(crate) fn to_text(&self, path: &HomePath) -> String {
        let mut text = format!("{PREFIX}{}", self.tree);
        if let Some(Progress { from, count, infinite }) = &self.progress {
            let from = from.map_or("0".into(), |from| from.to_string());
            let level = if *infinite { "i" } else { "" };
            let _ = write!(text, ".{from}.{count}{level}");
        }
        text.push('-');
        text.push_str(&check_of(path));
        text
    }
}

fn object_id(hex: &str) -> Option<ObjectId> {
    ObjectId::from_hex(hex.as_bytes()).ok()
}

/// 16 hex digits of a hash over owner and path: a token is for one collection only.
fn check_of(path: &HomePath) -> String {
    let mut hash = Sha1::new();
    hash.update(path.owner.as_bytes());
    for name in &path.segments {
        hash.update(b"/");
        hash.update(name);
    }
    hash.finalize().iter().take(8).fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(owner: &str, name: &str) -> HomePath {
        HomePath::home(owner).member(name.as_bytes(), true)
    }

    #[test]
    fn tokens_read_as_they_were_written() {
        let work = path("ada", "work");
        let (tree, from) = (ObjectId::Sha1([1; 20]), ObjectId::Sha1([2; 20]));
        for progress in [
            None,
            Some(Progress { from: None, count: 0, infinite: false }),
            Some(Progress { from: Some(from), count: u32::MAX, infinite: true }),
        ] {
            let token = SyncToken { tree, progress };
            let text = token.to_text(&work);
            assert!(text.len() <= MAX_LENGTH, "{text}");
            assert_eq!(SyncToken::parse(&work, &text), Some(token));
        }
    }

    #[test]
    fn tokens_of_other_collections_and_damaged_ones_are_none() {
        let work = path("ada", "work");
        let token = SyncToken { tree: ObjectId::Sha1([1; 20]), progress: None }.to_text(&work);
        assert_eq!(SyncToken::parse(&path("bob", "work"), &token), None);
        assert_eq!(SyncToken::parse(&path("ada", "home"), &token), None);
        for length in 0..token.len() {
            assert_eq!(SyncToken::parse(&work, &token[..length]), None);
        }
        let check = check_of(&work);
        let tree = "1".repeat(40);
        for state in [
            format!("{tree}."),
            format!("{tree}.0"),
            format!("{tree}.0."),
            format!("{tree}.0.+1"),
            format!("{tree}.0.-1"),
            format!("{tree}.0.4294967296"),
            format!("{tree}.0.1.1"),
            format!("{tree}.1.1"),
            format!("{tree}1"),
            "x".repeat(40),
            "é".repeat(20),
        ] {
            let text = format!("{PREFIX}{state}-{check}");
            assert_eq!(SyncToken::parse(&work, &text), None, "{text}");
        }
    }
}
