//! Which calendars a report is about: that at the request's URL, or those below it.

use crate::dav::{
    DavError, Depth,
    home::Home,
    location::{HomePath, MAX_SEGMENTS},
};
use crate::snapshot::Directory;
use http::StatusCode;
use kalends_store::EntryKind;
use std::rc::Rc;

/// Collections that are looked at.
const MAX_COLLECTIONS: usize = 10_000;

/// A calendar, and where it is.
pub(super) struct Calendar {
    pub(super) path: HomePath,
    pub(super) directory: Rc<Directory>,
}

/// The calendars that `Depth` covers of a collection.
///
/// RFC 4791 §7.8 and §7.10 give the header the default 0, with which a report on a calendar would be about
/// no calendar object at all. Some clients rely on servers that do not take it by the letter, and would
/// believe their calendar empty; so a calendar always comes with its members.
///
/// # Errors
/// 507 when too many collections are below.
pub(super) fn calendars(
    home: &Home,
    path: &HomePath,
    directory: &Rc<Directory>,
    depth: Option<Depth>,
) -> Result<Vec<Calendar>, DavError> {
    let mut found = Vec::new();
    let mut looked_at = 0;
    let mut open = vec![Calendar { path: path.clone(), directory: directory.clone() }];
    let snapshot = home.snapshot();
    while let Some(Calendar { path, directory }) = open.pop() {
        looked_at += 1;
        if looked_at > MAX_COLLECTIONS {
            let reason = format!("more than {MAX_COLLECTIONS} collections are below {}", path.href());
            let status = StatusCode::INSUFFICIENT_STORAGE;
            return Err(DavError::dav(status, "number-of-matches-within-limits", reason));
        }
        if depth == Some(Depth::Infinity) && path.segments.len() < MAX_SEGMENTS {
            let below = directory.tree.iter().filter(|entry| entry.mode.kind() == EntryKind::Tree);
            let first = open.len();
            for entry in below {
                if open.len() > MAX_COLLECTIONS {
                    break;
                }
                let directory = snapshot.directory(entry.id.to_owned())?;
                open.push(Calendar { path: path.member(entry.name, true), directory });
            }
            open[first..].reverse();
        }
        if directory.collection.is_calendar() {
            found.push(Calendar { path, directory });
        }
    }
    Ok(found)
}
