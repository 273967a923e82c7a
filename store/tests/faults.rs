//! Faults of the device that a store gets over, and those that it must not pass over in silence.

use futures_executor::block_on;
use kalends_block_backend::SimulatedDevice;
use kalends_store::{
    EntryKind, Error, FormatOptions, Kind, ObjectId, Objects, ReferenceUpdate, Repository, Store, TreeEdit,
};
use std::rc::Rc;

const MAIN: &str = "refs/heads/main";
const SEGMENT: u64 = 1 << 20;
const SUPERBLOCKS: [usize; 2] = [0, 64 << 10];
const SECRETS: [u64; 2] = [128 << 10, 192 << 10];

fn put(repository: &Repository, name: &str, content: Vec<u8>) -> ObjectId {
    let mut transaction = repository.transaction();
    let parent = repository.latest_reference(MAIN);
    let base = parent.map(|parent| repository.tree_of_commit(&parent).unwrap());
    let blob = transaction.insert(Kind::Blob, content).unwrap();
    let edit = TreeEdit { name: name.into(), entry: Some((EntryKind::Blob, blob)) };
    let tree = transaction.edit_tree(base.as_ref(), &[edit]).unwrap();
    let parent_line = parent.map(|parent| format!("parent {parent}\n")).unwrap_or_default();
    let text =
        format!("tree {tree}\n{parent_line}author A <a@b> 0 +0000\ncommitter A <a@b> 0 +0000\n\nput\n");
    let commit = transaction.insert(Kind::Commit, text).unwrap();
    transaction.update_reference(ReferenceUpdate { name: MAIN.into(), expected: parent, new: Some(commit) });
    block_on(transaction.submit().unwrap()).unwrap();
    commit
}

/// Bytes that do not compress.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as u8
    };
    (0..length).map(|_| next()).collect()
}

fn device(mebibytes: usize) -> (Rc<SimulatedDevice>, Store) {
    let device = Rc::new(SimulatedDevice::new(mebibytes << 20, 512));
    let store = Store::format(device.clone(), &FormatOptions::default()).unwrap();
    (device, store)
}

/// What a superblock says: see `docs/store-format.md`.
struct Superblock {
    generation: u64,
    checkpoint: u64,
    log: u64,
}

fn superblocks(device: &SimulatedDevice) -> Vec<Superblock> {
    let bytes = device.contents();
    let mut found: Vec<Superblock> = SUPERBLOCKS
        .into_iter()
        .filter(|at| bytes[*at..].starts_with(b"KALENDS\0"))
        .map(|at| {
            let u64_at = |offset: usize| u64::from_le_bytes(bytes[at + offset..][..8].try_into().unwrap());
            let u32_at =
                |offset: usize| u64::from(u32::from_le_bytes(bytes[at + offset..][..4].try_into().unwrap()));
            Superblock {
                generation: u64_at(40),
                checkpoint: u32_at(48) * SEGMENT,
                log: u32_at(72) * SEGMENT + u32_at(76),
            }
        })
        .collect();
    found.sort_by_key(|superblock| superblock.generation);
    found
}

#[test]
fn what_a_killed_program_had_written_is_durable_once_the_store_is_open_again() {
    let (device, store) = device(8);
    let ada = store.create_repository("ada").unwrap();
    let before = put(&ada, "a.ics", b"before".to_vec());
    device.ignore_flushes(device.statistics().flushes..u64::MAX);
    let after = put(&ada, "a.ics", b"after".to_vec());
    let point = device.crash_point(device.steps());
    let main =
        |device: Rc<SimulatedDevice>| Store::open(device).unwrap().repository("ada").unwrap().reference(MAIN);
    assert_eq!(main(Rc::new(point.lose_power(|_, _| None))), Some(before), "nothing was flushed");
    let killed = Rc::new(point.kill());
    assert_eq!(main(killed.clone()), Some(after), "readers have seen it");
    assert_eq!(
        main(Rc::new(killed.crash_point(killed.steps()).lose_power(|_, _| None))),
        Some(after),
        "and see it still"
    );
}

