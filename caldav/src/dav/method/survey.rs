//! What a directory holds, at any depth, before it is copied or moved.

use crate::{
    dav::error::DavError,
    snapshot::{Directory, Node, Snapshot},
};
use http::StatusCode;
use kalends_store::ObjectId;
use std::{collections::HashMap, rc::Rc};

/// What a directory holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Survey {
    /// Directories inside each other, this one included.
    pub(super) depth: usize,
    /// Files and directories, this one included.
    pub(super) resources: u64,
    /// Whether it is a calendar, or one is in it.
    pub(super) has_calendar: bool,
}

/// Looks through a directory. Each tree is read once, however often it is in it: copies share their trees.
///
/// # Errors
/// 403 when directories are more than `deepest` deep inside each other.
pub(super) fn survey(
    snapshot: &Snapshot<'_>,
    directory: &Rc<Directory>,
    deepest: usize,
) -> Result<Survey, DavError> {
    look(snapshot, directory, deepest, &mut HashMap::new())
}

fn look(
    snapshot: &Snapshot<'_>,
    directory: &Rc<Directory>,
    deepest: usize,
    known: &mut HashMap<ObjectId, Survey>,
) -> Result<Survey, DavError> {
    let too_deep = || DavError::new(StatusCode::FORBIDDEN, "collections would be too deep inside each other");
    let below = deepest.checked_sub(1).ok_or_else(too_deep)?;
    if let Some(survey) = known.get(&directory.id) {
        return if survey.depth <= deepest { Ok(*survey) } else { Err(too_deep()) };
    }
    let mut survey = Survey { depth: 1, resources: 1, has_calendar: directory.collection.is_calendar() };
    for entry in directory.tree.iter() {
        if !entry.mode.is_tree() {
            survey.resources = survey.resources.saturating_add(1);
            continue;
        }
        let Some(Node::Directory(member)) = snapshot.node(directory, entry)? else { continue };
        let inner = look(snapshot, &member, below, known)?;
        survey.depth = survey.depth.max(inner.depth + 1);
        survey.resources = survey.resources.saturating_add(inner.resources);
        survey.has_calendar |= inner.has_calendar;
    }
    known.insert(directory.id, survey);
    Ok(survey)
}
