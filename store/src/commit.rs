//! Submitting transactions: all that is checked and decided before anything is visible.

use crate::{
    Error, ReferenceUpdate,
    core::{Core, Purpose, RepositoryState, State, Submitted, SubmittedUpdate},
    extent_writer::WrittenExtent,
    format::{
        layout::Extent,
        operation::{OBJECT_HEADER, Operation, PackPlace},
        record::{Attributes, Record},
    },
    log::is_large,
    objects::{entry::base_by_id, pack::AdoptedPack},
    retention::ShallowList,
    tree_chain::Link,
};
use bytes::Bytes;
use gix_hash::ObjectId;
use gix_object::Kind;
use std::{cell::RefCell, collections::BTreeSet, rc::Rc};

/// A transaction without blobs may have so many bytes and still use the reserve of a full device.
const SMALL: usize = 64 << 10;

/// An object as it is going to be stored.
pub(crate) struct EncodedObject {
    pub(crate) id: ObjectId,
    pub(crate) attributes: Attributes,
    pub(crate) entry: Bytes,
}

/// A pack as it is going to be stored.
pub(crate) enum PackToStore {
    /// In memory.
    Memory {
        pack: Bytes,
        index: Bytes,
        /// As [`pack_index::write`](crate::format::pack_index::write) gave it.
        index_checksum: u64,
    },
    /// On the device already, in an extent that becomes that of the pack.
    Written { extent: WrittenExtent, adopted: Rc<AdoptedPack>, place: PackPlace },
}

/// What a transaction is made of.
pub(crate) struct Submission {
    pub(crate) objects: Vec<EncodedObject>,
    pub(crate) packs: Vec<PackToStore>,
    pub(crate) updates: Vec<ReferenceUpdate>,
    /// Of each update, whether it may leave objects unreachable.
    pub(crate) strands: Vec<bool>,
    pub(crate) cut: Cut,
}

/// Where history is cut off.
#[derive(Default)]
pub(crate) struct Cut {
    /// Commits that are put at the shallow boundary.
    pub(crate) commits: BTreeSet<ObjectId>,
    /// Their parents, as far as they are here.
    pub(crate) parents: BTreeSet<ObjectId>,
    /// The shallow list that the repository gets, if it gets another one.
    list: Option<ShallowList>,
}

/// The space that a transaction takes.
struct Allocation {
    /// For the log.
    segments: Vec<Extent>,
    /// For large objects and packs, in this order.
    extents: Vec<Extent>,
}

impl Core {
    /// Submits a transaction and gives its number.
    pub(crate) fn submit(
        &self,
        repository: &Rc<RefCell<RepositoryState>>,
        mut submission: Submission,
    ) -> Result<u64, Error> {
        self.advance();
        let state = &mut *self.state.borrow_mut();
        state.check_writable()?;
        check_updates(&repository.borrow(), &submission.updates)?;
        let mut missing = Vec::with_capacity(submission.objects.len());
        for object in submission.objects {
            if !repository.borrow().contains(&object.id)? {
                missing.push(object);
            }
        }
        submission.objects = missing;
        let list = repository.borrow().shallow.with(submission.cut.commits.iter().copied())?;
        submission.cut.list = (list != repository.borrow().shallow).then_some(list);
        if submission.objects.is_empty()
            && submission.packs.is_empty()
            && submission.updates.is_empty()
            && submission.cut.list.is_none()
        {
            return Ok(state.submitted);
        }
        let allocation = self.allocate_for(state, &submission)?;
        self.append(state, repository, submission, allocation).inspect_err(|error| {
            // The transaction may be in the log in part, without its end; nothing may come after it.
            state.failure.get_or_insert(error.clone());
        })
    }

    /// Stores objects and packs anew whose copies on the device are damaged: the new copies count from now
    /// on. That is durable with the next checkpoint. It may use the reserve for deletions.
    pub(crate) fn store_again(
        &self,
        repository: &Rc<RefCell<RepositoryState>>,
        objects: Vec<EncodedObject>,
        packs: Vec<PackToStore>,
    ) -> Result<(), Error> {
        self.advance();
        let state = &mut *self.state.borrow_mut();
        state.check_writable()?;
        let (updates, strands) = (Vec::new(), Vec::new());
        let submission = Submission { objects, packs, updates, strands, cut: Cut::default() };
        let allocation = self.allocate_with(state, &submission, Purpose::Deletion)?;
        self.links.borrow_mut().clear();
        for object in &submission.objects {
            repository.borrow_mut().index.remove(&object.id);
        }
        self.append(state, repository, submission, allocation).map(drop).inspect_err(|error| {
            state.failure.get_or_insert(error.clone());
        })
    }

