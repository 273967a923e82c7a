//! Compaction as users meet it: full devices, devices that have grown, clones under way.

use futures_executor::block_on;
use futures_util::{FutureExt, StreamExt};
use kalends_block_backend::{BlockDevice, SimulatedDevice};
use kalends_store::{
    EntryKind, Error, FormatOptions, Kind, ObjectId, Objects, OpenOptions, ReferenceUpdate, Repository,
    Store, TreeEdit, check_device,
    wire::{Protocol, upload_pack},
};
use std::{
    fs,
    process::Command,
    rc::Rc,
    task::{Context, Waker},
};

const MAIN: &str = "refs/heads/main";

/// Bytes that hardly compress.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as u8
    };
    (0..length).map(|_| next()).collect()
}

/// Commits a file to a branch.
fn put(repository: &Repository, branch: &str, name: &str, content: Vec<u8>) -> Result<ObjectId, Error> {
    let mut transaction = repository.transaction();
    let parent = repository.latest_reference(branch);
    let base = parent.map(|parent| repository.tree_of_commit(&parent)).transpose()?;
    let blob = transaction.insert(Kind::Blob, content)?;
    let edit = TreeEdit { name: name.into(), entry: Some((EntryKind::Blob, blob)) };
    let tree = transaction.edit_tree(base.as_ref(), &[edit])?;
    let line = parent.map(|parent| format!("parent {parent}\n")).unwrap_or_default();
    let who = "A <a@example.org> 1700000000 +0000";
    let text = format!("tree {tree}\n{line}author {who}\ncommitter {who}\n\n{name}\n");
    let commit = transaction.insert(Kind::Commit, text)?;
    transaction.update_reference(ReferenceUpdate {
        name: branch.into(),
        expected: parent,
        new: Some(commit),
    });
    block_on(transaction.submit()?)?;
    Ok(commit)
}

fn delete(repository: &Repository, branch: &str) {
    let mut transaction = repository.transaction();
    let expected = repository.latest_reference(branch);
    transaction.update_reference(ReferenceUpdate { name: branch.into(), expected, new: None });
    block_on(transaction.submit().unwrap()).unwrap();
}

fn assert_clean(device: &Rc<SimulatedDevice>) {
    let device: Rc<dyn BlockDevice> = device.clone();
    let mut findings = Vec::new();
    let summary = check_device(&device, OpenOptions::default(), &mut |finding| findings.push(finding));
    assert!(summary.unwrap().is_clean() && findings.is_empty(), "{findings:?}");
}

