//! Transactions: new objects and reference updates, all or nothing.

use crate::{
    Error, Object, Objects, Pin, Repository, Tree,
    blob_chain::BlobEncoder,
    commit::{Cut, EncodedObject, PackToStore, Submission},
    core::Core,
    format::{
        operation::PackPlace,
        pack_index::{self, Ends},
        record::{Attributes, Record},
    },
    objects::{
        entry::{self, EntryHeader},
        fetch::{self, Fetched},
        pack::AdoptedPack,
    },
    pack::{Pace, PackStorage, ReceivedPack, records_of},
    pushed_chain::Depths,
    tree_chain::{self, Lineage, Link},
};
use bytes::Bytes;
use gix_hash::{ObjectId, oid};
use gix_object::{CommitRefIter, Kind, tree::EntryKind};
use std::{
    cell::RefCell,
    collections::HashMap,
    future::Future,
    pin,
    rc::Rc,
    task::{Context, Poll},
};

/// A pack smaller than this is taken apart, and its entries put into the log as they are: a pack of its
/// own takes whole segments.
pub(crate) const SMALL_PACK: usize = 512 << 10;
/// A whole tree is not worth a delta below this size in bytes.
const SMALL_TREE: usize = 128;

/// One change to a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeEdit {
    /// The entry's name.
    pub name: Vec<u8>,
    /// What it becomes; `None` removes it.
    pub entry: Option<(EntryKind, ObjectId)>,
}

/// One reference of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReferenceUpdate {
    /// Full name, such as `refs/heads/main`.
    pub name: String,
    /// The value it must have now; `None` when it must not exist.
    pub expected: Option<ObjectId>,
    /// Its new value; `None` deletes it.
    pub new: Option<ObjectId>,
}

/// Objects and reference updates that become visible together. Reads see the transaction's own objects.
pub struct Transaction {
    repository: Repository,
    /// What it was begun upon, and relies on, is not collected.
    pin: Pin,
    objects: HashMap<ObjectId, NewObject>,
    /// The objects in the order in which they came: bases before their deltas.
    order: Vec<ObjectId>,
    trees: RefCell<HashMap<ObjectId, Rc<Tree>>>,
    packs: Vec<NewPack>,
    updates: Vec<ReferenceUpdate>,
    cut: Cut,
}

struct NewObject {
    attributes: Attributes,
    form: Form,
    /// Its content, where that is at hand; that of an edited tree is among the trees.
    content: Option<Bytes>,
}

/// How a new object is going to be stored.
enum Form {
    /// As this entry.
    Entry(Bytes),
    /// As a blob that is encoded when all is known that it may be a delta against; among it what it takes the
    /// place of.
    Blob { former: Option<ObjectId> },
}

struct NewPack {
    adopted: Rc<AdoptedPack>,
    content: PackToStore,
}

impl Transaction {
    pub(crate) fn new(repository: Repository) -> Self {
        Self {
            pin: repository.pin(),
            repository,
            objects: HashMap::new(),
            order: Vec::new(),
            trees: RefCell::default(),
            packs: Vec::new(),
            updates: Vec::new(),
            cut: Cut::default(),
        }
    }

    /// The repository it is for.
    pub fn repository(&self) -> &Repository {
        &self.repository
    }

    /// Adds an object; one that the repository has already costs nothing.
    ///
    /// # Errors
    /// [`Error::Limit`] when it is larger than the store reads, [`Error::Malformed`] when it was made to
    /// collide with another.
    pub fn insert(&mut self, kind: Kind, data: impl Into<Bytes>) -> Result<ObjectId, Error> {
        let data = data.into();
        if data.len() as u64 > self.repository.core().options.max_object_size {
            return Err(Error::Limit(format!("an object of {} bytes", data.len())));
        }
        let id = entry::hash(kind, &data)?;
        if self.has(&id)? {
            return Ok(id);
        }
        let form = match kind {
            Kind::Blob if BlobEncoder::concerns(data.len()) => Form::Blob { former: None },
            _ => Form::Entry(entry::encode_whole(kind, &data).into()),
        };
        self.add(id, NewObject { attributes: Attributes::new(kind, None), form, content: Some(data) })?;
        Ok(id)
    }

