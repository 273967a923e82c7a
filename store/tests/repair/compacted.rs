//! Damage of compacted stores: packs with deltas that compaction made, with parts of the log beside them.

use crate::random::Random;
use crate::store::{
    Original, SECRET, SEGMENT, adopt, assert_whole, check, checkpoint_of, contents, lines, newest_first,
    noise, options, overwrite, put, repair, tag,
};
use futures_executor::block_on;
use futures_util::FutureExt;
use kalends_block_backend::{BlockDevice, SimulatedDevice};
use kalends_store::{
    CloneSource, Error, Kind, NoClones, Object, ObjectId, OpenOptions, Outcome, Reference, Store,
    check_device, repair_device,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
    sync::OnceLock,
};

/// An event that hardly compresses, and a version of it that differs in a line.
fn event(number: u64, version: usize) -> Vec<u8> {
    let line = format!("\r\nSEQUENCE:{version}\r\n").into_bytes();
    [noise(number, 8000), line, noise(number + 1000, 2000)].concat()
}

/// Two compacted repositories, each of whose packs has deltas, and one that is too small for a pack; then
/// more in the log before the newest checkpoint, and after it.
fn compacted() -> Original {
    static DEVICE: OnceLock<Vec<u8>> = OnceLock::new();
    let made = DEVICE.get_or_init(|| Original::new(24, fill).bytes);
    Original::of(made.clone())
}

fn fill(store: &Store) {
    for (name, seed) in [("ada", 0), ("bob", 5000)] {
        let repository = store.create_repository(name).unwrap();
        for number in 0..60 {
            put(&repository, &format!("{}.ics", number % 20), &event(seed + number, 0));
            if number % 3 == 0 {
                put(&repository, &format!("{}.ics", number % 20), &event(seed + number, 1));
            }
        }
        tag(&repository, "v1");
    }
    adopt(&store.repository("bob").unwrap(), "pushed", 540_000);
    put(&store.create_repository("small").unwrap(), "a.ics", b"too little for a pack");
    store.set_secret(SECRET, b"secret").unwrap();
    let done = block_on(store.compact()).unwrap();
    assert!(done.packs >= 2, "{done:?}");
    for (name, number) in [("ada", 300), ("bob", 301)] {
        put(&store.repository(name).unwrap(), "0.ics", &event(number, 0));
        put(&store.repository(name).unwrap(), "large.txt", &noise(number, 1_100_000));
    }
    store.close().unwrap();
    for number in 0..6 {
        put(&store.repository("ada").unwrap(), "late.ics", &event(400 + number, 0));
    }
}

/// Where the packs that repositories have begin and end, with the start and the end of their indexes.
fn packs(original: &Original) -> Vec<[usize; 4]> {
    let number = |at: usize| u32::from_le_bytes(original.bytes[at..at + 4].try_into().unwrap()) as usize;
    let mut packs = Vec::new();
    for footer in original.places(b"KPACKIDX") {
        let (objects, tips) = (number(footer + 8), number(footer + 12));
        let pages = objects.div_ceil(128) + objects.div_ceil(409);
        let index = footer + 40 - (pages * (4096 + 16) + tips * 20 + 40);
        // The pack ends in the block before, with the checksum that the footer has too.
        let checksum = &original.bytes[footer + 16..footer + 36];
        let trailer = (index - 532..=index - 20).find(|at| original.bytes[*at..*at + 20] == *checksum);
        let starts = (0..=index / SEGMENT).rev().map(|segment| segment * SEGMENT);
        let start = starts.into_iter().find(|at| original.bytes[*at..].starts_with(b"PACK\0\0\0\x02"));
        let (Some(start), Some(trailer)) = (start, trailer) else { continue };
        // What compaction has left behind is in no use.
        let device = original.device();
        device.flip_bit(start as u64 + 9, 0);
        if !check(&device).0.is_clean() {
            packs.push([start, trailer + 20, index, footer + 40]);
        }
    }
    packs
}

