//! Bit rot in each structure of the device: the check reports it, a repair restores it.

use crate::store::{
    Original, SECRET, assert_whole, check, checkpoint_of, contents, lines, newest_first, noise, overwrite,
    put, repair,
};
use kalends_block_backend::SimulatedDevice;
use kalends_store::{NoClones, Objects, Outcome, Severity, Store};
use std::rc::Rc;

const SECRETS: [usize; 2] = [128 << 10, 192 << 10];

type Damage = Box<dyn Fn(&SimulatedDevice)>;

/// A flipped bit, a block of other bytes, and a block that cannot be read.
fn damages(at: usize) -> Vec<(&'static str, Damage)> {
    vec![
        ("flipped", Box::new(move |device: &SimulatedDevice| device.flip_bit(at as u64, 3))),
        ("overwritten", Box::new(move |device: &SimulatedDevice| overwrite(device, at, 1))),
        ("unreadable", Box::new(move |device: &SimulatedDevice| device.make_unreadable(at as u64))),
    ]
}

#[test]
fn slots_and_checkpoints_are_restored_from_their_twins_alone() {
    let original = Original::with_everything();
    let [newest, older] = newest_first(&original.bytes);
    let checkpoint = |superblock: usize| checkpoint_of(&original.bytes, superblock);
    for (what, at) in [
        ("newest superblock", newest + 60),
        ("older superblock", older + 60),
        ("newest checkpoint", checkpoint(newest) + 100),
        ("older checkpoint", checkpoint(older) + 100),
        ("first slot of the secrets", SECRETS[0] + 40),
        ("second slot of the secrets", SECRETS[1] + 40),
    ] {
        for (how, damage) in damages(at) {
            let device = original.device();
            damage(&device);
            let (summary, findings) = check(&device);
            assert!(summary.damage + summary.notices > 0, "{what} {how}: {findings:?}");
            let (done, steps) = repair(&device, &mut NoClones);
            assert!(done.written, "{what} {how}");
            assert_eq!(lines(&steps, Outcome::Lost), Vec::<String>::new(), "{what} {how}");
            assert_whole(&device, &original);
            let store = Store::open(device).unwrap();
            assert_eq!(store.secret(SECRET).as_deref(), Some(&b"the newest"[..]), "{what} {how}");
        }
    }
}

#[test]
fn a_whole_device_is_not_written() {
    let original = Original::with_everything();
    let device = original.device();
    let (done, steps) = repair(&device, &mut original.clones());
    assert!(!done.written && steps.is_empty(), "{steps:?}");
    assert!(device.steps() <= 1, "a flush at most");
    assert!(device.contents() == original.bytes);
}

/// Where the index of the only pack begins and ends: it has one page of records, and one of the order.
fn index_of_the_pack(original: &Original) -> [usize; 2] {
    let footer = original.places(b"KPACKIDX");
    assert_eq!(footer.len(), 1);
    [footer[0] - 2 * (4096 + 16), footer[0] + 40]
}

#[test]
fn the_index_of_a_pack_is_made_anew_from_the_pack() {
    let original = Original::with_everything();
    let [pages, end] = index_of_the_pack(&original);
    // Records, the order of the pack, and the table.
    for place in [pages + 40, pages + 4096 + 30, end - 30] {
        for (how, damage) in damages(place) {
            let device = original.device();
            damage(&device);
            assert!(!check(&device).0.is_clean(), "{how}");
            let (done, steps) = repair(&device, &mut NoClones);
            assert_eq!(done.packs, 1, "{how}: {steps:?}");
            assert_whole(&device, &original);
        }
    }
}

#[test]
fn a_damaged_object_comes_back_from_a_clone_and_is_named_without_one() {
    let original = Original::with_everything();
    let store = Store::open(original.device()).unwrap();
    let ada = store.repository("ada").unwrap();
    // Before the checkpoint: after it, frames are what is damaged.
    let main = ada.reference("refs/tags/v1").unwrap();
    let tree = ada.tree_of_commit(&main).unwrap();
    let blob = ada.tree(&tree).unwrap().find("3.ics").unwrap().id.to_owned();
    // An object's operation: kind 4, id, attributes, length; then its entry.
    for (what, id) in [("blob", blob), ("tree", tree), ("commit", main)] {
        let at = original.places(&[&[4], id.as_slice()].concat())[0] + 27 + 12;
        let device = original.device();
        device.flip_bit(at as u64, 3);
        let (_, findings) = check(&device);
        assert!(findings.iter().any(|finding| finding.class == Severity::Damage), "{what}");
        let (_, steps) = repair(&device, &mut original.clones());
        assert!(
            lines(&steps, Outcome::Restored).iter().any(|line| line.contains(&id.to_string())),
            "{steps:?}"
        );
        assert_whole(&device, &original);
    }
    let at = original.places(&[&[4], blob.as_slice()].concat())[0] + 27 + 12;
    let device = original.device();
    device.flip_bit(at as u64, 3);
    let (_, steps) = repair(&device, &mut NoClones);
    let lost = lines(&steps, Outcome::Lost);
    assert!(lost == [format!("ada: object {blob}: no good copy was found")], "{lost:?}");
    let (_, findings) = check(&device);
    let all: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert!(all.iter().any(|line| line.contains("is file 3.ics in ")), "{all:?}");
    // The rest is as it was, and a later repair with a clone completes it.
    repair(&device, &mut original.clones());
    assert_whole(&device, &original);
}

