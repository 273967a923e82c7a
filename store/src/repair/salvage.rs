//! Opening a store whose acknowledged log is damaged, with all of it that is whole.

use super::{
    leftovers::Leftovers,
    log_scan::{Chain, chains_from, scan},
    pack_scan::ScanLimits,
    report::{Outcome::*, Report},
};
use crate::{
    Error,
    core::{Core, OpenOptions, RepositoryState},
    disk::Disk,
    format::{
        frame,
        layout::{Extent, SEGMENT},
        operation::{Operation, Operations},
        superblock::{LogPosition, Superblock},
    },
    mount::{self, Change, Loader},
    replay::{Frame, segments},
};
use gix_hash::ObjectId;
use kalends_block_backend::BlockDevice;
use std::{
    collections::{BTreeSet, HashMap},
    rc::Rc,
};

/// A reference that the log meant to move, in a transaction of which a part is lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LostUpdate {
    /// Number of the repository; `None` when the part that named it is lost.
    pub(super) repository: Option<u32>,
    pub(super) name: String,
    pub(super) old: Option<ObjectId>,
    pub(super) new: Option<ObjectId>,
}

/// What could be opened.
pub(super) struct Salvaged {
    pub(super) core: Core,
    pub(super) leftovers: Leftovers,
    pub(super) updates: Vec<LostUpdate>,
}

/// Opens what is whole of the store, writing nothing. The candidates are its superblocks, newest first.
pub(super) fn salvage(
    device: &Rc<dyn BlockDevice>,
    candidates: &[(usize, Superblock)],
    options: &OpenOptions,
    report: &mut Report<'_>,
) -> Result<Salvaged, Error> {
    let mut first_error = None;
    for (slot, superblock) in candidates {
        let disk = mount::disk_for(device, superblock, options)?;
        match Loader::from_checkpoint(&disk, superblock, mount::Witness::of(candidates).capacity) {
            Ok(loader) => {
                return Salvage::new(&disk, loader, superblock, candidates, report)
                    .finish(*slot, superblock, options);
            }
            Err(error) => {
                report.device(Notice, format!("checkpoint {}: {error}", superblock.generation));
                first_error.get_or_insert(error);
            }
        }
    }
    Err(first_error.unwrap_or_else(|| Error::NotAStore("it has no superblock".into())))
}

struct Salvage<'a, 'r> {
    disk: &'a Disk,
    seed: u64,
    loader: Loader<'a>,
    leftovers: Leftovers,
    updates: Vec<LostUpdate>,
    /// The references as of what was read so far, where a transaction has named them.
    moved: HashMap<(u32, String), Option<ObjectId>>,
    /// Whether what follows may belong to a transaction whose start is lost.
    cut: bool,
    /// Whether anything was lost so far.
    lossy: bool,
    /// The newest frame that was found anywhere.
    newest: u64,
    report: &'a mut Report<'r>,
}

impl<'a, 'r> Salvage<'a, 'r> {
    /// Replays all frames that count.
    fn new(
        disk: &'a Disk,
        loader: Loader<'a>,
        superblock: &Superblock,
        candidates: &[(usize, Superblock)],
        report: &'a mut Report<'r>,
    ) -> Self {
        let seed = frame::seed(superblock.uuid);
        let mut salvage = Self {
            disk,
            seed,
            loader,
            leftovers: Leftovers::new(disk.clone()),
            updates: Vec::new(),
            moved: HashMap::new(),
            cut: false,
            lossy: false,
            newest: 0,
            report,
        };
        let scan = scan(disk, seed, segments(salvage.loader.capacity));
        if scan.unreadable > 0 {
            salvage.report.device(Notice, format!("{} blocks cannot be read", scan.unreadable));
        }
        salvage.newest = scan.frames.iter().map(|frame| frame.header.sequence).max().unwrap_or(0);
        // Any of them may hold objects that are needed again; what is older has been freed for good.
        let recent = scan.frames.iter().filter(|found| found.header.sequence >= superblock.log.sequence);
        for found in recent {
            if let Some(frame) = found.read(disk, seed) {
                salvage.leftovers.add_frame(&frame);
                salvage.loader.retained.push(Extent { first: found.segment, count: 1 });
            }
        }
        // So may a checkpoint that this one is used instead of.
        salvage.loader.retained.extend(candidates.iter().map(|(_, other)| other.checkpoint.extent));
        let anchors: Vec<LogPosition> = candidates.iter().map(|(_, superblock)| superblock.log).collect();
        let chains = chains_from(&scan.frames, &superblock.log, &anchors);
        let mut expected = superblock.log.sequence;
        for chain in &chains {
            if let Some(first) = chain.first()
                && first.header.sequence > expected
            {
                salvage.gap(expected, first.header.sequence);
            }
            salvage.chain(chain);
            expected = chain.last().map_or(expected, |last| last.header.sequence + 1);
        }
        let acknowledged = mount::Witness::of(candidates).acknowledged;
        if expected < acknowledged {
            salvage.gap(expected, acknowledged);
        }
        salvage
    }

