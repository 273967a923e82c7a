//! Rewriting one repository: its part of the log becomes a pack, packs become one, and what no reference
//! reaches is left out.

use super::{
    Compacted,
    adoption::Rewrite,
    copying::Copying,
    ends,
    entries::{EntryReader, Place},
    free_space,
    output::PackOutput,
    plan::{MAX_OBJECTS, Plan},
    policy::{self, Effort, MIN_PACK, joined},
    reachability::Reachability,
};
use crate::{
    Commit, Error, Objects, Pace, Repository,
    commit::EncodedObject,
    core::{Core, Journal, RepositoryState},
    format::{
        layout::SEGMENT,
        pack_index::Ends,
        record::{Attributes, Record},
    },
    log::is_large,
    objects::{
        entry::{EntryHeader, encode_whole, with_stream},
        pack::AdoptedPack,
    },
    retention::ShallowList,
};
use gix_hash::ObjectId;
use gix_object::Kind;
use std::{
    cell::RefCell,
    collections::{BTreeMap, HashSet},
    ops::Range,
    rc::Rc,
};

/// Trees and the like in extents of their own go into packs up to this size, which is smaller in tests; larger
/// ones, and all such blobs, stay.
const MAX_MOVED: u32 = if cfg!(test) { 2 << 20 } else { 8 << 20 };
/// Bytes that become reachable while a collection is under way, and are then saved from it.
const MAX_SAVED: usize = 4 << 20;
/// After so many rounds, what became reachable meanwhile is followed without giving way.
const ROUNDS: usize = 16;

/// Work on one repository.
pub(super) struct Rewriting<'a> {
    pub(super) core: &'a Rc<Core>,
    pub(super) repository: &'a Rc<RefCell<RepositoryState>>,
    pub(super) pace: &'a Pace,
    pub(super) effort: Effort,
    pub(super) done: &'a mut Compacted,
}

/// Where the log stood at a moment.
struct Moment {
    /// The byte of the device that the next operation would be at.
    end: u64,
    /// The last transaction.
    number: u64,
}

/// How far [`Rewriting::pack_log`] came.
#[derive(PartialEq, Eq)]
pub(super) enum Packed {
    All,
    /// There was room for a part only.
    Part,
}

/// Whether an object stays where it is: moving it would gain nothing.
fn stays(record: &Record) -> bool {
    is_large(record.length() as usize)
        && (record.attributes().kind() == Kind::Blob || record.length() > MAX_MOVED)
}

impl Moment {
    fn now(core: &Core) -> Self {
        let state = core.state.borrow();
        let position = state.log.position();
        let segment_end = (u64::from(position.segment) + 1) * SEGMENT;
        Self { end: state.log.end().min(segment_end), number: state.submitted }
    }

    /// Resolves when all up to then is on the device.
    async fn durable(&self, core: &Rc<Core>) -> Result<(), Error> {
        Commit::new(core.clone(), self.number).await
    }

    /// The part of the device that an object of that moment is in, and no later one can be.
    fn range(&self, record: &Record) -> Range<u64> {
        let offset = record.offset();
        if is_large(record.length() as usize) {
            return offset..offset + u64::from(record.length());
        }
        let segment = offset / SEGMENT * SEGMENT;
        let end = segment + SEGMENT;
        segment..if (segment..=end).contains(&self.end) { end.min(self.end) } else { end }
    }
}

/// Objects of the log, by their segment and the place in it.
#[derive(Default)]
pub(super) struct BySegment(BTreeMap<u32, Vec<(u64, u32)>>);

impl BySegment {
    fn add(&mut self, record: &Record, number: usize) {
        let segment = (record.offset() / SEGMENT) as u32;
        self.0.entry(segment).or_default().push((record.offset(), number as u32));
    }