/// Objects of a repository that are stored as deltas: id, base and kind.
fn deltas(original: &Original, name: &str) -> Vec<(ObjectId, ObjectId, Kind)> {
    let store = Store::open(original.device()).unwrap();
    let repository = store.repository(name).unwrap();
    let ids = original.contents.objects.keys().filter(|(other, _)| other == name);
    let entries = ids.map(|(_, id)| (*id, repository.encoded(id).unwrap()));
    entries.filter_map(|(id, entry)| Some((id, entry.delta_base?, entry.kind))).collect()
}

/// A clone that counts what it is asked for.
struct Counting<'a> {
    clone: &'a mut dyn CloneSource,
    asked: BTreeSet<ObjectId>,
}

impl CloneSource for Counting<'_> {
    fn object(&mut self, id: &ObjectId) -> Result<Option<Object>, String> {
        self.asked.insert(*id);
        self.clone.object(id)
    }

    fn references(&mut self, repository: &str) -> Vec<Reference> {
        self.clone.references(repository)
    }
}

#[test]
fn damage_anywhere_in_a_compacted_store_is_repaired_from_a_clone() {
    let original = compacted();
    let packs = packs(&original);
    // Of each repository one, and that which was pushed if it was not joined.
    assert!(packs.len() >= 2, "{packs:?}");
    let deltas = deltas(&original, "ada");
    let count = |kind| deltas.iter().filter(|(.., other)| *other == kind).count();
    let (blobs, trees) = (count(Kind::Blob), count(Kind::Tree));
    assert!(blobs >= 15 && trees >= 40, "compaction makes deltas: {blobs} of blobs, {trees} of trees");
    let mut places = Vec::new();
    for [pack, end, index, index_end] in &packs {
        places.extend([("header of a pack", pack + 9), ("checksum of a pack", end - 7)]);
        places.extend((1..12).map(|part| ("entry of a pack", pack + (end - pack) / 12 * part)));
        places.extend([("page of records", index + 40), ("end of an index", index_end - 30)]);
        let pages = (index_end - index) / 4112;
        places.push(("page of the order", index + (pages - 1) * 4096 + 30));
    }
    for superblock in newest_first(&original.bytes) {
        places.push(("superblock", superblock + 60));
        places.push(("checkpoint", checkpoint_of(&original.bytes, superblock) + 100));
    }
    let frames: Vec<usize> = original.places(b"KLOG").into_iter().filter(|at| at % 512 == 0).collect();
    places.extend(frames.iter().rev().skip(1).take(3).map(|at| ("frame of the log", at + 70)));
    let mut random = Random(7);
    for (what, at) in places {
        let device = original.device();
        let how = if random.once_in(3) {
            device.make_unreadable(at as u64);
            "unreadable"
        } else if random.once_in(2) {
            overwrite(&device, at, 1);
            "overwritten"
        } else {
            device.flip_bit(at as u64, 3);
            "flipped"
        };
        let place = format!("{what} at {at}, {how}");
        let (found, _) = check(&device);
        assert!(found.damage + found.notices > 0, "{place}");
        let mut clones = original.clones();
        let mut clone = Counting { clone: &mut clones, asked: BTreeSet::new() };
        let (done, steps) = repair(&device, &mut clone);
        assert!(done.written, "{place}: {steps:?}");
        assert_whole(&device, &original);
        // Objects that are deltas on a damaged one need no copies of their own.
        assert!(clone.asked.len() <= 12, "{place}: {} objects were asked for", clone.asked.len());
    }
}

