//! What was committed is there when the store is opened again.

use futures_util::FutureExt;
use kalends_block_backend::{BlockDevice, SimulatedDevice};
use kalends_store::{
    EntryKind, Error, FormatOptions, Kind, ObjectId, Objects, OpenOptions, ReferenceUpdate, Repository,
    Store, TreeEdit,
};
use std::rc::Rc;

const MAIN: &str = "refs/heads/main";

fn device(mebibytes: usize) -> Rc<SimulatedDevice> {
    Rc::new(SimulatedDevice::new(mebibytes << 20, 512))
}

fn format(device: &Rc<SimulatedDevice>) -> Store {
    Store::format(device.clone(), &FormatOptions::default()).unwrap()
}

/// Commits one file into the directory that is the root tree, and waits for it.
fn put(repository: &Repository, name: &str, content: &str) -> Result<ObjectId, Error> {
    let mut transaction = repository.transaction();
    let parent = repository.latest_reference(MAIN);
    let base = parent.map(|parent| repository.tree_of_commit(&parent)).transpose()?;
    let blob = transaction.insert(Kind::Blob, content.as_bytes().to_vec())?;
    let edit = TreeEdit { name: name.into(), entry: Some((EntryKind::Blob, blob)) };
    let tree = transaction.edit_tree(base.as_ref(), &[edit])?;
    let mut text = format!("tree {tree}\n");
    if let Some(parent) = parent {
        text.push_str(&format!("parent {parent}\n"));
    }
    text.push_str("author A <a@b> 0 +0000\ncommitter A <a@b> 0 +0000\n\nput\n");
    let commit = transaction.insert(Kind::Commit, text)?;
    transaction.update_reference(ReferenceUpdate { name: MAIN.into(), expected: parent, new: Some(commit) });
    futures_executor::block_on(transaction.submit()?)?;
    Ok(commit)
}

fn content(repository: &Repository, name: &str) -> Option<Vec<u8>> {
    let commit = repository.reference(MAIN)?;
    let tree = repository.tree(&repository.tree_of_commit(&commit).unwrap()).unwrap();
    let id = tree.find(name)?.id.to_owned();
    Some(repository.object(&id).unwrap().data.to_vec())
}

#[test]
fn files_survive_reopening_with_and_without_a_checkpoint() {
    let device = device(32);
    let store = format(&device);
    let ada = store.create_repository("ada").unwrap();
    for number in 0..300 {
        put(&ada, &format!("{number}.ics"), &format!("event {number}")).unwrap();
    }
    for close in [false, true, false] {
        if close {
            store.close().unwrap();
        }
        let again = Store::open(device.clone()).unwrap();
        assert_eq!(again.repositories(), ["ada"]);
        let ada = again.repository("ada").unwrap();
        for number in 0..300 {
            let expected = format!("event {number}").into_bytes();
            assert_eq!(content(&ada, &format!("{number}.ics")), Some(expected));
        }
    }
}

#[test]
fn many_small_checkpoints_lose_nothing_and_space_is_reused() {
    let device = device(16);
    drop(format(&device));
    let options = OpenOptions { checkpoint_after: 20_000, ..OpenOptions::default() };
    let store = Store::open_with(device.clone(), options.clone()).unwrap();
    let ada = store.create_repository("ada").unwrap();
    let free = store.free_bytes();
    for number in 0..400 {
        put(&ada, &format!("{}.ics", number % 50), &format!("event {number}")).unwrap();
        if number % 37 == 0 {
            let again = Store::open_with(device.clone(), options.clone()).unwrap();
            let ada = again.repository("ada").unwrap();
            let expected = format!("event {number}").into_bytes();
            assert_eq!(content(&ada, &format!("{}.ics", number % 50)), Some(expected));
        }
    }
    assert!(free - store.free_bytes() <= 4 << 20, "checkpoints are given back");
}

#[test]
fn a_removed_repository_gives_its_space_back() {
    let device = device(16);
    let store = format(&device);
    let noise = |seed: u64| -> String {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            char::from(b' ' + ((state >> 40) % 90) as u8)
        };
        (0..700_000).map(|_| next()).collect()
    };
    for round in 0..6 {
        let name = format!("user{round}");
        let repository = store.create_repository(&name).unwrap();
        let mut stored = 0;
        let full = loop {
            match put(&repository, &format!("{stored}.txt"), &noise(round * 100 + stored)) {
                Ok(_) => stored += 1,
                Err(error) => break error,
            }
        };
        assert!(matches!(full, Error::DeviceFull), "{full}");
        assert!(stored >= 6, "round {round} stored {stored}");
        assert_eq!(content(&repository, "0.txt"), Some(noise(round * 100).into_bytes()), "all is readable");
        store.remove_repository(&name).unwrap();
        assert!(matches!(put(&repository, "x", "y"), Err(Error::NoRepository(_))));
    }
    assert!(Store::open(device).unwrap().repositories().is_empty());
}

