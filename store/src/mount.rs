//! Formatting a device, and opening it again.

use crate::{
    Error,
    core::{Core, OpenOptions, RepositoryState, State},
    disk::Disk,
    format::{
        checkpoint::{Checkpoint, CheckpointWriter},
        frame,
        layout::{
            Extent, MAX_BLOCK_SIZE, MAX_CAPACITY, MIN_CAPACITY, SECRETS, SECRETS_LENGTH, SEGMENT,
            SUPERBLOCK_LENGTH, SUPERBLOCKS, segments_of,
        },
        operation::{Operation, Operations, PackPlace},
        record::Record,
        secrets,
        superblock::{CheckpointPlace, LogPosition, Superblock, SuperblockError, VERSION},
    },
    log::Log,
    objects::{
        blob_bases::AllBlobBases,
        cache::{Bounds, Cache},
        index::ObjectIndex,
        pack::AdoptedPack,
    },
    replay::{Frame, LogEnd, LogReader, segments},
    retention::ShallowList,
    space::Space,
    tree_chain,
};
use gix_hash::ObjectId;
use kalends_block_backend::BlockDevice;
use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet, VecDeque},
    ops::Range,
    rc::Rc,
};
use xxhash_rust::xxh3::xxh3_64;

/// Writes an empty store.
pub(crate) fn format(device: &Rc<dyn BlockDevice>) -> Result<(), Error> {
    let block_size = device.block_size();
    if !block_size.is_power_of_two() || !(512..=MAX_BLOCK_SIZE).contains(&block_size) {
        return Err(Error::UnsuitableDevice(format!(
            "its block size of {block_size} bytes is not supported"
        )));
    }
    let capacity = usable(device.capacity());
    if capacity < MIN_CAPACITY {
        return Err(Error::UnsuitableDevice(format!(
            "it has {} bytes; a store needs at least {} MiB",
            device.capacity(),
            MIN_CAPACITY / SEGMENT
        )));
    }
    let disk = Disk::new(device, block_size, &OpenOptions::default());
    // What was there must not come back if this is interrupted.
    for offset in SUPERBLOCKS {
        disk.write(offset, &[0; SUPERBLOCK_LENGTH])?;
    }
    for offset in SECRETS {
        disk.write(offset, &[0; SECRETS_LENGTH])?;
    }
    device.flush()?;
    let bytes = CheckpointWriter::new(1, 1, &[], 0).finish();
    let extent = Extent { first: 1, count: 1 };
    disk.write(extent.offset(), &bytes)?;
    device.flush()?;
    let mut uuid = [0; 16];
    random(&mut uuid)?;
    let superblock = Superblock {
        uuid: u128::from_le_bytes(uuid),
        block_size,
        capacity,
        generation: 1,
        checkpoint: CheckpointPlace { extent, length: bytes.len() as u64, checksum: xxh3_64(&bytes) },
        log: LogPosition { segment: 2, offset: 0, next_segment: 3, sequence: 1, previous: 0 },
    };
    disk.write(SUPERBLOCKS[0], &superblock.encode())?;
    device.flush()?;
    Ok(())
}

/// What a store can use of so many bytes.
fn usable(bytes: u64) -> u64 {
    bytes.min(MAX_CAPACITY) / SEGMENT * SEGMENT
}

fn random(bytes: &mut [u8]) -> Result<(), Error> {
    getrandom::fill(bytes).map_err(|error| Error::UnsuitableDevice(format!("no entropy: {error}")))
}

/// Reads both superblocks, each as far as it can be used.
pub(crate) fn read_superblocks(
    device: &Rc<dyn BlockDevice>,
) -> Result<[Result<Superblock, SuperblockError>; 2], Error> {
    let disk = Disk::new(device, device.block_size(), &OpenOptions::default());
    if device.capacity() < SUPERBLOCKS[1] + SUPERBLOCK_LENGTH as u64 {
        return Err(Error::NotAStore(format!("{} bytes are too few", device.capacity())));
    }
    let read = |offset| match disk.read(offset, SUPERBLOCK_LENGTH) {
        Ok(bytes) => Ok(Superblock::decode(&bytes)),
        Err(Error::Device(_)) => Ok(Err(SuperblockError::Damaged)),
        Err(error) => Err(error),
    };
    let [first, second] = SUPERBLOCKS;
    Ok([read(first)?, read(second)?])
}