    /// Makes the tree that results from `edits` upon `base` (an empty tree when `None`).
    ///
    /// It is stored as a delta against `base` or one of the trees that `base` was made from. A name may
    /// appear once in `edits`; an edit may turn a file into a directory or back.
    ///
    /// # Errors
    /// [`Error::InvalidName`] when a name cannot be that of an entry or appears twice.
    pub fn edit_tree(&mut self, base: Option<&ObjectId>, edits: &[TreeEdit]) -> Result<ObjectId, Error> {
        let (base_id, base) = match base {
            Some(id) => (Some(*id), self.tree(id)?),
            None => (None, Rc::new(Tree::default())),
        };
        let tree = match (base.edit(edits)?, base_id) {
            (Some(tree), _) => Rc::new(tree),
            (None, Some(base_id)) => return Ok(base_id),
            (None, None) => base,
        };
        for id in base_id.iter().chain(edits.iter().filter_map(|edit| Some(&edit.entry.as_ref()?.1))) {
            self.rely_on(id);
        }
        if let Some(base_id) = base_id {
            self.note_former_versions(&*self.tree(&base_id)?, edits);
        }
        let id = tree.id()?;
        if !self.has(&id)? {
            let (entry, step) = self.encode_tree(base_id, &tree)?;
            let attributes = Attributes::new(Kind::Tree, step);
            self.add(id, NewObject { attributes, form: Form::Entry(entry.into()), content: None })?;
        }
        self.trees.borrow_mut().insert(id, tree);
        Ok(id)
    }

    /// Notes of new blobs what they take the place of.
    fn note_former_versions(&mut self, base: &Tree, edits: &[TreeEdit]) {
        for TreeEdit { name, entry } in edits {
            if let Some((_, id)) = entry
                && let Some(NewObject { form: Form::Blob { former: former @ None }, .. }) =
                    self.objects.get_mut(id)
            {
                *former =
                    base.find(name).filter(|entry| entry.mode.is_blob()).map(|entry| entry.id.to_owned());
            }
        }
    }

    /// Encodes an edited tree, as a delta where that pays.
    fn encode_tree(&self, edited: Option<ObjectId>, tree: &Tree) -> Result<(Vec<u8>, Option<u16>), Error> {
        let whole = |step| Ok((entry::encode_whole(Kind::Tree, &tree.to_bytes()), step));
        let Some(edited) = edited else { return whole(None) };
        if tree.byte_len() < SMALL_TREE {
            return whole(None);
        }
        let plan = tree_chain::plan(edited, self)?;
        let Some((base, base_tree)) = plan.base else { return whole(Some(0)) };
        let delta = base_tree.delta(tree);
        if delta.len() > tree.byte_len() / 2 {
            return whole(Some(0));
        }
        Ok((entry::encode_delta(base, &delta), Some(plan.step)))
    }

    /// Adopts a complete pack (no bases outside it) with its version 2 index; it becomes part of the
    /// repository with the transaction.
    ///
    /// The caller has decoded every entry to compute its id; entries are verified again when read.
    ///
    /// # Errors
    /// [`Error::Malformed`] when pack and index are not of a kind or do not belong together.
    pub fn adopt_pack(&mut self, pack: Bytes, index: Bytes) -> Result<(), Error> {
        let records = records_of(&pack, &index)?;
        self.adopt_records(pack, records)
    }

