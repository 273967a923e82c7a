//! Clones of what was pushed as one pack, which goes along as it lies on the device.

use crate::{
    large_pushes::{CAPACITY, MAIN, commit, device, history, push_history},
    repositories::{drive, push, push_body, ready, whole},
};
use gix_hash::ObjectId;
use kalends_store::{
    EntryKind, FormatOptions, Kind, NoRules, Objects, ReferenceUpdate, Repository, Store, TreeEdit,
    wire::{Protocol, ReceiveOptions, upload_pack},
};
use std::{
    future::Future,
    rc::Rc,
    task::{Context, Waker},
};

/// A repository that has [`history`] in one pack.
fn pushed() -> Repository {
    let store = Store::format(device(), &FormatOptions::default()).unwrap();
    let repository = store.create_repository("test").unwrap();
    let report = push_history(&repository, Rc::new(NoRules), ReceiveOptions::default());
    assert!(report.contains("ok refs/heads/main"), "{report}");
    repository
}

pub(crate) fn empty() -> Repository {
    Store::format(device(), &FormatOptions::default()).unwrap().create_repository("clone").unwrap()
}

/// The pack of a clone, as it comes without side bands.
pub(crate) fn clone(repository: &Repository, tip: &ObjectId, capabilities: &str, more: &str) -> Vec<u8> {
    let line = format!("want {tip} {capabilities}\n");
    let request = format!("{:04x}{line}{more}00000009done\n", line.len() + 4);
    let answer = whole(upload_pack(repository, Protocol::V0, request.into()));
    assert!(
        answer.starts_with(b"0008NAK\nPACK"),
        "{:?}",
        String::from_utf8_lossy(&answer[..200.min(answer.len())])
    );
    answer[8..].to_vec()
}

/// A repository of what was cloned: the push of it fails when an object is missing or comes twice.
pub(crate) fn unpack(pack: &[u8], tip: &ObjectId) -> Repository {
    let repository = empty();
    let report = whole(push(&repository, push_body(MAIN, None, Some(*tip), pack)).unwrap());
    let report = String::from_utf8_lossy(&report);
    assert!(report.contains("ok refs/heads/main"), "{report}");
    repository
}

/// Bytes that do not compress.
pub(crate) fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut byte = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as u8
    };
    (0..length).map(|_| byte()).collect()
}

pub(crate) fn objects(pack: &[u8]) -> u32 {
    u32::from_be_bytes(pack[8..12].try_into().unwrap())
}

#[test]
fn a_pushed_pack_is_cloned_as_it_came() {
    let repository = pushed();
    let (tip, sent) = history();
    assert!(clone(&repository, tip, "ofs-delta", "") == *sent);
    // Who does not know deltas by offset gets the same objects otherwise.
    let other = clone(&repository, tip, "", "");
    assert!(other != *sent && objects(&other) == objects(sent));
    assert_eq!(unpack(&other, tip).object_count().unwrap(), 900);
}

#[test]
fn what_was_written_since_follows_the_pack_and_nothing_comes_twice() {
    let repository = pushed();
    for number in 0..40 {
        // What is written is new, and every other time what was there before.
        let old = repository.tree(&repository.tree_of_commit(&history().0).unwrap()).unwrap();
        let entry = old.find(format!("file{}", number % 20).as_bytes()).unwrap().id.to_owned();
        let content = match number % 2 {
            0 => repository.object(&entry).unwrap().data.to_vec(),
            _ => format!("content {number}").into_bytes(),
        };
        commit(&repository, number, content);
    }
    let tip = repository.reference(MAIN).unwrap();
    let pack = clone(&repository, &tip, "ofs-delta", "");
    assert!(pack[12..].starts_with(&history().1[12..history().1.len() - 20]));
    let cloned = unpack(&pack, &tip);
    assert_eq!(cloned.object_count().unwrap() as u32, objects(&pack));
    let plain = clone(&repository, &tip, "", "");
    assert_eq!(objects(&plain), objects(&pack), "as many as a walk finds");
}