/// The superblocks that this program can use, newest first, each with its slot.
pub(crate) fn candidates(
    slots: &[Result<Superblock, SuperblockError>; 2],
) -> Result<Vec<(usize, Superblock)>, Error> {
    // A program of another version has written here: its other superblock is not for us either.
    for slot in slots {
        if let Err(SuperblockError::Version(version)) = slot {
            return Err(Error::NotAStore(format!(
                "it has format version {version}, and this program knows version {VERSION} only"
            )));
        }
    }
    let found = slots.iter().enumerate();
    let mut found: Vec<_> = found.filter_map(|(slot, found)| Some((slot, *found.as_ref().ok()?))).collect();
    found.sort_by_key(|(_, superblock)| std::cmp::Reverse(superblock.generation));
    if found.is_empty() {
        let absent = slots.iter().all(|slot| *slot == Err(SuperblockError::Absent));
        let reason = if absent { "it has no superblock" } else { "both superblocks are damaged" };
        return Err(Error::NotAStore(reason.into()));
    }
    Ok(found)
}

/// Opens the store of a device, writing nothing.
pub(crate) fn open(device: Rc<dyn BlockDevice>, options: OpenOptions) -> Result<Core, Error> {
    let candidates = candidates(&read_superblocks(&device)?)?;
    let mut notices = Vec::new();
    if candidates.len() < 2 && candidates.iter().any(|(_, superblock)| superblock.generation > 1) {
        notices.push("one superblock is damaged; the other one is in use".to_owned());
    }
    let mut first_error = None;
    let witness = Witness::of(&candidates);
    for (slot, superblock) in candidates {
        match open_from(&device, slot, &superblock, witness, options.clone()) {
            Ok(core) => {
                // What a process that was killed had written counts from now on, so it has to be durable.
                device.flush()?;
                core.state.borrow_mut().notices.splice(0..0, notices);
                return Ok(core);
            }
            Err(error @ (Error::Device(_) | Error::DamagedStore(_))) => {
                notices
                    .push(format!("checkpoint {}: {error}; the one before is in use", superblock.generation));
                first_error.get_or_insert(error);
            }
            Err(error) => return Err(error),
        }
    }
    Err(first_error.unwrap_or_else(|| Error::NotAStore("it has no superblock".into())))
}

/// What both superblocks together tell of a store, whichever of them it is opened from.
#[derive(Clone, Copy)]
pub(crate) struct Witness {
    /// The number of the first frame that may not have been acknowledged: all before it were durable when
    /// the newest superblock was written.
    pub(crate) acknowledged: u64,
    /// Bytes of the device that are used: what a device has grown by is not before both name it.
    pub(crate) capacity: u64,
}

impl Witness {
    pub(crate) fn of(candidates: &[(usize, Superblock)]) -> Self {
        let superblocks = candidates.iter().map(|(_, superblock)| superblock);
        Self {
            acknowledged: superblocks.clone().map(|superblock| superblock.log.sequence).max().unwrap_or(0),
            capacity: superblocks.map(|superblock| superblock.capacity).min().unwrap_or(0),
        }
    }
}

/// Checks that the device can hold the store of a superblock.
pub(crate) fn disk_for(
    device: &Rc<dyn BlockDevice>,
    superblock: &Superblock,
    options: &OpenOptions,
) -> Result<Disk, Error> {
    if superblock.capacity > device.capacity() {
        return Err(Error::NotAStore(format!(
            "the store uses {} bytes, and the device has {} only: part of it is cut off",
            superblock.capacity,
            device.capacity()
        )));
    }
    if device.block_size() > superblock.block_size {
        return Err(Error::NotAStore(format!(
            "it was formatted for blocks of {} bytes, and the device has blocks of {}",
            superblock.block_size,
            device.block_size()
        )));
    }
    Ok(Disk::new(device, superblock.block_size, options))
}

