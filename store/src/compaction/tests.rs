//! What compaction leaves.

use super::*;
use crate::{
    EntryKind, FormatOptions, Kind, ObjectId, Objects, OpenOptions, ReferenceUpdate, Repository, TreeEdit,
    check_device,
    commit::{Cut, EncodedObject, Submission},
    format::record::Attributes,
    noise::noise,
    objects::entry::encode_whole,
};
use futures_executor::block_on;
use kalends_block_backend::{BlockDevice, MemoryDevice};
use std::{collections::BTreeSet, fs, path::PathBuf, process::Command};

const MAIN: &str = "refs/heads/main";

/// An event whose text a later version shares.
fn event(number: usize, version: usize) -> Vec<u8> {
    let filler: String =
        (0..20).map(|line| format!("X-P-{line}:{}\r\n", (number + 7) * (line + 3) * 7919)).collect();
    format!("BEGIN:VEVENT\r\nUID:{number}\r\nSEQUENCE:{version}\r\n{filler}END:VEVENT\r\n").into()
}

/// Commits one file in a directory of a branch.
fn put(repository: &Repository, branch: &str, name: &str, content: Vec<u8>) -> ObjectId {
    let mut transaction = repository.transaction();
    let parent = repository.latest_reference(branch);
    let root = parent.map(|parent| transaction.tree_of_commit(&parent).unwrap());
    let work = root.and_then(|root| Some(transaction.tree(&root).unwrap().find("work")?.id.to_owned()));
    let blob = transaction.insert(Kind::Blob, content).unwrap();
    let edit = TreeEdit { name: name.into(), entry: Some((EntryKind::Blob, blob)) };
    let work = transaction.edit_tree(work.as_ref(), &[edit]).unwrap();
    let edit = TreeEdit { name: b"work".into(), entry: Some((EntryKind::Tree, work)) };
    let tree = transaction.edit_tree(root.as_ref(), &[edit]).unwrap();
    let line = parent.map(|parent| format!("parent {parent}\n")).unwrap_or_default();
    let who = "A <a@example.org> 1700000000 +0000";
    let text = format!("tree {tree}\n{line}author {who}\ncommitter {who}\n\n{branch} {name}\n");
    let commit = transaction.insert(Kind::Commit, text).unwrap();
    transaction.update_reference(ReferenceUpdate {
        name: branch.into(),
        expected: parent,
        new: Some(commit),
    });
    block_on(transaction.submit().unwrap()).unwrap();
    commit
}

fn set_reference(repository: &Repository, name: &str, new: Option<ObjectId>) {
    let mut transaction = repository.transaction();
    let expected = repository.latest_reference(name);
    transaction.update_reference(ReferenceUpdate { name: name.into(), expected, new });
    block_on(transaction.submit().unwrap()).unwrap();
}

fn device(mebibytes: usize) -> Rc<MemoryDevice> {
    Rc::new(MemoryDevice::new(mebibytes << 20))
}

fn assert_clean(device: &Rc<MemoryDevice>, store: &Store) {
    let mut findings = Vec::new();
    store.check(&mut |finding| findings.push(finding.to_string()));
    assert_eq!(findings, Vec::<String>::new());
    let device: Rc<dyn BlockDevice> = device.clone();
    let mut report = |finding: crate::Finding| findings.push(finding.to_string());
    let summary = check_device(&device, OpenOptions::default(), &mut report).unwrap();
    assert!(summary.is_clean() && findings.is_empty(), "{findings:?}");
}

/// All objects that the references reach, read through the store.
fn reachable(repository: &Repository) -> BTreeSet<ObjectId> {
    let mut seen = BTreeSet::new();
    let mut todo: Vec<ObjectId> = repository.references().into_iter().map(|reference| reference.id).collect();
    while let Some(id) = todo.pop() {
        if !seen.insert(id) {
            continue;
        }
        let object = repository.object(&id).unwrap();
        crate::pack::check_object(&id, object.kind, &object.data, &mut |link, _| {
            todo.push(link);
            Ok(())
        })
        .unwrap();
    }
    seen
}

