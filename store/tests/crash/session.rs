//! Work on a store, with a record of what was promised when.

use crate::{
    random::Random,
    retained::{DAY, committed},
    timeline::{Timeline, World, observe},
    verify::{SECRET, options},
};
use futures_executor::block_on;
use futures_util::{FutureExt, StreamExt, future::join_all};
use kalends_block_backend::{MemoryDevice, SimulatedDevice};
use kalends_store::{
    Commit, Compacted, EntryKind, Error, FormatOptions, Kind, NoRules, ObjectId, Objects, OpenOptions,
    ReferenceUpdate, Repository, Store, Transaction, TreeEdit,
    wire::{ReceiveOptions, receive_pack, write_full_pack},
};
use std::rc::Rc;

pub(crate) const MAIN: &str = "refs/heads/main";
/// Sizes of files that become deltas.
const LIKE_EVENTS: std::ops::RangeInclusive<usize> = 128..=4096;

/// One thing to do. Repositories are named by numbers.
#[derive(Clone, Debug)]
pub(crate) enum Operation {
    Create(usize),
    Remove(usize),
    /// Commits one file of so many bytes.
    Put(usize, usize),
    /// Commits that share flushes: repository and bytes of each. The first flush is held until all are
    /// submitted.
    Together(Vec<(usize, usize)>),
    /// A commit whose future is dropped.
    Dropped(usize),
    /// Moves main, adds one tag and removes another, in one transaction.
    Tags(usize),
    /// Commits the removal of one file.
    Delete(usize),
    /// Adopts a pack whose one file has so many bytes.
    Adopt(usize, usize),
    /// Pushes a branch, whose largest file has so many bytes, by git's protocol.
    Push(usize, usize),
    /// Reads and verifies all that a clone would have.
    Clone(usize),
    /// Clones by git's protocol, and does other things while the pack is under way.
    CloneMeanwhile(usize, Vec<Operation>),
    /// Removes one of the branches beside main.
    DeleteBranch(usize),
    Secret(usize),
    Close,
    /// While the flush of a commit to a repository is under way: something that flushes for itself
    /// (`Create`, `Remove`, `Secret` or `Close`).
    Meanwhile(usize, Box<Operation>),
    /// The device fails a commit, in its writes or in its flushes, and the program starts again.
    Fault(usize, bool),
    /// The same, but so many requests still succeed.
    FaultAfter(usize, bool, u64),
    /// All reads fail after so many, during a commit and a clone; then the program goes on.
    ReadFault(usize, u64),
    /// The program is killed and started again; power is not lost.
    Restart,
    /// Moves main back by some commits, and removes the branches beside it: objects become unreachable.
    Strand(usize, usize),
    /// Cuts off history that is older than so many days of the session's clock.
    Retain(usize, i64),
    /// Compacts the store and collects what is unreachable, while other things are done.
    Compact(Vec<Operation>),
}

/// A store at work.
pub(crate) struct Session {
    pub(crate) device: Rc<SimulatedDevice>,
    pub(crate) store: Store,
    options: OpenOptions,
    pub(crate) timeline: Timeline,
    pub(crate) random: Random,
    /// What compactions did.
    pub(crate) compacted: Compacted,
    /// How often the program was replaced by another, faults of the device included.
    pub(crate) restarts: u64,
    /// Commits that were cut off.
    pub(crate) given_back: u64,
    full: usize,
    opened: usize,
    /// When the last commit was made, in seconds since 1970.
    clock: i64,
}

impl Session {
    /// Formats a device.
    pub(crate) fn format(mebibytes: usize, checkpoint_after: u64, seed: u64) -> Self {
        let device = Rc::new(SimulatedDevice::new(mebibytes << 20, 512));
        drop(Store::format(device.clone(), &FormatOptions::default()).unwrap());
        let image = device.crash_point(device.steps()).lose_power(|_, _| None);
        Self::open(Rc::new(image), Timeline::new(World::new(), None), checkpoint_after, seed).unwrap()
    }

    /// Goes on with a device.
    pub(crate) fn open(
        device: Rc<SimulatedDevice>,
        timeline: Timeline,
        checkpoint_after: u64,
        seed: u64,
    ) -> Result<Self, Error> {
        let options = OpenOptions { checkpoint_after, ..options() };
        let store = Store::open_with(device.clone(), options.clone())?;
        let opened = device.steps();
        let clock = newest_commit(&store).map_or(1_700_000_000, |time| time + DAY);
        Ok(Self {
            device,
            store,
            options,
            timeline,
            random: Random(seed),
            compacted: Compacted::default(),
            restarts: 0,
            given_back: 0,
            full: 0,
            opened,
            clock,
        })
    }