#[test]
fn a_damaged_checkpoint_is_replaced_by_the_one_before_even_when_its_leavings_are_in_use_again() {
    let (device, store) = device(12);
    let ada = store.create_repository("ada").unwrap();
    let bob = store.create_repository("bob").unwrap();
    put(&bob, "big", noise(3_500_000));
    put(&ada, "a.ics", b"1".to_vec());
    store.remove_repository("bob").unwrap();
    // The second checkpoint frees what the first retained for its predecessor.
    for number in 0..2 {
        store.close().unwrap();
        put(&ada, "a.ics", vec![number]);
    }
    let tip = put(&ada, "big", noise(3_500_000));
    let [older, newest] = superblocks(&device).try_into().ok().unwrap();
    assert_eq!(newest.generation, older.generation + 1);
    device.flip_bit(newest.checkpoint + 30, 3);
    let again = Store::open(device.clone()).unwrap();
    let notices = again.notices();
    assert!(notices.len() == 1 && notices[0].contains("the one before is in use"), "{notices:?}");
    let ada = again.repository("ada").unwrap();
    assert_eq!(ada.reference(MAIN), Some(tip));
    let tree = ada.tree(&ada.tree_of_commit(&tip).unwrap()).unwrap();
    let big = tree.find("big").unwrap().id.to_owned();
    assert!(ada.object(&big).unwrap().data == noise(3_500_000));
    // Work goes on, and heals the device.
    let tip = put(&ada, "b.ics", b"more".to_vec());
    again.close().unwrap();
    let again = Store::open(device).unwrap();
    assert_eq!((again.notices(), again.repository("ada").unwrap().reference(MAIN)), (vec![], Some(tip)));
}

#[test]
fn acknowledged_changes_are_not_passed_over_when_checkpoint_and_log_are_both_damaged() {
    let (device, store) = device(8);
    let ada = store.create_repository("ada").unwrap();
    store.close().unwrap();
    let [_, older] = superblocks(&device).try_into().ok().unwrap();
    put(&ada, "a.ics", b"acknowledged".to_vec());
    store.close().unwrap();
    let [_, newest] = superblocks(&device).try_into().ok().unwrap();
    device.flip_bit(older.log + 100, 1);
    assert!(Store::open(device.clone()).is_ok(), "the checkpoint has it");
    device.flip_bit(newest.checkpoint + 30, 3);
    let error = Store::open(device).err().unwrap();
    assert!(matches!(error, Error::DamagedStore(_)), "{error}");
}

#[test]
fn a_damaged_frame_is_an_error_when_a_later_one_shows_that_it_was_acknowledged() {
    let (device, store) = device(8);
    let ada = store.create_repository("ada").unwrap();
    let places: Vec<u64> = (0..3)
        .map(|number| {
            let before = device.contents();
            put(&ada, "a.ics", vec![number]);
            let after = device.contents();
            before.iter().zip(&after).position(|(before, after)| before != after).unwrap() as u64
        })
        .collect();
    device.flip_bit(places[1] + 70, 0);
    let error = Store::open(device.clone()).err().unwrap().to_string();
    assert!(error.contains(&format!("at byte {}, is damaged, and frame", places[1])), "{error}");
    device.flip_bit(places[1] + 70, 0);
    // The last one could as well have been torn by a crash: nothing tells.
    device.flip_bit(places[2] + 70, 0);
    assert!(Store::open(device).is_ok());
}

#[test]
fn secrets_survive_a_bad_block_in_either_slot() {
    let (device, store) = device(8);
    store.set_secret("key", b"older").unwrap();
    store.set_secret("key", b"newest").unwrap();
    for slot in SECRETS {
        device.flip_bit(slot + 40, 1);
        let again = Store::open(device.clone()).unwrap();
        assert_eq!((again.secret("key"), again.notices()), (Some(b"newest".to_vec()), vec![]));
        device.flip_bit(slot + 40, 1);
    }
    SECRETS.iter().for_each(|slot| device.flip_bit(slot + 40, 1));
    let again = Store::open(device.clone()).unwrap();
    assert_eq!((again.secret("key"), again.notices().len()), (None, 1), "the operator is told");
    again.set_secret("key", b"new").unwrap();
    let again = Store::open(device).unwrap();
    assert_eq!((again.secret("key"), again.notices()), (Some(b"new".to_vec()), vec![]));
}

#[test]
fn an_unreadable_block_costs_the_objects_in_it_and_no_more() {
    let (device, store) = device(8);
    let ada = store.create_repository("ada").unwrap();
    let before = device.contents();
    put(&ada, "lost.ics", noise(3000));
    let after = device.contents();
    let frame = before.iter().zip(&after).position(|(before, after)| before != after).unwrap();
    let tip = put(&ada, "kept.ics", b"kept".to_vec());
    store.close().unwrap();
    device.make_unreadable(frame as u64 + 1024);
    let ada = Store::open(device).unwrap().repository("ada").unwrap();
    let tree = ada.tree(&ada.tree_of_commit(&tip).unwrap()).unwrap();
    let read = |name: &str| ada.object(&tree.find(name).unwrap().id.to_owned());
    assert_eq!(read("kept.ics").unwrap().data, "kept");
    assert!(matches!(read("lost.ics"), Err(Error::Device(_))));
}
