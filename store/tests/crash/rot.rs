//! Bits that flip and blocks that cannot be read: errors and findings, never wrong data.

use crate::{
    budget,
    random::Random,
    session::{Operation::*, Session},
    timeline::observe,
    verify::{SECRET, options},
};
use kalends_block_backend::{BlockDevice, SimulatedDevice};
use kalends_store::{Error, Kind, ObjectId, Objects, Repository, Store, check_device};
use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

/// All objects that the references of all repositories reach.
fn contents(store: &Store) -> BTreeMap<(String, ObjectId), Vec<u8>> {
    let mut all = BTreeMap::new();
    for name in store.repositories() {
        let repository = store.repository(&name).unwrap();
        for id in reachable(&repository) {
            all.insert((name.clone(), id), repository.object(&id).unwrap().data.to_vec());
        }
    }
    all
}

fn reachable(repository: &Repository) -> BTreeSet<ObjectId> {
    let mut seen = BTreeSet::new();
    let mut stack: Vec<ObjectId> = repository.references().iter().map(|reference| reference.id).collect();
    while let Some(id) = stack.pop() {
        if !seen.insert(id) {
            continue;
        }
        let object = repository.object(&id).unwrap();
        match object.kind {
            Kind::Tree => stack.extend(repository.tree(&id).unwrap().iter().map(|entry| entry.id.to_owned())),
            Kind::Commit => {
                let text = String::from_utf8(object.data.to_vec()).unwrap();
                let lines = text.lines().take_while(|line| !line.is_empty());
                let ids = lines.filter_map(|line| match line.split_once(' ') {
                    Some(("tree" | "parent", id)) => Some(ObjectId::from_hex(id.as_bytes()).unwrap()),
                    _ => None,
                });
                stack.extend(ids);
            }
            Kind::Blob | Kind::Tag => {}
        }
    }
    seen
}

/// A store with something of everything, closed.
fn closed_store() -> Session {
    let mut session = Session::format(16, 3000, 5);
    for round in 0..4 {
        for operation in [
            Create(0),
            Create(1),
            Put(0, 600),
            Together(vec![(0, 50), (1, 3000)]),
            Tags(1),
            Secret(900),
            Put(0, 20_000),
            Close,
        ] {
            session.run(&operation);
        }
        match round {
            0 => session.run(&Adopt(0, 540_000)),
            1 => session.run(&Put(1, 1_100_000)),
            2 => session.run(&Create(2)),
            _ => session.run(&Remove(2)),
        }
    }
    session.run(&Close);
    assert_eq!(session.full(), 0);
    session
}

#[derive(Debug, Default)]
struct Counts {
    flipped: usize,
    unreadable: usize,
    /// Faults by which an object was lost.
    lost_objects: usize,
    /// Faults that the check called damage.
    damage: usize,
    /// Faults that the check called a notice.
    notices: usize,
    /// Faults in what nothing uses any more.
    harmless: usize,
    /// Faults by which the store could not be opened.
    refused: usize,
}

#[test]
fn one_rotten_block_is_found_and_never_gives_wrong_data() {
    let session = closed_store();
    let image = session.device.crash_point(session.device.steps()).lose_power(|_, _| None);
    let bytes = image.contents();
    // Each area as often as the others, however large: superblocks, secrets, segments.
    let mut areas: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for at in (0..bytes.len()).step_by(512) {
        if bytes[at..at + 512].iter().any(|byte| *byte != 0) {
            let area = if at < 1 << 20 { at >> 16 } else { 16 + (at >> 20) };
            areas.entry(area).or_default().push(at);
        }
    }
    let areas: Vec<Vec<usize>> = areas.into_values().collect();
    let pristine = Store::open_with(Rc::new(SimulatedDevice::from_bytes(bytes, 512)), options()).unwrap();
    let expected = contents(&pristine);
    let mut counts = Counts::default();
    let rounds = (budget::states() / 20) as u64;
    let seeds = budget::seed().map_or(0..rounds, |seed| seed..seed + 1);
    for seed in seeds {
        let mut random = Random(seed);
        let replay = budget::replay(seed, "rot");
        let device = Rc::new(image.crash_point(0).lose_power(|_, _| None));
        let used = &areas[random.below(areas.len())];
        let block = used[random.below(used.len())];
        let byte = block + random.below(512);
        let place = format!("{byte} ({replay})");
        let unreadable = random.once_in(5);
        if unreadable {
            counts.unreadable += 1;
            device.make_unreadable(byte as u64);
        } else {
            counts.flipped += 1;
            device.flip_bit(byte as u64, random.next() as u8);
        }
        let checked: Rc<dyn BlockDevice> = device.clone();
        let mut findings = Vec::new();
        let summary = check_device(&checked, options(), &mut |finding| findings.push(finding.to_string()));
        let summary = summary.unwrap_or_else(|error| panic!("byte {place}: {error}"));
        let store = match Store::open_with(device, options()) {
            Ok(store) => store,
            // Whether the log goes on in a block that cannot be read nobody knows.
            Err(Error::Device(_)) if unreadable => {
                assert!(!summary.is_clean(), "byte {place}");
                counts.refused += 1;
                continue;
            }
            Err(error) => panic!("byte {place}: {error}"),
        };
        assert_eq!(observe(&store), *session.timeline.world.latest(), "byte {place}");
        assert_eq!(store.secret(SECRET), *session.timeline.secret.latest(), "byte {place}");
        let mut lost = 0;
        for ((name, id), expected) in &expected {
            match store.repository(name).unwrap().object(id) {
                Ok(object) => assert!(object.data == *expected, "byte {place}: {id} is not what was written"),
                Err(_) => lost += 1,
            }
        }
        counts.lost_objects += usize::from(lost > 0);
        match (summary.damage, summary.notices) {
            (0, 0) => counts.harmless += 1,
            (0, _) => counts.notices += 1,
            _ => counts.damage += 1,
        }
        assert!(lost == 0 || !summary.is_clean(), "byte {place}: {lost} objects are lost, and {findings:?}");
    }
    budget::report("rot", &format_args!("{counts:?}"));
    if budget::seed().is_some() {
        return;
    }
    assert!(counts.lost_objects > 10 && counts.damage > counts.lost_objects && counts.notices > 5);
    assert!(
        counts.refused * 20 < budget::states() / 20,
        "a bad block hardly ever keeps a store from opening"
    );
}