    /// The step from which on the start of the timeline is durable.
    pub(crate) fn opened(&self) -> usize {
        self.opened
    }

    /// How often the device was full.
    pub(crate) fn full(&self) -> usize {
        self.full
    }

    /// Does one thing. What the state of the store does not allow is left out; so is what a full device
    /// has no room for.
    pub(crate) fn run(&mut self, operation: &Operation) {
        match self.try_run(operation) {
            Ok(()) => {}
            Err(Error::DeviceFull) => self.full += 1,
            Err(error) => panic!("{operation:?}: {error}"),
        }
    }

    pub(crate) fn try_run(&mut self, operation: &Operation) -> Result<(), Error> {
        match operation {
            Operation::Create(number) => self.create(*number),
            Operation::Remove(number) => self.remove(*number),
            Operation::Put(number, size) => match self.submit_put(*number, *size)? {
                Some((change, commit)) => self.wait(vec![(change, commit)]),
                None => Ok(()),
            },
            Operation::Together(puts) => self.together(puts),
            Operation::Dropped(number) => self.submit_put(*number, 50).map(drop),
            Operation::Tags(number) => self.tags(*number),
            Operation::Delete(number) => match self.submit_delete(*number)? {
                Some((change, commit)) => self.wait(vec![(change, commit)]),
                None => Ok(()),
            },
            Operation::Adopt(number, size) => self.adopt(*number, *size),
            Operation::Push(number, size) => self.push(*number, *size),
            Operation::Clone(number) => self.clone_of(*number),
            Operation::CloneMeanwhile(number, meanwhile) => self.clone_meanwhile(*number, meanwhile),
            Operation::DeleteBranch(number) => self.delete_branch(*number),
            Operation::Secret(size) => self.secret(*size),
            Operation::Close => {
                let last = self.timeline.world.latest().clone();
                let change = self.timeline.world.submit(self.device.steps(), last);
                self.store.close()?;
                self.timeline.world.acknowledge(change, self.device.steps());
                Ok(())
            }
            Operation::Meanwhile(number, operation) => self.meanwhile(*number, operation),
            Operation::Fault(number, writes) => self.fault(*number, *writes, 0),
            Operation::FaultAfter(number, writes, after) => self.fault(*number, *writes, *after),
            Operation::ReadFault(number, after) => self.read_fault(*number, *after),
            Operation::Restart => self.restart(),
            Operation::Strand(number, commits) => self.strand(*number, *commits),
            Operation::Compact(meanwhile) => self.compact(meanwhile),
            Operation::Retain(number, days) => self.retain(*number, *days),
        }
    }

    fn create(&mut self, number: usize) -> Result<(), Error> {
        let mut world = self.timeline.world.latest().clone();
        if world.insert(name(number), Default::default()).is_some() {
            return Ok(());
        }
        let step = self.device.steps();
        self.store.create_repository(&name(number))?;
        let change = self.timeline.world.submit(step, world);
        self.timeline.world.acknowledge(change, self.device.steps());
        Ok(())
    }

    fn remove(&mut self, number: usize) -> Result<(), Error> {
        let mut world = self.timeline.world.latest().clone();
        if world.remove(&name(number)).is_none() {
            return Ok(());
        }
        let step = self.device.steps();
        self.store.remove_repository(&name(number))?;
        let change = self.timeline.world.submit(step, world);
        self.timeline.world.acknowledge(change, self.device.steps());
        Ok(())
    }

    pub(crate) fn repository(&self, number: usize) -> Option<Repository> {
        self.store.repository(&name(number)).ok()
    }

    /// Submits a transaction, and notes what it changes.
    pub(crate) fn submit(
        &mut self,
        number: usize,
        mut transaction: Transaction,
        updates: Vec<(String, Option<ObjectId>)>,
    ) -> Result<(usize, Commit), Error> {
        let mut world = self.timeline.world.latest().clone();
        let references = world.get_mut(&name(number)).unwrap();
        for (name, new) in updates {
            let expected = references.get(&name).copied();
            match new {
                Some(id) => references.insert(name.clone(), id),
                None => references.remove(&name),
            };
            transaction.update_reference(ReferenceUpdate { name, expected, new });
        }
        let step = self.device.steps();
        let commit = transaction.submit()?;
        Ok((self.timeline.world.submit(step, world), commit))
    }