/// Opens the store from one superblock, writing nothing. The log must reach as far as was acknowledged.
pub(crate) fn open_from(
    device: &Rc<dyn BlockDevice>,
    slot: usize,
    superblock: &Superblock,
    witness: Witness,
    options: OpenOptions,
) -> Result<Core, Error> {
    let Witness { acknowledged, capacity } = witness;
    let disk = disk_for(device, superblock, &options)?;
    let seed = frame::seed(superblock.uuid);
    let mut loader = Loader::from_checkpoint(&disk, superblock, capacity)?;
    let mut reader = LogReader::new(&disk, seed, segments(capacity), superblock.log);
    while let Some(frame) = reader.next()? {
        loader.frame(&frame)?;
    }
    if let LogEnd::Damaged { offset, sequence, proof } = reader.end()? {
        return Err(Error::DamagedStore(format!(
            "frame {sequence} of the log, at byte {offset}, is damaged, and frame {proof} shows that it had \
             been acknowledged"
        )));
    }
    let (position, bytes) = (reader.position(), reader.bytes());
    if position.sequence < acknowledged {
        return Err(Error::DamagedStore(format!(
            "frame {} of the log, at byte {}, is damaged, and a later checkpoint shows that it had been \
             acknowledged",
            position.sequence,
            u64::from(position.segment) * SEGMENT + u64::from(position.offset)
        )));
    }
    finish(loader, slot, superblock, position, bytes, options)
}

/// The store in the state of a loader. Its log goes on at `position`, and has `bytes` since the checkpoint.
pub(crate) fn finish(
    mut loader: Loader<'_>,
    slot: usize,
    superblock: &Superblock,
    position: LogPosition,
    bytes: u64,
    options: OpenOptions,
) -> Result<Core, Error> {
    let seed = frame::seed(superblock.uuid);
    let (disk, capacity) = (loader.disk.clone(), loader.capacity);
    let space = loader.space(superblock, position)?;
    let mut notices = Vec::new();
    let (secrets, secrets_generation, secrets_slot) =
        newest_secrets(secrets_slots(&disk, seed), &mut notices);
    let mut session = [0; 8];
    random(&mut session)?;
    let log = Log::new(position, seed, superblock.block_size, u64::from_le_bytes(session), bytes);
    let state = State {
        repositories: loader
            .repositories
            .into_values()
            .map(|state| (state.name.clone(), Rc::new(RefCell::new(state))))
            .collect(),
        next_repository: loader.next_repository,
        secrets,
        secrets_generation,
        secrets_slot,
        log,
        space,
        data_segments: loader.data_segments,
        submitted: 0,
        durable: 0,
        queue: VecDeque::new(),
        extents_unflushed: false,
        flight: None,
        checkpoint: superblock.checkpoint,
        generation: superblock.generation,
        superblock_slot: slot,
        prepared: None,
        removed: Vec::new(),
        removed_since_checkpoint: loader.removed,
        dropped_packs: Vec::new(),
        compaction: Default::default(),
        capacity_to_come: usable(disk.device.capacity()),
        capacity_named: superblock.capacity >= usable(disk.device.capacity()),
        checkpoint_due: options.checkpoint_after.max(4 * superblock.checkpoint.length),
        failure: None,
        notices,
    };
    Ok(Core {
        disk,
        uuid: superblock.uuid,
        seed,
        capacity: capacity.into(),
        objects: RefCell::new(Cache::new(Bounds::bytes(options.object_cache))),
        trees: RefCell::new(Cache::new(options.tree_bounds())),
        blob_bases: RefCell::new(AllBlobBases::new()),
        links: RefCell::new(Cache::new(Bounds::bytes(tree_chain::LINKS))),
        hashing_ahead: Default::default(),
        options,
        state: RefCell::new(state),
        wakers: Default::default(),
    })
}