/// A directory that is removed again.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("kalends-compaction-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn git(&self, arguments: &[&str]) -> String {
        let output = Command::new("git").current_dir(&self.0).args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Extracts the packs of a repository from the device, and gives what `git verify-pack` says of each.
fn verify_packs(device: &MemoryDevice, repository: &Repository, name: &str) -> Vec<String> {
    let scratch = Scratch::new(name);
    let packs = repository.state().borrow().packs.clone();
    let places = packs.iter().map(|pack| pack.place().unwrap());
    places
        .map(|place| {
            let mut extent = vec![0; place.extent.length() as usize];
            device.read(place.extent.offset(), &mut extent).unwrap();
            fs::write(scratch.0.join("test.pack"), &extent[..place.pack_length as usize]).unwrap();
            scratch.git(&["index-pack", "--strict", "test.pack"]);
            scratch.git(&["verify-pack", "-v", "test.idx"])
        })
        .collect()
}

/// A calendar of many events, each changed a few times.
fn calendar(repository: &Repository, events: usize, versions: usize) {
    for version in 0..versions {
        for number in 0..events {
            put(repository, MAIN, &format!("event-{number:05}.ics"), event(number, version));
        }
    }
}

#[test]
fn a_compacted_repository_is_one_pack_that_git_accepts() {
    let device = device(64);
    let store = Store::format(device.clone(), &FormatOptions::default()).unwrap();
    let repository = store.create_repository("ada").unwrap();
    calendar(&repository, 450, 4);
    let before = (repository.references(), reachable(&repository));
    let log_bytes = repository.state().borrow().index.bytes();
    let done = block_on(store.compact()).unwrap();
    assert_eq!((done.packs, done.unreachable, done.set_aside), (1, 0, 0));
    let pack_bytes = repository.state().borrow().packs[0].pack_length();
    assert!(pack_bytes < log_bytes, "{pack_bytes} of {log_bytes}");
    assert_eq!(repository.state().borrow().index.len(), 0);
    assert_eq!((repository.references(), reachable(&repository)), before);
    assert_clean(&device, &store);
    let [verified] = &verify_packs(&device, &repository, "one")[..] else { panic!("not one pack") };
    let lengths = verified.lines().filter_map(|line| line.strip_prefix("chain length = "));
    let longest: usize = lengths.map(|line| line.split(':').next().unwrap().parse().unwrap()).max().unwrap();
    assert!((5..=51).contains(&longest), "{longest}");
    // Work goes on upon it, and a second pack joins the first.
    calendar(&repository, 450, 5);
    let before = (repository.references(), reachable(&repository));
    block_on(store.compact()).unwrap();
    assert_eq!((repository.references(), reachable(&repository)), before);
    assert_eq!(verify_packs(&device, &repository, "two").len(), 1);
    assert_clean(&device, &store);
    let again = Store::open(device.clone()).unwrap();
    let repository = again.repository("ada").unwrap();
    assert_eq!((repository.references(), reachable(&repository)), before);
}

