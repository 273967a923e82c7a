//! What a directory holds, at any depth, before it is copied or moved.

use crate::{
    dav::error::DavError,
    snapshot::{Directory, Snapshot},
};
use http::StatusCode;
use kalends_store::ObjectId;
use std::{collections::HashMap, rc::Rc};

/// Directories that are read at most: nobody else is answered meanwhile.
const MAX_DIRECTORIES: usize = 10_000;

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
/// 403 when directories are more than `deepest` deep inside each other, or there are more than 10,000.
pub(super) fn survey(
    snapshot: &Snapshot<'_>,
    directory: &Rc<Directory>,
    deepest: usize,
) -> Result<Survey, DavError> {
    Surveyor { snapshot, known: HashMap::new() }.look(directory, deepest)
}

struct Surveyor<'a> {
    snapshot: &'a Snapshot<'a>,
    known: HashMap<ObjectId, Survey>,
}

impl Surveyor<'_> {
    /// At most `deepest` calls deep.
    fn look(&mut self, directory: &Rc<Directory>, deepest: usize) -> Result<Survey, DavError> {
        let forbidden = |reason: String| DavError::new(StatusCode::FORBIDDEN, reason);
        let too_deep = || forbidden("collections would be too deep inside each other".into());
        let below = deepest.checked_sub(1).ok_or_else(too_deep)?;
        if let Some(survey) = self.known.get(&directory.id) {
            return if survey.depth <= deepest { Ok(*survey) } else { Err(too_deep()) };
        }
        if self.known.len() >= MAX_DIRECTORIES {
            return Err(forbidden(format!("more than {MAX_DIRECTORIES} collections at once")));
        }
        let mut survey = Survey { depth: 1, resources: 1, has_calendar: directory.collection.is_calendar() };
        for entry in directory.tree.iter() {
            if !entry.mode.is_tree() {
                survey.resources = survey.resources.saturating_add(1);
                continue;
            }
            let inner = match self.known.get(entry.id) {
                Some(inner) if inner.depth <= below => *inner,
                _ => {
                    let member = self.snapshot.directory(entry.id.to_owned())?;
                    self.look(&member, below)?
                }
            };
            survey.depth = survey.depth.max(inner.depth + 1);
            survey.resources = survey.resources.saturating_add(inner.resources);
            survey.has_calendar |= inner.has_calendar;
        }
        self.known.insert(directory.id, survey);
        Ok(survey)
    }
}