#[test]
fn a_pack_of_which_not_all_can_be_reached_is_not_sent_whole() {
    let repository = pushed();
    let (tip, sent) = history();
    let text = String::from_utf8(repository.object(tip).unwrap().data.to_vec()).unwrap();
    let parent = text.lines().find_map(|line| line.strip_prefix("parent ")).unwrap();
    let parent = ObjectId::from_hex(parent.as_bytes()).unwrap();
    let mut transaction = repository.transaction();
    transaction.update_reference(ReferenceUpdate {
        name: MAIN.into(),
        expected: Some(*tip),
        new: Some(parent),
    });
    drive(transaction.submit().unwrap()).unwrap();
    let pack = clone(&repository, &parent, "ofs-delta", "");
    assert!(objects(&pack) < objects(sent));
    let cloned = unpack(&pack, &parent);
    assert!(!cloned.contains(tip));
}

#[test]
fn a_pack_that_is_not_reached_is_not_sent() {
    let repository = empty();
    commit(&repository, 0, b"first".to_vec());
    let (first, sent) = (repository.reference(MAIN).unwrap(), history());
    let report =
        whole(push(&repository, push_body("refs/heads/other", None, Some(sent.0), &sent.1)).unwrap());
    assert!(String::from_utf8_lossy(&report).contains("ok refs/heads/other"));
    assert_eq!(objects(&clone(&repository, &first, "ofs-delta", "")), 3);
    let both = clone(&repository, &sent.0, "ofs-delta", &format!("{:04x}want {first}\n", 4 + 46));
    assert_eq!(objects(&both), 903);
}

#[test]
fn a_pack_that_refers_to_another_goes_along_with_it() {
    let (server, client) = (pushed(), pushed());
    let old = history().0;
    for number in 0..100 {
        commit(&client, number, noise(77 + u64::from(number), 8000));
    }
    let new = client.reference(MAIN).unwrap();
    let request = format!("{:04x}want {new} ofs-delta\n0000{:04x}have {old}\n0009done\n", 4 + 56, 4 + 46);
    let answer = whole(upload_pack(&client, Protocol::V0, request.into()));
    let start = answer.windows(4).position(|bytes| bytes == b"PACK").unwrap();
    let (pack, line) = (&answer[start..], "refs/heads/main");
    assert_eq!(objects(pack), 300);
    let report = whole(push(&server, push_body(line, Some(old), Some(new), pack)).unwrap());
    assert!(String::from_utf8_lossy(&report).contains("ok refs/heads/main"));
    let all = clone(&server, &new, "ofs-delta", "");
    assert_eq!(objects(&all), 1200);
    assert!(all[12..].starts_with(&history().1[12..history().1.len() - 20]));
    assert_eq!(unpack(&all, &new).object_count().unwrap(), 1200);
}

#[test]
fn clones_go_on_beside_writes_and_after_their_repository_is_gone() {
    let store = Store::format(device(), &FormatOptions::default()).unwrap();
    let (repository, other) =
        (store.create_repository("test").unwrap(), store.create_repository("other").unwrap());
    push_history(&repository, Rc::new(NoRules), ReceiveOptions::default());
    // Beside the pack, something in the log and in an extent of its own.
    let packed = history().1.len();
    (0..8).for_each(|number| commit(&repository, number, noise(number.into(), 250_000)));
    let tip = repository.reference(MAIN).unwrap();
    let line = format!("want {tip} ofs-delta\n");
    let request = format!("{:04x}{line}00000009done\n", line.len() + 4);
    let sent = whole(upload_pack(&repository, Protocol::V0, request.clone().into()));
    assert_eq!(sent[20..packed - 12], history().1[12..packed - 20], "the pack comes first");
    let mut clones: Vec<_> = (0..4)
        .map(|_| (upload_pack(&repository, Protocol::V0, request.clone().into()), Vec::new(), true))
        .collect();
    drop(repository);
    let (mut number, mut turn) = (0, 0);
    while clones.iter().any(|(_, _, open)| *open) {
        turn += 1;
        for (at, (reply, received, open)) in clones.iter_mut().enumerate() {
            // Some are quicker than others.
            if *open && turn % (at + 1) == 0 {
                match ready(reply) {
                    Some(Some(bytes)) => received.extend_from_slice(&bytes),
                    Some(None) => *open = false,
                    None => {}
                }
            }
        }
        if turn == 10 {
            store.remove_repository("test").unwrap();
        }
        // Where the pack is would be used again, were it free.
        if turn % 4 == 0 && number < 20 {
            commit(&other, number, noise(number.into(), 2_000_000));
            store.close().unwrap();
            number += 1;
        }
    }
    assert!(number > 10);
    for (_, received, _) in clones {
        assert!(received == sent);
    }
    // The last of them gone, its space is free again: what is left is what the other repository has in extents, the
    // superblocks, the log and checkpoints.
    for number in 40..43 {
        commit(&other, number, b"small".to_vec());
        store.close().unwrap();
    }
    let used = (CAPACITY - store.free_bytes()) >> 20;
    assert!(used <= 2 * number as u64 + 6, "{used} MiB");
}