    /// Adopts a complete pack in memory of these objects.
    fn adopt_records(&mut self, pack: Bytes, mut records: Vec<Record>) -> Result<(), Error> {
        let checksum =
            pack.last_chunk().map_or(ObjectId::null(gix_hash::Kind::Sha1), |id| ObjectId::Sha1(*id));
        let mut index = Vec::new();
        let (_, index_checksum) =
            pack_index::write(&mut records, &checksum, &Ends::default(), &mut |bytes| {
                index.extend_from_slice(bytes);
                Ok(())
            })?;
        let index = Bytes::from(index);
        let adopted = Rc::new(AdoptedPack::in_memory(pack.clone(), index.clone()));
        if pack.len() >= SMALL_PACK {
            let content = PackToStore::Memory { pack, index, index_checksum };
            self.packs.push(NewPack { adopted, content });
            return Ok(());
        }
        let mut depths = Depths::default();
        for position in adopted.positions()? {
            let position = position?;
            let id = adopted.id(position)?;
            if self.has(&id)? {
                continue;
            }
            if depths.is_too_deep(id, &adopted, self)? {
                self.insert_whole(&id, &adopted)?;
                continue;
            }
            let kind = adopted.kind(position)?;
            let bytes = adopted.entry(position)?;
            let header = EntryHeader::parse(&bytes)?;
            let base = adopted.base_id_of(position, &header)?;
            let entry = entry::with_stream(base, kind, header.inflated_size, header.stream(&bytes));
            let attributes = Attributes::new(kind, None);
            self.add(id, NewObject { attributes, form: Form::Entry(entry.into()), content: None })?;
        }
        Ok(())
    }

    /// Adds an object of a pack as a whole one.
    fn insert_whole(&mut self, id: &ObjectId, pack: &Rc<AdoptedPack>) -> Result<(), Error> {
        let fetch = |id: &oid| match pack.find(id)? {
            Some(position) => Ok(Fetched::Pack(pack.clone(), position)),
            None => self.repository.fetch(id),
        };
        let object = fetch::decode(id, &fetch, self.repository.core().options.max_object_size)?;
        let entry = entry::encode_whole(object.kind, &object.data).into();
        let attributes = Attributes::new(object.kind, None);
        self.add(*id, NewObject { attributes, form: Form::Entry(entry), content: None })
    }

    /// An object that the caller has not made, and that a reference is to name.
    pub(crate) fn rely_on(&self, id: &ObjectId) {
        if !self.objects.contains_key(id) {
            self.pin.add(*id);
        }
    }

    /// Adopts a pack that was received and completed.
    pub(crate) async fn adopt_received(
        &mut self,
        received: ReceivedPack,
        ends: &Ends,
        pace: &Pace,
    ) -> Result<(), Error> {
        let ReceivedPack { storage, mut records, checksum, .. } = received;
        let mut extent = match storage {
            PackStorage::Memory(pack) => return self.adopt_records(pack.into(), records),
            PackStorage::Device(extent) => extent,
        };
        let core = self.repository.core().clone();
        let pack_length = extent.length();
        let index_length = pack_index::length(records.len(), ends)?;
        extent.make_room(index_length + u64::from(core.disk.block_size), pace).await?;
        extent.pad_to_block()?;
        let index_offset = extent.length();
        let (index_length, index_checksum) =
            pack_index::write(&mut records, &checksum, ends, &mut |bytes| extent.append_within(bytes))?;
        let written = extent.finish()?;
        let place =
            PackPlace { extent: written.extent(), pack_length, index_offset, index_length, index_checksum };
        let adopted = Rc::new(AdoptedPack::on_device(core.disk.clone(), place));
        let content = PackToStore::Written { extent: written, adopted: adopted.clone(), place };
        self.packs.push(NewPack { adopted, content });
        Ok(())
    }

    /// Moves a reference, if it has the expected value when the transaction is submitted.
    pub fn update_reference(&mut self, update: ReferenceUpdate) {
        update.new.iter().for_each(|id| self.rely_on(id));
        self.updates.push(update);
    }

