//! The realm: users, groups and settings, kept as files in the repository `realm`.
//!
//! Whoever pushes to it configures the server: the files are read again when its main branch has moved.
//! Passwords are argon2id hashes; a verified one is remembered, so that a request costs no hash.

mod authenticator;
mod basic;
mod configuration;
mod document;
mod error;
mod groups_file;
mod name;
mod password;
mod password_hash;
mod provision;
mod push_rules;
mod server_file;
mod throttle;
mod turnstile;
mod user;
mod users_edit;
mod users_file;
mod verdicts;

pub use document::Problem;
pub use error::{AuthenticationError, RealmError};
pub use groups_file::Group;
pub use name::{MAX_NAME_LENGTH, REALM_REPOSITORY, check_name};
pub use password::{MIN_PASSWORD_LENGTH, PasswordError, generate_password, hash_password};
pub use push_rules::RealmRules;
pub use server_file::ServerSettings;
pub use user::User;

use crate::Change;
use authenticator::Authenticator;
use basic::Credentials;
use configuration::Configuration;
use futures_util::lock::Mutex;
use http::HeaderMap;
use kalends_store::{Commit, Error, ObjectId, Objects, Repository, Store};
use std::{cell::RefCell, net::SocketAddr, pin::pin, rc::Rc, task};
use throttle::Source;

/// Who may do what, by the newest commit of the realm repository.
pub struct Realm {
    store: Store,
    repository: Repository,
    current: RefCell<(ObjectId, Rc<Configuration>)>,
    authenticator: Authenticator,
    /// One at a time makes the repository of a user who signs in for the first time.
    making_home: Mutex<()>,
}

impl Realm {
    /// Reads the realm of a store. A new store gets one without users. Blocks until that is durable: to be
    /// called before serving.
    ///
    /// # Errors
    /// [`RealmError::Files`] when the files have mistakes, which only an import can bring about; otherwise
    /// [`RealmError::Store`].
    pub fn open(store: Store) -> Result<Self, RealmError> {
        let repository = match store.repository(REALM_REPOSITORY) {
            Ok(repository) => repository,
            Err(Error::NoRepository(_)) => store.create_repository(REALM_REPOSITORY)?,
            Err(error) => return Err(error.into()),
        };
        if let Some(commit) = provision::begin_realm(&repository)? {
            block_on(commit)?;
        }
        let head = repository.head();
        let commit =
            repository.reference(head).ok_or_else(|| Error::Malformed("the realm has no main".into()))?;
        let configuration = read(&repository, &commit)?;
        let current = RefCell::new((commit, Rc::new(configuration)));
        let authenticator = Authenticator::new();
        let realm = Self { store, repository, current, authenticator, making_home: Mutex::new(()) };
        realm.finish_homes()?;
        Ok(realm)
    }

    /// The configuration of the newest durable commit. Should that be unreadable, which push rules and
    /// checksums leave to failing devices, the last good one goes on.
    fn configuration(&self) -> Rc<Configuration> {
        let mut current = self.current.borrow_mut();
        if let Some(commit) = self.repository.reference(self.repository.head())
            && commit != current.0
            && let Ok(configuration) = read(&self.repository, &commit)
        {
            *current = (commit, Rc::new(configuration));
        }
        current.1.clone()
    }

    /// Makes a user of this name, or changes the user's password; nothing happens if it is the password
    /// already. Without any administrator, a new user becomes one. Blocks until durable: to be called
    /// before serving.
    ///
    /// # Errors
    /// [`RealmError::Name`] and [`RealmError::Password`] for what cannot be one, [`RealmError::Edit`] when
    /// the file cannot be edited; otherwise [`RealmError::Store`].
    pub fn set_password(&self, name: &str, password: &str) -> Result<(), RealmError> {
        self.write_account(name, password, false)
    }

    /// Adds a user, perhaps as an administrator; of a user there is, this changes the password only.
    /// Otherwise as [`set_password`](Self::set_password).
    ///
    /// # Errors
    /// As there.
    pub fn add_user(&self, name: &str, password: &str, administrator: bool) -> Result<(), RealmError> {
        self.write_account(name, password, administrator)
    }

