//! What must hold of days and boundary, which move together: each commit of main is either there with its
//! parents, or its day is among the days.

use crate::session::MAIN;
use gix_object::CommitRefIter;
use kalends_store::{ObjectId, Objects, Repository};

/// Seconds of a day.
pub(crate) const DAY: i64 = 24 * 60 * 60;
const DAYS: &str = "refs/days/main";

/// When a commit was made, in seconds since 1970.
pub(crate) fn committed(repository: &Repository, id: &ObjectId) -> i64 {
    let commit = repository.object(id).unwrap();
    CommitRefIter::from_bytes(&commit.data, id.kind()).committer().unwrap().seconds()
}

/// Walks main as far as the boundary.
pub(crate) fn check(repository: &Repository) -> Result<(), String> {
    let last = repository.reference(DAYS).map(|id| committed(repository, &id).div_euclid(DAY));
    let mut next = repository.reference(MAIN);
    while let Some(id) = next {
        let day = committed(repository, &id).div_euclid(DAY);
        let commit = repository.object(&id).unwrap();
        next = CommitRefIter::from_bytes(&commit.data, id.kind()).parent_ids().next();
        match (repository.is_shallow(&id), last) {
            (true, Some(last)) if day <= last => return Ok(()),
            (true, _) => {
                return Err(format!("{id} of day {day} has lost its parents, and days end at {last:?}"));
            }
            (false, Some(last)) if day <= last => {
                return Err(format!("{id} of day {day} has its parents, and days go on until {last}"));
            }
            (false, _) => {}
        }
    }
    Ok(())
}
