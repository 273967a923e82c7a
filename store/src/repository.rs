//! One repository: objects and references.

use crate::{
    EncodedEntry, Error, Object, ObjectHeader, Objects, Pin, Transaction, Tree,
    core::{Core, RepositoryState},
    objects::{
        delta,
        entry::{EntryContent, EntryHeader, MAX_ENTRY_HEADER},
        fetch::Fetched,
        zlib,
    },
    retention::ShallowList,
    tree_chain::Link,
};
use bytes::Bytes;
use gix_hash::{ObjectId, oid};
use gix_object::Kind;
use std::{cell::RefCell, collections::HashMap, rc::Rc};

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
    core: Rc<Core>,
    state: Rc<RefCell<RepositoryState>>,
    /// The shallow list that this handle goes by, if not by that of the moment.
    shallow: Option<ShallowList>,
}

impl Repository {
    pub(crate) fn new(core: Rc<Core>, state: Rc<RefCell<RepositoryState>>) -> Self {
        let name = state.borrow().name.as_str().into();
        Self { name, core, state, shallow: None }
    }

    pub(crate) fn core(&self) -> &Rc<Core> {
        &self.core
    }

    pub(crate) fn state(&self) -> &Rc<RefCell<RepositoryState>> {
        &self.state
    }

    /// A handle for which the boundary stays where it is: for whoever walks the history, gives way, and walks
    /// on. With a pin that was taken before, what the walk finds is there.
    pub(crate) fn held(&self) -> Self {
        Self { shallow: Some(self.shallow_list()), ..self.clone() }
    }

    /// The commits whose parents are not looked for.
    pub(crate) fn shallow_list(&self) -> ShallowList {
        self.shallow.clone().unwrap_or_else(|| self.state.borrow().shallow.clone())
    }

    /// So many commits are no longer reachable.
    pub(crate) fn note_cut(&self, given_back: u64) {
        let mut state = self.state.borrow_mut();
        state.compaction.note_cut(given_back);
        drop(state);
        self.core.state.borrow_mut().compaction.look();
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
        self.core.advance();
        let state = self.state.borrow();
        state.references.iter().map(|(name, id)| Reference { name: name.clone(), id: *id }).collect()
    }

    /// A reference as of the last durable transaction: what readers must use.
    pub fn reference(&self, name: &str) -> Option<ObjectId> {
        self.core.advance();
        self.state.borrow().references.get(name).copied()
    }

    /// A reference as of the last submitted transaction, durable or not: what the next writer builds on.
    pub fn latest_reference(&self, name: &str) -> Option<ObjectId> {
        self.state.borrow().latest(name)
    }

    /// Whether the object is here. Objects of submitted transactions are, durable or not.
    pub fn contains(&self, id: &ObjectId) -> bool {
        self.state.borrow().contains(id).unwrap_or(false)
    }

    /// Number of objects. One that is in a pack and in the log, or in several packs, counts as often.
    pub fn object_count(&self) -> Result<usize, Error> {
        let state = self.state.borrow();
        state.packs.iter().try_fold(state.index.len(), |sum, pack| Ok(sum + pack.len()?))
    }

    /// Kind and size of an object, cheaper than the object: no delta is applied, and only its start is read.
    pub fn header(&self, id: &ObjectId) -> Result<ObjectHeader, Error> {
        if let Fetched::Object(object) = self.core.fetch(&self.state, id)? {
            return Ok(ObjectHeader { kind: object.kind, size: object.data.len() as u64 });
        }
        // The sizes that a delta begins with take 18 bytes at most; what inflates to them, a few more.
        const START: u32 = MAX_ENTRY_HEADER as u32 + 64;
        let state = self.state.borrow();
        let record = state.index.get(id);
        let (bytes, kind) = match record {
            Some(record) => {
                let bytes = self.core.read_data(record.offset(), record.length().min(START))?;
                (bytes, record.attributes().kind())
            }
            None => {
                let mut found = None;
                for pack in &state.packs {
                    if let Some((position, kind)) = pack.find_with_kind(id)? {
                        found = Some((pack.start_of_entry(position, START.into())?, kind));
                        break;
                    }
                }
                found.ok_or(Error::NoObject(*id))?
            }
        };
        let header = EntryHeader::parse(&bytes)?;
        let size = match header.content {
            EntryContent::Whole(_) => header.inflated_size,
            _ => delta::sizes(&zlib::inflate_start(header.stream(&bytes), 32)?)?.1,
        };
        Ok(ObjectHeader { kind, size })
    }

    /// The kind of an object.
    pub(crate) fn kind(&self, id: &ObjectId) -> Result<Kind, Error> {
        let state = self.state.borrow();
        if let Some(record) = state.index.get(id) {
            return Ok(record.attributes().kind());
        }
        for pack in &state.packs {
            if let Some((_, kind)) = pack.find_with_kind(id)? {
                return Ok(kind);
            }
        }
        Err(Error::NoObject(*id))
    }