#[test]
fn on_a_full_device_deletions_still_work() {
    let device = device(16);
    let store = format(&device);
    let ada = store.create_repository("ada").unwrap();
    let mut number = 0_u32;
    let bytes = |number: u32| -> String {
        (0..20_000_u32)
            .map(|at| char::from(b' ' + ((at * number).wrapping_mul(2_654_435_761) >> 25) as u8 % 90))
            .collect()
    };
    while put(&ada, &format!("{number}.ics"), &bytes(number)).is_ok() {
        number += 1;
    }
    assert!(number > 100);
    let mut base = ada.reference(MAIN).unwrap();
    for delete in 0..50 {
        let mut transaction = ada.transaction();
        let tree = ada.tree_of_commit(&base).unwrap();
        let edit = TreeEdit { name: format!("{delete}.ics").into(), entry: None };
        let tree = transaction.edit_tree(Some(&tree), &[edit]).unwrap();
        let text =
            format!("tree {tree}\nparent {base}\nauthor A <a@b> 0 +0000\ncommitter A <a@b> 0 +0000\n\ndel\n");
        let commit = transaction.insert(Kind::Commit, text).unwrap();
        transaction.update_reference(ReferenceUpdate {
            name: MAIN.into(),
            expected: Some(base),
            new: Some(commit),
        });
        futures_executor::block_on(transaction.submit().unwrap()).unwrap();
        base = commit;
    }
    let again = Store::open(device).unwrap().repository("ada").unwrap();
    assert_eq!(again.reference(MAIN), Some(base));
    assert_eq!((content(&again, "49.ics"), content(&again, "50.ics")), (None, Some(bytes(50).into_bytes())));
}

#[test]
fn an_object_larger_than_a_segment_is_kept_whole() {
    let device = device(64);
    let store = format(&device);
    let ada = store.create_repository("ada").unwrap();
    let big: Vec<u8> = (0..9_000_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 21) as u8).collect();
    let mut transaction = ada.transaction();
    let id = transaction.insert(Kind::Blob, big.clone()).unwrap();
    futures_executor::block_on(transaction.submit().unwrap()).unwrap();
    let again = Store::open(device).unwrap().repository("ada").unwrap();
    assert_eq!(again.object(&id).unwrap().data, big);
    assert_eq!(again.header(&id).unwrap().size, 9_000_000);
}

#[test]
fn secrets_are_kept_and_bounded() {
    let device = device(8);
    let store = format(&device);
    for round in 0..5_u8 {
        store.set_secret("tls-key", &[round; 100]).unwrap();
        let again = Store::open(device.clone()).unwrap();
        assert_eq!(again.secret("tls-key"), Some(vec![round; 100]));
        assert_eq!(again.secret("other"), None);
    }
    assert!(matches!(store.set_secret("big", &[0; 70_000]), Err(Error::Limit(_))));
    assert_eq!(store.secret("big"), None);
}

#[test]
fn readers_see_a_change_when_it_is_durable_and_the_next_writer_at_once() {
    let device = device(8);
    let store = format(&device);
    let ada = store.create_repository("ada").unwrap();
    device.hold_flushes();
    let mut transaction = ada.transaction();
    let blob = transaction.insert(Kind::Blob, "x").unwrap();
    transaction.update_reference(ReferenceUpdate {
        name: "refs/tags/x".into(),
        expected: None,
        new: Some(blob),
    });
    let mut commit = transaction.submit().unwrap();
    for _ in 0..3 {
        assert!((&mut commit).now_or_never().is_none());
    }
    assert_eq!((ada.reference("refs/tags/x"), ada.latest_reference("refs/tags/x")), (None, Some(blob)));
    assert!(ada.object(&blob).is_ok());
    device.release_flushes();
    assert!(commit.now_or_never().unwrap().is_ok());
    assert_eq!(ada.reference("refs/tags/x"), Some(blob));
}