#[test]
fn what_a_deleted_branch_and_a_forced_push_leave_is_given_back() {
    let device = device(32);
    let store = Store::format(device.clone(), &FormatOptions::default()).unwrap();
    let repository = store.create_repository("ada").unwrap();
    calendar(&repository, 50, 1);
    let base = repository.reference(MAIN).unwrap();
    let free = store.free_bytes();
    for number in 0..40 {
        put(&repository, "refs/heads/side", &format!("{number}.bin"), noise(number, 100_000));
        put(&repository, MAIN, &format!("{number}.bin"), noise(1000 + number, 100_000));
    }
    put(&repository, MAIN, "large.bin", noise(5000, 3 << 20));
    let lost = repository.reference(MAIN).unwrap();
    assert!(store.free_bytes() < free - (10 << 20));
    set_reference(&repository, "refs/heads/side", None);
    set_reference(&repository, MAIN, Some(base));
    let done = block_on(store.compact()).unwrap();
    assert!(done.unreachable >= 4 * 80 + 4, "{done:?}");
    // A segment of log and two checkpoints may be elsewhere.
    assert!(store.free_bytes() >= free - (4 << 20), "{} of {free}", store.free_bytes());
    assert!(!repository.contains(&lost) && repository.contains(&base));
    assert_clean(&device, &store);
    // And a second time there is nothing to do.
    let again = block_on(store.compact()).unwrap();
    assert_eq!((again.packs, again.unreachable), (0, 0));
}

#[test]
fn maintenance_keeps_the_log_of_a_busy_store_small_and_writes_little() {
    let device = device(64);
    let store = Store::format(device.clone(), &FormatOptions::default()).unwrap();
    let repository = store.create_repository("ada").unwrap();
    let mut maintenance = Box::pin(store.maintain());
    let waker = futures_util::task::noop_waker();
    let mut context = Context::from_waker(&waker);
    for number in 0..1500 {
        put(&repository, MAIN, &format!("{}.ics", number % 200), noise(number, 6000));
        for _ in 0..40 {
            assert!(maintenance.as_mut().poll(&mut context).is_pending());
        }
    }
    for _ in 0..100_000 {
        assert!(maintenance.as_mut().poll(&mut context).is_pending());
    }
    {
        let state = repository.state().borrow();
        assert!(state.index.bytes() < 2 << 20, "{}", state.index.bytes());
        assert!((1..=5).contains(&state.packs.len()), "{}", state.packs.len());
    }
    drop(maintenance);
    assert_eq!(reachable(&repository).len(), 1500 * 4);
    assert_clean(&device, &store);
}

#[test]
fn segments_that_many_small_repositories_share_are_emptied() {
    let device = device(32);
    let store = Store::format(device.clone(), &FormatOptions::default()).unwrap();
    let free = store.free_bytes();
    let big = store.create_repository("big").unwrap();
    let small: Vec<_> = (0..12).map(|n| store.create_repository(&format!("small-{n}")).unwrap()).collect();
    for round in 0..12 {
        for (number, repository) in small.iter().enumerate() {
            put(repository, MAIN, &format!("{round}.ics"), event(number, round));
        }
        for number in 0..10 {
            put(&big, MAIN, &format!("{number}.bin"), noise(100 * round as u64 + number, 100_000));
        }
    }
    drop(big);
    store.remove_repository("big").unwrap();
    let before: Vec<_> =
        small.iter().map(|repository| (repository.references(), reachable(repository))).collect();
    let done = block_on(store.compact()).unwrap();
    assert_eq!(done.packs, 0);
    assert!(store.free_bytes() >= free - (3 << 20), "{} of {free}", store.free_bytes());
    let after: Vec<_> =
        small.iter().map(|repository| (repository.references(), reachable(repository))).collect();
    assert_eq!(before, after);
    assert_clean(&device, &store);
}