    /// The object as it is stored, for copying into a pack: not verified, which whoever unpacks it does.
    pub fn encoded(&self, id: &ObjectId) -> Result<EncodedEntry, Error> {
        let state = self.state.borrow();
        let attributes = state.index.get(id).map(|record| record.attributes());
        let fetched = self.core.fetch_encoded(state, id)?;
        let (bytes, kind, base_at) = match fetched {
            Fetched::Entry(bytes) => {
                let kind = attributes.ok_or(Error::NoObject(*id))?.kind();
                (bytes, kind, None)
            }
            Fetched::Pack(pack, position) => {
                let kind = pack.kind(position)?;
                (pack.entry(position)?, kind, Some((pack, position)))
            }
            Fetched::Object(_) => return Err(Error::NoObject(*id)),
        };
        let header = EntryHeader::parse(&bytes)?;
        let delta_base = match (header.content, base_at) {
            (_, Some((pack, position))) => pack.base_id_of(position, &header)?,
            (EntryContent::Whole(_), None) => None,
            (EntryContent::ReferenceDelta(base), None) => Some(base),
            (EntryContent::OffsetDelta(_), None) => {
                let reason = "its delta's base is given by offset, outside a pack".into();
                return Err(Error::Damaged { id: *id, reason });
            }
        };
        let zlib = bytes.slice(header.length.min(bytes.len())..);
        Ok(EncodedEntry { kind, delta_base, inflated_size: header.inflated_size, zlib })
    }

    /// How a tree or a blob is stored, from memory if it was stored or asked for not long ago.
    pub(crate) fn link(&self, id: &oid) -> Result<Link, Error> {
        let key = (self.state.borrow().number, id.to_owned());
        if let Some(link) = self.core.links.borrow_mut().get(&key) {
            return Ok(link);
        }
        let link = self.read_link(id)?;
        self.core.links.borrow_mut().insert(key, link);
        Ok(link)
    }

    fn read_link(&self, id: &oid) -> Result<Link, Error> {
        let state = self.state.borrow();
        if let Some(record) = state.index.get(id) {
            let length = record.length().min(MAX_ENTRY_HEADER as u32);
            let header = EntryHeader::parse(&self.core.read_data(record.offset(), length)?)?;
            let base = match header.content {
                EntryContent::Whole(_) => None,
                EntryContent::ReferenceDelta(base) => Some(base),
                EntryContent::OffsetDelta(_) => {
                    return Err(Error::Damaged {
                        id: id.to_owned(),
                        reason: "an offset outside a pack".into(),
                    });
                }
            };
            return Ok(Link { attributes: Some(record.attributes()), base });
        }
        for pack in &state.packs {
            if let Some(position) = pack.find(id)? {
                return Ok(Link { attributes: None, base: pack.base_id(position)? });
            }
        }
        Err(Error::NoObject(id.to_owned()))
    }

    /// While the pin lives, nothing is collected that the references reach now: for what reads on while
    /// others run.
    pub fn pin(&self) -> Pin {
        Pin::new(&self.state.borrow().pins)
    }

    /// Begins a transaction. It holds nothing until it is submitted, and may be dropped.
    pub fn transaction(&self) -> Transaction {
        Transaction::new(self.clone())
    }

    /// A tree that is probably like another, an earlier or later version of it.
    pub(crate) fn tree_near(&self, id: &ObjectId, near: Option<&Tree>) -> Result<Rc<Tree>, Error> {
        self.core.tree(&self.state, id, near)
    }

    pub(crate) fn fetch(&self, id: &oid) -> Result<Fetched, Error> {
        self.core.fetch(&self.state, id)
    }

    /// Hands a decoded tree to the cache.
    pub(crate) fn cache_tree(&self, id: ObjectId, tree: &Rc<Tree>) {
        self.core.cache_tree((self.state.borrow().number, id), tree);
    }

    /// Hands a decoded object to the cache.
    pub(crate) fn cache_object(&self, id: ObjectId, kind: Kind, data: &Bytes) {
        let key = (self.state.borrow().number, id);
        let object = Object { kind, data: data.clone() };
        self.core.objects.borrow_mut().insert(key, object);
    }
}

impl Objects for Repository {
    fn object(&self, id: &ObjectId) -> Result<Object, Error> {
        self.core.object(&self.state, id)
    }

    fn tree(&self, id: &ObjectId) -> Result<Rc<Tree>, Error> {
        self.core.tree(&self.state, id, None)
    }

    fn is_shallow(&self, id: &ObjectId) -> bool {
        match &self.shallow {
            Some(held) => held.contains(id),
            None => self.state.borrow().shallow.contains(id),
        }
    }

    fn sort_for_reading(&self, ids: &mut [ObjectId]) -> Result<(), Error> {
        let state = self.state.borrow();
        let mut places = HashMap::with_capacity(ids.len());
        for id in ids.iter() {
            if let Some(record) = state.index.get(id) {
                places.insert(*id, (0, record.offset()));
                continue;
            }
            for (number, pack) in state.packs.iter().enumerate() {
                if let Some(position) = pack.find(id)? {
                    places.insert(*id, (number + 1, position.offset()));
                    break;
                }
            }
        }
        ids.sort_by_cached_key(|id| places.get(id).copied());
        Ok(())
    }
}
