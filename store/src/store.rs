//! The store: repositories on one device.

use crate::{
    Commit, Error, Repository,
    core::{Core, OpenOptions, RepositoryState},
    format::{
        layout::SECRETS,
        operation::Operation,
        secrets::{self, Secrets},
    },
    group_commit, mount,
};
use kalends_block_backend::BlockDevice;
use std::{cell::RefCell, rc::Rc};

/// How a new store is laid out.
#[derive(Clone, Debug, Default)]
pub struct FormatOptions {}

/// A store on a block device. Cloning is cheap and gives the same store.
#[derive(Clone)]
pub struct Store {
    core: Rc<Core>,
}

impl Store {
    /// Writes an empty store to the device; what was there is lost.
    ///
    /// # Errors
    /// [`Error::UnsuitableDevice`] when the device is smaller than 8 MiB or its blocks are larger than
    /// 4096 bytes; then nothing was written.
    pub fn format(device: Rc<dyn BlockDevice>, _options: &FormatOptions) -> Result<Self, Error> {
        mount::format(&device)?;
        Self::open(device)
    }

    /// Opens the store on the device. This writes nothing.
    ///
    /// # Errors
    /// [`Error::NotAStore`] when there is none, or one that this program cannot read;
    /// [`Error::DamagedStore`] when opening it would lose acknowledged changes.
    pub fn open(device: Rc<dyn BlockDevice>) -> Result<Self, Error> {
        Self::open_with(device, OpenOptions::default())
    }

    /// As [`open`](Self::open), with other bounds on memory.
    pub fn open_with(device: Rc<dyn BlockDevice>, options: OpenOptions) -> Result<Self, Error> {
        mount::open(device, options).map(Self::from_core)
    }

    /// What an operator should know about how the store was found when it was opened.
    pub fn notices(&self) -> Vec<String> {
        self.core.state.borrow().notices.clone()
    }

    /// The names of all repositories, sorted.
    pub fn repositories(&self) -> Vec<String> {
        self.core.state.borrow().repositories.keys().cloned().collect()
    }

    /// The repository of this name.
    pub fn repository(&self, name: &str) -> Result<Repository, Error> {
        let state = self.core.state.borrow();
        let found = state.repositories.get(name).ok_or_else(|| Error::NoRepository(name.into()))?;
        Ok(Repository::new(self.core.clone(), found.clone()))
    }

    /// Makes an empty repository, durable on return, whose HEAD is `refs/heads/main`.
    ///
    /// A name is 1 to 255 bytes of UTF-8 without `/`, NUL or control characters, and not `.` or `..`.
    pub fn create_repository(&self, name: &str) -> Result<Repository, Error> {
        if name.is_empty()
            || name.len() > 255
            || matches!(name, "." | "..")
            || name.chars().any(|c| c == '/' || c.is_control())
        {
            return Err(Error::InvalidName(name.into()));
        }
        let mut state = self.core.state.borrow_mut();
        if state.repositories.contains_key(name) {
            return Err(Error::RepositoryExists(name.into()));
        }
        let number = state.next_repository;
        self.core.append_now(&mut state, &Operation::CreateRepository { repository: number, name })?;
        state.next_repository += 1;
        let repository = RepositoryState { number, name: name.into(), ..Default::default() };
        state.repositories.insert(name.into(), Rc::new(RefCell::new(repository)));
        drop(state);
        self.repository(name)
    }

    /// Removes a repository with all its objects, durable on return. Its space is free after two more
    /// checkpoints, which are made when space runs short; for as long as somebody has a [`Pin`](crate::Pin) on it,
    /// such as a clone under way, it is not given up.
    pub fn remove_repository(&self, name: &str) -> Result<(), Error> {
        let mut state = self.core.state.borrow_mut();
        let found = state.repositories.get(name).cloned();
        let found = found.ok_or_else(|| Error::NoRepository(name.into()))?;
        let number = found.borrow().number;
        self.core.append_now(&mut state, &Operation::RemoveRepository { repository: number })?;
        state.repositories.remove(name);
        let mut removed = found.borrow_mut();
        removed.removed = true;
        removed.references.clear();
        drop(removed);
        state.removed.push(found);
        state.give_up_removed();
        Ok(())
    }

    /// A secret (TLS key, token key) from the device area that no repository shows.
    pub fn secret(&self, name: &str) -> Option<Vec<u8>> {
        self.core.state.borrow().secrets.get(name).cloned()
    }

    /// Keeps a secret, durable on return; all secrets together hold up to 64 KiB.
    ///
    /// All secrets are written to both slots, one after the other: a crash leaves one of them whole, and
    /// so does a bad block at any other time.
    pub fn set_secret(&self, name: &str, value: &[u8]) -> Result<(), Error> {
        let mut changed = self.core.state.borrow().secrets.clone();
        changed.insert(name.into(), value.into());
        self.write_secrets(changed)
    }

    /// Writes both slots of the secrets anew.
    pub(crate) fn rewrite_secrets(&self) -> Result<(), Error> {
        let secrets = self.core.state.borrow().secrets.clone();
        self.write_secrets(secrets)
    }

    fn write_secrets(&self, changed: Secrets) -> Result<(), Error> {
        let mut state = self.core.state.borrow_mut();
        state.check_writable()?;
        let generation = state.secrets_generation + 1;
        let slot = secrets::encode(&changed, generation, self.core.seed)?;
        let newest = state.secrets_slot;
        for number in [1 - newest, newest] {
            let written = self.core.disk.write(SECRETS[number], &slot);
            let written = written.and_then(|()| Ok(self.core.disk.device.flush()?));
            if let Err(error) = written {
                group_commit::fail(&mut state, error.clone());
                return Err(error);
            }
        }
        state.secrets = changed;
        state.secrets_generation = generation;
        Ok(())
    }

    /// Resolves when all that was submitted until now is durable.
    pub fn sync(&self) -> Commit {
        let number = self.core.state.borrow().submitted;
        Commit::new(self.core.clone(), number)
    }

    /// Makes everything durable and writes a checkpoint, blocking, so that the next open is quick. The
    /// store goes on to work.
    pub fn close(&self) -> Result<(), Error> {
        let mut state = self.core.state.borrow_mut();
        self.core.flush_now(&mut state)?;
        if state.log.since_checkpoint() > 0 {
            self.core.checkpoint_now(&mut state)?;
        }
        Ok(())
    }

    /// Makes everything durable and a checkpoint of it; false when there is no room for one.
    pub(crate) fn checkpoint(&self) -> Result<bool, Error> {
        self.core.checkpoint_now(&mut self.core.state.borrow_mut())
    }

    /// Bytes of the device that are free, in whole segments.
    pub fn free_bytes(&self) -> u64 {
        u64::from(self.core.state.borrow().space.free_segments()) * crate::format::layout::SEGMENT
    }

    pub(crate) fn from_core(core: Core) -> Self {
        Self { core: Rc::new(core) }
    }

    pub(crate) fn core(&self) -> &Rc<Core> {
        &self.core
    }
}
