//! The first contents of repositories that the realm makes.

use crate::{Author, Change};
use kalends_store::{Commit, Error, Repository};

const README: &str = include_str!("initial/README.md");
const USERS: &str = include_str!("initial/users.toml");
const GROUPS: &str = include_str!("initial/groups.toml");
const SERVER: &str = include_str!("initial/server.toml");
const CALENDAR: &str = include_str!("initial/collection.toml");

/// Who commits what nobody asked for by name.
pub(super) fn kalends() -> Author {
    Author { name: "Kalends".into(), email: "kalends@localhost".into() }
}

/// The realm's first commit; `None` when there is one.
pub(super) fn begin_realm(repository: &Repository) -> Result<Option<Commit>, Error> {
    if repository.latest_reference(repository.head()).is_some() {
        return Ok(None);
    }
    let mut change = Change::new(repository);
    change.write(&[b"README.md"], README)?;
    change.write(&[b"users.toml"], USERS)?;
    change.write(&[b"groups.toml"], GROUPS)?;
    change.write(&[b"server.toml"], SERVER)?;
    change.submit(&kalends(), "Begin the realm")
}

/// A user's first commit: one empty calendar; `None` when there is a commit.
pub(super) fn begin_home(repository: &Repository) -> Result<Option<Commit>, Error> {
    if repository.latest_reference(repository.head()).is_some() {
        return Ok(None);
    }
    let mut change = Change::new(repository);
    change.write(&[b"calendar", b".collection.toml"], CALENDAR)?;
    change.submit(&kalends(), "Add calendar/")
}
