//! What can go wrong with users.

use super::{Problem, password::PasswordError};
use kalends_store::Error;
use std::fmt;

/// Why a request has no user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthenticationError {
    /// No credentials.
    Missing,
    /// The Authorization header cannot be read.
    Malformed,
    /// Wrong name or password.
    Wrong,
    /// Too many wrong passwords of late.
    TooManyFailures {
        /// Seconds to wait.
        retry_after: u64,
    },
    /// Too many passwords wait to be verified.
    Busy {
        /// Seconds to wait.
        retry_after: u64,
    },
    /// The password is right, but the user's repository could not be made.
    NoHome {
        /// What the store says.
        reason: String,
    },
}

impl fmt::Display for AuthenticationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("user name and password required"),
            Self::Malformed => f.write_str("the Authorization header is not HTTP Basic"),
            Self::Wrong => f.write_str("wrong user name or password"),
            Self::TooManyFailures { retry_after } => {
                write!(f, "too many wrong passwords; try again in {retry_after} seconds")
            }
            Self::Busy { retry_after } => {
                write!(f, "too many people sign in at this moment; try again in {retry_after} seconds")
            }
            Self::NoHome { reason } => write!(f, "your repository cannot be made: {reason}"),
        }
    }
}

/// Why the realm could not be read or changed.
#[derive(Clone, Debug)]
pub enum RealmError {
    /// The files have these mistakes.
    Files(Vec<Problem>),
    /// This cannot be the name of a user.
    Name {
        /// The name.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// This cannot be a password.
    Password(PasswordError),
    /// `users.toml` cannot be changed by program; says why.
    Edit(String),
    /// The store failed.
    Store(Error),
}

impl fmt::Display for RealmError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Files(problems) => {
                for (position, problem) in problems.iter().enumerate() {
                    let separator = if position == 0 { "" } else { "; " };
                    write!(f, "{separator}{problem}")?;
                }
                Ok(())
            }
            Self::Name { name, reason } => write!(f, "the user name {name:?} {reason}"),
            Self::Password(error) => error.fmt(f),
            Self::Edit(reason) => f.write_str(reason),
            Self::Store(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for RealmError {}

impl From<Error> for RealmError {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}
