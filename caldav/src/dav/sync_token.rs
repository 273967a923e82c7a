//! Sync tokens (RFC 6578 §3.2): the state of one collection, as a URI.

use super::{home::Home, location::HomePath};
use crate::snapshot::Directory;
use sha1::{Digest, Sha1};
use std::fmt::Write;

/// What every token begins with.
const PREFIX: &str = "urn:kalends:sync:";

/// The token for a collection as it is in `directory`: its tree, and which collection it is, so that a
/// token is honoured only where it was given.
pub(super) fn sync_token(home: &Home, path: &HomePath, directory: &Directory) -> String {
    let mut hash = Sha1::new();
    hash.update(home.owner.as_bytes());
    for name in &path.segments {
        // No name contains a slash.
        hash.update(b"/");
        hash.update(name);
    }
    let mut token = format!("{PREFIX}{}-", directory.id);
    for byte in &hash.finalize()[..8] {
        let _ = write!(token, "{byte:02x}");
    }
    token
}
