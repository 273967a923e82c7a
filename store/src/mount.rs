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
    objects::{cache::Cache, index::ObjectIndex, pack::AdoptedPack},
    replay::{Frame, LogEnd, LogReader, segments},
    space::Space,
};
use gix_hash::ObjectId;
use kalends_block_backend::BlockDevice;
use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
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
    let capacity = device.capacity().min(MAX_CAPACITY) / SEGMENT * SEGMENT;
    if capacity < MIN_CAPACITY {
        return Err(Error::UnsuitableDevice(format!(
            "it has {} bytes; a store needs at least {} MiB",
            device.capacity(),
            MIN_CAPACITY / SEGMENT
        )));
    }
    let disk = Disk::new(device, block_size, 0);
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

fn random(bytes: &mut [u8]) -> Result<(), Error> {
    getrandom::fill(bytes).map_err(|error| Error::UnsuitableDevice(format!("no entropy: {error}")))
}

/// Reads both superblocks, each as far as it can be used.
pub(crate) fn read_superblocks(
    device: &Rc<dyn BlockDevice>,
) -> Result<[Result<Superblock, SuperblockError>; 2], Error> {
    let disk = Disk::new(device, device.block_size(), 0);
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
    let acknowledged = acknowledged(&candidates);
    for (slot, superblock) in candidates {
        match open_from(&device, slot, &superblock, acknowledged, options.clone()) {
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

/// The number of the first frame that may not have been acknowledged: all before it were durable when the
/// newest superblock was written.
pub(crate) fn acknowledged(candidates: &[(usize, Superblock)]) -> u64 {
    candidates.iter().map(|(_, superblock)| superblock.log.sequence).max().unwrap_or(0)
}

/// Checks that the device can hold the store of a superblock.
fn disk_for(device: &Rc<dyn BlockDevice>, superblock: &Superblock, pages: usize) -> Result<Disk, Error> {
    if superblock.capacity > device.capacity() {
        return Err(Error::NotAStore(format!(
            "it was formatted with {} bytes, and the device has {} only",
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
    Ok(Disk::new(device, superblock.block_size, pages))
}

/// Opens the store from one superblock, writing nothing. The log must reach to the frame `acknowledged`.
pub(crate) fn open_from(
    device: &Rc<dyn BlockDevice>,
    slot: usize,
    superblock: &Superblock,
    acknowledged: u64,
    options: OpenOptions,
) -> Result<Core, Error> {
    let disk = disk_for(device, superblock, options.index_cache)?;
    let seed = frame::seed(superblock.uuid);
    let mut loader = Loader::from_checkpoint(&disk, superblock)?;
    let mut reader = LogReader::new(&disk, seed, segments(superblock.capacity), superblock.log);
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
        removed_since_checkpoint: loader.removed,
        checkpoint_due: options.checkpoint_after.max(4 * superblock.checkpoint.length),
        failure: None,
        notices,
    };
    Ok(Core {
        disk,
        uuid: superblock.uuid,
        seed,
        capacity: superblock.capacity,
        objects: RefCell::new(Cache::new(options.object_cache)),
        trees: RefCell::new(Cache::new(options.tree_cache)),
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
struct Loader<'a> {
    disk: &'a Disk,
    capacity: u64,
    repositories: BTreeMap<u32, RepositoryState>,
    next_repository: u32,
    data_segments: BTreeSet<u32>,
    /// Extents that only the previous checkpoint needs.
    retained: Vec<Extent>,
    /// Extents given up since the checkpoint.
    released: Vec<Extent>,
    /// Operations of a transaction whose end has not come yet.
    pending: Vec<Change>,
    current: Option<u32>,
    session: Option<u64>,
    /// Whether a repository was removed since the checkpoint.
    removed: bool,
}

enum Change {
    Create(u32, String),
    Remove(u32),
    Object(u32, Record),
    Reference(u32, String, Option<ObjectId>),
    Pack(u32, PackPlace),
}

impl<'a> Loader<'a> {
    fn from_checkpoint(disk: &'a Disk, superblock: &Superblock) -> Result<Self, Error> {
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
            capacity: superblock.capacity,
            repositories: BTreeMap::new(),
            next_repository: checkpoint.next_repository,
            data_segments: BTreeSet::new(),
            retained: checkpoint.retained,
            released: Vec::new(),
            pending: Vec::new(),
            current: None,
            session: None,
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
                references: image.references,
                moved: HashMap::new(),
                index: ObjectIndex::from_sorted(image.records),
                packs,
                removed: false,
            };
            loader.repositories.insert(state.number, state);
        }
        Ok(loader)
    }

    fn check_record(&mut self, record: &Record) -> Result<(), Error> {
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

    fn frame(&mut self, frame: &Frame) -> Result<(), Error> {
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
            self.pending.push(match operation {
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
                Operation::Reference { name, new, .. } => Change::Reference(current?, name.into(), new),
                Operation::Pack(place) => Change::Pack(current?, place),
                Operation::Commit => {
                    for change in std::mem::take(&mut self.pending) {
                        self.apply(change)?;
                    }
                    self.current = None;
                    continue;
                }
            });
        }
        Ok(())
    }

    fn apply(&mut self, change: Change) -> Result<(), Error> {
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
                self.released.extend(removed.packs.iter().filter_map(|pack| Some(pack.place()?.extent)));
                return Ok(());
            }
            Change::Object(number, record) => {
                self.check_record(record)?;
                *number
            }
            Change::Reference(number, ..) | Change::Pack(number, _) => *number,
        };
        let pack = match &change {
            Change::Pack(_, place) => Some(self.pack(*place)?),
            _ => None,
        };
        let repository = self.repositories.get_mut(&number).ok_or_else(|| missing(number))?;
        match change {
            Change::Object(_, record) => repository.index.insert(record),
            Change::Reference(_, name, Some(id)) => {
                repository.references.insert(name, id);
            }
            Change::Reference(_, name, None) => {
                repository.references.remove(&name);
            }
            Change::Pack(..) => repository.packs.extend(pack),
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
