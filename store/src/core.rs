//! What all handles to a store share.

use crate::{
    Error, Object, Tree,
    checkpointing::PreparedCheckpoint,
    compaction::{CompactionState, RepositoryCompaction},
    disk::Disk,
    format::{
        layout::{Extent, segments_of},
        operation::PackPlace,
        secrets::Secrets,
        superblock::CheckpointPlace,
    },
    group_commit::{Flight, Wakers},
    hashing_ahead::HashingAhead,
    log::Log,
    objects::{
        blob_bases::AllBlobBases,
        cache::{Bounds, Cache},
        entry::{EntryContent, EntryHeader},
        fetch::{self, Fetched},
        index::ObjectIndex,
        pack::AdoptedPack,
    },
    pins::Pins,
    retention::ShallowList,
    space::Space,
    tree_chain::Link,
};
use bytes::Bytes;
use gix_hash::{ObjectId, oid};
use gix_object::Kind;
use std::{
    cell::{Cell, Ref, RefCell},
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    rc::Rc,
    sync::Arc,
};

/// How much memory a store may use for what it has decoded, and how often it makes a checkpoint.
#[derive(Clone, Debug)]
pub struct OpenOptions {
    /// Bytes of decoded objects other than trees to keep: an event takes some 700.
    pub object_cache: usize,
    /// Bytes of decoded trees to keep, of which more than 2 MiB only for the 80 used last. A tree of 10,000
    /// events takes 0.8 MB, and each further version of it 8 KB.
    pub tree_cache: usize,
    /// Bytes of pages of pack indexes to keep. The whole index of a pack takes 42 bytes an object.
    pub index_cache: usize,
    /// Bytes of objects of packs to keep as bases of deltas, of which more than 1 MiB only for the 2 used last.
    pub base_cache: usize,
    /// The largest object that is read or written, in bytes.
    pub max_object_size: u64,
    /// Bytes of log after which a checkpoint is made, or four times the last checkpoint if that is more.
    /// Opening the store reads no more log than this.
    pub checkpoint_after: u64,
}

impl Default for OpenOptions {
    /// For a device whose blocks somebody else keeps in memory, as a host does: what is read again is not
    /// waited for, and most of the caches are there for what is asked for all the time.
    fn default() -> Self {
        Self {
            object_cache: 6 << 20,
            tree_cache: 32 << 20,
            index_cache: 2 << 20,
            base_cache: 16 << 20,
            max_object_size: 256 << 20,
            checkpoint_after: 8 << 20,
        }
    }
}

impl OpenOptions {
    /// Options for a store whose caches may take so many bytes of memory in all, of which they take at most
    /// 96 MiB.
    pub fn within(memory: usize) -> Self {
        let sixth = memory.min(96 << 20) / 6;
        Self {
            object_cache: 2 * sixth,
            tree_cache: 2 * sixth,
            index_cache: sixth,
            base_cache: sixth,
            ..Self::default()
        }
    }

    /// Versions of a directory are made of their deltas sooner than a large directory is read.
    pub(crate) fn tree_bounds(&self) -> Bounds {
        Bounds { many: self.tree_cache.min(2 << 20), few: 80, most: self.tree_cache }
    }

    /// Without its base, a large object is made of all of its chain again.
    pub(crate) fn base_bounds(&self) -> Bounds {
        Bounds { many: self.base_cache.min(1 << 20), few: 2, most: self.base_cache }
    }
}

/// The inside of a store.
pub(crate) struct Core {
    pub(crate) disk: Disk,
    pub(crate) uuid: u128,
    pub(crate) seed: u64,
    /// Bytes of the device that are used.
    pub(crate) capacity: Cell<u64>,
    pub(crate) options: OpenOptions,
    pub(crate) state: RefCell<State>,
    pub(crate) objects: RefCell<Cache<(u32, ObjectId), Object>>,
    pub(crate) trees: RefCell<Cache<(u32, ObjectId), Rc<Tree>>>,
    /// What new blobs may be stored as deltas against.
    pub(crate) blob_bases: RefCell<AllBlobBases>,
    /// How trees and blobs are stored, for the chains that the next ones go on.
    pub(crate) links: RefCell<Cache<(u32, ObjectId), Link>>,
    pub(crate) hashing_ahead: HashingAhead,
    pub(crate) wakers: Arc<Wakers>,
}

