//! Repairing one repository: its damaged and missing objects, its packs and references.

use super::{
    leftovers::Leftovers,
    maker::Maker,
    pack_index::{NewIndex, index_anew, usable_index},
    pack_scan::ScanLimits,
    report::{Outcome, Outcome::*, Report},
    salvage::LostUpdate,
    sources::CloneSource,
};
use crate::{
    Error, Object, ReferenceUpdate, Store,
    check::{Copy, Resolver, check_pack_entry, check_pack_frame, ends_history},
    commit::{EncodedObject, PackToStore},
    core::{Core, RepositoryState},
    extent_writer::ExtentWriter,
    format::{
        operation::PackPlace,
        pack_index::{self, Ends},
        record::Attributes,
    },
    objects::{
        entry::{self, EntryContent, EntryHeader},
        fetch,
        pack::{AdoptedPack, PackPosition},
    },
    pack::{PackedObject, WholeEntry, check_object, write_pack},
    retention::ShallowList,
};
use gix_hash::{ObjectId, oid};
use gix_object::Kind;
use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet, HashSet},
    rc::Rc,
};

/// Bytes of restored objects after which a flush makes them durable.
const BATCH: usize = 4 << 20;

/// Where else good copies may be.
pub(super) struct Elsewhere<'a> {
    pub(super) clones: &'a mut dyn CloneSource,
    pub(super) leftovers: Option<&'a Leftovers>,
    /// What the lost part of the log says of references.
    pub(super) updates: &'a [LostUpdate],
    /// Whether a part of the log is lost, and with it perhaps references.
    pub(super) lossy: bool,
}

/// Repairs a repository as far as there are good copies of what is damaged.
pub(super) fn repair(
    store: &Store,
    state: &Rc<RefCell<RepositoryState>>,
    elsewhere: &mut Elsewhere<'_>,
    report: &mut Report<'_>,
) -> Result<(), Error> {
    let core = store.core();
    let (name, shallow) = (state.borrow().name.clone(), state.borrow().shallow.clone());
    let mut repair = RepositoryRepair {
        store,
        core,
        state,
        name,
        shallow,
        // The caches of the store, which are not used here.
        resolver: Resolver::new(core, state, core.options.tree_cache),
        maker: Maker::new(core, state, core.options.base_cache),
        elsewhere,
        report,
        bad_logged: BTreeSet::new(),
        bad_packs: Vec::new(),
        missing: BTreeSet::new(),
        unavailable: BTreeMap::new(),
        reached: HashSet::new(),
        blocked: BTreeMap::new(),
        unflushed: 0,
    };
    repair.indexes()?;
    repair.survey()?;
    let clone = repair.clone_references();
    let mut roots: Vec<(ObjectId, Option<Kind>)> =
        state.borrow().references.values().map(|id| (*id, None)).collect();
    roots.extend(repair.updates().iter().filter_map(|update| Some((update.new?, None))));
    roots.extend(clone.iter().map(|(_, id)| (*id, None)));
    loop {
        repair.walk(roots);
        let progress = repair.restore()?;
        if !progress {
            break;
        }
        roots = std::mem::take(&mut repair.blocked).into_iter().collect();
    }
    repair.rewrite_packs()?;
    repair.forget_unreachable();
    repair.references(&clone)?;
    repair.conclude();
    repair.flush()
}

/// The entry of an object of a pack, to be copied.
fn whole_entry(pack: &AdoptedPack, position: PackPosition) -> Result<WholeEntry, Error> {
    let bytes = pack.entry(position)?;
    let header = EntryHeader::parse(&bytes)?;
    let content = match header.content {
        EntryContent::Whole(kind) => Ok(kind),
        EntryContent::ReferenceDelta(base) => Err(base),
        EntryContent::OffsetDelta(distance) => Err(pack.id(pack.base(position, distance)?)?),
    };
    let zlib = bytes.slice(header.length.min(bytes.len())..);
    Ok(WholeEntry { content, inflated_size: header.inflated_size, zlib })
}

