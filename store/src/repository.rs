//! One repository: objects and references.

use crate::{
    EncodedEntry, Error, Object, ObjectHeader, Objects, Transaction, Tree, memory::MemoryRepository,
};
use gix_hash::ObjectId;
use gix_object::Kind;
use std::{cell::RefCell, rc::Rc};

/// A reference and the object it names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// Full name, such as `refs/heads/main`.
    pub name: String,
    /// The object.
    pub id: ObjectId,
}

/// A handle to one repository of a [`Store`](crate::Store). Cloning is cheap.
#[derive(Clone)]
pub struct Repository {
    name: Rc<str>,
    core: Rc<RefCell<MemoryRepository>>,
}

impl Repository {
    pub(crate) fn new(name: Rc<str>, core: Rc<RefCell<MemoryRepository>>) -> Self {
        Self { name, core }
    }

    pub(crate) fn core(&self) -> &RefCell<MemoryRepository> {
        &self.core
    }

    /// Its name in the store, without `.git`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The branch that HEAD names.
    pub fn head(&self) -> &'static str {
        "refs/heads/main"
    }

    /// All durable references, sorted by name.
    pub fn references(&self) -> Vec<Reference> {
        let core = self.core.borrow();
        core.references.iter().map(|(name, id)| Reference { name: name.clone(), id: *id }).collect()
    }

    /// A reference as of the last durable transaction: what readers must use.
    pub fn reference(&self, name: &str) -> Option<ObjectId> {
        self.core.borrow().references.get(name).copied()
    }

    /// A reference as of the last submitted transaction, durable or not: what the next writer builds on.
    pub fn latest_reference(&self, name: &str) -> Option<ObjectId> {
        self.core.borrow().references.get(name).copied()
    }

    /// Whether the object is here.
    pub fn contains(&self, id: &ObjectId) -> bool {
        self.core.borrow().objects.contains_key(id)
    }

    /// Kind and size of an object, cheaper than the object.
    pub fn header(&self, id: &ObjectId) -> Result<ObjectHeader, Error> {
        let object = self.object(id)?;
        Ok(ObjectHeader { kind: object.kind, size: object.data.len() as u64 })
    }

    /// The object as it is stored, for copying into a pack.
    pub fn encoded(&self, id: &ObjectId) -> Result<EncodedEntry, Error> {
        self.core.borrow().encoded(id)
    }

    /// Begins a transaction. It holds nothing until it is submitted, and may be dropped.
    pub fn transaction(&self) -> Transaction {
        Transaction::new(self.clone())
    }
}

impl Objects for Repository {
    fn object(&self, id: &ObjectId) -> Result<Object, Error> {
        self.core.borrow().objects.get(id).cloned().ok_or(Error::NoObject(*id))
    }

    fn tree(&self, id: &ObjectId) -> Result<Rc<Tree>, Error> {
        let object = self.object(id)?;
        if object.kind != Kind::Tree {
            return Err(Error::UnexpectedKind(*id));
        }
        Ok(Rc::new(Tree::decode(object.data)?))
    }
}