    /// The numbers of the objects in the order of the device.
    async fn in_order(mut self, pace: &Pace) -> Vec<u32> {
        let mut order = Vec::new();
        for places in self.0.values_mut() {
            places.sort_unstable();
            order.extend(places.iter().map(|(_, number)| *number));
            pace.spend(100 * places.len() as u64).await;
        }
        order
    }
}

impl Rewriting<'_> {
    /// Does what is worth doing.
    pub(super) async fn run(&mut self) -> Result<(), Error> {
        let mut full = false;
        if policy::collection_due(&self.repository.borrow(), self.effort) {
            match self.collect().await {
                Err(Error::DeviceFull) => full = true,
                other => other?,
            }
        }
        while policy::packing_due(&self.repository.borrow(), self.core.capacity.get(), self.effort) {
            let packed = self.pack_log().await;
            self.note_room(!matches!(packed, Err(Error::DeviceFull)));
            if packed? == Packed::All {
                break;
            }
            free_space(self.core).await?;
        }
        if full && self.effort > Effort::Routine {
            free_space(self.core).await?;
            self.collect().await?;
        }
        Ok(())
    }

    /// Notes whether there was room for a pack, so that it is not tried again at once.
    fn note_room(&self, found: bool) {
        let mut state = self.repository.borrow_mut();
        state.compaction.no_room_bytes = if found { 0 } else { state.index.bytes() };
    }

    /// Bytes that one new pack can have.
    fn room(&self) -> u64 {
        let state = self.core.state.borrow();
        let reserve = policy::reserve(&state, self.core.capacity.get(), self.effort);
        let segments = state.space.largest().min(state.space.free_segments().saturating_sub(reserve));
        u64::from(segments) * SEGMENT
    }

    /// Makes a pack of the repository's part of the log, with the packs that join it.
    pub(super) async fn pack_log(&mut self) -> Result<Packed, Error> {
        let moment = Moment::now(self.core);
        let (records, packs) = {
            let state = self.repository.borrow();
            let records: Vec<Record> = state.index.iter().filter(|record| !stays(record)).copied().collect();
            (records, state.packs.clone())
        };
        let mut segments: BTreeMap<u32, (u64, u64)> = BTreeMap::new();
        for record in &records {
            let (bytes, count) = segments.entry((record.offset() / SEGMENT) as u32).or_default();
            (*bytes, *count) = (*bytes + u64::from(record.length()), *count + 1);
        }
        let takes = |bytes: u64, count: u64| bytes + bytes / 32 + 64 * count + (4 << 10);
        let (bytes, count) = segments.values().fold((0, 0), |sum, (b, c)| (sum.0 + b, sum.1 + c));
        let mut sizes = Vec::with_capacity(packs.len());
        for pack in &packs {
            // What cannot be in one plan would not become one pack.
            // And those that belong together are sent whole only as long as all of them are there.
            let joins = pack.len()? <= MAX_OBJECTS / 2 && pack.ends()?.packs < 2;
            sizes.push(if joins { pack.pack_length() } else { u64::MAX });
        }
        let mut joining = policy::joining(&sizes, bytes, Effort::Routine);
        let room = self.room();
        let joined_bytes = |joining: usize| sizes.iter().rev().take(joining).sum::<u64>();
        while joining > 0 && takes(bytes + joined_bytes(joining), count) > room {
            joining -= 1;
        }
        let mut last = None;
        if takes(bytes, count) > room {
            let (mut bytes, mut count) = (0, 0);
            for (segment, (more, number)) in &segments {
                (bytes, count) = (bytes + more, count + number);
                if takes(bytes, count) > room {
                    break;
                }
                last = Some(*segment);
            }
            if last.is_none() {
                return Err(Error::DeviceFull);
            }
        }
        let mut order = BySegment::default();
        let mut ranges = Vec::new();
        for (number, record) in records.iter().enumerate() {
            if last.is_none_or(|last| (record.offset() / SEGMENT) as u32 <= last) {
                order.add(record, number);
                ranges.push(moment.range(record));
            }
        }
        let ranges = distinct(ranges);
        let dropped_packs = packs.get(packs.len() - joining..).unwrap_or_default().to_vec();
        drop(packs);
        moment.durable(self.core).await?;
        let order = order.in_order(self.pace).await;
        let rewrite = Rewrite { dropped_packs: dropped_packs.clone(), ranges, ..Rewrite::default() };
        let reader = EntryReader::new(self.core, &dropped_packs);
        let mut writer = Writer::new(self, &reader, rewrite);
        for (number, pack) in (0_u16..).zip(&dropped_packs) {
            for position in pack.positions()? {
                let position = position?;
                let place = Place::in_pack(number, position)?;
                writer.add(pack.id(position)?, pack.kind(position)?, place).await?;
            }
        }
        for number in order {
            if let Some(record) = records.get(number as usize) {
                writer.add(record.id(), record.attributes().kind(), Place::of(record)).await?;
            }
        }
        let rewrite = writer.finish().await?;
        self.adopt(rewrite).await?;
        Ok(if last.is_some() { Packed::Part } else { Packed::All })
    }

    async fn adopt(&mut self, rewrite: Rewrite) -> Result<(), Error> {
        self.done.packs += rewrite.packs.len() as u64;
        let packs = rewrite.packs.iter().map(|pack| pack.place.index_offset + pack.place.index_length);
        let objects = rewrite.objects.iter().map(|object| object.entry.len() as u64);
        self.done.bytes_written += packs.sum::<u64>() + objects.sum::<u64>();
        let number = self.core.adopt(self.repository, rewrite)?;
        Commit::new(self.core.clone(), number).await
    }

    /// Puts objects that lie in these ranges of the log to its end.
    pub(super) async fn move_on(&mut self, within: &[Range<u64>]) -> Result<(), Error> {
        let moment = Moment::now(self.core);
        let records: Vec<Record> = {
            let state = self.repository.borrow();
            let inside = |record: &&Record| crate::objects::index::holds(within, record.offset());
            state.index.iter().filter(inside).copied().collect()
        };
        let mut order = BySegment::default();
        records.iter().enumerate().for_each(|(number, record)| order.add(record, number));
        let ranges = distinct(records.iter().map(|record| moment.range(record)).collect());
        moment.durable(self.core).await?;
        let reader = EntryReader::new(self.core, &[]);
        let mut rewrite = Rewrite { ranges, ..Rewrite::default() };
        for number in order.in_order(self.pace).await {
            let Some(record) = records.get(number as usize) else { continue };
            let (id, attributes) = (record.id(), record.attributes());
            let object = self.for_log(&reader, id, attributes, Place::of(record), &|_| Ok(true))?;
            rewrite.objects.push(object);
            self.pace.spend(u64::from(record.length()) + 1000).await;
        }
        self.adopt(rewrite).await
    }

    /// An object as it is put into the log again. A delta stays one if its base does.
    fn for_log(
        &self,
        reader: &EntryReader<'_>,
        id: ObjectId,
        attributes: Attributes,
        place: Place,
        base_stays: &dyn Fn(&ObjectId) -> Result<bool, Error>,
    ) -> Result<EncodedObject, Error> {
        let stored = reader.entry(place)?;
        let header = EntryHeader::parse(&stored)?;
        // Its checksum is compared here.
        let damaged = |error: Error| Error::Damaged { id, reason: error.to_string() };
        let (_, length) = header.inflate(&stored, self.core.options.max_object_size).map_err(damaged)?;
        let base = reader.base(&id, place, &header)?;
        let stream = header.stream(&stored).get(..length).unwrap_or_default();
        let entry = match base {
            Some(base) if !base_stays(&base)? => {
                let object = self.handle().object(&id)?;
                encode_whole(object.kind, &object.data)
            }
            base => with_stream(base, attributes.kind(), header.inflated_size, stream),
        };
        Ok(EncodedObject { id, attributes, entry: entry.into() })
    }

    fn handle(&self) -> Repository {
        Repository::new(self.core.clone(), self.repository.clone())
    }

    /// Finds what no reference reaches, and writes anew, without it, what it is stored among, if that pays.
    async fn collect(&mut self) -> Result<(), Error> {
        let moves = self.repository.borrow().stranding_moves;
        // References have their old values, and keep what these reach, until a move is durable: those that are
        // counted must be.
        Moment::now(self.core).durable(self.core).await?;
        let moment = Moment::now(self.core);
        let journaling = Journaling::begin(self.repository);
        let mut reachability = Reachability::new(self.core, self.repository)?;
        reachability.follow_references(self.pace).await?;
        // From then on, readers see what the references have moved to.
        moment.durable(self.core).await?;
        while reachability.gather()? {
            reachability.follow(self.pace).await?;
        }
        // What is pinned now may be unreachable later, without another move.
        let moves_done = if reachability.pinned { 0 } else { moves };
        {
            let mut state = self.repository.borrow_mut();
            state.compaction.examined_bytes = policy::stored_bytes(&state);
            if !reachability.pinned {
                state.compaction.examined_moves = moves;
            }
        }
        let mut units = Units::choose(&reachability, self.effort);
        if units.pays {
            self.heed_bases(&reachability, &mut units).await?;
        }
        let mut rewrite = Rewrite::default();
        if units.pays {
            reachability.late = Some(Vec::new());
            rewrite = self.copy_live(&moment, &reachability, &units).await?;
            let mut rounds = 0;
            while reachability.gather()? {
                rounds += 1;
                let unpaced = Pace::unpaced();
                reachability.follow(if rounds > ROUNDS { &unpaced } else { self.pace }).await?;
            }
            // From here to the adoption nothing else runs, so what was found holds.
            let saved = self.save_late(&reachability, &units, &mut rewrite)?;
            rewrite.shallow = self.shallow_left(&reachability)?;
            self.done.unreachable += units.unreachable.saturating_sub(saved);
            rewrite.collected = moves_done;
            self.core.forget_decoded();
        } else if units.unreachable == 0 && moves_done > 0 {
            rewrite.collected = moves_done;
        } else {
            return Ok(());
        }
        drop((units, reachability, journaling));
        self.adopt(rewrite).await
    }

    /// Objects of the log may be deltas against what is not reachable, and goes: they are written anew then, also
    /// those that would stay where they are.
    async fn heed_bases(&self, reachability: &Reachability<'_>, units: &mut Units) -> Result<(), Error> {
        let reader = EntryReader::new(self.core, &[]);
        for (number, record) in reachability.records.iter().enumerate() {
            let leaves = units.log && !stays(record);
            if leaves || !reachability.live_records.get(number) {
                continue;
            }
            let (id, place) = (record.id(), Place::of(record));
            let (header, _) = reader.start(place)?;
            if let Some(base) = reader.base(&id, place, &header)?
                && !reachability.is_live(&base)?
            {
                match stays(record) {
                    true => units.take_large(number, record),
                    false => units.take_log(),
                }
            }
            self.pace.spend(1000).await;
        }
        Ok(())
    }

    /// The shallow list without commits that are dropped. It goes along also when it stays as it is, so that
    /// nobody who has lost other parts of the log looks for what is below.
    fn shallow_left(&self, reachability: &Reachability<'_>) -> Result<Option<ShallowList>, Error> {
        let list = self.repository.borrow().shallow.clone();
        let mut left = Vec::with_capacity(list.len());
        for id in list.iter() {
            if reachability.is_live(&id)? {
                left.push(id);
            }
        }
        Ok((!list.is_empty()).then(|| left.into_iter().collect()))
    }

    /// Copies what is reachable of the units.
    async fn copy_live(
        &self,
        moment: &Moment,
        reachability: &Reachability<'_>,
        units: &Units,
    ) -> Result<Rewrite, Error> {
        let mut ranges = Vec::new();
        let mut order = BySegment::default();
        for (number, record) in reachability.records.iter().enumerate() {
            let live = reachability.live_records.get(number);
            let leaves = units.takes(number, record);
            if leaves || (stays(record) && !live) {
                ranges.push(moment.range(record));
            }
            if leaves && live {
                order.add(record, number);
            }
        }
        let dropped_packs: Vec<_> =
            units.packs.iter().filter_map(|number| reachability.packs.get(*number)).collect();
        let packs: Vec<Rc<AdoptedPack>> = dropped_packs.iter().map(|marked| marked.pack.clone()).collect();
        let reader = EntryReader::new(self.core, &packs);
        let rewrite =
            Rewrite { dropped_packs: packs.clone(), ranges: distinct(ranges), ..Rewrite::default() };
        let mut writer = Writer::new(self, &reader, rewrite);
        writer.ends = units.ends(reachability);
        for (number, marked) in (0_u16..).zip(&dropped_packs) {
            for position in marked.pack.positions()? {
                let position = position?;
                if !marked.live.get(position.number()) {
                    continue;
                }
                let (id, kind) = (marked.pack.id(position)?, marked.pack.kind(position)?);
                let place = Place::in_pack(number, position)?;
                if units.into_log {
                    // A copy of the base in the log may be a delta on this one.
                    let stays =
                        |base: &ObjectId| Ok(!reachability.has_record(base) && reachability.is_live(base)?);
                    let attributes = Attributes::new(kind, None);
                    writer.put(self.for_log(&reader, id, attributes, place, &stays)?).await?;
                } else {
                    writer.add(id, kind, place).await?;
                }
            }
        }
        for number in order.in_order(self.pace).await {
            let Some(record) = reachability.records.get(number as usize) else { continue };
            let (id, attributes, place) = (record.id(), record.attributes(), Place::of(record));
            if units.into_log {
                let stays = |base: &ObjectId| reachability.is_live(base);
                writer.put(self.for_log(&reader, id, attributes, place, &stays)?).await?;
            } else {
                writer.add(id, attributes.kind(), place).await?;
            }
        }
        writer.finish().await
    }

    /// Puts what became reachable after all was copied into the log, and says how many objects that are.
    fn save_late(
        &self,
        reachability: &Reachability<'_>,
        units: &Units,
        rewrite: &mut Rewrite,
    ) -> Result<u64, Error> {
        let (mut saved, mut bytes) = (0, 0);
        for id in reachability.late.iter().flatten() {
            if !units.drops(reachability, id)? {
                continue;
            }
            let object = self.handle().object(id)?;
            let entry = encode_whole(object.kind, &object.data);
            bytes += entry.len();
            if bytes > MAX_SAVED || is_large(entry.len()) {
                return Err(Error::Limit("what became reachable during a collection".into()));
            }
            let attributes = Attributes::new(object.kind, None);
            rewrite.objects.push(EncodedObject { id: *id, attributes, entry: entry.into() });
            saved += 1;
        }
        Ok(saved)
    }
}