#[test]
fn what_becomes_reachable_while_it_is_collected_is_saved() {
    let device = device(32);
    let store = Store::format(device.clone(), &FormatOptions::default()).unwrap();
    let repository = store.create_repository("ada").unwrap();
    calendar(&repository, 30, 1);
    for number in 0..20 {
        put(&repository, "refs/heads/side", &format!("{number}.bin"), noise(number, 60_000));
    }
    let side = repository.reference("refs/heads/side").unwrap();
    let garbage = noise(3, 60_000);
    set_reference(&repository, "refs/heads/side", None);
    let waker = futures_util::task::noop_waker();
    let mut context = Context::from_waker(&waker);
    // At each moment of a collection: the branch comes back, or a file of it comes again, or somebody who
    // began before relies on it and comes late.
    for moment in (0..400).step_by(9) {
        let copy = Rc::new(MemoryDevice::new(32 << 20));
        let mut image = vec![0; 32 << 20];
        store.close().unwrap();
        device.read(0, &mut image).unwrap();
        copy.write(0, &image).unwrap();
        let store = Store::open(copy.clone()).unwrap();
        let repository = store.repository("ada").unwrap();
        let mut compaction = Box::pin(store.compact());
        let mut polls = 0;
        let mut poll = |times: usize| {
            for _ in 0..times {
                polls += 1;
                if let Poll::Ready(done) = compaction.as_mut().poll(&mut context) {
                    return Some(done.unwrap());
                }
            }
            None
        };
        let mut ended = poll(moment);
        match moment % 3 {
            0 if repository.contains(&side) => set_reference(&repository, "refs/heads/side", Some(side)),
            1 => drop(put(&repository, MAIN, "again.bin", garbage.clone())),
            _ => {
                let mut transaction = repository.transaction();
                let blob = transaction.insert(Kind::Blob, garbage.clone()).unwrap();
                ended = ended.or_else(|| poll(50));
                let parent = repository.reference(MAIN).unwrap();
                let root = transaction.tree_of_commit(&parent).unwrap();
                let edit = TreeEdit { name: b"late.bin".into(), entry: Some((EntryKind::Blob, blob)) };
                let tree = transaction.edit_tree(Some(&root), &[edit]).unwrap();
                let who = "A <a@example.org> 1700000000 +0000";
                let text = format!("tree {tree}\nparent {parent}\nauthor {who}\ncommitter {who}\n\nlate\n");
                let commit = transaction.insert(Kind::Commit, text).unwrap();
                transaction.update_reference(ReferenceUpdate {
                    name: MAIN.into(),
                    expected: Some(parent),
                    new: Some(commit),
                });
                block_on(transaction.submit().unwrap()).unwrap();
            }
        }
        ended.or_else(|| poll(1_000_000)).unwrap();
        drop(compaction);
        reachable(&repository);
        assert_clean(&copy, &store);
    }
}