struct BadPack {
    pack: Rc<AdoptedPack>,
    /// The pack with its damaged index, when another one is used meanwhile.
    original: Option<Rc<AdoptedPack>>,
    /// The objects whose entries in it cannot be read.
    objects: BTreeSet<ObjectId>,
}

struct RepositoryRepair<'a, 'e, 'r> {
    store: &'a Store,
    core: &'a Rc<Core>,
    state: &'a Rc<RefCell<RepositoryState>>,
    name: String,
    /// Commits whose parents are not looked for.
    shallow: ShallowList,
    resolver: Resolver<'a>,
    maker: Maker<'a>,
    elsewhere: &'a mut Elsewhere<'e>,
    report: &'a mut Report<'r>,
    /// Objects whose copy in the log, or in an extent of their own, cannot be read.
    bad_logged: BTreeSet<ObjectId>,
    bad_packs: Vec<BadPack>,
    /// Objects that references reach and that are nowhere.
    missing: BTreeSet<ObjectId>,
    /// Objects of which no good copy was found, and why.
    unavailable: BTreeMap<ObjectId, Option<String>>,
    /// All objects that references reach, as far as the history can be read.
    reached: HashSet<ObjectId>,
    /// Where the history cannot be read, with the kind that is expected there.
    blocked: BTreeMap<ObjectId, Option<Kind>>,
    unflushed: usize,
}