/// While it lives, what is added to a repository is noted.
struct Journaling(Rc<RefCell<RepositoryState>>);

impl Journaling {
    fn begin(repository: &Rc<RefCell<RepositoryState>>) -> Self {
        repository.borrow_mut().journal = Some(Journal::default());
        Self(repository.clone())
    }
}

impl Drop for Journaling {
    fn drop(&mut self) {
        self.0.borrow_mut().journal = None;
    }
}

/// What a collection writes anew: whatever has something unreachable in it, so that what is left refers to
/// nothing that is gone.
struct Units {
    pays: bool,
    /// The repository's part of the log.
    log: bool,
    /// Packs, by their numbers.
    packs: Vec<usize>,
    /// What is in extents of its own and would stay there, were its base not unreachable: numbers of records.
    large: HashSet<usize>,
    /// What is reachable of them, in bytes, about.
    live: u64,
    /// What is reachable of the repository's part of the log, in bytes.
    log_live: u64,
    /// What is reachable of them is too little for a pack.
    into_log: bool,
    /// Number of unreachable objects.
    unreachable: u64,
}

impl Units {
    fn choose(reachability: &Reachability<'_>, effort: Effort) -> Self {
        let (mut live, mut garbage, mut unreachable) = (0, 0, 0);
        let (mut log_live, mut log_garbage) = (0, 0);
        for (number, record) in reachability.records.iter().enumerate() {
            let length = u64::from(record.length());
            let is_live = reachability.live_records.get(number);
            unreachable += u64::from(!is_live);
            match (is_live, stays(record)) {
                (true, true) => {}
                (false, true) => garbage += length,
                (true, false) => log_live += length,
                (false, false) => log_garbage += length,
            }
        }
        let mut packs = Vec::new();
        let (mut all_packs, mut gone_from_packs) = (Vec::new(), 0);
        for (number, marked) in reachability.packs.iter().enumerate() {
            let (length, objects) = (marked.pack.pack_length(), marked.live.len() as u64);
            let gone = objects - marked.live.count();
            unreachable += gone;
            // Entries are taken to be alike: their lengths would have to be read.
            let gone_bytes = (u128::from(length) * u128::from(gone) / u128::from(objects.max(1))) as u64;
            all_packs.push((number, length));
            if gone > 0 {
                packs.push(number);
                garbage += gone_bytes;
                gone_from_packs += gone_bytes;
                live += length - gone_bytes;
            }
        }
        let mut log = log_garbage > 0;
        garbage += log_garbage;
        live += if log { log_live } else { 0 };
        let mut pays = policy::garbage_pays(garbage, live, effort);
        if effort == Effort::Full && (pays || all_packs.len() > 1 || log_live >= MIN_PACK) {
            pays = true;
            log = true;
            packs = all_packs.iter().map(|(number, _)| *number).collect();
            live = log_live + all_packs.iter().map(|(_, length)| length).sum::<u64>();
            live = live.saturating_sub(gone_from_packs);
        }
        let large = HashSet::new();
        Self { pays, log, packs, large, live, log_live, into_log: live < MIN_PACK, unreachable }
    }

