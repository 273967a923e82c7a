//! Which objects of a repository are reachable.
//!
//! Everything that is stored when a collection begins is examined: one bit an object, and 32 bytes for each
//! that is not in a pack. What is added later is kept, whatever reaches it, with all that it refers to.
//!
//! History is walked from the newest commits to the oldest, and each tree is compared with that of the
//! commit above it, so that the walk costs what changed.

use super::policy;
use crate::{
    Error, Object, Objects, Pace, Repository, Tree,
    core::{Core, RepositoryState},
    format::record::Record,
    objects::{
        cache::{Bounds, Cache},
        entry::{EntryContent, EntryHeader},
        fetch::{self, Fetched},
        pack::AdoptedPack,
    },
};
use gix_hash::{ObjectId, oid};
use gix_object::{CommitRefIter, Kind, TagRefIter, tree::EntryMode};
use std::{cell::RefCell, collections::HashSet, rc::Rc};

/// Decoded trees that are kept.
const CACHE: usize = 12 << 20;

/// One bit for each of some numbers.
#[derive(Default)]
pub(super) struct Bits {
    words: Vec<u64>,
    len: usize,
}

impl Bits {
    fn new(len: usize) -> Self {
        Self { words: vec![0; len.div_ceil(64)], len }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// How many are set.
    pub(super) fn count(&self) -> u64 {
        self.words.iter().map(|word| u64::from(word.count_ones())).sum()
    }

    pub(super) fn get(&self, at: usize) -> bool {
        self.words.get(at / 64).is_some_and(|word| word >> (at % 64) & 1 == 1)
    }

    /// False when it was set.
    fn set(&mut self, at: usize) -> bool {
        let Some(word) = self.words.get_mut(at / 64) else { return false };
        let before = *word;
        *word |= 1 << (at % 64);
        *word != before
    }
}

/// A pack that was there when the collection began.
pub(super) struct MarkedPack {
    pub(super) pack: Rc<AdoptedPack>,
    pub(super) live: Bits,
}

/// Something to look at.
enum Work {
    /// An object of any kind.
    Any(ObjectId),
    /// A commit, and the tree of one that came from it.
    Commit(ObjectId, Option<ObjectId>),
    /// A tree, and one that has been looked at already.
    Tree(ObjectId, Option<ObjectId>),
}

/// What has been found so far.
pub(super) struct Reachability<'a> {
    core: &'a Rc<Core>,
    repository: &'a Rc<RefCell<RepositoryState>>,
    /// What was in the log, or in an extent of its own; sorted by id.
    pub(super) records: Vec<Record>,
    pub(super) live_records: Bits,
    pub(super) packs: Vec<MarkedPack>,
    /// Of what is added later: what has been looked at.
    added: HashSet<ObjectId>,
    /// Whether something is pinned that the references may not reach.
    pub(super) pinned: bool,
    stack: Vec<Work>,
    decoded: RefCell<Cache<ObjectId, Object>>,
    /// Objects that were found to be reachable after the pack was planned.
    pub(super) late: Option<Vec<ObjectId>>,
    /// What the references were when the collection began.
    tips: Vec<ObjectId>,
    /// Whether these have been followed, and whether something that was stored then has been found beyond them.
    followed: bool,
    beyond: bool,
}

impl<'a> Reachability<'a> {
    /// Notes what is stored now.
    pub(super) fn new(
        core: &'a Rc<Core>,
        repository: &'a Rc<RefCell<RepositoryState>>,
    ) -> Result<Self, Error> {
        let (records, packs) = {
            let mut state = repository.borrow_mut();
            (state.index.sorted().to_vec(), state.packs.clone())
        };
        let packs = packs.into_iter().map(|pack| Ok(MarkedPack { live: Bits::new(pack.len()?), pack }));
        let packs = packs.collect::<Result<_, Error>>()?;
        Ok(Self {
            core,
            repository,
            live_records: Bits::new(records.len()),
            records,
            packs,
            added: HashSet::new(),
            pinned: false,
            stack: Vec::new(),
            decoded: RefCell::new(Cache::new(Bounds::bytes(CACHE))),
            late: None,
            tips: Vec::new(),
            followed: false,
            beyond: false,
        })
    }