    /// Finds room for everything, or changes nothing.
    fn allocate_for(&self, state: &mut State, submission: &Submission) -> Result<Allocation, Error> {
        let total: usize = submission.objects.iter().map(|object| object.entry.len()).sum();
        let has_blob = submission.objects.iter().any(|object| object.attributes.kind() == Kind::Blob);
        let small = !has_blob && submission.packs.is_empty() && total <= SMALL;
        let purpose = if small { Purpose::Deletion } else { Purpose::Data };
        self.allocate_with(state, submission, purpose)
    }

    fn allocate_with(
        &self,
        state: &mut State,
        submission: &Submission,
        purpose: Purpose,
    ) -> Result<Allocation, Error> {
        for _ in 0..3 {
            let reserve = state.reserve(self.capacity.get(), purpose);
            if let Some(allocation) = try_allocate(self.disk.block_size, state, submission, reserve)? {
                return Ok(allocation);
            }
            if !self.reclaim(state)? {
                break;
            }
        }
        state.compaction.want_room();
        Err(Error::DeviceFull)
    }

    fn append(
        &self,
        state: &mut State,
        repository: &Rc<RefCell<RepositoryState>>,
        submission: Submission,
        allocation: Allocation,
    ) -> Result<u64, Error> {
        let mut target = repository.borrow_mut();
        let mut extents = allocation.extents.into_iter();
        let mut next_extent = || extents.next().ok_or(Error::DeviceFull);
        let mut spare = allocation.segments.iter().map(|extent| extent.first);
        for extent in &allocation.segments {
            state.add_data(*extent);
        }
        state.log.append(&Operation::Begin { repository: target.number }.encode(), &mut spare);
        for EncodedObject { id, attributes, entry } in submission.objects {
            let length = entry.len() as u32;
            let offset = if is_large(entry.len()) {
                let extent = next_extent()?;
                self.disk.write(extent.offset(), &entry)?;
                state.extents_unflushed = true;
                state.add_data(extent);
                let offset = extent.offset();
                let operation = Operation::LargeObject { id, attributes, offset, length };
                state.log.append(&operation.encode(), &mut spare);
                offset
            } else {
                let operation = Operation::Object { id, attributes, entry: &entry };
                state.log.append(&operation.encode(), &mut spare) + OBJECT_HEADER as u64
            };
            target.index.insert(Record::new(&id, offset, length, attributes));
            if attributes.step().is_some()
                && let Ok(base) = base_by_id(&entry)
            {
                let link = Link { attributes: Some(attributes), base };
                self.links.borrow_mut().insert((target.number, id), link);
            }
            if let Some(journal) = &mut target.journal {
                journal.objects.push(id);
            }
        }
        for pack in submission.packs {
            let (adopted, place) = match pack {
                PackToStore::Memory { pack, index, index_checksum } => {
                    let block_size = self.disk.block_size;
                    let place = pack_place(next_extent()?, &pack, &index, index_checksum, block_size);
                    self.disk.write(place.extent.offset(), &pack)?;
                    self.disk.write(place.extent.offset() + place.index_offset, &index)?;
                    (Rc::new(AdoptedPack::on_device(self.disk.clone(), place)), place)
                }
                PackToStore::Written { extent, adopted, place } => {
                    extent.keep();
                    (adopted, place)
                }
            };
            state.extents_unflushed = true;
            state.log.append(&Operation::Pack(place).encode(), &mut spare);
            target.packs.push(adopted.clone());
            if let Some(journal) = &mut target.journal {
                journal.packs.push(adopted);
            }
        }
        state.submitted += 1;
        let number = state.submitted;
        let mut updates = Vec::with_capacity(submission.updates.len());
        for (update, strands) in submission.updates.into_iter().zip(submission.strands) {
            let ReferenceUpdate { name, expected, new } = update;
            let operation = Operation::Reference { name: &name, old: expected, new, strands };
            state.log.append(&operation.encode(), &mut spare);
            target.moved.insert(name.clone(), (number, new));
            target.stranding_moves += u64::from(strands);
            updates.push(SubmittedUpdate { name, new, strands });
        }
        if let Some(list) = submission.cut.list {
            let parents = submission.cut.parents;
            let strands = !parents.is_empty();
            let operation = Operation::Shallow { commits: list.bytes(), strands };
            state.log.append(&operation.encode(), &mut spare);
            target.stranding_moves += u64::from(strands);
            target.shallow = list;
            // Who has begun to read goes by the boundary before.
            parents.into_iter().for_each(|parent| target.pins.borrow_mut().moved(parent));
        }
        state.log.append(&Operation::Commit.encode(), &mut spare);
        state.queue.push_back(Submitted { number, repository: repository.clone(), updates });
        drop(target);
        state.compaction.note_growth(self.capacity.get(), &repository.borrow());
        Ok(number)
    }