    /// The frames from `first` on, before `next`, are lost.
    fn gap(&mut self, first: u64, next: u64) {
        let frames = match next - first {
            1 => format!("frame {first} of the log is lost"),
            count => format!("frames {first} to {} of the log are lost ({count})", next - 1),
        };
        self.report.device(Lost, frames);
        self.report.summary.lost_frames += next - first;
        (self.lossy, self.cut) = (true, true);
        self.loader.lossy = true;
        self.loader.current = None;
        // The transaction before the gap had been acknowledged too: what is whole of it is kept.
        let mut references = Vec::new();
        for change in std::mem::take(&mut self.loader.pending) {
            match change {
                Change::Reference(repository, name, new, _) => {
                    let old = self.reference(repository, &name);
                    references.push(LostUpdate { repository: Some(repository), name, old, new });
                }
                Change::Object(..) | Change::Pack(..) | Change::Shallow(_, _, false) => {
                    drop(self.loader.apply(change));
                }
                // What was to be dropped stays, beside what was to take its place.
                Change::Create(..)
                | Change::Remove(_)
                | Change::DropPack(..)
                | Change::DropRecords(..)
                | Change::Collected(..)
                | Change::Shallow(..) => {}
            }
        }
        for update in references {
            self.lose(update);
        }
    }

    fn chain(&mut self, chain: &Chain) {
        for found in chain {
            match found.read(self.disk, self.seed) {
                Some(frame) => self.frame(frame),
                None => self.gap(found.header.sequence, found.header.sequence + 1),
            }
            // Damaged frames may be where the log was to go on; they stay until all is durable.
            self.loader.data_segments.insert(found.header.next_segment);
        }
    }

    fn frame(&mut self, mut frame: Frame) {
        if self.cut && !self.skip_to_the_next_transaction(&mut frame) {
            return;
        }
        self.cut = false;
        self.prepare(&frame);
        if let Err(error) = self.loader.frame(&frame) {
            self.report.device(Lost, format!("what is in frame {}: {error}", frame.header.sequence));
            self.loader.pending.clear();
            (self.loader.current, self.cut, self.lossy) = (None, true, true);
        }
    }

    /// Passes over operations of a transaction whose start is lost; false when the frame has no others.
    fn skip_to_the_next_transaction(&mut self, frame: &mut Frame) -> bool {
        let operations_bytes = frame.operations.clone();
        let mut operations = Operations::new(&operations_bytes);
        let mut start = 0;
        let mut references = Vec::new();
        loop {
            let found = match operations.next() {
                Ok(Some(
                    Operation::Begin { .. }
                    | Operation::CreateRepository { .. }
                    | Operation::RemoveRepository { .. },
                )) => break,
                Ok(Some(Operation::Reference { name, old, new, .. })) => {
                    references.push(LostUpdate { repository: None, name: name.into(), old, new });
                    None
                }
                Ok(Some(Operation::Commit)) => Some(true),
                Ok(Some(_)) => None,
                Ok(None) | Err(_) => Some(false),
            };
            start = operations.position();
            if found == Some(false) {
                break;
            }
        }
        for update in references {
            self.lose(update);
        }
        frame.offset += start as u64;
        frame.operations = operations_bytes.slice(start..);
        !frame.operations.is_empty()
    }

    /// Makes the repositories that a frame takes for granted and whose creation is lost, and compares its
    /// references with what is known.
    fn prepare(&mut self, frame: &Frame) {
        let mut operations = Operations::new(&frame.operations);
        let mut current = self.loader.current;
        let mut created = BTreeSet::new();
        while let Ok(Some(operation)) = operations.next() {
            match operation {
                Operation::CreateRepository { repository, name } => {
                    created.insert(repository);
                    self.give_way(name);
                }
                Operation::Begin { repository } => {
                    current = Some(repository);
                    if !created.contains(&repository) {
                        self.expect(repository);
                    }
                }
                Operation::RemoveRepository { repository } if !created.contains(&repository) => {
                    self.expect(repository);
                }
                Operation::Reference { name, old, new, .. } => {
                    let Some(repository) = current else { continue };
                    let known = self.reference(repository, name);
                    if self.lossy && known != old {
                        self.report.repository(
                            Lost,
                            &self.name(repository),
                            format!("what moved {name} from {} to {}", text(known), text(old)),
                        );
                    }
                    self.moved.insert((repository, name.into()), new);
                }
                _ => {}
            }
        }
    }