    /// Follows the references as they are when the collection begins: [`tips`](Self::tips).
    pub(super) async fn follow_references(&mut self, pace: &Pace) -> Result<(), Error> {
        let roots = policy::roots(&self.core.state.borrow(), &self.repository.borrow());
        // There is no telling them apart from what else is in use.
        let Some((mut references, _)) = roots else { return Ok(()) };
        references.sort_unstable();
        references.dedup();
        for id in references {
            self.tips.push(id);
            self.stack.push(Work::Any(id));
        }
        self.follow(pace).await?;
        self.followed = true;
        Ok(())
    }

    /// Objects that reach all that is live of what was stored when the collection began; `None` where that is
    /// not known.
    pub(super) fn tips(&self) -> Option<Vec<ObjectId>> {
        (self.followed && !self.beyond).then(|| self.tips.clone())
    }

    /// What must be kept, and is not known to be: `Ok(false)` when there is nothing more, so that what is
    /// known is all. Nothing else runs between this and what the caller does next.
    pub(super) fn gather(&mut self) -> Result<bool, Error> {
        let (roots, journal) = {
            let mut state = self.repository.borrow_mut();
            if state.removed {
                return Err(Error::NoRepository(state.name.clone()));
            }
            (policy::roots(&self.core.state.borrow(), &state), state.journal.replace(Default::default()))
        };
        // Somebody relies on more than can be remembered.
        let Some((references, pinned)) = roots else {
            return Err(Error::Limit("everything is in use".into()));
        };
        for id in references {
            if !self.is_live(&id)? {
                self.stack.push(Work::Any(id));
            }
        }
        self.pinned |= !pinned.is_empty();
        for id in pinned {
            // A pinned object may have been gone already.
            if self.repository.borrow().contains(&id)? && !self.is_live(&id)? {
                self.stack.push(Work::Any(id));
            }
        }
        let journal = journal.unwrap_or_default();
        for id in journal.objects {
            self.stack.push(Work::Any(id));
            let record = self.repository.borrow().index.get(&id);
            if let Some(record) = record {
                let length = record.length().min(64);
                let header = EntryHeader::parse(&self.core.read_data(record.offset(), length)?)?;
                if let EntryContent::ReferenceDelta(base) = header.content {
                    self.stack.push(Work::Any(base));
                }
            }
        }
        for pack in journal.packs {
            for position in pack.positions()? {
                self.stack.push(Work::Any(pack.id(position?)?));
            }
        }
        self.stack.retain(|work| match work {
            Work::Any(id) => !self.added.contains(id),
            _ => true,
        });
        Ok(!self.stack.is_empty())
    }

    /// Follows what was gathered to its end.
    pub(super) async fn follow(&mut self, pace: &Pace) -> Result<(), Error> {
        while let Some(work) = self.stack.pop() {
            let cost = self.look_at(work)?;
            pace.spend(cost).await;
            if self.repository.borrow().removed {
                return Err(Error::NoRepository(self.repository.borrow().name.clone()));
            }
        }
        Ok(())
    }

    /// Looks at one object, and gives what that cost.
    fn look_at(&mut self, work: Work) -> Result<u64, Error> {
        let id = match &work {
            Work::Any(id) | Work::Commit(id, _) | Work::Tree(id, _) => *id,
        };
        if !self.mark(&id)? {
            return Ok(300);
        }
        if let Work::Tree(_, base) = work {
            return self.look_at_tree(&id, base);
        }
        let handle = Repository::new(self.core.clone(), self.repository.clone());
        if handle.kind(&id)? == Kind::Blob {
            return Ok(1000);
        }
        let object = self.object(&id)?;
        let malformed = |error: String| Error::Damaged { id, reason: error };
        match object.kind {
            Kind::Blob => {}
            Kind::Tree => return self.look_at_tree(&id, None),
            Kind::Tag => {
                let target = TagRefIter::from_bytes(&object.data, gix_hash::Kind::Sha1).target_id();
                self.stack.push(Work::Any(target.map_err(|error| malformed(error.to_string()))?));
            }
            Kind::Commit => {
                let above = match work {
                    Work::Commit(_, above) => above,
                    _ => None,
                };
                let tree = CommitRefIter::from_bytes(&object.data, gix_hash::Kind::Sha1).tree_id();
                let tree = tree.map_err(|error| malformed(error.to_string()))?;
                if !handle.is_shallow(&id) {
                    let parents = CommitRefIter::from_bytes(&object.data, gix_hash::Kind::Sha1).parent_ids();
                    self.stack.extend(parents.map(|parent| Work::Commit(parent, Some(tree))));
                }
                // First the tree: the parents' are compared with it.
                self.stack.push(Work::Tree(tree, above));
            }
        }
        Ok(object.data.len() as u64 + 1000)
    }