    fn submit_put(&mut self, number: usize, size: usize) -> Result<Option<(usize, Commit)>, Error> {
        let Some(repository) = self.repository(number) else { return Ok(None) };
        let mut transaction = repository.transaction();
        let commit = self.commit(&mut transaction, size)?;
        self.submit(number, transaction, vec![(MAIN.into(), Some(commit))]).map(Some)
    }

    /// A file of so many bytes; half of those of an event's size are like one another.
    fn file(&mut self, size: usize) -> Vec<u8> {
        let mut content = self.random.bytes(size);
        if LIKE_EVENTS.contains(&size) && self.random.once_in(2) {
            let own = content.split_off(size - 32);
            let at = self.random.below(size - 32);
            content = Random(7).bytes(size);
            content[at..at + 32].copy_from_slice(&own);
        }
        content
    }

    /// Adds blob, tree and commit on top of main.
    fn commit(&mut self, transaction: &mut Transaction, size: usize) -> Result<ObjectId, Error> {
        let parent = transaction.repository().latest_reference(MAIN);
        let base = parent.map(|parent| transaction.tree_of_commit(&parent)).transpose()?;
        let content = self.file(size);
        let blob = transaction.insert(Kind::Blob, content)?;
        let file = format!("{}.ics", self.random.below(12));
        let edit = TreeEdit { name: file.into(), entry: Some((EntryKind::Blob, blob)) };
        let tree = transaction.edit_tree(base.as_ref(), &[edit])?;
        let parent = parent.map(|parent| format!("parent {parent}\n")).unwrap_or_default();
        let who = self.who();
        transaction
            .insert(Kind::Commit, format!("tree {tree}\n{parent}author {who}\ncommitter {who}\n\nput\n"))
    }

    /// Who commits, and when: a third of a day after the commit before.
    fn who(&mut self) -> String {
        self.clock += DAY / 3;
        format!("A <a@example.org> {} +0000", self.clock)
    }

    /// Waits for submitted changes.
    pub(crate) fn wait(&mut self, submitted: Vec<(usize, Commit)>) -> Result<(), Error> {
        let (changes, commits): (Vec<_>, Vec<_>) = submitted.into_iter().unzip();
        for result in block_on(join_all(commits)) {
            result?;
        }
        for change in changes {
            self.timeline.world.acknowledge(change, self.device.steps());
        }
        Ok(())
    }

    fn together(&mut self, puts: &[(usize, usize)]) -> Result<(), Error> {
        let mut submitted: Vec<(usize, Commit)> = Vec::new();
        let mut full = false;
        self.device.hold_flushes();
        for (number, size) in puts {
            match self.submit_put(*number, *size) {
                Ok(put) => submitted.extend(put),
                Err(Error::DeviceFull) => full = true,
                Err(error) => return Err(error),
            }
            // The first one begins a flush; the others come while it is under way.
            if let Some((_, commit)) = submitted.first_mut() {
                for _ in 0..2 {
                    // It can be done already, when a full device made a checkpoint.
                    if commit.now_or_never().is_some() {
                        drop(submitted.remove(0));
                        break;
                    }
                }
            }
        }
        self.device.release_flushes();
        self.wait(submitted)?;
        if full { Err(Error::DeviceFull) } else { Ok(()) }
    }

    fn meanwhile(&mut self, number: usize, operation: &Operation) -> Result<(), Error> {
        self.device.hold_flushes();
        let put = self.submit_put(number, 60).inspect_err(|_| self.device.release_flushes())?;
        let mut submitted: Vec<(usize, Commit)> = put.into_iter().collect();
        let mut done = false;
        for _ in 0..2 {
            done |= !done && submitted.iter_mut().any(|(_, commit)| commit.now_or_never().is_some());
        }
        assert!(!done, "the flush is held");
        let result = self.try_run(operation);
        self.device.release_flushes();
        self.wait(submitted)?;
        result
    }