#[test]
fn a_full_device_has_room_again_after_a_branch_is_deleted() {
    let device = Rc::new(SimulatedDevice::new(24 << 20, 512));
    let store = Store::format(device.clone(), &FormatOptions::default()).unwrap();
    let ada = store.create_repository("ada").unwrap();
    put(&ada, MAIN, "keep.ics", b"keep".to_vec()).unwrap();
    let mut maintenance = Box::pin(store.maintain());
    let mut context = Context::from_waker(Waker::noop());
    let mut fill = |limit: u64| {
        for number in 0..limit {
            match put(&ada, "refs/heads/side", "side.bin", noise(limit + number, 30_000)) {
                Ok(_) => assert!(maintenance.as_mut().poll(&mut context).is_pending()),
                Err(Error::DeviceFull) => return number,
                Err(error) => panic!("{error}"),
            }
        }
        panic!("it was never full")
    };
    let first = fill(10_000);
    assert!(first > 100, "{first}");
    delete(&ada, "refs/heads/side");
    // Still full; that somebody needs room is noticed, and while nobody does anything else room is made.
    let refused = put(&ada, MAIN, "new.bin", noise(1, 3 << 20));
    assert!(matches!(refused, Err(Error::DeviceFull)), "{refused:?}");
    for _ in 0..20_000 {
        assert!(maintenance.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
    drop(maintenance);
    put(&ada, MAIN, "new.bin", noise(1, 3 << 20)).unwrap();
    for number in 0..first / 2 {
        put(&ada, MAIN, "again.bin", noise(number, 30_000)).unwrap();
    }
    assert_clean(&device);
}

#[test]
fn a_device_that_has_grown_is_used_to_its_end_and_one_that_has_shrunk_is_refused() {
    let small = Rc::new(SimulatedDevice::new(12 << 20, 512));
    let store = Store::format(small.clone(), &FormatOptions::default()).unwrap();
    let ada = store.create_repository("ada").unwrap();
    put(&ada, MAIN, "a.ics", b"a".to_vec()).unwrap();
    store.close().unwrap();
    drop((ada, store));
    let mut bytes = small.contents();
    // Not a whole number of segments: the rest is not used.
    bytes.resize((40 << 20) + 4096, 0);
    let grown = Rc::new(SimulatedDevice::from_bytes(bytes, 512));
    let store = Store::open(grown.clone()).unwrap();
    assert_eq!(grown.statistics().writes, 0, "opening writes nothing");
    assert!(store.free_bytes() < 12 << 20, "not before both superblocks name it");
    let ada = store.repository("ada").unwrap();
    for number in 0..13 {
        put(&ada, MAIN, &format!("{number}.bin"), noise(number, 1_200_000)).unwrap();
    }
    let tip = ada.reference(MAIN);
    assert_clean(&grown);
    // A crash at any moment of the growth.
    let mut point = grown.crash_point(0);
    for step in 0..grown.steps() {
        point.advance(step);
        for keep in [false, true] {
            let image = point.lose_power(|_, versions| keep.then(|| versions - 1));
            let image = Rc::new(image);
            drop(Store::open(image.clone()).unwrap());
            assert_clean(&image);
        }
    }
    drop((ada, store));
    let store = Store::open(grown.clone()).unwrap();
    assert_eq!(store.repository("ada").unwrap().reference(MAIN), tip);
    drop(store);
    let cut = Rc::new(SimulatedDevice::from_bytes(grown.contents()[..39 << 20].to_vec(), 512));
    let error = Store::open(cut).err().unwrap().to_string();
    assert!(error.ends_with("the device has 40894464 only: part of it is cut off"), "{error}");
}

#[test]
fn a_clone_under_way_gets_all_of_its_pack_while_its_branch_is_deleted_and_collected() {
    let device = Rc::new(SimulatedDevice::new(48 << 20, 512));
    let store = Store::format(device.clone(), &FormatOptions::default()).unwrap();
    let ada = store.create_repository("ada").unwrap();
    put(&ada, MAIN, "keep.ics", b"keep".to_vec()).unwrap();
    for number in 0..60 {
        put(&ada, "refs/heads/side", &format!("{number}.bin"), noise(number, 60_000)).unwrap();
    }
    let side = ada.reference("refs/heads/side").unwrap();
    let line = |text: &str| format!("{:04x}{text}", text.len() + 4);
    let request =
        [line(&format!("want {side} ofs-delta no-progress\n")), "0000".into(), line("done\n")].concat();
    for pieces in [0, 1, 5, 20] {
        // The branch as it was, in the log or in a pack.
        if ada.reference("refs/heads/side").is_none() {
            let mut transaction = ada.transaction();
            let new = Some(side);
            transaction.update_reference(ReferenceUpdate {
                name: "refs/heads/side".into(),
                expected: None,
                new,
            });
            block_on(transaction.submit().unwrap()).unwrap();
        }
        let mut reply = upload_pack(&ada, Protocol::V0, request.clone().into());
        let mut answer = Vec::new();
        // Its first piece is asked for before the branch goes.
        for _ in 0..=pieces {
            answer.extend(block_on(reply.next()).unwrap());
        }
        delete(&ada, "refs/heads/side");
        let mut compaction = Box::pin(store.compact());
        let mut done = None;
        loop {
            done = done.or_else(|| compaction.as_mut().now_or_never());
            match reply.next().now_or_never() {
                Some(Some(piece)) => answer.extend(piece),
                Some(None) => break,
                None => {}
            }
        }
        done.unwrap_or_else(|| block_on(compaction)).unwrap();
        drop(reply);
        let pack = answer.strip_prefix(b"0008NAK\n").unwrap();
        let directory = std::env::temp_dir().join(format!("kalends-clone-{}-{pieces}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join("clone.pack"), pack).unwrap();
        let indexed = Command::new("git").current_dir(&directory).args(["index-pack", "clone.pack"]).output();
        fs::remove_dir_all(&directory).unwrap();
        let indexed = indexed.unwrap();
        assert!(indexed.status.success(), "{}", String::from_utf8_lossy(&indexed.stderr));
        assert_eq!(u32::from_be_bytes(pack[8..12].try_into().unwrap()), 180);
    }
    // Nobody reads it any more.
    assert!(ada.contains(&side));
    assert!(block_on(store.compact()).unwrap().unreachable >= 180);
    assert!(!ada.contains(&side));
    assert_clean(&device);
}