    /// Appends operations that stand for themselves, and makes them durable, blocking.
    pub(crate) fn append_now(&self, state: &mut State, operation: &Operation<'_>) -> Result<(), Error> {
        state.check_writable()?;
        let (operation, commit) = (operation.encode(), Operation::Commit.encode());
        let sizes = [operation.len(), commit.len()];
        let needed = state.log.segments_needed(sizes.into_iter());
        let mut segments = Vec::new();
        for _ in 0..needed {
            let reserve = state.reserve(self.capacity.get(), Purpose::Management);
            let extent = state.space.allocate(1, reserve).ok_or(Error::DeviceFull)?;
            state.add_data(extent);
            segments.push(extent.first);
        }
        let mut spare = segments.into_iter();
        state.log.append(&operation, &mut spare);
        state.log.append(&commit, &mut spare);
        self.flush_now(state)
    }
}

fn try_allocate(
    block_size: u32,
    state: &mut State,
    submission: &Submission,
    reserve: u32,
) -> Result<Option<Allocation>, Error> {
    let begin = Operation::Begin { repository: 0 }.encode().len();
    let objects = submission.objects.iter().map(|object| {
        if is_large(object.entry.len()) { OBJECT_HEADER + 8 } else { OBJECT_HEADER + object.entry.len() }
    });
    let packs = submission.packs.iter().map(|_| 1 + 40);
    let references = submission.updates.iter().map(|update| 1 + 1 + 2 + update.name.len() + 40);
    let cut = submission.cut.list.as_ref().map_or(0, |list| 1 + 1 + 4 + list.bytes().len());
    let sizes = [begin].into_iter().chain(objects).chain(packs).chain(references).chain([cut, 1]);
    let segments = state.log.segments_needed(sizes);
    let large = submission.objects.iter().filter(|object| is_large(object.entry.len()));
    let large = large.map(|object| object.entry.len() as u64);
    let packs = submission.packs.iter().filter_map(|pack| match pack {
        PackToStore::Memory { pack, index, .. } => {
            Some((pack.len() as u64).next_multiple_of(block_size.into()) + index.len() as u64)
        }
        PackToStore::Written { .. } => None,
    });
    let counts = large.chain(packs).map(|length| Extent::count_for(length).ok_or(Error::DeviceFull));
    let counts = counts.collect::<Result<Vec<u32>, _>>()?;
    let mut taken = Vec::new();
    for count in std::iter::repeat_n(1, segments as usize).chain(counts) {
        match state.space.allocate(count, reserve) {
            Some(extent) => taken.push(extent),
            None => {
                taken.into_iter().for_each(|extent| state.space.free(extent));
                return Ok(None);
            }
        }
    }
    let extents = taken.split_off(segments as usize);
    Ok(Some(Allocation { segments: taken, extents }))
}

fn pack_place(extent: Extent, pack: &[u8], index: &[u8], index_checksum: u64, block_size: u32) -> PackPlace {
    PackPlace {
        extent,
        pack_length: pack.len() as u64,
        index_offset: (pack.len() as u64).next_multiple_of(block_size.into()),
        index_length: index.len() as u64,
        index_checksum,
    }
}

/// Compare-and-swap, and the rules for names.
fn check_updates(repository: &RepositoryState, updates: &[ReferenceUpdate]) -> Result<(), Error> {
    if repository.removed {
        return Err(Error::NoRepository(repository.name.clone()));
    }
    let mut names = BTreeSet::new();
    for update in updates {
        let name = &update.name;
        let valid = name.len() <= 1024
            && name.starts_with("refs/")
            && gix_validate::reference::name(name.as_str().into()).is_ok();
        if !valid || !names.insert(name.as_str()) {
            return Err(Error::InvalidName(name.clone()));
        }
        let current = repository.latest(name);
        if current != update.expected {
            return Err(Error::ReferenceConflict { name: name.clone(), current });
        }
    }
    let created: Vec<_> =
        updates.iter().filter(|update| update.expected.is_none() && update.new.is_some()).collect();
    if created.is_empty() {
        return Ok(());
    }
    // git keeps references as files: one name cannot be the directory of another.
    let mut all: BTreeSet<String> = repository.latest_references().into_keys().collect();
    for update in updates {
        match update.new {
            Some(_) => all.insert(update.name.clone()),
            None => all.remove(&update.name),
        };
    }
    for update in created {
        let below = format!("{}/", update.name);
        let inside = all.range(below.clone()..).next().filter(|name| name.starts_with(&below)).cloned();
        let above = update.name.match_indices('/').map(|(at, _)| &update.name[..at]);
        let above = above.into_iter().find(|name| all.contains(*name)).map(str::to_owned);
        if let Some(other) = inside.or(above) {
            return Err(Error::NameConflict { name: update.name.clone(), other });
        }
    }
    Ok(())
}