    /// Whether an object that is in no pack is written anew, if it is reachable.
    fn takes(&self, number: usize, record: &Record) -> bool {
        if stays(record) { self.large.contains(&number) } else { self.log }
    }

    /// A large object is written anew too.
    fn take_large(&mut self, number: usize, record: &Record) {
        self.large.insert(number);
        self.live += u64::from(record.length());
        self.into_log = self.live < MIN_PACK;
    }

    /// The repository's part of the log is written anew too.
    fn take_log(&mut self) {
        if !self.log {
            self.log = true;
            self.live += self.log_live;
            self.into_log = self.live < MIN_PACK;
        }
    }

    /// The ends of all packs together that are written, when they are all that the references reach, but for
    /// objects that stay in extents of their own. No object is in two of them: one copy of each is marked.
    fn ends(&self, reachability: &Reachability<'_>) -> Option<Ends> {
        let mut ends = reachability.tips()?;
        let (mut objects, mut others) = (0, Vec::new());
        for (number, record) in reachability.records.iter().enumerate() {
            match (reachability.live_records.get(number), stays(record)) {
                (true, true) if !self.large.contains(&number) => others.push(record.id()),
                (true, false) => objects += 1,
                _ => {}
            }
        }
        // What only a reference leads to is no boundary.
        if others.iter().any(|id| ends.contains(id)) {
            return None;
        }
        if self.into_log || self.packs.len() < reachability.packs.len() || (objects > 0 && !self.log) {
            return None;
        }
        objects += reachability.packs.iter().map(|marked| marked.live.count()).sum::<u64>();
        objects += self.large.len() as u64;
        ends.append(&mut others);
        let packs = objects.div_ceil(MAX_OBJECTS as u64) as u32;
        Some(Ends::of_several(ends, packs))
    }