    fn look_at_tree(&mut self, id: &ObjectId, base: Option<ObjectId>) -> Result<u64, Error> {
        let tree = self.tree(id)?;
        let old = match base {
            Some(base) if base != *id => Some(self.tree(&base)?),
            _ => None,
        };
        let mut follow = |mode: EntryMode, id: ObjectId, base: Option<ObjectId>| {
            if mode.is_tree() {
                self.stack.push(Work::Tree(id, base));
            } else if !mode.is_commit() {
                self.mark(&id)?;
            }
            Ok::<(), Error>(())
        };
        match &old {
            Some(old) => {
                for change in old.changes(&tree) {
                    let Some((mode, id)) = change.new else { continue };
                    let base = change.old.filter(|(mode, _)| mode.is_tree()).map(|(_, id)| id.to_owned());
                    follow(mode, id.to_owned(), base)?;
                }
            }
            None => {
                for entry in tree.iter() {
                    follow(entry.mode, entry.id.to_owned(), None)?;
                }
            }
        }
        // Made of deltas, hashed, compared.
        Ok(2 * tree.byte_len() as u64 + 2000)
    }

    /// Notes that an object is reachable; false when that was known.
    fn mark(&mut self, id: &ObjectId) -> Result<bool, Error> {
        let new = match self.find(id)? {
            Some((0, at)) => self.live_records.set(at),
            Some((pack, at)) => self.packs.get_mut(pack - 1).is_some_and(|pack| pack.live.set(at)),
            None if self.repository.borrow().contains(id)? => return Ok(self.added.insert(*id)),
            None => return Err(Error::NoObject(*id)),
        };
        self.beyond |= new && self.followed;
        if new && let Some(late) = &mut self.late {
            late.push(*id);
        }
        Ok(new)
    }

    /// Where an object was when the collection began: in the log (0), or in a pack (from 1 on), and its
    /// position there.
    pub(super) fn find(&self, id: &oid) -> Result<Option<(usize, usize)>, Error> {
        if let Ok(at) = self.records.binary_search_by(|record| record.id_bytes()[..].cmp(id.as_bytes())) {
            return Ok(Some((0, at)));
        }
        for (number, marked) in (1..).zip(&self.packs) {
            if let Some(position) = marked.pack.find(id)? {
                return Ok(Some((number, position.number())));
            }
        }
        Ok(None)
    }

    /// Whether an object was in the log, or in an extent of its own.
    pub(super) fn has_record(&self, id: &oid) -> bool {
        self.records.binary_search_by(|record| record.id_bytes()[..].cmp(id.as_bytes())).is_ok()
    }

    /// Whether an object is known to be reachable.
    pub(super) fn is_live(&self, id: &ObjectId) -> Result<bool, Error> {
        Ok(match self.find(id)? {
            Some((0, at)) => self.live_records.get(at),
            Some((pack, at)) => self.packs.get(pack - 1).is_some_and(|pack| pack.live.get(at)),
            None => self.added.contains(id),
        })
    }

    fn tree(&self, id: &ObjectId) -> Result<Tree, Error> {
        let object = self.object(id)?;
        if object.kind != Kind::Tree {
            return Err(Error::UnexpectedKind(*id));
        }
        Tree::decode(object.data)
    }

    /// An object, verified against its id.
    pub(super) fn object(&self, id: &ObjectId) -> Result<Object, Error> {
        let fetch = |wanted: &oid| {
            if let Some(object) = self.decoded.borrow_mut().get(&wanted.to_owned()) {
                return Ok(Fetched::Object(object));
            }
            self.core.fetch_encoded(self.repository.borrow(), wanted)
        };
        let object = fetch::decode(id, &fetch, self.core.options.max_object_size)?;
        self.decoded.borrow_mut().insert(*id, object.clone());
        Ok(object)
    }
}