    /// Puts commits at the shallow boundary: their parents are not looked for from then on. `parents` are those
    /// that the repository has; somebody may be reading on there.
    pub(crate) fn cut(
        &mut self,
        commits: impl IntoIterator<Item = ObjectId>,
        parents: impl IntoIterator<Item = ObjectId>,
    ) {
        self.cut.commits.extend(commits);
        self.cut.parents.extend(parents);
    }

    /// Whether commits of it are put at the shallow boundary.
    pub(crate) fn cuts(&self) -> bool {
        !self.cut.commits.is_empty()
    }

    /// Submits everything at once. The order of submissions is the order of history.
    ///
    /// Does not wait for the device's flush: the returned future resolves when the transaction is durable,
    /// and drives the shared flush when awaited. Dropping it does not take the transaction back. Until
    /// then readers do not see the change, but [`Repository::latest_reference`] does.
    ///
    /// # Errors
    /// [`Error::ReferenceConflict`] when a reference is not as expected, [`Error::InvalidName`] and
    /// [`Error::NameConflict`] when it cannot be named so, [`Error::DeviceFull`], or [`Error::Device`];
    /// then nothing was changed.
    pub fn submit(mut self) -> Result<Commit, Error> {
        let mut objects = Vec::with_capacity(self.order.len());
        let mut contents = Vec::new();
        let mut blobs = BlobEncoder::new(&self.repository);
        for id in &self.order {
            let Some(object) = self.objects.remove(id) else { continue };
            let (entry, attributes) = match (object.form, &object.content) {
                (Form::Entry(entry), _) => (entry, object.attributes),
                (Form::Blob { former }, Some(content)) => {
                    let (entry, attributes) = blobs.encode(*id, content, former);
                    (entry.into(), attributes)
                }
                (Form::Blob { .. }, None) => continue,
            };
            if let Some(content) = object.content {
                contents.push((*id, object.attributes.kind(), content));
            }
            objects.push(EncodedObject { id: *id, attributes, entry });
        }
        let packs = self.packs.into_iter().map(|new| new.content).collect();
        let core = self.repository.core();
        let strands = self.updates.iter().map(|update| may_strand(update, &contents)).collect();
        let submission = Submission { objects, packs, updates: self.updates, strands, cut: self.cut };
        let number = core.submit(self.repository.state(), submission)?;
        blobs.submitted();
        // What was just written is what is read next.
        for (id, kind, content) in contents {
            if kind != Kind::Tree {
                self.repository.cache_object(id, kind, &content);
            }
        }
        for (id, tree) in self.trees.take() {
            self.repository.cache_tree(id, &tree);
            core.hashing_ahead.note(&tree);
        }
        Ok(Commit { core: core.clone(), number, polled: false, done: false })
    }

    fn has(&self, id: &ObjectId) -> Result<bool, Error> {
        if self.objects.contains_key(id) {
            return Ok(true);
        }
        let present = self.repository.state().borrow().contains(id)?;
        if present {
            // It may be one that no reference reaches, and be collected before this is submitted.
            self.pin.add(*id);
        }
        Ok(present)
    }

    fn add(&mut self, id: ObjectId, object: NewObject) -> Result<(), Error> {
        if let Form::Entry(entry) = &object.form
            && u32::try_from(entry.len()).is_err()
        {
            return Err(Error::Limit(format!("object {id} of {} bytes", entry.len())));
        }
        self.objects.insert(id, object);
        self.order.push(id);
        Ok(())
    }