/// One slot of the secrets area.
pub(crate) enum SecretsSlot {
    /// Nothing was ever written here.
    Empty,
    /// Its generation, and what it holds.
    Whole(u64, secrets::Secrets),
    /// It is not whole.
    Damaged,
    /// The device does not give it.
    Unreadable(Error),
}

/// Reads both slots of the secrets area.
pub(crate) fn secrets_slots(disk: &Disk, seed: u64) -> [SecretsSlot; 2] {
    SECRETS.map(|offset| match disk.read(offset, SECRETS_LENGTH) {
        Ok(bytes) if bytes.iter().all(|byte| *byte == 0) => SecretsSlot::Empty,
        Ok(bytes) => match secrets::decode(&bytes, seed) {
            Some((generation, secrets)) => SecretsSlot::Whole(generation, secrets),
            None => SecretsSlot::Damaged,
        },
        Err(error) => SecretsSlot::Unreadable(error),
    })
}

/// The secrets of the newest whole slot, its generation and its number.
fn newest_secrets(slots: [SecretsSlot; 2], notices: &mut Vec<String>) -> (secrets::Secrets, u64, usize) {
    let mut newest = (secrets::Secrets::new(), 0, 0);
    let mut lost = 0;
    for (number, slot) in slots.into_iter().enumerate() {
        match slot {
            SecretsSlot::Whole(generation, secrets) if generation > newest.1 => {
                newest = (secrets, generation, number);
            }
            SecretsSlot::Empty | SecretsSlot::Whole(..) => {}
            SecretsSlot::Damaged | SecretsSlot::Unreadable(_) => lost += 1,
        }
    }
    // One alone is what a crash during the very first write leaves.
    if lost == 2 {
        notices.push("the secrets (TLS key, token key) are damaged; new ones are needed".into());
    }
    newest
}

/// Builds the state from a checkpoint and the log after it.
pub(crate) struct Loader<'a> {
    disk: &'a Disk,
    pub(crate) capacity: u64,
    pub(crate) repositories: BTreeMap<u32, RepositoryState>,
    pub(crate) next_repository: u32,
    pub(crate) data_segments: BTreeSet<u32>,
    /// Extents that only the previous checkpoint needs.
    pub(crate) retained: Vec<Extent>,
    /// Extents given up since the checkpoint.
    pub(crate) released: Vec<Extent>,
    /// Operations of a transaction whose end has not come yet.
    pub(crate) pending: Vec<Change>,
    pub(crate) current: Option<u32>,
    session: Option<u64>,
    /// Whether parts of the log are lost, so that what it takes for granted may be missing.
    pub(crate) lossy: bool,
    /// Whether a repository was removed since the checkpoint.
    removed: bool,
}

/// What an operation of the log changes.
pub(crate) enum Change {
    Create(u32, String),
    Remove(u32),
    Object(u32, Record),
    /// Also whether objects may be unreachable by it.
    Reference(u32, String, Option<ObjectId>, bool),
    Pack(u32, PackPlace),
    DropPack(u32, u32),
    DropRecords(u32, Vec<Range<u64>>),
    Collected(u32, u64),
    /// Also whether objects may be unreachable by it.
    Shallow(u32, ShallowList, bool),
}

impl<'a> Loader<'a> {
    pub(crate) fn from_checkpoint(
        disk: &'a Disk,
        superblock: &Superblock,
        capacity: u64,
    ) -> Result<Self, Error> {
        let place = superblock.checkpoint;
        let damaged = |what: String| Error::DamagedStore(format!("the checkpoint {what}"));
        let length = usize::try_from(place.length).map_err(|_| damaged("is too large".into()))?;
        let bytes = disk.read(place.extent.offset(), length)?;
        if xxh3_64(&bytes) != place.checksum {
            return Err(damaged(format!("at byte {} does not match its checksum", place.extent.offset())));
        }
        let checkpoint = Checkpoint::decode(&bytes).map_err(|error| damaged(error.to_string()))?;
        let mut loader = Self {
            disk,
            capacity,
            repositories: BTreeMap::new(),
            next_repository: checkpoint.next_repository,
            data_segments: BTreeSet::new(),
            retained: checkpoint.retained,
            released: Vec::new(),
            pending: Vec::new(),
            current: None,
            session: None,
            lossy: false,
            removed: false,
        };
        for image in checkpoint.repositories {
            for record in &image.records {
                loader.check_record(record)?;
            }
            let packs = image.packs.iter().map(|place| loader.pack(*place)).collect::<Result<_, _>>()?;
            let state = RepositoryState {
                number: image.number,
                name: image.name,
                stranding_moves: image.stranding_moves,
                references: image.references,
                shallow: image.shallow,
                index: ObjectIndex::from_sorted(image.records),
                packs,
                ..RepositoryState::default()
            };
            loader.repositories.insert(state.number, state);
        }
        Ok(loader)
    }

