//! A store with something of everything, a clone of it, and damage.

use crate::random::Random;
use futures_executor::block_on;
use kalends_block_backend::{BlockDevice, MemoryDevice, SimulatedDevice};
use kalends_store::{
    CheckSummary, CloneSource, EntryKind, Finding, FormatOptions, Kind, Object, ObjectId, Objects,
    OpenOptions, Outcome, Reference, ReferenceUpdate, RepairStep, RepairSummary, Repository, Store, TreeEdit,
    check_device, repair_device, wire::write_full_pack,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

pub(crate) const MAIN: &str = "refs/heads/main";
pub(crate) const SECRET: &str = "key";
pub(crate) const SEGMENT: usize = 1 << 20;

/// Commits one file; gives the commit and the blob.
pub(crate) fn put(repository: &Repository, name: &str, content: &[u8]) -> (ObjectId, ObjectId) {
    let mut transaction = repository.transaction();
    let parent = repository.latest_reference(MAIN);
    let base = parent.map(|parent| repository.tree_of_commit(&parent).unwrap());
    let blob = transaction.insert(Kind::Blob, content.to_vec()).unwrap();
    let edit = TreeEdit { name: name.into(), entry: Some((EntryKind::Blob, blob)) };
    let tree = transaction.edit_tree(base.as_ref(), &[edit]).unwrap();
    let parents = parent.map(|parent| format!("parent {parent}\n")).unwrap_or_default();
    let who = "A <a@example.org> 1700000000 +0000";
    let text = format!("tree {tree}\n{parents}author {who}\ncommitter {who}\n\nAdd {name}\n");
    let commit = transaction.insert(Kind::Commit, text).unwrap();
    transaction.update_reference(ReferenceUpdate { name: MAIN.into(), expected: parent, new: Some(commit) });
    block_on(transaction.submit().unwrap()).unwrap();
    (commit, blob)
}

/// Bytes that do not compress.
pub(crate) fn noise(seed: u64, length: usize) -> Vec<u8> {
    Random(seed).bytes(length)
}

/// Adopts a pack of a history of its own, whose largest file has so many bytes.
pub(crate) fn adopt(repository: &Repository, branch: &str, size: usize) -> ObjectId {
    let device = Rc::new(MemoryDevice::new(16 << 20));
    let elsewhere = Store::format(device, &FormatOptions::default()).unwrap();
    let elsewhere = elsewhere.create_repository("pushed").unwrap();
    for number in 0..12 {
        put(&elsewhere, &format!("{number}.ics"), &noise(number, 700));
    }
    put(&elsewhere, "big.txt", &noise(99, size));
    let mut pack = Vec::new();
    let full = write_full_pack(&elsewhere, &mut pack).unwrap().unwrap();
    let mut transaction = repository.transaction();
    transaction.adopt_pack(pack.into(), full.index.into()).unwrap();
    let (name, new) = (format!("refs/heads/{branch}"), elsewhere.reference(MAIN));
    let expected = repository.reference(&name);
    transaction.update_reference(ReferenceUpdate { name, expected, new });
    block_on(transaction.submit().unwrap()).unwrap();
    new.unwrap()
}

pub(crate) fn tag(repository: &Repository, name: &str) {
    let mut transaction = repository.transaction();
    let new = repository.reference(MAIN);
    transaction.update_reference(ReferenceUpdate { name: format!("refs/tags/{name}"), expected: None, new });
    block_on(transaction.submit().unwrap()).unwrap();
}

/// A device, and all that the store on it holds.
pub(crate) struct Original {
    pub(crate) bytes: Vec<u8>,
    pub(crate) contents: Contents,
    clone: Rc<Store>,
}

/// References and objects of all repositories.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Contents {
    pub(crate) references: BTreeMap<String, BTreeMap<String, ObjectId>>,
    pub(crate) objects: BTreeMap<(String, ObjectId), Vec<u8>>,
}

/// What a store holds, as far as it can be read.
pub(crate) fn contents(store: &Store) -> Contents {
    let mut contents = Contents::default();
    for name in store.repositories() {
        let repository = store.repository(&name).unwrap();
        let references: BTreeMap<_, _> =
            repository.references().into_iter().map(|one| (one.name, one.id)).collect();
        let mut seen = BTreeSet::new();
        let mut stack: Vec<ObjectId> = references.values().copied().collect();
        while let Some(id) = stack.pop() {
            if !seen.insert(id) {
                continue;
            }
            let Ok(object) = repository.object(&id) else { continue };
            match object.kind {
                Kind::Tree => {
                    stack.extend(repository.tree(&id).unwrap().iter().map(|entry| entry.id.to_owned()));
                }
                Kind::Commit => {
                    let text = String::from_utf8(object.data.to_vec()).unwrap();
                    stack.extend(text.lines().take_while(|line| !line.is_empty()).filter_map(|line| {
                        match line.split_once(' ') {
                            Some(("tree" | "parent", id)) => ObjectId::from_hex(id.as_bytes()).ok(),
                            _ => None,
                        }
                    }));
                }
                Kind::Blob | Kind::Tag => {}
            }
            contents.objects.insert((name.clone(), id), object.data.to_vec());
        }
        contents.references.insert(name, references);
    }
    contents
}

impl Original {
    /// The store that `fill` makes, on a device of so many MiB.
    pub(crate) fn new(mebibytes: usize, fill: impl Fn(&Store)) -> Self {
        let device = Rc::new(SimulatedDevice::new(mebibytes << 20, 512));
        let store = Store::format(device.clone(), &FormatOptions::default()).unwrap();
        fill(&store);
        drop(store);
        Self::of(device.contents())
    }