#[test]
fn whatever_of_a_compacted_store_can_be_restored_from_the_device_alone_is() {
    let original = compacted();
    for [pack, end, index, index_end] in packs(&original) {
        // Header, checksum and index follow from the entries.
        for at in [pack + 5, end - 7, index + 40, index + 4000, index_end - 30] {
            let device = original.device();
            overwrite(&device, at, 1);
            repair(&device, &mut NoClones);
            let whole = check(&device).0.is_clean();
            // The block of the header holds the first entries, that of the checksum the last ones.
            assert!(whole || at == pack + 5 || at == end - 7, "{at}");
            if whole {
                assert_whole(&device, &original);
            }
            let device = original.device();
            device.flip_bit(at as u64, 1);
            repair(&device, &mut NoClones);
            assert_whole(&device, &original);
        }
        // Of the entries, those that are whole stay as they are, and the others are named once each.
        for at in (pack + 30_000..end - 1000).step_by((end - pack) / 5) {
            let device = original.device();
            overwrite(&device, at, 2);
            let readable = contents(&Store::open_with(device.clone(), options()).unwrap());
            let (_, steps) = repair(&device, &mut NoClones);
            let after = contents(&Store::open_with(device.clone(), options()).unwrap());
            assert_eq!(after.references, original.contents.references);
            assert!(readable.objects.iter().all(|(key, data)| after.objects.get(key) == Some(data)), "{at}");
            let lost: BTreeSet<_> =
                original.contents.objects.keys().filter(|key| !after.objects.contains_key(key)).collect();
            let named = lines(&steps, Outcome::Lost);
            assert!(!lost.is_empty() && !named.is_empty(), "{at}: {steps:?}");
            repair(&device, &mut original.clones());
            assert_whole(&device, &original);
        }
    }
}

#[test]
fn a_damaged_base_of_deltas_brings_all_of_them_back_when_it_is_restored() {
    let original = compacted();
    let bases: BTreeMap<ObjectId, ObjectId> =
        deltas(&original, "ada").into_iter().map(|(id, base, _)| (id, base)).collect();
    let mut on: BTreeMap<ObjectId, usize> = BTreeMap::new();
    for id in bases.keys() {
        std::iter::successors(bases.get(id), |base| bases.get(*base)).for_each(|base| {
            *on.entry(*base).or_default() += 1;
        });
    }
    let (base, dependents) = on.into_iter().max_by_key(|(_, count)| *count).unwrap();
    assert!(dependents >= 20, "{dependents}");
    let store = Store::open(original.device()).unwrap();
    let entry = store.repository("ada").unwrap().encoded(&base).unwrap();
    let device = original.device();
    // Copies of it that are in no use are damaged too.
    for place in original.places(&entry.zlib) {
        device.flip_bit(place as u64 + entry.zlib.len() as u64 / 2, 4);
    }
    let (found, findings) = check(&device);
    assert!(found.damage as usize > dependents, "{findings:?}");
    let (done, steps) = repair(&device, &mut original.clones());
    assert_eq!(done.objects, 1, "{steps:?}");
    assert_whole(&device, &original);
}

#[test]
fn without_a_superblock_or_a_checkpoint_a_repair_refuses_and_writes_nothing() {
    let original = compacted();
    let superblocks = newest_first(&original.bytes);
    let checkpoints = superblocks.map(|at| checkpoint_of(&original.bytes, at));
    let attempt = |places: [usize; 2]| {
        let device = original.device();
        places.iter().for_each(|at| overwrite(&device, *at, 1));
        let damaged = device.contents();
        let checked: Rc<dyn BlockDevice> = device.clone();
        let opened = Store::open_with(device.clone(), options()).err().unwrap();
        let check = check_device(&checked, options(), &mut |_| {});
        let error = repair_device(&checked, options(), &mut original.clones(), &mut |_| {}).unwrap_err();
        assert!(device.contents() == damaged, "nothing is written");
        (opened, check, error)
    };
    let (opened, check, error) = attempt(superblocks);
    for error in [opened, check.unwrap_err(), error] {
        assert!(matches!(error, Error::NotAStore(_)), "{error}");
        println!("both superblocks: {error}");
    }
    let (opened, check, error) = attempt(checkpoints);
    assert!(!check.unwrap().is_clean());
    for error in [opened, error] {
        assert!(matches!(error, Error::DamagedStore(_)), "{error}");
        println!("both checkpoints: {error}");
    }
    // One of each is enough, also when the other two are gone.
    for [superblock, checkpoint] in [[0, 0], [1, 1]] {
        let device = original.device();
        overwrite(&device, superblocks[superblock], 1);
        overwrite(&device, checkpoints[checkpoint], 1);
        repair(&device, &mut NoClones);
        assert_whole(&device, &original);
    }
    // The whole superblock leads to a damaged checkpoint: the same as both.
    let (_, _, error) = attempt([superblocks[0], checkpoints[1]]);
    assert!(matches!(error, Error::DamagedStore(_)), "{error}");
}