    /// Whether the copy of an object that was found is among what is dropped.
    fn drops(&self, reachability: &Reachability<'_>, id: &ObjectId) -> Result<bool, Error> {
        Ok(match reachability.find(id)? {
            Some((0, at)) => match reachability.records.get(at) {
                // Large ones were kept or dropped each for itself.
                Some(record) => self.log || stays(record),
                None => false,
            },
            Some((pack, _)) => self.packs.contains(&(pack - 1)),
            None => false,
        })
    }
}

/// Writes the objects of a rewrite into as many packs as they take.
struct Writer<'a> {
    core: &'a Rc<Core>,
    repository: &'a Rc<RefCell<RepositoryState>>,
    pace: &'a Pace,
    reader: &'a EntryReader<'a>,
    effort: Effort,
    plan: Plan,
    rewrite: Rewrite,
    /// Bytes that are put into the log.
    put: usize,
    /// The ends of all packs; while they are not known, they are looked for when there is one pack only.
    ends: Option<Ends>,
}

impl<'a> Writer<'a> {
    fn new(rewriting: &Rewriting<'a>, reader: &'a EntryReader<'a>, rewrite: Rewrite) -> Self {
        let Rewriting { core, repository, pace, effort, .. } = *rewriting;
        Self { core, repository, pace, reader, effort, plan: Plan::new(), rewrite, put: 0, ends: None }
    }