    fn fault(&mut self, number: usize, writes: bool, after: u64) -> Result<(), Error> {
        let device = self.device.clone();
        let fail = |after| match writes {
            true => device.fail_writes_after(after),
            false => device.fail_flushes_after(after),
        };
        fail(Some(after));
        let result = match self.submit_put(number, 60) {
            Ok(Some((_, commit))) => block_on(commit),
            Ok(None) => Ok(()),
            Err(error) => Err(error),
        };
        fail(None);
        match result {
            Err(Error::Device(_)) => self.restart(),
            Ok(()) if self.repository(number).is_none() => Ok(()),
            // What came after the acknowledgement may have failed, such as a superblock.
            Ok(()) if after > 0 => self.restart(),
            Ok(()) => panic!("acknowledged by a device that fails"),
            Err(error) => Err(error),
        }
    }

    fn read_fault(&mut self, number: usize, after: u64) -> Result<(), Error> {
        self.device.fail_reads_after(Some(after));
        let put = self.try_run(&Operation::Put(number, 80));
        let clone = self.try_run(&Operation::Clone(number));
        self.device.fail_reads_after(None);
        for result in [put, clone] {
            match result {
                Ok(()) | Err(Error::Device(_)) => {}
                Err(error) => return Err(error),
            }
        }
        // Nothing of it is kept against the device: the next one succeeds.
        self.try_run(&Operation::Put(number, 40))?;
        self.try_run(&Operation::Clone(number))
    }

    fn submit_delete(&mut self, number: usize) -> Result<Option<(usize, Commit)>, Error> {
        let Some(repository) = self.repository(number) else { return Ok(None) };
        let Some(parent) = repository.latest_reference(MAIN) else { return Ok(None) };
        let mut transaction = repository.transaction();
        let base = transaction.tree_of_commit(&parent)?;
        let names: Vec<Vec<u8>> = transaction.tree(&base)?.iter().map(|entry| entry.name.to_vec()).collect();
        if names.is_empty() {
            return Ok(None);
        }
        let name = names[self.random.below(names.len())].clone();
        let tree = transaction.edit_tree(Some(&base), &[TreeEdit { name, entry: None }])?;
        let who = self.who();
        let text = format!("tree {tree}\nparent {parent}\nauthor {who}\ncommitter {who}\n\ndelete\n");
        let commit = transaction.insert(Kind::Commit, text)?;
        self.submit(number, transaction, vec![(MAIN.into(), Some(commit))]).map(Some)
    }

    fn clone_of(&mut self, number: usize) -> Result<(), Error> {
        let Some(repository) = self.repository(number) else { return Ok(()) };
        write_full_pack(&repository, &mut std::io::sink())?.unwrap();
        Ok(())
    }

    fn delete_branch(&mut self, number: usize) -> Result<(), Error> {
        let Some(repository) = self.repository(number) else { return Ok(()) };
        let latest = &self.timeline.world.latest()[&name(number)];
        let branches = latest.keys().filter(|name| *name != MAIN && name.starts_with("refs/heads/"));
        let branches: Vec<String> = branches.cloned().collect();
        if branches.is_empty() {
            return Ok(());
        }
        let branch = branches[self.random.below(branches.len())].clone();
        let submitted = self.submit(number, repository.transaction(), vec![(branch, None)])?;
        self.wait(vec![submitted])
    }

    fn tags(&mut self, number: usize) -> Result<(), Error> {
        let Some(repository) = self.repository(number) else { return Ok(()) };
        let mut transaction = repository.transaction();
        let commit = self.commit(&mut transaction, 20)?;
        let oldest = self.timeline.world.latest()[&name(number)].keys();
        let oldest = oldest.filter(|name| name.starts_with("refs/tags/")).min().cloned();
        let mut updates = vec![(MAIN.to_owned(), Some(commit))];
        updates.push((format!("refs/tags/{commit}"), Some(commit)));
        updates.extend(oldest.map(|name| (name, None)));
        let submitted = self.submit(number, transaction, updates)?;
        self.wait(vec![submitted])
    }

    fn adopt(&mut self, number: usize, size: usize) -> Result<(), Error> {
        let Some(repository) = self.repository(number) else { return Ok(()) };
        let elsewhere = self.history_elsewhere(size)?;
        let mut pack = Vec::new();
        let full = write_full_pack(&elsewhere, &mut pack)?.unwrap();
        let mut transaction = repository.transaction();
        transaction.adopt_pack(pack.into(), full.index.into())?;
        let tip = elsewhere.reference(MAIN);
        let branch = format!("refs/heads/pushed-{}", self.random.below(1000));
        let submitted = self.submit(number, transaction, vec![(branch, tip)])?;
        self.wait(vec![submitted])
    }