#[test]
fn a_repair_of_a_compacted_store_that_is_interrupted_at_any_write_can_be_repeated() {
    let original = compacted();
    let damaged = original.device();
    for [pack, end, index, _] in packs(&original) {
        overwrite(&damaged, pack + (end - pack) / 3, 1);
        overwrite(&damaged, index + 40, 1);
    }
    let [newest, _] = newest_first(&original.bytes);
    overwrite(&damaged, checkpoint_of(&original.bytes, newest), 1);
    let damaged = Rc::new(SimulatedDevice::from_bytes(damaged.contents(), 512));
    let (done, steps) = repair(&damaged, &mut original.clones());
    assert!(done.packs >= 2, "{steps:?}");
    let steps = damaged.steps();
    assert!(steps > 15, "{steps}");
    let mut random = Random(3);
    for step in 0..=steps {
        let crashed = Rc::new(damaged.crash(step, random.next()));
        repair(&crashed, &mut original.clones());
        assert_whole(&crashed, &original);
    }
}

#[test]
fn the_log_around_a_compaction_is_repaired_wherever_that_was_interrupted() {
    let original = Original::new(24, |store| {
        let ada = store.create_repository("ada").unwrap();
        for number in 0..60 {
            put(&ada, &format!("{}.ics", number % 20), &event(number, 0));
        }
        tag(&ada, "v1");
        store.close().unwrap();
        put(&ada, "late.ics", &event(500, 0));
    });
    // No checkpoint but those of the compaction, and changes all the time.
    let device = original.device();
    let store = Store::open_with(device.clone(), OpenOptions { checkpoint_after: 1 << 30, ..options() });
    let store = store.unwrap();
    let ada = store.repository("ada").unwrap();
    let mut compaction = Box::pin(store.compact());
    let (mut done, mut number) = (None, 0);
    while done.is_none() {
        done = compaction.as_mut().now_or_never();
        if number < 40 {
            put(&ada, "meanwhile.ics", &noise(number, 300));
            number += 1;
        }
    }
    assert_eq!(done.unwrap().unwrap().packs, 1);
    drop(compaction);
    drop((ada, store));
    let (mut refused, mut whole, mut random) = (0, 0, Random(1));
    for step in (0..=device.steps()).rev().step_by(2).take(40) {
        let image = Original::of(device.crash(step, random.next()).contents());
        // One of the newest frames of the log.
        let mut frames: Vec<(u64, usize)> = (SEGMENT..image.bytes.len())
            .step_by(512)
            .filter(|at| image.bytes[*at..].starts_with(b"KLOG"))
            .map(|at| (u64::from_le_bytes(image.bytes[at + 8..at + 16].try_into().unwrap()), at))
            .collect();
        frames.sort_unstable();
        let (_, frame) = frames[frames.len() - 1 - random.below(6)];
        let damaged = image.device();
        overwrite(&damaged, frame, 1);
        let before = Store::open_with(damaged.clone(), options()).ok().map(|store| contents(&store));
        refused += usize::from(before.is_none());
        // What is whole stays, also without a clone.
        repair(&damaged, &mut NoClones);
        let after = contents(&Store::open_with(damaged.clone(), options()).unwrap());
        if let Some(before) = before {
            assert!(after == before, "step {step}");
        }
        repair(&damaged, &mut image.clones());
        let found = contents(&Store::open_with(damaged.clone(), options()).unwrap());
        // The last frame has no witness: its loss looks like a torn write, and leaves the state before.
        if found.references == image.contents.references {
            whole += 1;
            assert_whole(&damaged, &image);
        } else {
            let (summary, findings) = check(&damaged);
            assert!(summary.is_clean(), "step {step}: {findings:?}");
        }
    }
    println!("{} steps, {refused} of the damaged stores did not open, {whole} were whole", device.steps());
    assert!(refused > 3 && whole > 10, "{refused} {whole}");
}