    /// Adds an object to the pack.
    async fn add(&mut self, id: ObjectId, kind: Kind, place: Place) -> Result<(), Error> {
        self.check_there()?;
        if self.plan.len() >= MAX_OBJECTS {
            self.write_pack(false).await?;
        }
        self.plan.add(id, kind, place);
        self.pace.spend(500).await;
        Ok(())
    }

    /// Adds an object to what is put into the log.
    async fn put(&mut self, object: EncodedObject) -> Result<(), Error> {
        self.check_there()?;
        let length = object.entry.len();
        self.put += length;
        if is_large(length) || self.put > MAX_SAVED {
            return Err(Error::Limit("what is put into the log at once".into()));
        }
        self.rewrite.objects.push(object);
        self.pace.spend(2 * length as u64 + 1000).await;
        Ok(())
    }

    async fn write_pack(&mut self, last: bool) -> Result<(), Error> {
        let mut plan = std::mem::replace(&mut self.plan, Plan::new());
        plan.finish(self.reader, self.pace).await?;
        let ends = match &self.ends {
            Some(ends) => ends.clone(),
            None if last && self.rewrite.packs.is_empty() => {
                let repository = Repository::new(self.core.clone(), self.repository.clone());
                ends::of_plan(&repository, &plan, &self.rewrite.dropped_packs, self.pace).await?
            }
            None => Ends::default(),
        };
        self.check_there()?;
        let mut output = PackOutput::begin(self.core, &plan, &ends, self.effort).await?;
        Copying::new(self.core, self.repository, self.reader, self.pace).run(&mut plan, &mut output).await?;
        self.rewrite.packs.push(output.finish(plan, &ends, self.pace).await?);
        self.check_there()
    }

    async fn finish(mut self) -> Result<Rewrite, Error> {
        if self.plan.len() > 0 {
            self.write_pack(true).await?;
        }
        Ok(self.rewrite)
    }

    /// A repository may be removed at any time; what is read then may be of others.
    fn check_there(&self) -> Result<(), Error> {
        let state = self.repository.borrow();
        if state.removed { Err(Error::NoRepository(state.name.clone())) } else { Ok(()) }
    }
}

/// Ranges in order, each once, and those that touch as one.
fn distinct(mut ranges: Vec<Range<u64>>) -> Vec<Range<u64>> {
    ranges.sort_unstable_by_key(|range| (range.start, range.end));
    ranges.dedup();
    joined(ranges)
}