    pub(crate) fn check_record(&mut self, record: &Record) -> Result<(), Error> {
        let (offset, length) = (record.offset(), u64::from(record.length()));
        if offset < SEGMENT || offset.saturating_add(length) > self.capacity {
            return Err(Error::DamagedStore(format!("object {} lies outside the device", record.id())));
        }
        self.data_segments.extend(segments_of(offset, length));
        Ok(())
    }

    fn pack(&self, place: PackPlace) -> Result<Rc<AdoptedPack>, Error> {
        if place.extent.offset().saturating_add(place.extent.length()) > self.capacity {
            return Err(Error::DamagedStore("a pack lies outside the device".into()));
        }
        Ok(Rc::new(AdoptedPack::on_device(self.disk.clone(), place)))
    }

    pub(crate) fn frame(&mut self, frame: &Frame) -> Result<(), Error> {
        let damaged =
            |what: &str| Error::DamagedStore(format!("frame {} of the log: {what}", frame.header.sequence));
        self.data_segments.insert(frame.segment);
        if self.session.replace(frame.header.session) != Some(frame.header.session) {
            // The rest of that transaction was lost in a crash.
            self.pending.clear();
            self.current = None;
        }
        let mut operations = Operations::new(&frame.operations);
        while let Some(operation) = operations.next().map_err(|error| damaged(&error.to_string()))? {
            let current = self.current.ok_or_else(|| damaged("an operation without repository"));
            let change = match operation {
                Operation::Begin { repository } => {
                    self.current = Some(repository);
                    continue;
                }
                Operation::CreateRepository { repository, name } => Change::Create(repository, name.into()),
                Operation::RemoveRepository { repository } => Change::Remove(repository),
                Operation::Object { id, attributes, entry } => {
                    let offset = frame.offset + (operations.position() - entry.len()) as u64;
                    Change::Object(current?, Record::new(&id, offset, entry.len() as u32, attributes))
                }
                Operation::LargeObject { id, attributes, offset, length } => {
                    Change::Object(current?, Record::new(&id, offset, length, attributes))
                }
                Operation::Reference { name, new, strands, .. } => {
                    Change::Reference(current?, name.into(), new, strands)
                }
                Operation::Pack(place) => Change::Pack(current?, place),
                Operation::DropPack { first } => Change::DropPack(current?, first),
                Operation::DropRecords { start, end } => {
                    let current = current?;
                    // Many come in a row, and each of them would go over the whole index.
                    if let Some(Change::DropRecords(number, ranges)) = self.pending.last_mut()
                        && *number == current
                        && ranges.last().is_none_or(|last| last.end <= start)
                    {
                        ranges.push(start..end);
                        continue;
                    }
                    Change::DropRecords(current, std::iter::once(start..end).collect())
                }
                Operation::Collected { moves } => Change::Collected(current?, moves),
                Operation::Shallow { commits, strands } => {
                    Change::Shallow(current?, ShallowList::decode(commits)?, strands)
                }
                Operation::Commit => {
                    for change in std::mem::take(&mut self.pending) {
                        self.apply(change)?;
                    }
                    self.current = None;
                    continue;
                }
            };
            self.pending.push(change);
        }
        Ok(())
    }

