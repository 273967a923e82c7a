//! Reads objects as the device has them, past the caches of the store.

use crate::{
    Error, Object,
    core::{Core, RepositoryState},
    objects::{
        cache::{Bounds, Cache},
        delta,
        entry::{EntryContent, EntryHeader, verify},
        fetch::{self, Fetched},
        pack::{AdoptedPack, PackPosition},
    },
};
use bytes::Bytes;
use gix_hash::{ObjectId, oid};
use gix_object::Kind;
use std::{cell::RefCell, rc::Rc};

/// The objects of one repository.
pub(crate) struct Resolver<'a> {
    core: &'a Core,
    repository: &'a RefCell<RepositoryState>,
    bases: RefCell<Cache<ObjectId, Object>>,
}

/// Where a copy of an object is stored.
pub(crate) enum Copy {
    /// In the log, or in an extent of its own.
    Log,
    /// In a pack.
    Pack(Rc<AdoptedPack>, PackPosition),
}

impl<'a> Resolver<'a> {
    /// Keeps so many bytes of decoded objects as bases of deltas.
    pub(crate) fn new(core: &'a Core, repository: &'a RefCell<RepositoryState>, bases: usize) -> Self {
        Self { core, repository, bases: RefCell::new(Cache::new(Bounds::bytes(bases))) }
    }

    /// The object of a stored copy, whose encoding is `entry`: all of it must be its entry.
    pub(crate) fn copy(&self, id: &ObjectId, entry: &Bytes, copy: &Copy) -> Result<Object, Error> {
        let limit = self.core.options.max_object_size;
        let header = EntryHeader::parse(entry)?;
        let (content, length) = header.inflate(entry, limit)?;
        if header.length + length != entry.len() {
            let excess = entry.len() - header.length - length;
            return Err(Error::Malformed(format!("{excess} bytes follow its zlib stream")));
        }
        let base = match (header.content, copy) {
            (EntryContent::Whole(kind), _) => {
                verify(id, kind, &content)?;
                return Ok(self.keep(*id, Object { kind, data: content.into() }));
            }
            (EntryContent::ReferenceDelta(base), _) => self.object(&base)?,
            (EntryContent::OffsetDelta(distance), Copy::Pack(pack, position)) => {
                let base = pack.base(*position, distance)?;
                let base_id = pack.id(base)?;
                self.resolve(&base_id, Some(Fetched::Pack(pack.clone(), base)))?
            }
            (EntryContent::OffsetDelta(_), Copy::Log) => {
                return Err(Error::Malformed("its delta's base is given by offset, outside a pack".into()));
            }
        };
        let data = Bytes::from(delta::apply(&base.data, &content, limit)?);
        verify(id, base.kind, &data)?;
        Ok(self.keep(*id, Object { kind: base.kind, data }))
    }

    /// An object, from the first place that has it.
    pub(crate) fn object(&self, id: &ObjectId) -> Result<Object, Error> {
        self.resolve(id, None)
    }

    fn resolve(&self, id: &ObjectId, mut at: Option<Fetched>) -> Result<Object, Error> {
        if let Some(object) = self.bases.borrow_mut().get(id) {
            return Ok(object);
        }
        let at = RefCell::new(at.take());
        let fetch = |wanted: &oid| match at.borrow_mut().take() {
            Some(fetched) => Ok(fetched),
            None => self.fetch(wanted),
        };
        let object = fetch::decode(id, &fetch, self.core.options.max_object_size)?;
        Ok(self.keep(*id, object))
    }

    fn fetch(&self, id: &oid) -> Result<Fetched, Error> {
        if let Some(object) = self.bases.borrow_mut().get(&id.to_owned()) {
            return Ok(Fetched::Object(object));
        }
        self.core.fetch_encoded(self.repository.borrow(), id)
    }

    fn keep(&self, id: ObjectId, object: Object) -> Object {
        self.bases.borrow_mut().insert(id, object.clone());
        object
    }

    /// Whether the repository has an object, and its kind if that can be told without reading it.
    pub(crate) fn kind(&self, id: &oid) -> Result<Option<Kind>, Error> {
        let state = self.repository.borrow();
        if let Some(record) = state.index.get(id) {
            return Ok(Some(record.attributes().kind()));
        }
        for pack in &state.packs {
            // A pack whose index is damaged has been reported.
            if let Ok(Some((_, kind))) = pack.find_with_kind(id) {
                return Ok(Some(kind));
            }
        }
        Ok(None)
    }
}