    fn fetch(&self, id: &oid) -> Result<Fetched, Error> {
        if let Some(tree) = self.trees.borrow().get(id) {
            return Ok(Fetched::Object(Object { kind: Kind::Tree, data: tree.to_bytes() }));
        }
        if let Some(object) = self.objects.get(id) {
            match (&object.content, &object.form) {
                (Some(content), _) => {
                    let object = Object { kind: object.attributes.kind(), data: content.clone() };
                    return Ok(Fetched::Object(object));
                }
                (None, Form::Entry(entry)) => return Ok(Fetched::Entry(entry.clone())),
                (None, Form::Blob { .. }) => {}
            }
        }
        for new in &self.packs {
            if let Some(position) = new.adopted.find(id)? {
                return Ok(Fetched::Pack(new.adopted.clone(), position));
            }
        }
        self.repository.fetch(id)
    }
}

/// Whether objects may become unreachable by this update: not when a reference moves on to a commit made upon
/// the one that it has. `contents` are the new objects whose content is at hand.
fn may_strand(update: &ReferenceUpdate, contents: &[(ObjectId, Kind, Bytes)]) -> bool {
    let Some(old) = update.expected else { return false };
    let Some(new) = update.new else { return true };
    let content = contents.iter().rev().find(|(id, ..)| *id == new);
    old != new
        && !content.is_some_and(|(_, kind, data)| {
            *kind == Kind::Commit
                && CommitRefIter::from_bytes(data, gix_hash::Kind::Sha1).parent_ids().any(|id| id == old)
        })
}

impl Lineage for Transaction {
    fn link(&self, id: &oid) -> Result<Link, Error> {
        let Some(object) = self.objects.get(id) else { return self.repository.link(id) };
        let base = match &object.form {
            Form::Entry(entry) => entry::base_by_id(entry)?,
            Form::Blob { .. } => None,
        };
        Ok(Link { attributes: Some(object.attributes), base })
    }

    fn tree_on_chain(&self, id: &ObjectId) -> Result<Rc<Tree>, Error> {
        self.tree(id)
    }
}

impl Objects for Transaction {
    fn object(&self, id: &ObjectId) -> Result<Object, Error> {
        match self.fetch(id)? {
            Fetched::Object(object) => Ok(object),
            _ => {
                let limit = self.repository.core().options.max_object_size;
                fetch::decode(id, &|id: &oid| self.fetch(id), limit)
            }
        }
    }

    fn is_shallow(&self, id: &ObjectId) -> bool {
        self.cut.commits.contains(id) || self.repository.is_shallow(id)
    }

    fn tree(&self, id: &ObjectId) -> Result<Rc<Tree>, Error> {
        if let Some(tree) = self.trees.borrow().get(id) {
            return Ok(tree.clone());
        }
        if !self.objects.contains_key(id) && self.repository.contains(id) {
            return self.repository.tree(id);
        }
        let object = self.object(id)?;
        if object.kind != Kind::Tree {
            return Err(Error::UnexpectedKind(*id));
        }
        let tree = Rc::new(Tree::decode(object.data)?);
        self.trees.borrow_mut().insert(*id, tree.clone());
        Ok(tree)
    }
}

/// Resolves when a submitted transaction is durable.
///
/// Dropped before that, the transaction stays submitted: it is made durable with the next one, or by
/// [`Store::sync`](crate::Store::sync) or [`Store::close`](crate::Store::close).
#[must_use = "the transaction is not durable before this resolves"]
pub struct Commit {
    core: Rc<Core>,
    number: u64,
    polled: bool,
    done: bool,
}

impl Commit {
    /// Waits for all transactions up to a number.
    pub(crate) fn new(core: Rc<Core>, number: u64) -> Self {
        Self { core, number, polled: false, done: false }
    }
}

impl Future for Commit {
    type Output = Result<(), Error>;

    fn poll(mut self: pin::Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if !self.polled {
            // Others that are ready to run may submit first, and share the flush.
            self.polled = true;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let result = self.core.poll_durable(self.number, context);
        self.done = result.is_ready();
        result
    }
}

impl Drop for Commit {
    fn drop(&mut self) {
        if !self.done {
            // Nobody may be left to carry the flush on; begin it at least.
            self.core.begin_flush();
        }
    }
}