#[test]
fn a_clone_without_files_or_directories_has_the_rest() {
    let repository = pushed();
    commit(&repository, 3, b"new".to_vec());
    let tip = repository.reference(MAIN).unwrap();
    for (filter, expected) in [("blob:none", 602), ("tree:0", 301), ("blob:limit=10", 603), ("tree:1", 602)] {
        let more = format!("{:04x}filter {filter}\n", 4 + 8 + filter.len());
        let pack = clone(&repository, &tip, "ofs-delta filter", &more);
        assert_eq!(objects(&pack), expected, "{filter}");
    }
}

/// How many objects of a clone come with packs that are sent whole.
fn reused(repository: &Repository, tip: &ObjectId, others: &[ObjectId]) -> u32 {
    let line = format!("want {tip} ofs-delta side-band-64k\n");
    let more: String = others.iter().map(|id| format!("{:04x}want {id}\n", 4 + 46)).collect();
    let request = format!("{:04x}{line}{more}00000009done\n", line.len() + 4);
    let answer = whole(upload_pack(repository, Protocol::V0, request.into()));
    let text = String::from_utf8_lossy(&answer);
    let (_, number) = text.rsplit_once("pack-reused ").unwrap();
    number.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap()
}

/// Checks a clone of these against what a walk finds: as many objects, with all that they refer to, each once.
fn check_clone(repository: &Repository, tip: &ObjectId, others: &[ObjectId]) -> u32 {
    let more: String = others.iter().map(|id| format!("{:04x}want {id}\n", 4 + 46)).collect();
    let walked = clone(repository, tip, "", &more);
    let pack = clone(repository, tip, "ofs-delta", &more);
    assert_eq!(objects(&pack), objects(&walked));
    assert_eq!(unpack(&pack, tip).object_count().unwrap() as u32, objects(&pack));
    // Nor do the kinds that are sent without files lack anything.
    for filter in ["blob:none", "tree:0"] {
        let more = format!("{more}{:04x}filter {filter}\n", 4 + 8 + filter.len());
        let counts = ["ofs-delta filter", "filter"]
            .map(|capabilities| objects(&clone(repository, tip, capabilities, &more)));
        assert_eq!(counts[0], counts[1], "{filter}");
        assert!(counts[0] < objects(&pack));
    }
    objects(&pack)
}

/// Numbers that only look random.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    fn noise(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.below(256) as u8).collect()
    }
}

fn poll_some(future: &mut (impl Future + Unpin), times: u32) {
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..times {
        assert!(std::pin::Pin::new(&mut *future).poll(&mut context).is_pending());
    }
}