    /// The store on a device.
    pub(crate) fn of(bytes: Vec<u8>) -> Self {
        let clone = Store::open(Rc::new(SimulatedDevice::from_bytes(bytes.clone(), 512))).unwrap();
        Self { bytes, contents: contents(&clone), clone: Rc::new(clone) }
    }

    /// One with several repositories, packs, a large object, tags, secrets, and log after the checkpoint.
    pub(crate) fn with_everything() -> Self {
        Self::new(24, |store| {
            for (name, seed) in [("ada", 0), ("bob", 50)] {
                let repository = store.create_repository(name).unwrap();
                for number in 0..12 {
                    put(&repository, &format!("{number}.ics"), &noise(seed + number, 600));
                }
                tag(&repository, "v1");
            }
            store.set_secret(SECRET, b"the first").unwrap();
            let bob = store.repository("bob").unwrap();
            adopt(&bob, "pushed", 600_000);
            store.close().unwrap();
            put(&bob, "large.txt", &noise(7, 1_100_000));
            store.set_secret(SECRET, b"the newest").unwrap();
            store.close().unwrap();
            let ada = store.repository("ada").unwrap();
            for number in 0..6 {
                put(&ada, "late.ics", &noise(100 + number, 900));
            }
        })
    }

    /// The device again, undamaged.
    pub(crate) fn device(&self) -> Rc<SimulatedDevice> {
        Rc::new(SimulatedDevice::from_bytes(self.bytes.clone(), 512))
    }

    /// Where these bytes are.
    pub(crate) fn places(&self, pattern: &[u8]) -> Vec<usize> {
        let blocks = (0..self.bytes.len()).step_by(512);
        // Most of a device is empty.
        let used = blocks.filter(|at| self.bytes[*at..at + 512] != [0; 512]);
        used.flat_map(|at| at..at + 512).filter(|at| self.bytes[*at..].starts_with(pattern)).collect()
    }

    /// Clones of all repositories.
    pub(crate) fn clones(&self) -> Clones {
        Clones(self.clone.clone())
    }
}

/// Clones of the repositories of a store.
pub(crate) struct Clones(Rc<Store>);

impl CloneSource for Clones {
    fn object(&mut self, id: &ObjectId) -> Result<Option<Object>, String> {
        let names = self.0.repositories().into_iter();
        Ok(names.filter_map(|name| self.0.repository(&name).unwrap().object(id).ok()).next())
    }

    fn references(&mut self, repository: &str) -> Vec<Reference> {
        self.0.repository(repository).map(|repository| repository.references()).unwrap_or_default()
    }
}

const SUPERBLOCKS: [usize; 2] = [0, 64 << 10];

/// The superblocks, the newer one first.
pub(crate) fn newest_first(bytes: &[u8]) -> [usize; 2] {
    let generation = |at: usize| u64::from_le_bytes(bytes[at + 40..at + 48].try_into().unwrap());
    let [first, second] = SUPERBLOCKS;
    if generation(first) > generation(second) { [first, second] } else { [second, first] }
}

/// Where the checkpoint of a superblock begins.
pub(crate) fn checkpoint_of(bytes: &[u8], superblock: usize) -> usize {
    u32::from_le_bytes(bytes[superblock + 48..superblock + 52].try_into().unwrap()) as usize * SEGMENT
}

/// Overwrites some blocks.
pub(crate) fn overwrite(device: &SimulatedDevice, at: usize, blocks: usize) {
    device.write((at / 512 * 512) as u64, &noise(at as u64, 512 * blocks)).unwrap();
}

pub(crate) fn check(device: &Rc<SimulatedDevice>) -> (CheckSummary, Vec<Finding>) {
    let device: Rc<dyn BlockDevice> = device.clone();
    let mut findings = Vec::new();
    let summary = check_device(&device, options(), &mut |finding| findings.push(finding)).unwrap();
    (summary, findings)
}

pub(crate) fn options() -> OpenOptions {
    OpenOptions { object_cache: 1 << 20, tree_cache: 1 << 20, ..OpenOptions::default() }
}

/// Repairs, and gives what was done.
pub(crate) fn repair(
    device: &Rc<SimulatedDevice>,
    clones: &mut dyn CloneSource,
) -> (RepairSummary, Vec<RepairStep>) {
    let device: Rc<dyn BlockDevice> = device.clone();
    let mut steps = Vec::new();
    let summary = repair_device(&device, options(), clones, &mut |step| steps.push(step))
        .unwrap_or_else(|error| panic!("{error}, after {steps:?}"));
    (summary, steps)
}

/// The lines of one outcome.
pub(crate) fn lines(steps: &[RepairStep], outcome: Outcome) -> Vec<String> {
    steps.iter().filter(|step| step.class == outcome).map(ToString::to_string).collect()
}

/// Opens the device and checks that all is there that was.
pub(crate) fn assert_whole(device: &Rc<SimulatedDevice>, original: &Original) {
    let (summary, findings) = check(device);
    assert!(summary.is_clean() && summary.notices == 0, "{findings:?}");
    let store = Store::open(device.clone()).unwrap();
    assert_eq!(store.notices(), Vec::<String>::new());
    let found = contents(&store);
    assert_eq!(found.references, original.contents.references);
    assert!(found.objects == original.contents.objects);
    // Work goes on.
    put(&store.repository("ada").unwrap(), "after.ics", b"after the repair");
}