#[test]
fn a_dropped_commit_is_made_durable_without_its_future() {
    let device = device(8);
    let store = format(&device);
    let ada = store.create_repository("ada").unwrap();
    device.hold_flushes();
    let submit = |name: &str| {
        let mut transaction = ada.transaction();
        let blob = transaction.insert(Kind::Blob, name.to_owned()).unwrap();
        transaction.update_reference(ReferenceUpdate { name: name.into(), expected: None, new: Some(blob) });
        transaction.submit().unwrap()
    };
    let mut leader = submit("refs/tags/leader");
    let mut follower = submit("refs/tags/follower");
    let mut later = submit("refs/tags/later");
    for _ in 0..2 {
        assert!((&mut leader).now_or_never().is_none() && (&mut follower).now_or_never().is_none());
    }
    drop(leader);
    device.release_flushes();
    assert!(follower.now_or_never().unwrap().is_ok(), "the follower carries the flush on");
    assert!((&mut later).now_or_never().is_none());
    assert!(later.now_or_never().unwrap().is_ok());
    drop(submit("refs/tags/dropped"));
    assert!(ada.reference("refs/tags/dropped").is_some(), "even when nobody waits");
    assert_eq!(Store::open(device).unwrap().repository("ada").unwrap().references().len(), 4);
}

#[test]
fn a_failed_flush_stops_writing_and_readers_keep_the_durable_state() {
    let device = device(8);
    let store = format(&device);
    let ada = store.create_repository("ada").unwrap();
    let before = put(&ada, "a.ics", "durable").unwrap();
    device.fail_flushes(true);
    assert!(matches!(put(&ada, "b.ics", "lost"), Err(Error::Device(_))));
    device.fail_flushes(false);
    assert!(matches!(put(&ada, "c.ics", "refused"), Err(Error::Device(_))));
    assert!(matches!(store.close(), Err(Error::Device(_))));
    assert_eq!((ada.reference(MAIN), ada.latest_reference(MAIN)), (Some(before), Some(before)));
    assert_eq!(content(&ada, "a.ics"), Some(b"durable".to_vec()));
    assert!(device.statistics().flushes > 0 && device.block_size() == 512);
}

#[test]
fn references_obey_compare_and_swap_and_the_rules_for_names() {
    let store = format(&device(8));
    let ada = store.create_repository("ada").unwrap();
    let mut transaction = ada.transaction();
    let blob = transaction.insert(Kind::Blob, "x").unwrap();
    futures_executor::block_on(transaction.submit().unwrap()).unwrap();
    let update = |name: &str, expected, new| {
        let mut transaction = ada.transaction();
        transaction.update_reference(ReferenceUpdate { name: name.into(), expected, new });
        transaction.submit().map(|commit| futures_executor::block_on(commit).unwrap())
    };
    update("refs/heads/a", None, Some(blob)).unwrap();
    let moved = update("refs/heads/a", None, Some(blob));
    assert!(matches!(moved, Err(Error::ReferenceConflict { current: Some(id), .. }) if id == blob));
    for name in ["refs/heads/a/b", "refs/heads"] {
        assert!(matches!(update(name, None, Some(blob)), Err(Error::NameConflict { .. })), "{name}");
    }
    for name in ["main", "refs/heads/a..b", "refs/heads/", "refs/heads/x.lock", "refs/heads/\n"] {
        assert!(matches!(update(name, None, Some(blob)), Err(Error::InvalidName(_))), "{name}");
    }
    update("refs/heads/a", Some(blob), None).unwrap();
    update("refs/heads/a/b", None, Some(blob)).unwrap();
    assert_eq!(ada.references().len(), 1);
}

#[test]
fn devices_that_hold_no_store_of_ours_are_refused_and_left_alone() {
    let refusal = |device: &Rc<SimulatedDevice>| {
        let error = Store::open(device.clone()).err().unwrap();
        assert_eq!(device.steps(), 0, "nothing was written");
        error.to_string()
    };
    assert_eq!(refusal(&device(8)), "not a Kalends store: it has no superblock");
    let small = Rc::new(SimulatedDevice::new(4096, 512));
    assert_eq!(refusal(&small), "not a Kalends store: 4096 bytes are too few");
    let too_small = device(4);
    let error = Store::format(too_small.clone(), &FormatOptions::default()).err().unwrap().to_string();
    assert!(error.ends_with("4194304 bytes; a store needs at least 8 MiB"), "{error}");
    assert_eq!(too_small.steps(), 0);

    let good = device(8);
    drop(format(&good));
    let cut = Rc::new(SimulatedDevice::from_bytes(good.contents()[..7 << 20].to_vec(), 512));
    assert!(refusal(&cut).contains("the store uses 8388608 bytes, and the device has 7340032 only"));
    let coarse = Rc::new(SimulatedDevice::from_bytes(good.contents(), 4096));
    assert!(refusal(&coarse).contains("blocks of 512 bytes, and the device has blocks of 4096"));
    let mut damaged = good.contents();
    damaged[20] ^= 1;
    let damaged = Rc::new(SimulatedDevice::from_bytes(damaged, 512));
    assert_eq!(refusal(&damaged), "not a Kalends store: both superblocks are damaged");
}
