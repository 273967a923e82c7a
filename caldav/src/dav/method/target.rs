//! The place that a request is about to change.

use crate::{
    collection::COLLECTION_FILE,
    dav::{error::DavError, home::Home, location::HomePath},
    snapshot::{Directory, Node},
};
use bstr::ByteSlice;
use http::StatusCode;
use std::rc::Rc;

/// Members that a collection may have for another to be made in it.
const MAX_MEMBERS: usize = 100_000;

/// A name in a collection, and what is there.
pub(super) struct Target {
    /// The place, without final slash.
    pub(super) path: HomePath,
    /// Where the collection is.
    pub(super) parent_path: HomePath,
    /// The collection.
    pub(super) parent: Rc<Directory>,
    /// What is there now.
    pub(super) occupant: Option<Node>,
}

impl Target {
    /// The place at `path`.
    ///
    /// # Errors
    /// 403 for the home itself and what WebDAV does not show, 409 when there is no such collection.
    pub(super) fn find(home: &Home, path: &HomePath) -> Result<Self, DavError> {
        let Some((parent_path, name)) = path.split_last() else {
            let reason = "a calendar home is there for as long as its user";
            return Err(DavError::new(StatusCode::FORBIDDEN, reason));
        };
        let snapshot = home.snapshot();
        let parent = match snapshot.find(&parent_path.segments)? {
            Some(Node::Directory(parent)) => parent,
            Some(Node::File(_)) => {
                let reason = format!("{} is no collection", parent_path.href());
                return Err(DavError::new(StatusCode::CONFLICT, reason));
            }
            None => {
                let reason = format!("{} does not exist; make it first", parent_path.href());
                return Err(DavError::new(StatusCode::CONFLICT, reason));
            }
        };
        let occupant = match parent.tree.find(name) {
            Some(entry) => match snapshot.node(&parent, entry)? {
                Some(node) => Some(node),
                None => return Err(not_shown(name)),
            },
            None if name == COLLECTION_FILE.as_bytes() => return Err(not_shown(name)),
            None => None,
        };
        let path = HomePath { slash: false, ..path.clone() };
        Ok(Self { path, parent_path, parent, occupant })
    }

    /// The name in the collection.
    pub(super) fn name(&self) -> &[u8] {
        self.path.segments.last().map_or(&[], Vec::as_slice)
    }

    /// Checks that something new can be made here, whatever it is.
    ///
    /// # Errors
    /// 403 for a name that people or git could not handle, 507 when the collection has too many members.
    pub(super) fn check_new(&self) -> Result<(), DavError> {
        let name = self.name();
        let bad = |why: String| {
            Err(DavError::new(StatusCode::FORBIDDEN, format!("the name “{}” {why}", self.path.display())))
        };
        match name.to_str() {
            Ok(text) if text.chars().any(char::is_control) => {
                return bad("has control characters".into());
            }
            Ok(text) if text.eq_ignore_ascii_case(COLLECTION_FILE) => {
                return bad(format!(
                    "differs from {COLLECTION_FILE} in case only, which not all systems tell apart"
                ));
            }
            Ok(_) => {}
            Err(_) => return bad("is not UTF-8".into()),
        }
        if self.parent.tree.len() >= MAX_MEMBERS {
            let reason = format!("the collection has {MAX_MEMBERS} members already");
            return Err(DavError::new(StatusCode::INSUFFICIENT_STORAGE, reason));
        }
        Ok(())
    }
}

fn not_shown(name: &[u8]) -> DavError {
    let name = String::from_utf8_lossy(name);
    let reason = if name.as_bytes() == COLLECTION_FILE.as_bytes() {
        format!("{name} describes its collection; change it by properties, or with git")
    } else {
        format!("{name:?} is a link or a submodule; change it with git")
    };
    DavError::new(StatusCode::FORBIDDEN, reason)
}
