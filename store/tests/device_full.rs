//! A full device: refusals that change nothing, and what still works.

use futures_executor::block_on;
use kalends_block_backend::{BlockDevice, MemoryDevice, SimulatedDevice};
use kalends_store::{
    EntryKind, Error, FormatOptions, Kind, ObjectId, Objects, OpenOptions, ReferenceUpdate, Repository,
    Store, TreeEdit, check_device, wire::write_full_pack,
};
use std::rc::Rc;

const MAIN: &str = "refs/heads/main";

/// Text that hardly compresses.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as u8
    };
    (0..length).map(|_| next()).collect()
}

/// Commits an edit of the root directory.
fn commit(repository: &Repository, name: &str, content: Option<Vec<u8>>) -> Result<(), Error> {
    let mut transaction = repository.transaction();
    let parent = repository.latest_reference(MAIN);
    let base = parent.map(|parent| repository.tree_of_commit(&parent)).transpose()?;
    let blob = content.map(|content| transaction.insert(Kind::Blob, content)).transpose()?;
    let entry = blob.map(|blob| (EntryKind::Blob, blob));
    let tree = transaction.edit_tree(base.as_ref(), &[TreeEdit { name: name.into(), entry }])?;
    let parent_line = parent.map(|parent| format!("parent {parent}\n")).unwrap_or_default();
    let text =
        format!("tree {tree}\n{parent_line}author A <a@b> 0 +0000\ncommitter A <a@b> 0 +0000\n\n{name}\n");
    let new = transaction.insert(Kind::Commit, text)?;
    transaction.update_reference(ReferenceUpdate { name: MAIN.into(), expected: parent, new: Some(new) });
    block_on(transaction.submit()?)
}

fn read(repository: &Repository, name: &str) -> Option<Vec<u8>> {
    let tree = repository.tree_of_commit(&repository.reference(MAIN)?).unwrap();
    let id: ObjectId = repository.tree(&tree).unwrap().find(name)?.id.to_owned();
    Some(repository.object(&id).unwrap().data.to_vec())
}

fn assert_clean(device: &Rc<SimulatedDevice>) {
    let device: Rc<dyn BlockDevice> = device.clone();
    let mut findings = Vec::new();
    let summary = check_device(&device, OpenOptions::default(), &mut |finding| findings.push(finding));
    assert!(summary.unwrap().is_clean() && findings.is_empty(), "{findings:?}");
}

/// Fills a repository with files of so many bytes; gives their number.
fn fill(repository: &Repository, size: usize) -> u64 {
    for number in 0.. {
        match commit(repository, &format!("{number}.ics"), Some(noise(number, size))) {
            Ok(()) => {}
            Err(Error::DeviceFull) => return number,
            Err(error) => panic!("{error}"),
        }
    }
    unreachable!()
}

#[test]
fn a_full_device_refuses_new_files_and_loses_nothing() {
    for (mebibytes, size) in [(8, 3000), (16, 70_000), (24, 1_500_000)] {
        let device = Rc::new(SimulatedDevice::new(mebibytes << 20, 512));
        let store = Store::format(device.clone(), &FormatOptions::default()).unwrap();
        let ada = store.create_repository("ada").unwrap();
        let before = ada.references();
        let stored = fill(&ada, size);
        let full = ada.references();
        assert!(before != full);
        // More of the same, and a pushed pack, are refused and change nothing.
        for _ in 0..5 {
            let refused = commit(&ada, "more.ics", Some(noise(1 << 40, size)));
            assert!(matches!(refused, Err(Error::DeviceFull)), "{refused:?}");
        }
        let elsewhere =
            Store::format(Rc::new(MemoryDevice::new(16 << 20)), &FormatOptions::default()).unwrap();
        let pushed = elsewhere.create_repository("pushed").unwrap();
        commit(&pushed, "big", Some(noise(5, 6 << 20))).unwrap();
        let mut pack = Vec::new();
        let index = write_full_pack(&pushed, &mut pack).unwrap().unwrap().index;
        let mut transaction = ada.transaction();
        transaction.adopt_pack(pack.into(), index.into()).unwrap();
        assert!(matches!(transaction.submit(), Err(Error::DeviceFull)));
        assert_eq!(ada.references(), full);
        for store in [store, Store::open(device.clone()).unwrap()] {
            let ada = store.repository("ada").unwrap();
            assert_eq!(ada.references(), full);
            for number in 0..stored {
                assert!(read(&ada, &format!("{number}.ics")) == Some(noise(number, size)), "{number}");
            }
        }
        assert_clean(&device);
    }
}

#[test]
fn deletions_work_long_after_the_device_is_full_and_removing_a_repository_always_does() {
    let device = Rc::new(SimulatedDevice::new(16 << 20, 512));
    let store = Store::format(device.clone(), &FormatOptions::default()).unwrap();
    let bob = store.create_repository("bob").unwrap();
    commit(&bob, "keep.ics", Some(b"keep".to_vec())).unwrap();
    let ada = store.create_repository("ada").unwrap();
    let stored = fill(&ada, 5000);
    assert!(stored > 1000);
    for number in 0..1000 {
        commit(&ada, &format!("{number}.ics"), None).unwrap();
    }
    assert_eq!((read(&ada, "999.ics"), read(&ada, "1000.ics")), (None, Some(noise(1000, 5000))));
    // Use up what small transactions may use.
    for number in 0.. {
        let mut transaction = bob.transaction();
        let tip = bob.reference(MAIN);
        let name = format!("refs/heads/{number:0>900}");
        transaction.update_reference(ReferenceUpdate { name, expected: None, new: tip });
        match transaction.submit() {
            Ok(commit) => block_on(commit).unwrap(),
            Err(Error::DeviceFull) => break,
            Err(error) => panic!("{error}"),
        }
    }
    store.set_secret("key", b"secret").unwrap();
    store.close().unwrap();
    assert_clean(&device);
    drop((ada, bob, store));
    let store = Store::open(device.clone()).unwrap();
    assert_eq!(store.secret("key"), Some(b"secret".to_vec()));
    store.remove_repository("ada").unwrap();
    let bob = store.repository("bob").unwrap();
    for number in 0..50 {
        commit(&bob, &format!("{number}.ics"), Some(noise(number, 50_000))).unwrap();
    }
    assert_eq!(read(&bob, "keep.ics"), Some(b"keep".to_vec()));
    assert_clean(&device);
}