    /// A repository that is to be there.
    fn expect(&mut self, number: u32) {
        if !self.lossy || self.loader.repositories.contains_key(&number) {
            return;
        }
        let name = format!("recovered-{number}");
        self.report.repository(Lost, &name, format!("the name of repository {number}: it is called so now"));
        let state = RepositoryState { number, name, ..Default::default() };
        self.loader.repositories.insert(number, state);
        self.loader.next_repository = self.loader.next_repository.max(number.saturating_add(1));
    }

    /// A repository of this name is made: one that has it must have been removed before.
    fn give_way(&mut self, name: &str) {
        let older = self.loader.repositories.values().find(|repository| repository.name == name);
        if let Some(number) = older.map(|repository| repository.number).filter(|_| self.lossy) {
            self.report.repository(Notice, name, format!("repository {number} of this name was removed"));
            drop(self.loader.apply(Change::Remove(number)));
        }
    }

    /// The value of a reference as of what was read so far.
    fn reference(&self, repository: u32, name: &str) -> Option<ObjectId> {
        match self.moved.get(&(repository, name.to_owned())) {
            Some(moved) => *moved,
            None => self.loader.repositories.get(&repository)?.references.get(name).copied(),
        }
    }

    fn name(&self, repository: u32) -> String {
        match self.loader.repositories.get(&repository) {
            Some(state) => state.name.clone(),
            None => format!("repository {repository}"),
        }
    }

    fn lose(&mut self, update: LostUpdate) {
        let message = format!(
            "a part of the transaction that moved {} from {} to {}",
            update.name,
            text(update.old),
            text(update.new)
        );
        match update.repository.map(|repository| self.name(repository)) {
            Some(name) => self.report.repository(Lost, &name, message),
            None => self.report.device(Lost, message),
        }
        self.updates.push(update);
    }

    /// The store, whose log goes on in segments that nothing uses.
    fn finish(
        mut self,
        slot: usize,
        superblock: &Superblock,
        options: &OpenOptions,
    ) -> Result<Salvaged, Error> {
        // What cannot be in the log of this store is not looked at again.
        let capacity = self.loader.capacity;
        self.loader.data_segments.retain(|segment| *segment > 0 && u64::from(*segment) < capacity / SEGMENT);
        let found = self.leftovers.search(&self.free(superblock), ScanLimits::of(options));
        self.loader.retained.extend(found);
        let free = self.free(superblock);
        let mut fresh = free.into_iter().rev();
        let (Some(segment), Some(next_segment)) = (fresh.next(), fresh.next()) else {
            return Err(Error::DeviceFull);
        };
        let sequence = self.newest.max(superblock.log.sequence).saturating_add(1);
        let position = LogPosition { segment, offset: 0, next_segment, sequence, previous: 0 };
        self.loader.pending.clear();
        let core = mount::finish(self.loader, slot, superblock, position, 0, options.clone())?;
        Ok(Salvaged { core, leftovers: self.leftovers, updates: self.updates })
    }

    /// The segments that nothing known uses.
    fn free(&self, superblock: &Superblock) -> BTreeSet<u32> {
        let loader = &self.loader;
        let mut free: BTreeSet<u32> = (1..segments(loader.capacity)).collect();
        let packs = loader.repositories.values().flat_map(|repository| &repository.packs);
        let extents = packs.filter_map(|pack| Some(pack.place()?.extent));
        let single = loader.data_segments.iter().map(|first| Extent { first: *first, count: 1 });
        let kept = loader.retained.iter().chain(&loader.released).copied();
        let used = extents.chain(single).chain(kept).chain([superblock.checkpoint.extent]);
        used.flat_map(Extent::segments).for_each(|segment| {
            free.remove(&segment);
        });
        free
    }
}

fn text(id: Option<ObjectId>) -> String {
    id.map_or_else(|| "nothing".to_owned(), |id| id.to_string())
}
