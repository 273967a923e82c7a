//! Users and their passwords, kept in the realm repository.

use crate::Author;
use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderMap, header};
use kalends_store::{Error, Store};
use std::{cell::RefCell, collections::BTreeMap, fmt, net::SocketAddr};

/// An authenticated user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The name of the principal, its repository and its place in URLs.
    pub name: String,
    /// The name people read.
    pub display_name: String,
    /// Mail addresses, the first for commits.
    pub addresses: Vec<String>,
    /// Whether the realm repository is theirs to read and push.
    pub administrator: bool,
}

impl User {
    /// The author of this user's commits.
    pub fn author(&self) -> Author {
        Author { name: self.display_name.clone(), email: self.addresses.first().cloned().unwrap_or_default() }
    }
}

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
        }
    }
}

/// The realm: who may do what.
pub struct Realm {
    store: Store,
    passwords: RefCell<BTreeMap<String, String>>,
}

impl Realm {
    /// Reads the realm of a store, making an empty one when the store is new.
    pub fn open(store: Store) -> Result<Self, Error> {
        Ok(Self { store, passwords: RefCell::default() })
    }

    /// Makes the user (with repository and first calendar) or changes the password; durable on return.
    /// The first user is an administrator.
    pub fn set_password(&self, name: &str, password: &str) -> Result<(), Error> {
        self.passwords.borrow_mut().insert(name.into(), password.into());
        if self.store.repository(name).is_err() {
            self.store.create_repository(name)?;
        }
        Ok(())
    }

    /// The names of all users, sorted.
    pub fn user_names(&self) -> Vec<String> {
        self.passwords.borrow().keys().cloned().collect()
    }

    /// The user of this name.
    pub fn user(&self, name: &str) -> Option<User> {
        self.passwords.borrow().contains_key(name).then(|| User {
            name: name.into(),
            display_name: name.into(),
            addresses: vec![format!("{name}@localhost")],
            administrator: true,
        })
    }

    /// The user that the request's credentials prove.
    pub fn authenticate(
        &self,
        headers: &HeaderMap,
        _peer: Option<&SocketAddr>,
    ) -> Result<User, AuthenticationError> {
        let value = headers.get(header::AUTHORIZATION).ok_or(AuthenticationError::Missing)?;
        let value = value.to_str().map_err(|_| AuthenticationError::Malformed)?;
        let encoded = value.strip_prefix("Basic ").ok_or(AuthenticationError::Malformed)?;
        let decoded = STANDARD.decode(encoded).map_err(|_| AuthenticationError::Malformed)?;
        let decoded = String::from_utf8(decoded).map_err(|_| AuthenticationError::Malformed)?;
        let (name, password) = decoded.split_once(':').ok_or(AuthenticationError::Malformed)?;
        match self.passwords.borrow().get(name) {
            Some(known) if known == password => self.user(name).ok_or(AuthenticationError::Wrong),
            _ => Err(AuthenticationError::Wrong),
        }
    }
}

/// A random password of 20 letters and digits (about 100 bits), without those that look alike.
pub fn generate_password() -> String {
    const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut bytes = [0; 20];
    getrandom::fill(&mut bytes).expect("the platform has entropy");
    let letters: Vec<String> = bytes
        .chunks(5)
        .map(|group| group.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)])).collect())
        .collect();
    letters.join("-")
}