    /// All users of a store and whether each is disabled, sorted by name, without writing anything; none
    /// without a realm.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn read_users(store: &Store) -> Result<Vec<(User, bool)>, RealmError> {
        let repository = match store.repository(REALM_REPOSITORY) {
            Err(Error::NoRepository(_)) => return Ok(Vec::new()),
            other => other?,
        };
        let Some(commit) = repository.reference(repository.head()) else { return Ok(Vec::new()) };
        let accounts = read(&repository, &commit)?.users.accounts;
        Ok(accounts.into_values().map(|account| (account.user, account.disabled)).collect())
    }

    /// The settings of a store, without writing anything; those by default without a realm.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn read_server(store: &Store) -> Result<ServerSettings, RealmError> {
        let repository = match store.repository(REALM_REPOSITORY) {
            Err(Error::NoRepository(_)) => return Ok(ServerSettings::default()),
            other => other?,
        };
        let Some(commit) = repository.reference(repository.head()) else {
            return Ok(ServerSettings::default());
        };
        Ok(read(&repository, &commit)?.server)
    }

    fn write_account(&self, name: &str, password: &str, administrator: bool) -> Result<(), RealmError> {
        check_name(name).map_err(|reason| RealmError::Name { name: name.into(), reason })?;
        let configuration = self.configuration();
        let account = configuration.users.accounts.get(name);
        let old = account.and_then(|account| account.password.as_ref());
        if !old.is_some_and(|hash| hash.verify(password)) {
            let hash = password::new_hash(password).map_err(RealmError::Password)?;
            let mut change = Change::new(&self.repository);
            let text = match change.base_tree()? {
                Some(tree) => configuration::read_file(change.objects(), &tree, users_file::FILE)?,
                None => Ok(None),
            };
            let text = text.map_err(RealmError::Edit)?.unwrap_or_default();
            let administrator = administrator || !configuration.has_administrator();
            let text =
                users_edit::with_password(&text, name, &hash, administrator).map_err(RealmError::Edit)?;
            change.write(&[users_file::FILE.as_bytes()], text)?;
            let message = match account {
                Some(_) => format!("Change the password of {name}"),
                None => format!("Add user {name}"),
            };
            if let Some(commit) = change.submit(&provision::kalends(), &message)? {
                block_on(commit)?;
            }
        }
        if let Some(commit) = self.make_home(name)? {
            block_on(commit)?;
        }
        Ok(())
    }

    /// The names of all users, sorted; disabled ones too.
    pub fn user_names(&self) -> Vec<String> {
        self.configuration().users.accounts.keys().cloned().collect()
    }

    /// The user of this name, unless disabled.
    pub fn user(&self, name: &str) -> Option<User> {
        let configuration = self.configuration();
        let account = configuration.users.accounts.get(name).filter(|account| !account.disabled)?;
        Some(account.user.clone())
    }

    /// The group of this name.
    pub fn group(&self, name: &str) -> Option<Group> {
        self.configuration().groups.get(name).map(|entry| entry.group.clone())
    }

    /// The names of all groups, sorted.
    pub fn group_names(&self) -> Vec<String> {
        self.configuration().groups.keys().cloned().collect()
    }

    /// The groups that a user is a member of, sorted by name.
    pub fn groups_of(&self, user: &str) -> Vec<Group> {
        let configuration = self.configuration();
        let groups = configuration.groups.values().map(|entry| &entry.group);
        groups.filter(|group| group.members.contains(user)).cloned().collect()
    }

    /// The settings of the service as a whole.
    pub fn server(&self) -> ServerSettings {
        self.configuration().server.clone()
    }

    /// The user that the request's credentials prove. At the first time the user gets a repository with
    /// an empty calendar.
    ///
    /// Waits for its turn when passwords must be hashed; what was verified within the hour needs none.
    ///
    /// # Errors
    /// Why there is no user; see [`AuthenticationError`].
    pub async fn authenticate(
        &self,
        headers: &HeaderMap,
        peer: Option<&SocketAddr>,
    ) -> Result<User, AuthenticationError> {
        let credentials = Credentials::from_headers(headers)?;
        let configuration = self.configuration();
        let source = Source::new(peer);
        let account = self.authenticator.authenticate(&configuration, &credentials, source).await?;
        let user = account.user.clone();
        self.ensure_home(&user.name)
            .await
            .map_err(|error| AuthenticationError::NoHome { reason: error.to_string() })?;
        Ok(user)
    }

    /// Makes the repository of a user who has none. One that was emptied since stays empty.
    async fn ensure_home(&self, name: &str) -> Result<(), Error> {
        if let Ok(repository) = self.store.repository(name)
            && repository.reference(repository.head()).is_some()
        {
            return Ok(());
        }
        // Another request may be at it: it is done when the lock is free.
        let _alone = self.making_home.lock().await;
        match self.make_home(name)? {
            Some(commit) => commit.await,
            None => Ok(()),
        }
    }

    /// `None` when there is a repository.
    fn make_home(&self, name: &str) -> Result<Option<Commit>, Error> {
        match self.store.repository(name) {
            Err(Error::NoRepository(_)) => provision::begin_home(&self.store.create_repository(name)?),
            other => other.map(|_| None),
        }
    }

    /// Gives their calendars to users for whom there was no time between making the repository and the
    /// end of the process.
    fn finish_homes(&self) -> Result<(), Error> {
        for name in self.user_names() {
            if let Ok(repository) = self.store.repository(&name)
                && let Some(commit) = provision::begin_home(&repository)?
            {
                block_on(commit)?;
            }
        }
        Ok(())
    }
}

fn read(repository: &Repository, commit: &ObjectId) -> Result<Configuration, RealmError> {
    let tree = repository.tree_of_commit(commit)?;
    Configuration::read(repository, &tree)?.map_err(RealmError::Files)
}

/// Polls until done; a commit flushes the device while it is polled.
fn block_on(commit: Commit) -> Result<(), Error> {
    let mut commit = pin!(commit);
    let mut context = task::Context::from_waker(task::Waker::noop());
    loop {
        if let task::Poll::Ready(result) = commit.as_mut().poll(&mut context) {
            return result;
        }
        std::thread::yield_now();
    }
}

#[cfg(test)]
mod tests;
