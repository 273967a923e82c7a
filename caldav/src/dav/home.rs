//! Calendar homes: whose they are, and what readers see of them.

use super::{error::DavError, location::HomePath};
use crate::{
    Service,
    collection_cache::CollectionCache,
    realm::User,
    snapshot::{Node, Snapshot},
};
use http::StatusCode;
use kalends_store::{Error, ObjectId, Objects, Pin, Repository};
use std::rc::Rc;

/// A calendar home at its newest durable commit. Cloning is cheap.
#[derive(Clone)]
pub(crate) struct Home {
    /// The principal whose home it is.
    pub(crate) owner: Rc<str>,
    /// The repository it is kept in.
    pub(crate) repository: Repository,
    /// Holds the commit, for as long as anybody reads it.
    pub(crate) pin: Rc<Pin>,
    collections: Rc<CollectionCache>,
    root: Option<ObjectId>,
}

impl Home {
    /// The home of `owner`, for `user`.
    ///
    /// # Errors
    /// 404 when there is none, or it is not the user's to see.
    pub(crate) fn open(service: &Service, user: &User, owner: &str) -> Result<Self, DavError> {
        let not_found = || {
            let own = HomePath::home(&user.name).href();
            DavError::new(StatusCode::NOT_FOUND, format!("no such calendar home; yours is {own}"))
        };
        // An administrator may use the realm repository by git; it is no calendar home.
        if owner != user.name {
            return Err(not_found());
        }
        let repository = service.store.repository(owner).map_err(|error| match error {
            Error::NoRepository(_) => not_found(),
            error => error.into(),
        })?;
        let pin = Rc::new(repository.pin());
        let root = match repository.reference(repository.head()) {
            Some(commit) => Some(repository.tree_of_commit(&commit)?),
            None => None,
        };
        Ok(Self { owner: owner.into(), repository, pin, collections: service.collections.clone(), root })
    }

    /// The home at its newest submitted commit, durable or not: what the next change builds on. It is that
    /// only until the next `await`.
    pub(crate) fn latest(&self) -> Result<Self, Error> {
        let root = match self.repository.latest_reference(self.repository.head()) {
            Some(commit) => Some(self.repository.tree_of_commit(&commit)?),
            None => None,
        };
        Ok(Self { root, ..self.clone() })
    }

    /// The home as directories and files.
    pub(crate) fn snapshot(&self) -> Snapshot<'_> {
        Snapshot::new(&self.repository, &self.collections, self.root)
    }

    /// What is at a path. A final slash is for collections only.
    ///
    /// # Errors
    /// 404 when nothing is there.
    pub(crate) fn node(&self, path: &HomePath) -> Result<Node, DavError> {
        match self.snapshot().find(&path.segments)? {
            Some(node) if !path.slash || node.directory().is_some() => Ok(node),
            _ => {
                let reason = format!("nothing is at {}", path.href());
                Err(DavError::new(StatusCode::NOT_FOUND, reason))
            }
        }
    }
}