#[test]
fn what_compaction_has_packed_is_cloned_as_it_lies() {
    let store = Store::format(device(), &FormatOptions::default()).unwrap();
    let repository = store.create_repository("test").unwrap();
    let mut numbers = Numbers(7);
    let mut maintenance = Box::pin(store.maintain());
    for number in 0..700 {
        commit(&repository, number, numbers.noise(6000));
        poll_some(&mut maintenance, 50);
    }
    poll_some(&mut maintenance, 20_000);
    drop(maintenance);
    // Several packs by now, the older ones larger.
    let tip = repository.reference(MAIN).unwrap();
    assert_eq!(check_clone(&repository, &tip, &[]), 2100);
    assert!((1600..2100).contains(&reused(&repository, &tip, &[])), "{}", reused(&repository, &tip, &[]));
    // All in one pack.
    drive(store.compact()).unwrap();
    assert_eq!(reused(&repository, &tip, &[]), 2100);
    commit(&repository, 700, b"new".to_vec());
    let tip = repository.reference(MAIN).unwrap();
    assert_eq!((reused(&repository, &tip, &[]), check_clone(&repository, &tip, &[])), (2100, 2103));
}

#[test]
fn a_pushed_pack_and_what_was_written_upon_it_are_cloned_as_they_lie() {
    let store = Store::format(device(), &FormatOptions::default()).unwrap();
    let repository = store.create_repository("test").unwrap();
    push_history(&repository, Rc::new(NoRules), ReceiveOptions::default());
    let mut numbers = Numbers(8);
    let mut maintenance = Box::pin(store.maintain());
    for number in 300..600 {
        // Now and then an old state comes back, which is in the pack that was pushed.
        if number % 10 == 3 {
            let parent = repository.latest_reference(MAIN).unwrap();
            let mut transaction = repository.transaction();
            let tree = transaction.tree_of_commit(&history().0).unwrap();
            let who = format!("A <a@example.org> {} +0000", 1_700_000_000 + number);
            let text = format!("tree {tree}\nparent {parent}\nauthor {who}\ncommitter {who}\n\nBack\n");
            let new = transaction.insert(Kind::Commit, text.into_bytes()).unwrap();
            let (name, expected) = (MAIN.into(), Some(parent));
            transaction.update_reference(ReferenceUpdate { name, expected, new: Some(new) });
            drive(transaction.submit().unwrap()).unwrap();
        } else {
            commit(&repository, number, numbers.noise(6000));
        }
        poll_some(&mut maintenance, 50);
    }
    poll_some(&mut maintenance, 20_000);
    drop(maintenance);
    let tip = repository.reference(MAIN).unwrap();
    let all = check_clone(&repository, &tip, &[]);
    assert!(
        reused(&repository, &tip, &[]) > 900 + (all - 900) / 2,
        "{} of {all}",
        reused(&repository, &tip, &[])
    );
}

/// Adds a commit with these parents, the first of which it changes a file of.
fn commit_upon(repository: &Repository, parents: &[ObjectId], number: u32, file: (u64, Vec<u8>)) -> ObjectId {
    let mut transaction = repository.transaction();
    let blob = transaction.insert(Kind::Blob, file.1).unwrap();
    let edit = TreeEdit { name: format!("file{}", file.0).into(), entry: Some((EntryKind::Blob, blob)) };
    let base = parents.first().map(|parent| transaction.tree_of_commit(parent).unwrap());
    let tree = transaction.edit_tree(base.as_ref(), &[edit]).unwrap();
    let parents: String = parents.iter().map(|parent| format!("parent {parent}\n")).collect();
    // Clocks are not to be trusted.
    let who = format!("A <a@example.org> {} +0000", 1_700_000_000 + number / 7 * 5 - number % 5);
    let text = format!("tree {tree}\n{parents}author {who}\ncommitter {who}\n\nCommit {number}\n");
    let commit = transaction.insert(Kind::Commit, text.into_bytes()).unwrap();
    let name = format!("refs/heads/kept-{commit}");
    transaction.update_reference(ReferenceUpdate { name, expected: None, new: Some(commit) });
    drive(transaction.submit().unwrap()).unwrap();
    commit
}

fn set(repository: &Repository, name: &str, new: Option<ObjectId>) {
    let mut transaction = repository.transaction();
    let expected = repository.latest_reference(name);
    transaction.update_reference(ReferenceUpdate { name: name.into(), expected, new });
    drive(transaction.submit().unwrap()).unwrap();
}