/// What changes. No borrow of it is held across a call from outside.
pub(crate) struct State {
    pub(crate) repositories: BTreeMap<String, Rc<RefCell<RepositoryState>>>,
    pub(crate) next_repository: u32,
    pub(crate) secrets: Secrets,
    pub(crate) secrets_generation: u64,
    /// A slot that holds the newest secrets whole.
    pub(crate) secrets_slot: usize,
    pub(crate) log: Log,
    pub(crate) space: Space,
    /// The segments that hold log or large objects.
    pub(crate) data_segments: BTreeSet<u32>,
    /// Number of the last submitted transaction.
    pub(crate) submitted: u64,
    /// Number of the last durable transaction.
    pub(crate) durable: u64,
    /// Submitted transactions that are not durable, oldest first.
    pub(crate) queue: VecDeque<Submitted>,
    /// Whether data was written to extents that the frames to come refer to.
    pub(crate) extents_unflushed: bool,
    /// The flush under way.
    pub(crate) flight: Option<Flight>,
    /// The checkpoint that the next mount starts from.
    pub(crate) checkpoint: CheckpointPlace,
    pub(crate) generation: u64,
    /// Which of the two superblocks is the newest.
    pub(crate) superblock_slot: usize,
    /// The checkpoint under way.
    pub(crate) prepared: Option<PreparedCheckpoint>,
    /// Bytes of log after which the next checkpoint is due.
    pub(crate) checkpoint_due: u64,
    /// Repositories that were removed while somebody was reading them.
    pub(crate) removed: Vec<Rc<RefCell<RepositoryState>>>,
    /// Whether what a removed repository had was given up since, or records dropped: segments can be freed.
    pub(crate) removed_since_checkpoint: bool,
    /// Packs that repositories no longer have. They are given up when nobody reads them.
    pub(crate) dropped_packs: Vec<Rc<AdoptedPack>>,
    /// What compaction has to do, and whether it is at work.
    pub(crate) compaction: CompactionState,
    /// Bytes of the device that the next checkpoint's superblock names: more than are used yet when the
    /// device has grown.
    pub(crate) capacity_to_come: u64,
    /// Whether both superblocks name it but one.
    pub(crate) capacity_named: bool,
    /// The device failed; nothing more is written.
    pub(crate) failure: Option<Error>,
    /// What the mount found that an operator should know.
    pub(crate) notices: Vec<String>,
}

/// What space is needed for. The device is full for new files first, and for management last.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Anything with new files.
    Data,
    /// A small transaction without blobs: it removes entries, or moves references.
    Deletion,
    /// A pack that takes the place of what it is made of.
    Compaction,
    /// Repositories are made and removed, checkpoints are made.
    Management,
}

/// A submitted transaction that is not durable yet.
pub(crate) struct Submitted {
    pub(crate) number: u64,
    pub(crate) repository: Rc<RefCell<RepositoryState>>,
    pub(crate) updates: Vec<SubmittedUpdate>,
}

/// A reference of a submitted transaction.
pub(crate) struct SubmittedUpdate {
    pub(crate) name: String,
    pub(crate) new: Option<ObjectId>,
    /// Objects that the value before reached may be unreachable then.
    pub(crate) strands: bool,
}

/// One repository.
#[derive(Default)]
pub(crate) struct RepositoryState {
    pub(crate) number: u32,
    pub(crate) name: String,
    /// The durable references.
    pub(crate) references: BTreeMap<String, ObjectId>,
    /// References that transactions not yet durable have moved, and the last such transaction.
    pub(crate) moved: HashMap<String, (u64, Option<ObjectId>)>,
    pub(crate) index: ObjectIndex,
    pub(crate) packs: Vec<Rc<AdoptedPack>>,
    /// The commits whose parents it does without, as of the last submitted transaction.
    pub(crate) shallow: ShallowList,
    pub(crate) removed: bool,
    pub(crate) pins: Rc<RefCell<Pins>>,
    /// How often references were moved so that objects may have become unreachable, since these were
    /// collected last.
    pub(crate) stranding_moves: u64,
    /// What is added while a collection is under way.
    pub(crate) journal: Option<Journal>,
    /// What compaction remembers of it.
    pub(crate) compaction: RepositoryCompaction,
}

/// Objects added to a repository.
#[derive(Default)]
pub(crate) struct Journal {
    /// To the log, or in extents of their own.
    pub(crate) objects: Vec<ObjectId>,
    pub(crate) packs: Vec<Rc<AdoptedPack>>,
}