    pub(crate) fn apply(&mut self, change: Change) -> Result<(), Error> {
        let missing =
            |number| Error::DamagedStore(format!("the log names repository {number}, which is not there"));
        let number = match &change {
            Change::Create(number, name) => {
                let state = RepositoryState { number: *number, name: name.clone(), ..Default::default() };
                self.repositories.insert(*number, state);
                self.next_repository = self.next_repository.max(number.saturating_add(1));
                return Ok(());
            }
            Change::Remove(number) => {
                self.removed = true;
                let removed = self.repositories.remove(number).ok_or_else(|| missing(*number))?;
                self.released.extend(removed.pack_places().map(|place| place.extent));
                return Ok(());
            }
            Change::Object(number, record) => {
                self.check_record(record)?;
                *number
            }
            Change::Reference(number, ..)
            | Change::Pack(number, _)
            | Change::DropPack(number, _)
            | Change::DropRecords(number, _)
            | Change::Collected(number, _)
            | Change::Shallow(number, ..) => *number,
        };
        let pack = match &change {
            Change::Pack(_, place) => Some(self.pack(*place)?),
            _ => None,
        };
        let repository = self.repositories.get_mut(&number).ok_or_else(|| missing(number))?;
        match change {
            Change::Object(_, record) => repository.index.insert(record),
            Change::Reference(_, name, new, strands) => {
                repository.stranding_moves += u64::from(strands);
                match new {
                    Some(id) => repository.references.insert(name, id),
                    None => repository.references.remove(&name),
                };
            }
            Change::Pack(..) => repository.packs.extend(pack),
            Change::DropPack(_, first) => {
                let starts =
                    |pack: &Rc<AdoptedPack>| pack.place().is_some_and(|place| place.extent.first == first);
                let Some(at) = repository.packs.iter().position(starts) else {
                    if self.lossy {
                        return Ok(());
                    }
                    return Err(Error::DamagedStore(format!(
                        "the log drops a pack at segment {first}, which is not there"
                    )));
                };
                let dropped = repository.packs.remove(at);
                self.released.extend(dropped.place().map(|place| place.extent));
                self.removed = true;
            }
            Change::DropRecords(_, ranges) => {
                repository.index.remove_ranges(&ranges);
                self.removed = true;
            }
            Change::Collected(_, moves) => {
                repository.stranding_moves = repository.stranding_moves.saturating_sub(moves);
            }
            Change::Shallow(_, list, strands) => {
                repository.stranding_moves += u64::from(strands);
                repository.shallow = list;
            }
            Change::Create(..) | Change::Remove(_) => {}
        }
        Ok(())
    }

    /// What is free: all that nothing uses.
    fn space(&mut self, superblock: &Superblock, position: LogPosition) -> Result<Space, Error> {
        let mut space = Space::new(segments(self.capacity));
        self.data_segments.extend([position.segment, position.next_segment]);
        let mut take = |extent: Extent, what: &str| match space.take(extent) {
            true => Ok(()),
            false => Err(Error::DamagedStore(format!(
                "segments {} to {} of {what} are in use elsewhere or do not exist",
                extent.first,
                u64::from(extent.first) + u64::from(extent.count)
            ))),
        };
        take(superblock.checkpoint.extent, "the checkpoint")?;
        for segment in &self.data_segments {
            take(Extent { first: *segment, count: 1 }, "the log")?;
        }
        for pack in self.repositories.values().flat_map(|repository| &repository.packs) {
            if let Some(place) = pack.place() {
                take(place.extent, "a pack")?;
            }
        }
        for extent in &self.released {
            take(*extent, "a removed pack")?;
        }
        std::mem::take(&mut self.released).into_iter().for_each(|extent| space.release(extent));
        for first in std::mem::take(&mut self.retained).into_iter().flat_map(Extent::segments) {
            // When a newer checkpoint is damaged, that one may have freed what this one retains, and the
            // log after it may have used it since.
            let segment = Extent { first, count: 1 };
            if space.take(segment) {
                space.retain(segment);
            }
        }
        Ok(space)
    }
}