    /// Another store, with a history of two commits.
    fn history_elsewhere(&mut self, size: usize) -> Result<Repository, Error> {
        let device = Rc::new(MemoryDevice::new(16 << 20));
        let elsewhere = Store::format(device, &FormatOptions::default())?.create_repository("pushed")?;
        for size in [100, size] {
            let mut transaction = elsewhere.transaction();
            let commit = self.commit(&mut transaction, size)?;
            let expected = elsewhere.reference(MAIN);
            transaction.update_reference(ReferenceUpdate { name: MAIN.into(), expected, new: Some(commit) });
            block_on(transaction.submit()?)?;
        }
        Ok(elsewhere)
    }

    fn push(&mut self, number: usize, size: usize) -> Result<(), Error> {
        let Some(repository) = self.repository(number) else { return Ok(()) };
        let elsewhere = self.history_elsewhere(size)?;
        let tip = elsewhere.reference(MAIN).unwrap();
        let branch = format!("refs/heads/by-git-{}", self.random.below(1000));
        let mut world = self.timeline.world.latest().clone();
        let references = world.get_mut(&name(number)).unwrap();
        let old = references.insert(branch.clone(), tip);
        let zero = ObjectId::null(tip.kind());
        let line = format!("{} {tip} {branch}\0 report-status", old.unwrap_or(zero));
        let mut body = format!("{:04x}{line}0000", line.len() + 4).into_bytes();
        write_full_pack(&elsewhere, &mut body)?.unwrap();
        let step = self.device.steps();
        let reply = receive_pack(&repository, body.into(), Rc::new(NoRules), ReceiveOptions::default())?;
        let report = block_on(reply.collect::<Vec<_>>()).concat();
        let report = String::from_utf8_lossy(&report);
        if report.contains(&format!("ok {branch}")) {
            let change = self.timeline.world.submit(step, world);
            self.timeline.world.acknowledge(change, self.device.steps());
            return Ok(());
        }
        // A branch of the same name whose history is another one; or no room.
        if old.is_some() && report.contains("non-fast-forward") {
            return Ok(());
        }
        if report.contains("full") {
            return Err(Error::DeviceFull);
        }
        panic!("a push was refused: {report}")
    }

    fn secret(&mut self, size: usize) -> Result<(), Error> {
        let value = self.random.bytes(size);
        let change = self.timeline.secret.submit(self.device.steps(), Some(value.clone()));
        self.store.set_secret(SECRET, &value)?;
        self.timeline.secret.acknowledge(change, self.device.steps());
        Ok(())
    }

    /// The move is one change: days and boundary together, as they are found afterwards.
    fn retain(&mut self, number: usize, days: i64) -> Result<(), Error> {
        let Some(repository) = self.repository(number) else { return Ok(()) };
        block_on(self.store.sync())?;
        let step = self.device.steps();
        let done = block_on(repository.retain(self.clock - days * DAY, "Kalends <kalends@localhost>"))?;
        if done.given_back + done.days > 0 {
            self.given_back += done.given_back;
            let change = self.timeline.world.submit(step, observe(&self.store));
            self.timeline.world.acknowledge(change, self.device.steps());
        }
        Ok(())
    }

    fn restart(&mut self) -> Result<(), Error> {
        self.restarts += 1;
        let step = self.device.steps();
        // What was submitted and not written is gone for good; what was written counts from now on.
        self.store = Store::open_with(self.device.clone(), self.options.clone())?;
        let found = observe(&self.store);
        let possible = self.timeline.world.possible(step).any(|possible| *possible == found);
        assert!(possible, "after a restart the references are in no possible state: {found:?}");
        let change = self.timeline.world.submit(step, found);
        self.timeline.world.acknowledge(change, self.device.steps());
        Ok(())
    }
}

/// When the newest of the commits at the tips was made.
fn newest_commit(store: &Store) -> Option<i64> {
    let names = store.repositories();
    let tips = names.iter().filter_map(|name| {
        let repository = store.repository(name).ok()?;
        let tip = repository.reference(MAIN)?;
        Some(committed(&repository, &tip))
    });
    tips.max()
}

pub(crate) fn name(number: usize) -> String {
    format!("user{number}")
}
