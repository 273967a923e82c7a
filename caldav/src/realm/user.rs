//! Users as the rest of the service sees them.

use crate::Author;

/// An authenticated user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The name of the principal, its repository and its place in URLs.
    pub name: String,
    /// The name people read.
    pub display_name: String,
    /// Mail addresses, the first for commits; may be none.
    pub addresses: Vec<String>,
    /// Whether the realm repository is theirs to read and push.
    pub administrator: bool,
    /// Whether they may rewrite the history of their own repository by `git push --force`.
    pub allow_force_push: bool,
}

impl User {
    /// The author of this user's commits.
    pub fn author(&self) -> Author {
        let email = self.addresses.first().cloned().unwrap_or_else(|| format!("{}@localhost", self.name));
        Author { name: self.display_name.clone(), email }
    }

    /// Whether the user may read and write the repository of this name (without `.git`): their own, and
    /// the realm if they are an administrator.
    pub fn may_use(&self, repository: &str) -> bool {
        repository == self.name || (self.administrator && repository == super::REALM_REPOSITORY)
    }
}