#[test]
fn a_damaged_pack_is_written_anew() {
    let original = Original::with_everything();
    let pack = original.places(b"PACK\0\0\0\x02")[0];
    for (what, place) in [("header", pack + 9), ("entry", pack + 3000), ("large entry", pack + 200_000)] {
        for (how, damage) in damages(place) {
            let device = original.device();
            damage(&device);
            assert!(!check(&device).0.is_clean(), "{what} {how}");
            let (done, steps) = repair(&device, &mut original.clones());
            assert_eq!(done.packs, 1, "{what} {how}: {steps:?}");
            assert_whole(&device, &original);
        }
    }
    // Pack and index at once.
    let device = original.device();
    overwrite(&device, pack + 3000, 1);
    overwrite(&device, index_of_the_pack(&original)[0] + 600, 1);
    repair(&device, &mut original.clones());
    assert_whole(&device, &original);
}

#[test]
fn a_damaged_pack_stays_as_it_is_without_a_clone_and_what_is_whole_of_it_can_be_read() {
    let original = Original::with_everything();
    let pack = original.places(b"PACK\0\0\0\x02")[0];
    let device = original.device();
    overwrite(&device, pack + 3000, 1);
    let readable = contents(&Store::open(device.clone()).unwrap());
    assert!(readable.objects.len() < original.contents.objects.len());
    let (_, steps) = repair(&device, &mut NoClones);
    assert!(!lines(&steps, Outcome::Lost).is_empty());
    let found = contents(&Store::open(device.clone()).unwrap());
    assert_eq!(found.references, original.contents.references);
    assert!(readable.objects.iter().all(|(key, data)| found.objects.get(key) == Some(data)));
    let (_, findings) = check(&device);
    let all: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert!(all.iter().any(|line| line.contains(".ics in ")), "{all:?}");
    repair(&device, &mut original.clones());
    assert_whole(&device, &original);
}

#[test]
fn another_repository_has_a_good_copy_too() {
    let original = Original::new(16, |store| {
        for name in ["ada", "bob"] {
            put(&store.create_repository(name).unwrap(), "shared.ics", &noise(5, 2000));
        }
        store.close().unwrap();
    });
    let object = original.contents.objects.iter().find(|(_, data)| data.len() == 2000).unwrap();
    let places = original.places(&[&[4], object.0.1.as_slice()].concat());
    assert_eq!(places.len(), 2);
    for place in places {
        let device = original.device();
        overwrite(&device, place + 600, 1);
        let (done, steps) = repair(&device, &mut NoClones);
        assert_eq!(done.objects, 1, "{steps:?}");
        assert_whole(&device, &original);
    }
}

#[test]
fn a_damaged_object_that_no_reference_reaches_is_forgotten() {
    let original = Original::new(16, |store| {
        let ada = store.create_repository("ada").unwrap();
        put(&ada, "a.ics", b"kept");
        let mut transaction = ada.transaction();
        transaction.insert(kalends_store::Kind::Blob, noise(3, 3000)).unwrap();
        futures_executor::block_on(transaction.submit().unwrap()).unwrap();
        store.close().unwrap();
    });
    let content = noise(3, 3000);
    let place = original.places(&content[100..200]);
    assert_eq!(place.len(), 1, "noise is stored, not compressed");
    let device = original.device();
    device.flip_bit(place[0] as u64, 1);
    assert!(!check(&device).0.is_clean());
    let (_, steps) = repair(&device, &mut NoClones);
    assert!(lines(&steps, Outcome::Notice).iter().any(|line| line.contains("is forgotten")), "{steps:?}");
    assert_whole(&device, &original);
}

#[test]
fn both_slots_of_the_secrets_cannot_be_restored_and_that_is_said() {
    let original = Original::with_everything();
    let device = original.device();
    SECRETS.iter().for_each(|slot| overwrite(&device, *slot, 1));
    let (_, steps) = repair(&device, &mut original.clones());
    assert!(lines(&steps, Outcome::Lost)[0].contains("both slots of the secrets"), "{steps:?}");
    let store = Store::open(device.clone()).unwrap();
    store.set_secret(SECRET, b"the newest").unwrap();
    drop(store);
    assert_whole(&device, &original);
}

#[test]
fn a_repair_that_is_interrupted_at_any_write_can_be_repeated() {
    let original = Original::with_everything();
    let damaged = original.device();
    let pack = original.places(b"PACK\0\0\0\x02")[0];
    overwrite(&damaged, pack + 3000, 1);
    overwrite(&damaged, SECRETS[0], 1);
    let [newest, _] = newest_first(&original.bytes);
    damaged.flip_bit(newest as u64 + 70, 2);
    // All of this is durable: the history that follows is that of the repair.
    let damaged = Rc::new(SimulatedDevice::from_bytes(damaged.contents(), 512));
    repair(&damaged, &mut original.clones());
    let steps = damaged.steps();
    assert!(steps > 10);
    for step in 0..=steps {
        for seed in 0..3 {
            let crashed = Rc::new(damaged.crash(step, seed));
            repair(&crashed, &mut original.clones());
            assert_whole(&crashed, &original);
        }
    }
}