#[test]
fn what_a_move_that_is_not_durable_yet_leaves_is_collected() {
    let device = device(32);
    let store = Store::format(device.clone(), &FormatOptions::default()).unwrap();
    let repository = store.create_repository("ada").unwrap();
    let lost = put(&repository, "refs/heads/side", "lost.bin", noise(1, 3_000_000));
    put(&repository, MAIN, "kept.bin", noise(2, 1_000_000));
    let mut transaction = repository.transaction();
    let (name, expected) = ("refs/heads/side".into(), Some(lost));
    transaction.update_reference(ReferenceUpdate { name, expected, new: None });
    let deletion = transaction.submit().unwrap();
    assert_eq!(repository.reference("refs/heads/side"), Some(lost), "nobody has waited for it");
    // As a routine, which looks again only when references have been moved again.
    let mut maintenance = Box::pin(store.maintain());
    let waker = futures_util::task::noop_waker();
    for _ in 0..10_000 {
        assert!(maintenance.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    }
    drop(maintenance);
    block_on(deletion).unwrap();
    assert!(!repository.contains(&lost));
    assert_eq!(repository.state().borrow().stranding_moves, 0);
    assert_clean(&device, &store);
}

#[test]
fn what_somebody_reads_is_not_collected() {
    let device = device(32);
    let store = Store::format(device.clone(), &FormatOptions::default()).unwrap();
    let repository = store.create_repository("ada").unwrap();
    calendar(&repository, 30, 1);
    let base = repository.reference(MAIN).unwrap();
    for number in 0..20 {
        put(&repository, MAIN, &format!("{number}.bin"), noise(number, 60_000));
    }
    let pin = repository.pin();
    let read = repository.reference(MAIN).unwrap();
    set_reference(&repository, MAIN, Some(base));
    assert_eq!(block_on(store.compact()).unwrap().unreachable, 0);
    let root = repository.tree_of_commit(&read).unwrap();
    let work = repository.tree(&root).unwrap().find("work").unwrap().id.to_owned();
    for entry in repository.tree(&work).unwrap().iter() {
        repository.object(&entry.id.to_owned()).unwrap();
    }
    drop(pin);
    assert!(block_on(store.compact()).unwrap().unreachable >= 80);
    assert!(!repository.contains(&read));
    assert_clean(&device, &store);
}

/// Sets main to a commit without parents whose files are those of the newest one and an edit: what a client
/// pushes who has rewritten history, with deltas against what the server has.
fn rewrite_history(repository: &Repository, edit: TreeEdit) -> ObjectId {
    let mut transaction = repository.transaction();
    let parent = repository.latest_reference(MAIN).unwrap();
    let root = transaction.tree_of_commit(&parent).unwrap();
    let work = transaction.tree(&root).unwrap().find("work").unwrap().id.to_owned();
    let work = transaction.edit_tree(Some(&work), &[edit]).unwrap();
    let edit = TreeEdit { name: b"work".into(), entry: Some((EntryKind::Tree, work)) };
    let tree = transaction.edit_tree(Some(&root), &[edit]).unwrap();
    let who = "A <a@example.org> 1700000000 +0000";
    let text = format!("tree {tree}\nauthor {who}\ncommitter {who}\n\nrewritten\n");
    let commit = transaction.insert(Kind::Commit, text).unwrap();
    let (name, new) = (MAIN.into(), Some(commit));
    transaction.update_reference(ReferenceUpdate { name, expected: Some(parent), new });
    block_on(transaction.submit().unwrap()).unwrap();
    work
}

#[test]
fn what_is_made_from_something_unreachable_is_whole_when_that_goes() {
    let device = device(32);
    let store = Store::format(device.clone(), &FormatOptions::default()).unwrap();
    let repository = store.create_repository("ada").unwrap();
    for number in 0..30 {
        put(&repository, "refs/heads/side", &format!("{number}.bin"), noise(number, 100_000));
    }
    calendar(&repository, 100, 1);
    let commit = repository.reference(MAIN).unwrap();
    let root = repository.tree_of_commit(&commit).unwrap();
    let former = repository.tree(&root).unwrap().find("work").unwrap().id.to_owned();
    block_on(store.compact()).unwrap();
    assert_eq!(repository.state().borrow().index.len(), 0);
    // All of the log is reachable, and a tree in it is a delta against one in the pack that is not.
    let work = rewrite_history(&repository, TreeEdit { name: b"event-00007.ics".into(), entry: None });
    assert_eq!(repository.link(&work).unwrap().base, Some(former));
    // A collection is due when the repository has grown by a quarter.
    put(&repository, "refs/heads/other", "more.bin", noise(99, 900_000));
    set_reference(&repository, "refs/heads/side", None);
    let mut maintenance = Box::pin(store.maintain());
    let waker = futures_util::task::noop_waker();
    for _ in 0..100_000 {
        assert!(maintenance.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    }
    drop(maintenance);
    assert!(!repository.contains(&former) && !repository.contains(&commit), "collected");
    assert_eq!(reachable(&repository).len(), 3 + 99 + 4);
    assert_clean(&device, &store);
}

/// An entry whose name does not compress.
fn entry_of(number: u64, blob: ObjectId) -> TreeEdit {
    let name = noise(number, 250).into_iter().map(|byte| if matches!(byte, 0 | b'/') { b'x' } else { byte });
    TreeEdit { name: name.collect(), entry: Some((EntryKind::Blob, blob)) }
}

/// The edits that add so many entries, and the one that takes the first of them away.
fn entries(numbers: std::ops::Range<u64>, first: ObjectId, blob: ObjectId) -> (Vec<TreeEdit>, TreeEdit) {
    let start = numbers.start;
    let edits: Vec<_> =
        numbers.map(|number| entry_of(number, if number == start { first } else { blob })).collect();
    let removal = TreeEdit { name: edits[0].name.clone(), entry: None };
    (edits, removal)
}

/// Makes a commit without parents, of the tree that the edits make upon another, the only history of `main`.
fn begin_anew(repository: &Repository, base: Option<ObjectId>, edits: &[TreeEdit]) -> [ObjectId; 2] {
    let mut transaction = repository.transaction();
    let tree = transaction.edit_tree(base.as_ref(), edits).unwrap();
    let who = "A <a@example.org> 1700000000 +0000";
    let text = format!("tree {tree}\nauthor {who}\ncommitter {who}\n\nbegin\n");
    let commit = transaction.insert(Kind::Commit, text).unwrap();
    let (name, expected) = (MAIN.into(), repository.reference(MAIN));
    transaction.update_reference(ReferenceUpdate { name, expected, new: Some(commit) });
    block_on(transaction.submit().unwrap()).unwrap();
    [tree, commit]
}

fn insert(repository: &Repository, content: Vec<u8>) -> ObjectId {
    let mut transaction = repository.transaction();
    let blob = transaction.insert(Kind::Blob, content).unwrap();
    block_on(transaction.submit().unwrap()).unwrap();
    blob
}

#[test]
fn a_large_delta_is_whole_when_its_base_goes() {
    let device = device(64);
    let store = Store::format(device.clone(), &FormatOptions::default()).unwrap();
    let repository = store.create_repository("ada").unwrap();
    let (lost, kept) = (insert(&repository, noise(1, 1000)), insert(&repository, noise(2, 1000)));
    let (edits, removal) = entries(0..10_000, lost, kept);
    let [former, commit] = begin_anew(&repository, None, &edits);
    let (mut edits, _) = entries(10_000..19_500, kept, kept);
    edits.push(removal);
    let [tree, _] = begin_anew(&repository, Some(former), &edits);
    assert_eq!(repository.link(&tree).unwrap().base, Some(former));
    let record = repository.state().borrow().index.get(&tree).unwrap();
    assert!(record.length() > 2 << 20, "it is in an extent of its own, and too large to be moved");
    let done = block_on(store.compact()).unwrap();
    for gone in [former, commit, lost] {
        assert!(!repository.contains(&gone));
    }
    assert_eq!(done.unreachable, 3);
    assert_eq!(repository.link(&tree).unwrap().base, None);
    assert_eq!(reachable(&repository).len(), 3);
    assert_clean(&device, &store);
}

#[test]
fn a_base_that_lacks_what_it_refers_to_does_not_hinder_a_collection() {
    let device = device(64);
    let store = Store::format(device.clone(), &FormatOptions::default()).unwrap();
    let repository = store.create_repository("ada").unwrap();
    let kept = insert(&repository, noise(2, 1000));
    // As a repair leaves it that has found a blob damaged, and no reference that leads to it.
    let absent = ObjectId::Sha1([7; 20]);
    let (edits, removal) = entries(0..10_000, absent, kept);
    let former = crate::Tree::default().edit(&edits).unwrap().unwrap();
    let id = former.id().unwrap();
    let objects = vec![EncodedObject {
        id,
        attributes: Attributes::new(Kind::Tree, None),
        entry: encode_whole(Kind::Tree, &former.to_bytes()).into(),
    }];
    let submission =
        Submission { objects, packs: vec![], updates: vec![], strands: vec![], cut: Cut::default() };
    repository.core().submit(repository.state(), submission).unwrap();
    let (mut edits, _) = entries(10_000..19_500, kept, kept);
    edits.push(removal);
    let [tree, _] = begin_anew(&repository, Some(id), &edits);
    assert_eq!(repository.link(&tree).unwrap().base, Some(id));
    put(&repository, "refs/heads/side", "more.bin", noise(3, 500_000));
    set_reference(&repository, "refs/heads/side", None);
    let done = block_on(store.compact()).unwrap();
    assert_eq!((done.set_aside, repository.contains(&id)), (0, false));
    assert_eq!(reachable(&repository).len(), 3);
    assert_clean(&device, &store);
}

/// The pack of a clone of these, and how many of its objects came with packs that were sent whole.
fn cloned(repository: &Repository) -> (Vec<u8>, u32) {
    let tip = repository.reference(MAIN).unwrap();
    let line = format!("want {tip} side-band-64k ofs-delta\n");
    let request = format!("{:04x}{line}00000009done\n", line.len() + 4);
    let reply = crate::wire::upload_pack(repository, crate::wire::Protocol::V0, request.into());
    let answer: Vec<_> = block_on(futures_util::StreamExt::collect(reply));
    let answer = answer.concat();
    let (mut pack, mut text, mut rest) = (Vec::new(), String::new(), &answer[8..]);
    while let Some(length) = rest.get(..4) {
        let length = usize::from_str_radix(std::str::from_utf8(length).unwrap(), 16).unwrap();
        match rest.get(4..length.max(4)).and_then(|band| band.split_first()) {
            Some((1, data)) => pack.extend_from_slice(data),
            Some((_, data)) => text += &String::from_utf8_lossy(data),
            None => break,
        }
        rest = &rest[length..];
    }
    let (_, number) = text.rsplit_once("pack-reused ").unwrap();
    (pack, number.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap())
}

#[test]
fn packs_that_a_collection_has_written_together_are_cloned_together() {
    let device = device(128);
    let store = Store::format(device.clone(), &FormatOptions::default()).unwrap();
    let repository = store.create_repository("ada").unwrap();
    calendar(&repository, 40, 110);
    // Beside a large file, which stays where it is.
    put(&repository, MAIN, "large.bin", noise(1, 1_300_000));
    block_on(store.compact()).unwrap();
    let packed = reachable(&repository).len() as u32 - 1;
    {
        let state = repository.state().borrow();
        assert_eq!((state.packs.len(), state.index.len()), (2, 1));
        assert!(state.packs.iter().all(|pack| pack.ends().unwrap().packs == 2));
    }
    for round in 0..3 {
        let (pack, reused) = cloned(&repository);
        assert_eq!(reused, if round < 2 { packed } else { 0 });
        let scratch = Scratch::new(&format!("together-{round}"));
        fs::write(scratch.0.join("test.pack"), &pack).unwrap();
        scratch.git(&["index-pack", "--strict", "test.pack"]);
        let verified = scratch.git(&["verify-pack", "-v", "test.idx"]);
        let ids = verified.lines().filter_map(|line| ObjectId::from_hex(line.get(..40)?.as_bytes()).ok());
        let ids: BTreeSet<_> = ids.collect();
        assert_eq!(ids, reachable(&repository));
        assert_eq!(u32::from_be_bytes(pack[8..12].try_into().unwrap()) as usize, ids.len());
        assert_clean(&device, &store);
        if round == 0 {
            put(&repository, MAIN, "new.ics", event(7, 7));
        } else {
            // What is no longer wanted is in all of them.
            let text = repository.object(&repository.reference(MAIN).unwrap()).unwrap().data;
            let text = String::from_utf8(text.to_vec()).unwrap();
            let parent = text.lines().find_map(|line| line.strip_prefix("parent ")).unwrap();
            let parent = ObjectId::from_hex(parent.as_bytes()).unwrap();
            let older = repository.object(&parent).unwrap().data;
            let older = String::from_utf8(older.to_vec()).unwrap();
            let older = older.lines().find_map(|line| line.strip_prefix("parent ")).unwrap();
            set_reference(&repository, MAIN, Some(ObjectId::from_hex(older.as_bytes()).unwrap()));
        }
    }
}