impl RepositoryRepair<'_, '_, '_> {
    /// Makes damaged indexes of packs anew.
    fn indexes(&mut self) -> Result<(), Error> {
        let packs = self.state.borrow().packs.clone();
        for (number, pack) in packs.into_iter().enumerate() {
            let (Err(error), Some(place)) = (pack.check_pages(), pack.place()) else { continue };
            let title = format!("the index of the pack at byte {}", place.extent.offset());
            let disk = &self.core.disk;
            if let Some(index) = index_anew(disk, &place, ScanLimits::of(&self.core.options)) {
                // These are the bytes that were there, by their checksum: no other place is needed.
                disk.write(place.extent.offset() + place.index_offset, &index)?;
                disk.device.flush()?;
                self.report.summary.packs += 1;
                self.report.summary.written = true;
                self.report.repository(Restored, &self.name, format!("{title} was made anew from the pack"));
                continue;
            }
            let usable = usable_index(disk, &place, ScanLimits::of(&self.core.options));
            let usable = usable.map(|NewIndex { bytes, checksum }| {
                Rc::new(AdoptedPack::on_device_with_index(disk.clone(), place, bytes, checksum))
            });
            match usable {
                Some(usable) => {
                    self.state.borrow_mut().packs[number] = usable.clone();
                    self.bad_packs.push(BadPack {
                        pack: usable,
                        original: Some(pack),
                        objects: BTreeSet::new(),
                    });
                }
                None => self.report.repository(Lost, &self.name, format!("{title}: {error}")),
            }
        }
        Ok(())
    }

    /// Reads every stored copy of every object.
    fn survey(&mut self) -> Result<(), Error> {
        let records: Vec<_> = {
            let mut state = self.state.borrow_mut();
            let mut records = state.index.sorted().to_vec();
            records.sort_unstable_by_key(|record| record.offset());
            records
        };
        for record in records {
            let id = record.id();
            if !self.is_logged_copy_good(&id) {
                self.bad_logged.insert(id);
            }
        }
        let packs = self.state.borrow().packs.clone();
        for pack in packs {
            let Ok(positions) = pack.positions() else { continue };
            let mut bad = BTreeSet::new();
            for position in positions {
                let position = position?;
                let id = pack.id(position)?;
                if check_pack_entry(&pack, position, &id, &self.resolver).is_err() {
                    bad.insert(id);
                }
            }
            if let Some(known) = self.bad_packs.iter_mut().find(|known| Rc::ptr_eq(&known.pack, &pack)) {
                known.objects = bad;
            } else if !bad.is_empty() || check_pack_frame(&pack).is_err() {
                self.bad_packs.push(BadPack { pack, original: None, objects: bad });
            }
        }
        Ok(())
    }

    fn is_logged_copy_good(&self, id: &ObjectId) -> bool {
        let Some(record) = self.state.borrow().index.get(id) else { return false };
        let entry = self.core.read_data(record.offset(), record.length());
        entry
            .and_then(|entry| self.resolver.copy(id, &entry, &Copy::Log))
            .is_ok_and(|object| object.kind == record.attributes().kind())
    }

    /// Whether an object that need not be looked into is here and whole.
    fn is_here(&self, id: &oid) -> bool {
        let bad = self.bad_logged.contains(id) || self.bad_packs.iter().any(|pack| pack.objects.contains(id));
        match bad {
            true => self.maker.make(&id.to_owned()).is_ok(),
            false => self.resolver.kind(id).is_ok_and(|kind| kind.is_some()),
        }
    }

    /// Follows the history from these objects on; notes what it cannot read.
    fn walk(&mut self, roots: Vec<(ObjectId, Option<Kind>)>) {
        let mut stack = roots;
        while let Some((id, kind)) = stack.pop() {
            if self.reached.contains(&id) {
                continue;
            }
            if kind == Some(Kind::Blob) && self.is_here(&id) {
                self.reached.insert(id);
                continue;
            }
            match self.maker.make(&id) {
                Ok(object) => {
                    self.reached.insert(id);
                    self.missing.remove(&id);
                    // What is wrong with it otherwise is the check's to say.
                    let _ = check_object(&id, object.kind, &object.data, &mut |to, kind| {
                        if !ends_history(&self.shallow, &id, kind) {
                            stack.push((to, kind));
                        }
                        Ok(())
                    });
                }
                Err(_) => {
                    self.blocked.insert(id, kind);
                    if !self.state.borrow().contains(&id).unwrap_or(false) {
                        self.missing.insert(id);
                    }
                }
            }
        }
    }

    /// Stores good copies of what is damaged or missing; false when none was found.
    fn restore(&mut self) -> Result<bool, Error> {
        let mut progress = false;
        let mut wanted: BTreeSet<ObjectId> = self.missing.clone();
        for id in self.bad_logged.clone() {
            if self.is_logged_copy_good(&id) {
                // The base of its delta was restored.
                self.bad_logged.remove(&id);
                progress = true;
                continue;
            }
            match self.maker.make(&id) {
                Ok(object) => {
                    self.store(id, &object, "from another copy of it on the device")?;
                    progress = true;
                }
                Err(culprit) => {
                    wanted.insert(culprit);
                }
            }
        }
        let packed = self.bad_packs.iter().flat_map(|pack| pack.objects.iter());
        wanted.extend(packed.filter_map(|id| self.maker.make(id).err()));
        progress |= self.fetch(wanted)?;
        if progress {
            return Ok(true);
        }
        // What remains may have good copies itself, although the bases of its deltas have none.
        let packed = self.bad_packs.iter().flat_map(|pack| pack.objects.iter());
        let mut rest: BTreeSet<ObjectId> =
            packed.filter(|id| self.maker.make(id).is_err()).copied().collect();
        rest.extend(&self.bad_logged);
        self.fetch(rest)
    }

    /// Looks elsewhere for these objects.
    fn fetch(&mut self, wanted: BTreeSet<ObjectId>) -> Result<bool, Error> {
        let mut progress = false;
        for id in wanted {
            if self.unavailable.contains_key(&id) {
                continue;
            }
            match self.find_elsewhere(&id) {
                Ok((object, from)) => {
                    self.store(id, &object, &from)?;
                    progress = true;
                }
                Err(reason) => {
                    self.unavailable.insert(id, reason);
                }
            }
        }
        Ok(progress)
    }

    fn find_elsewhere(&mut self, id: &ObjectId) -> Result<(Object, String), Option<String>> {
        let limit = self.core.options.max_object_size;
        if let Some(object) =
            self.elsewhere.leftovers.and_then(|leftovers| leftovers.object(id, self.state, limit))
        {
            return Ok((object, "from a part of the device that the log no longer names".into()));
        }
        let others: Vec<_> = self.core.state.borrow().repositories.values().cloned().collect();
        for other in others.iter().filter(|other| !Rc::ptr_eq(other, self.state)) {
            let fetch = |id: &oid| self.core.fetch_encoded(other.borrow(), id);
            if let Ok(object) = fetch::decode(id, &fetch, limit) {
                return Ok((object, format!("from repository {}", other.borrow().name)));
            }
        }
        match self.elsewhere.clones.object(id) {
            Ok(Some(object)) => match entry::verify(id, object.kind, &object.data) {
                Ok(()) => Ok((object, "from the clone".into())),
                Err(error) => Err(Some(format!("the clone's copy is no better: {error}"))),
            },
            Ok(None) => Err(None),
            Err(reason) => Err(Some(reason)),
        }
    }

    fn store(&mut self, id: ObjectId, object: &Object, from: &str) -> Result<(), Error> {
        let entry = entry::encode_whole(object.kind, &object.data);
        self.unflushed += entry.len();
        let encoded =
            EncodedObject { id, attributes: Attributes::new(object.kind, None), entry: entry.into() };
        self.core.store_again(self.state, vec![encoded], Vec::new())?;
        self.bad_logged.remove(&id);
        self.missing.remove(&id);
        self.report.summary.objects += 1;
        self.report.summary.written = true;
        self.report.object(Restored, &self.name, id, format!("a {}, {from}", object.kind));
        if self.unflushed >= BATCH { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), Error> {
        self.unflushed = 0;
        self.core.flush_now(&mut self.core.state.borrow_mut())
    }

    /// Whether all of the history is known, so that what it does not reach is not needed.
    fn knows_all(&self) -> bool {
        self.blocked.is_empty() && self.state.borrow().packs.iter().all(|pack| pack.check_pages().is_ok())
    }

    /// Writes packs anew whose objects are all there again; of others, stores what can be made.
    fn rewrite_packs(&mut self) -> Result<(), Error> {
        for BadPack { pack, original, objects } in std::mem::take(&mut self.bad_packs) {
            let knows_all = self.blocked.is_empty();
            let lost: BTreeSet<ObjectId> =
                objects.iter().filter(|id| self.maker.make(id).is_err()).copied().collect();
            let needed = lost.iter().any(|id| !knows_all || self.reached.contains(id));
            if needed {
                for id in objects.difference(&lost) {
                    if !self.is_logged_copy_good(id)
                        && let Ok(object) = self.maker.make(id)
                    {
                        self.store(*id, &object, "from its entry in the damaged pack")?;
                    }
                }
                if let Some(original) = original {
                    self.put_back(&pack, original)?;
                }
                for id in &lost {
                    self.report_lost(id);
                }
                continue;
            }
            self.rewrite_pack(&pack, &objects, &lost)?;
        }
        Ok(())
    }

    /// Has a pack with its damaged index again, and stores what that does not find.
    fn put_back(&mut self, usable: &Rc<AdoptedPack>, original: Rc<AdoptedPack>) -> Result<(), Error> {
        for position in usable.positions()? {
            let id = usable.id(position?)?;
            if matches!(original.find(&id), Ok(Some(_))) || self.is_logged_copy_good(&id) {
                continue;
            }
            if let Ok(object) = self.maker.make(&id) {
                self.store(id, &object, "from a pack whose index is damaged")?;
            }
        }
        for pack in &mut self.state.borrow_mut().packs {
            if Rc::ptr_eq(pack, usable) {
                *pack = original.clone();
            }
        }
        Ok(())
    }

    fn rewrite_pack(
        &mut self,
        old: &Rc<AdoptedPack>,
        bad: &BTreeSet<ObjectId>,
        lost: &BTreeSet<ObjectId>,
    ) -> Result<(), Error> {
        let mut positions = Vec::new();
        for position in old.positions()? {
            let position = position?;
            let id = old.id(position)?;
            if !lost.contains(&id) {
                // The index may be damaged too: the object itself tells its kind.
                let kind = self.maker.make(&id).map_err(Error::NoObject)?.kind;
                positions.push((position, kind, bad.contains(&id)));
            }
        }
        let count = positions.len();
        let offset = old.place().map_or(0, |place| place.extent.offset());
        if count > 0 {
            let make = |id: &ObjectId| self.maker.make(id).map_err(Error::NoObject);
            let write = |out: &mut dyn FnMut(&[u8]) -> Result<(), Error>| {
                let mut objects = positions.iter().map(|(position, kind, bad)| {
                    let id = old.id(*position)?;
                    let entry = if *bad { None } else { Some(whole_entry(old, *position)?) };
                    Ok(PackedObject { id, attributes: Attributes::new(*kind, None), entry })
                });
                write_pack(count, &mut objects, &make, out)
            };
            // Twice, since the extent must be long enough, and the pack need not fit into memory.
            let mut pack_length = 0;
            write(&mut |bytes| {
                pack_length += bytes.len() as u64;
                Ok(())
            })?;
            let room = pack_length.next_multiple_of(self.core.disk.block_size.into());
            let room = room + pack_index::length(count, &Ends::default())?;
            let mut extent = ExtentWriter::to_restore(self.core, room)?;
            let (mut records, checksum) = write(&mut |bytes| extent.append_within(bytes))?;
            extent.pad_to_block()?;
            let index_offset = extent.length();
            let out = &mut |bytes: &[u8]| extent.append_within(bytes);
            let (index_length, index_checksum) =
                pack_index::write(&mut records, &checksum, &Ends::default(), out)?;
            let extent = extent.finish()?;
            let place = PackPlace {
                extent: extent.extent(),
                pack_length,
                index_offset,
                index_length,
                index_checksum,
            };
            let adopted = Rc::new(AdoptedPack::on_device(self.core.disk.clone(), place));
            let pack = PackToStore::Written { extent, adopted, place };
            self.core.store_again(self.state, Vec::new(), vec![pack])?;
            self.flush()?;
        }
        self.state.borrow_mut().packs.retain(|pack| !Rc::ptr_eq(pack, old));
        if let Some(place) = old.place() {
            let mut state = self.core.state.borrow_mut();
            state.space.release(place.extent);
            state.removed_since_checkpoint = true;
        }
        self.report.summary.packs += 1;
        self.report.summary.written = true;
        let dropped = match lost.len() {
            0 => String::new(),
            lost => format!(", without {lost} damaged ones that no reference reaches"),
        };
        let message = format!("the pack at byte {offset} was written anew with {count} objects{dropped}");
        self.report.repository(Restored, &self.name, message);
        Ok(())
    }

    /// Damaged objects that no reference reaches are not needed by anybody.
    fn forget_unreachable(&mut self) {
        let knows_all = self.knows_all();
        for id in std::mem::take(&mut self.bad_logged) {
            if knows_all && !self.reached.contains(&id) {
                self.state.borrow_mut().index.remove(&id);
                self.report.summary.written = true;
                let message = "was damaged, and no reference reaches it: it is forgotten".into();
                self.report.object(Notice, &self.name, id, message);
            } else {
                self.report_lost(&id);
            }
        }
    }

    fn report_lost(&mut self, id: &ObjectId) {
        let message = match self.unavailable.get(id) {
            Some(Some(reason)) => format!("no good copy was found: {reason}"),
            _ => "no good copy was found".into(),
        };
        self.report.object(Lost, &self.name, *id, message);
    }

    fn conclude(&mut self) {
        for id in std::mem::take(&mut self.missing) {
            self.report_lost(&id);
        }
    }

    /// What the lost part of the log says of this repository's references.
    fn updates(&self) -> Vec<LostUpdate> {
        let state = self.state.borrow();
        let here = |update: &&LostUpdate| match update.repository {
            Some(number) => number == state.number,
            // The one that has the old value, if there is one: a new reference could be anyone's.
            None => update.old.is_some() && state.references.get(&update.name) == update.old.as_ref(),
        };
        self.elsewhere.updates.iter().filter(here).cloned().collect()
    }

    /// References of the clone, where some of the repository's may be lost.
    fn clone_references(&mut self) -> Vec<(String, ObjectId)> {
        if !self.elsewhere.lossy {
            return Vec::new();
        }
        let references = self.elsewhere.clones.references(&self.name).into_iter();
        let own = |name: &str| !name.starts_with("refs/remotes/") && name != "refs/stash";
        references.filter(|one| own(&one.name)).map(|one| (one.name, one.id)).collect()
    }

    /// Moves references to where the lost part of the log, or else the clone, has them.
    fn references(&mut self, clone: &[(String, ObjectId)]) -> Result<(), Error> {
        for LostUpdate { name, old, new, .. } in self.updates() {
            let current = self.state.borrow().latest(&name);
            if current == old && new.is_none_or(|id| self.is_complete(id)) {
                self.move_reference(&name, current, new, Restored, "as the damaged log says")?;
            }
        }
        for (name, id) in clone {
            let current = self.state.borrow().latest(name);
            if current == Some(*id) || !self.is_complete(*id) {
                continue;
            }
            match current {
                Some(current) if !self.is_ancestor(current, *id) => self.report.repository(
                    Notice,
                    &self.name,
                    format!("{name} is {current}, and {id} in the clone: it was left as it is"),
                ),
                _ => self.move_reference(name, current, Some(*id), Restored, "as the clone has it")?,
            }
        }
        Ok(())
    }

    fn move_reference(
        &mut self,
        name: &str,
        expected: Option<ObjectId>,
        new: Option<ObjectId>,
        outcome: Outcome,
        why: &str,
    ) -> Result<(), Error> {
        let mut transaction = self.store.repository(&self.name)?.transaction();
        transaction.update_reference(ReferenceUpdate { name: name.into(), expected, new });
        let to = new.map_or_else(|| "nothing".to_owned(), |id| id.to_string());
        match transaction.submit() {
            Ok(commit) => drop(commit),
            Err(error @ (Error::InvalidName(_) | Error::NameConflict { .. })) => {
                self.report.repository(Lost, &self.name, format!("{name} at {to}: {error}"));
                return Ok(());
            }
            Err(error) => return Err(error),
        }
        self.flush()?;
        self.report.summary.references += 1;
        self.report.summary.written = true;
        self.report.repository(outcome, &self.name, format!("{name} was moved to {to}, {why}"));
        Ok(())
    }

    /// Whether all is here that an object leads to.
    fn is_complete(&self, id: ObjectId) -> bool {
        let (mut seen, mut stack) = (HashSet::new(), vec![(id, None)]);
        while let Some((id, kind)) = stack.pop() {
            if !seen.insert(id) || (kind == Some(Kind::Blob) && self.reached.contains(&id)) {
                continue;
            }
            if kind == Some(Kind::Blob) {
                if !self.is_here(&id) {
                    return false;
                }
                continue;
            }
            let Ok(object) = self.maker.make(&id) else { return false };
            let _ = check_object(&id, object.kind, &object.data, &mut |to, kind| {
                if !ends_history(&self.shallow, &id, kind) {
                    stack.push((to, kind));
                }
                Ok(())
            });
        }
        true
    }

    fn is_ancestor(&self, old: ObjectId, new: ObjectId) -> bool {
        let (mut seen, mut stack) = (HashSet::new(), vec![new]);
        while let Some(id) = stack.pop() {
            if id == old {
                return true;
            }
            if !seen.insert(id) {
                continue;
            }
            let Ok(object) = self.maker.make(&id) else { continue };
            if object.kind == Kind::Commit && !self.shallow.contains(&id) {
                stack.extend(
                    gix_object::CommitRefIter::from_bytes(&object.data, gix_hash::Kind::Sha1).parent_ids(),
                );
            }
        }
        false
    }
}