#[test]
fn whatever_was_compacted_clones_have_all_of_it_once_and_nothing_else() {
    let mut sent_whole = 0;
    for seed in 0..3 {
        eprintln!("seed {seed}");
        let store = Store::format(device(), &FormatOptions::default()).unwrap();
        let repository = store.create_repository("test").unwrap();
        let mut numbers = Numbers(seed * 7919 + 1);
        let mut maintenance = Box::pin(store.maintain());
        let branches = ["refs/heads/main", "refs/heads/side", "refs/heads/other"];
        let mut contents = vec![b"first".to_vec()];
        for number in 0..400 {
            let branch = branches[(numbers.below(6) / 2 * numbers.below(2)) as usize % 3];
            let old = repository.latest_reference(branch);
            let mut parents: Vec<ObjectId> =
                old.or_else(|| repository.latest_reference(MAIN)).into_iter().collect();
            match numbers.below(120) {
                0 if number > 50 => {
                    // Part of history is given up.
                    let text = repository.object(&parents[0]).unwrap().data;
                    let text = String::from_utf8(text.to_vec()).unwrap();
                    let parent = text.lines().find_map(|line| line.strip_prefix("parent "));
                    let parent = parent.map(|id| ObjectId::from_hex(id.as_bytes()).unwrap());
                    set(&repository, branch, parent.or(old));
                    continue;
                }
                1 if number > 50 && branch != MAIN => {
                    set(&repository, branch, None);
                    continue;
                }
                2..6 => drop(drive(store.compact())),
                6..9 => {
                    parents.extend(branches.iter().filter_map(|branch| repository.latest_reference(branch)));
                    parents.sort();
                    parents.dedup();
                }
                9..12 if !parents.is_empty() => {
                    let mut transaction = repository.transaction();
                    let text = format!(
                        "object {}\ntype commit\ntag v{number}\ntagger A <a@example.org> 1700000000 +0000\n\nTag\n",
                        parents[0]
                    );
                    let tag = transaction.insert(Kind::Tag, text.into_bytes()).unwrap();
                    let name = format!("refs/tags/v{}", number % 4);
                    let expected = repository.latest_reference(&name);
                    transaction.update_reference(ReferenceUpdate { name, expected, new: Some(tag) });
                    drive(transaction.submit().unwrap()).unwrap();
                }
                12..15 if seed % 2 == 1 && !repository.contains(&history().0) => {
                    push_history_to(&repository, "refs/heads/pushed");
                }
                _ => {}
            }
            let content = match numbers.below(3) {
                0 => contents[numbers.below(contents.len() as u64) as usize].clone(),
                _ => {
                    let length = if numbers.below(80) == 0 { 1_200_000 } else { 9000 };
                    numbers.noise(length)
                }
            };
            contents.push(content.clone());
            let commit = commit_upon(&repository, &parents, number, (numbers.below(12), content));
            set(&repository, branch, Some(commit));
            set(&repository, &format!("refs/heads/kept-{commit}"), None);
            poll_some(&mut maintenance, numbers.below(60) as u32);
            if number % 100 == 99 {
                poll_some(&mut maintenance, 2000);
                if numbers.below(2) == 0 {
                    drop(drive(store.compact()));
                }
                let references = repository.references();
                let ids: Vec<ObjectId> = references.iter().map(|reference| reference.id).collect();
                let tip = repository.reference(MAIN).unwrap();
                check_clone(&repository, &tip, &ids);
                sent_whole += reused(&repository, &tip, &ids);
                if let Some(side) = repository.reference("refs/heads/side") {
                    check_clone(&repository, &side, &[]);
                }
                check_clone(&repository, &parents[0], &[]);
            }
        }
        eprintln!("{sent_whole} objects came in whole packs");
    }
    assert!(sent_whole > 3000, "{sent_whole}");
}

fn push_history_to(repository: &Repository, name: &str) {
    let (tip, pack) = history();
    let report = whole(push(repository, push_body(name, None, Some(*tip), pack)).unwrap());
    assert!(String::from_utf8_lossy(&report).contains("unpack ok"));
}