impl RepositoryState {
    /// A reference as of the last submitted transaction.
    pub(crate) fn latest(&self, name: &str) -> Option<ObjectId> {
        match self.moved.get(name) {
            Some((_, id)) => *id,
            None => self.references.get(name).copied(),
        }
    }

    /// All references as of the last submitted transaction.
    pub(crate) fn latest_references(&self) -> BTreeMap<String, ObjectId> {
        let mut references = self.references.clone();
        for (name, (_, id)) in &self.moved {
            match id {
                Some(id) => references.insert(name.clone(), *id),
                None => references.remove(name),
            };
        }
        references
    }

    /// Whether somebody reads it for longer than a moment.
    pub(crate) fn is_pinned(&self) -> bool {
        self.pins.borrow().any()
    }

    /// The segments of the log and of large objects that its objects are in; most come several times.
    pub(crate) fn segments(&self) -> impl Iterator<Item = u32> {
        self.index.iter().flat_map(|record| segments_of(record.offset(), record.length().into()))
    }

    /// Where its packs are on the device.
    pub(crate) fn pack_places(&self) -> impl Iterator<Item = PackPlace> {
        self.packs.iter().filter_map(|pack| pack.place())
    }

    pub(crate) fn contains(&self, id: &oid) -> Result<bool, Error> {
        if self.index.get(id).is_some() {
            return Ok(true);
        }
        for pack in &self.packs {
            if pack.find(id)?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl State {
    /// Fails when the store takes no more writes.
    pub(crate) fn check_writable(&self) -> Result<(), Error> {
        self.failure.clone().map_or(Ok(()), Err)
    }

    /// Segments that a transaction must leave free.
    pub(crate) fn reserve(&self, capacity: u64, purpose: Purpose) -> u32 {
        let segments = segments_of(0, capacity).len() as u32;
        let checkpoint = self.checkpoint.extent.count;
        // Room to remove a repository and to make the checkpoint that frees its space.
        let management = checkpoint.saturating_add(1).min(segments / 8);
        let deletion =
            (segments / 64).clamp(1, 32).saturating_add(checkpoint.saturating_mul(2)).min(segments / 4);
        match purpose {
            Purpose::Management => 0,
            Purpose::Deletion | Purpose::Compaction => management,
            Purpose::Data => management.saturating_add(deletion).min(segments / 4),
        }
    }

    /// Whether a checkpoint frees space.
    pub(crate) fn reclaim_pays(&self, capacity: u64) -> bool {
        // The previous checkpoint itself is always retained, and nothing is gained by replacing it.
        self.removed_since_checkpoint
            || self.removed.iter().any(|removed| !removed.borrow().is_pinned())
            || self.capacity_to_come > capacity
            || self.dropped_packs.iter().any(|pack| Rc::strong_count(pack) == 1)
            || self.space.segments_to_come() > 2 * self.checkpoint.extent.count + 2
    }

    /// Gives up what removed repositories have that nobody reads any more.
    pub(crate) fn give_up_removed(&mut self) {
        let (read, unread) =
            std::mem::take(&mut self.removed).into_iter().partition(|removed| removed.borrow().is_pinned());
        self.removed = read;
        for removed in unread {
            let mut removed = removed.borrow_mut();
            removed.index = Default::default();
            self.dropped_packs.append(&mut removed.packs);
            self.removed_since_checkpoint = true;
        }
    }

    /// Where packs are that no repository has any more, and that somebody still reads.
    pub(crate) fn packs_still_read(&self) -> Vec<Extent> {
        let dropped = self.dropped_packs.iter().filter_map(|pack| pack.place());
        let mut extents: Vec<Extent> = dropped.map(|place| place.extent).collect();
        for removed in &self.removed {
            extents.extend(removed.borrow().pack_places().map(|place| place.extent));
        }
        extents
    }

    /// Notes that the segments of an extent hold data.
    pub(crate) fn add_data(&mut self, extent: Extent) {
        self.data_segments.extend(extent.segments());
    }
}

impl Core {
    /// Bytes of the log or of a large object, whether on the device already or not.
    pub(crate) fn read_data(&self, offset: u64, length: u32) -> Result<Bytes, Error> {
        if let Some(bytes) = self.state.borrow().log.read(offset, length as usize) {
            return Ok(bytes);
        }
        self.disk.read(offset, length as usize)
    }

    /// Finds an object of a repository.
    pub(crate) fn fetch(&self, repository: &RefCell<RepositoryState>, id: &oid) -> Result<Fetched, Error> {
        let state = repository.borrow();
        match self.cached(state.number, id) {
            Some(object) => Ok(Fetched::Object(object)),
            None => self.fetch_encoded(state, id),
        }
    }

    /// An object that was read or written not long ago.
    pub(crate) fn cached(&self, repository: u32, id: &oid) -> Option<Object> {
        let key = (repository, id.to_owned());
        if let Some(object) = self.objects.borrow_mut().get(&key) {
            return Some(object);
        }
        let tree = self.trees.borrow_mut().get(&key)?;
        Some(Object { kind: Kind::Tree, data: tree.to_bytes() })
    }

    /// Forgets what is decoded: some of it is going to be gone, and must not be found any more.
    pub(crate) fn forget_decoded(&self) {
        *self.objects.borrow_mut() = Cache::new(Bounds::bytes(self.options.object_cache));
        *self.trees.borrow_mut() = Cache::new(self.options.tree_bounds());
        *self.blob_bases.borrow_mut() = AllBlobBases::new();
        self.links.borrow_mut().clear();
    }

    /// Finds an object of a repository as it is stored.
    pub(crate) fn fetch_encoded(&self, state: Ref<'_, RepositoryState>, id: &oid) -> Result<Fetched, Error> {
        if let Some(record) = state.index.get(id) {
            return self.read_data(record.offset(), record.length()).map(Fetched::Entry).map_err(|error| {
                match error {
                    Error::Malformed(reason) => Error::Damaged { id: id.to_owned(), reason },
                    other => other,
                }
            });
        }
        for pack in &state.packs {
            if let Some(position) = pack.find(id)? {
                return Ok(Fetched::Pack(pack.clone(), position));
            }
        }
        Err(Error::NoObject(id.to_owned()))
    }

    /// An object, from the cache or from the device.
    pub(crate) fn object(&self, repository: &RefCell<RepositoryState>, id: &oid) -> Result<Object, Error> {
        let key = (repository.borrow().number, id.to_owned());
        match self.fetch(repository, id)? {
            Fetched::Object(object) => Ok(object),
            _ => {
                let fetch = |wanted: &oid| match wanted == id {
                    true => self.fetch(repository, wanted),
                    false => self.fetch_base(repository, wanted),
                };
                let object = fetch::decode(id, &fetch, self.options.max_object_size)?;
                if object.kind != Kind::Tree {
                    self.objects.borrow_mut().insert(key, object.clone());
                }
                Ok(object)
            }
        }
    }

    /// Finds the base of a delta. A whole blob is the base of many, so it is kept.
    fn fetch_base(&self, repository: &RefCell<RepositoryState>, id: &oid) -> Result<Fetched, Error> {
        let entry = match self.fetch(repository, id)? {
            Fetched::Entry(entry) => entry,
            found => return Ok(found),
        };
        if EntryHeader::parse(&entry)?.content != EntryContent::Whole(Kind::Blob) {
            return Ok(Fetched::Entry(entry));
        }
        let fetch = |_: &oid| Ok(Fetched::Entry(entry.clone()));
        let object = fetch::decode(id, &fetch, self.options.max_object_size);
        let object = object.map_err(|error| match error {
            Error::Damaged { reason, .. } => {
                Error::Malformed(format!("the base {id} of its delta: {reason}"))
            }
            other => other,
        })?;
        let key = (repository.borrow().number, id.to_owned());
        self.objects.borrow_mut().insert(key, object.clone());
        Ok(Fetched::Object(object))
    }

    /// A tree, from the cache or from the device; then it shares with `near` what both have.
    pub(crate) fn tree(
        &self,
        repository: &RefCell<RepositoryState>,
        id: &oid,
        near: Option<&Tree>,
    ) -> Result<Rc<Tree>, Error> {
        let key = (repository.borrow().number, id.to_owned());
        if let Some(tree) = self.trees.borrow_mut().get(&key) {
            return Ok(tree);
        }
        let object = self.object(repository, id)?;
        if object.kind != Kind::Tree {
            return Err(Error::UnexpectedKind(key.1));
        }
        let tree = Rc::new(match near {
            Some(near) => Tree::decode_near(&object.data, near)?,
            None => Tree::decode(object.data)?,
        });
        self.cache_tree(key, &tree);
        Ok(tree)
    }

    pub(crate) fn cache_tree(&self, key: (u32, ObjectId), tree: &Rc<Tree>) {
        self.trees.borrow_mut().insert(key, tree.clone());
    }
}
