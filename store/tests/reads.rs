//! What a change reads from the device: nothing, once what it needs is in memory, but the base of a chain's longest
//! step.

use kalends_block_backend::{BlockDevice, SimulatedDevice};
use kalends_store::{
    EntryKind, FormatOptions, Kind, ObjectId, Objects, OpenOptions, ReferenceUpdate, Repository, Store,
    TreeEdit, check_device,
};
use std::rc::Rc;

const MAIN: &str = "refs/heads/main";

/// Commits edits of one directory, as a calendar server does, and waits for them.
fn change(repository: &Repository, directory: &str, edits: &[(String, Option<String>)]) {
    let mut transaction = repository.transaction();
    let parent = repository.latest_reference(MAIN);
    let root = parent.map(|parent| transaction.tree_of_commit(&parent).unwrap());
    let base: Option<ObjectId> = root.and_then(|root| {
        let root = transaction.tree(&root).unwrap();
        root.find(directory).map(|entry| entry.id.to_owned())
    });
    let edits: Vec<TreeEdit> = edits
        .iter()
        .map(|(name, content)| TreeEdit {
            name: name.clone().into(),
            entry: content.as_ref().map(|content| {
                (EntryKind::Blob, transaction.insert(Kind::Blob, content.clone().into_bytes()).unwrap())
            }),
        })
        .collect();
    let tree = transaction.edit_tree(base.as_ref(), &edits).unwrap();
    let edit = TreeEdit { name: directory.into(), entry: Some((EntryKind::Tree, tree)) };
    let root = transaction.edit_tree(root.as_ref(), &[edit]).unwrap();
    let mut text = format!("tree {root}\n");
    if let Some(parent) = parent {
        text.push_str(&format!("parent {parent}\n"));
    }
    text.push_str("author A <a@b> 0 +0000\ncommitter A <a@b> 0 +0000\n\nchange\n");
    let commit = transaction.insert(Kind::Commit, text).unwrap();
    transaction.update_reference(ReferenceUpdate { name: MAIN.into(), expected: parent, new: Some(commit) });
    futures_executor::block_on(transaction.submit().unwrap()).unwrap();
}

fn name(number: usize) -> String {
    format!("{:08x}-event.ics", (number as u32).wrapping_mul(0x9e37_79b9))
}

/// Some 600 bytes that do not become fewer by compression.
fn event(number: usize) -> Option<String> {
    let words = (1..150_u32).map(|word| word.wrapping_mul(number as u32 + 1).wrapping_mul(0x85eb_ca6b));
    Some(words.map(|word| format!("{:08x}", word ^ word >> 15)).collect())
}

#[test]
fn a_change_of_a_warm_store_reads_nothing_from_the_device_but_once_in_hundreds() {
    let device = Rc::new(SimulatedDevice::new(128 << 20, 512));
    let store = Store::format(device.clone(), &FormatOptions::default()).unwrap();
    let ada = store.create_repository("ada").unwrap();
    for directory in ["work", "home"] {
        let events: Vec<_> = (0..700).map(|number| (name(number), event(number))).collect();
        change(&ada, directory, &events);
    }
    store.close().unwrap();
    let store = Store::open(device.clone()).unwrap();
    let ada = store.repository("ada").unwrap();
    let put = |number: usize| {
        let directory = ["work", "home"][number % 2];
        let edit = match number % 5 {
            // A new event, a deletion, a change.
            0 => (name(10_000 + number), event(number)),
            1 => (name(number), None),
            _ => (name(number * 7 % 700), event(number)),
        };
        change(&ada, directory, &[edit]);
    };
    // The first changes read the trees.
    (0..2).for_each(put);
    let before = device.statistics();
    assert!(before.reads > 0, "reads are counted");
    // Long enough for chains of trees to pass through several of their steps.
    (2..1400).for_each(put);
    let after = device.statistics();
    // Bases that lie some steps back are kept; that of one step in 512 is not, of either directory.
    let reads = after.reads - before.reads;
    assert!(reads <= 2 * 1398 / 512, "{reads} reads of {} changes", 1398);
}

#[test]
fn chains_go_on_after_a_compaction_has_written_their_trees_elsewhere() {
    let device = Rc::new(SimulatedDevice::new(128 << 20, 512));
    let store = Store::format(device.clone(), &FormatOptions::default()).unwrap();
    let ada = store.create_repository("ada").unwrap();
    let events: Vec<_> = (0..700).map(|number| (name(number), event(number))).collect();
    change(&ada, "work", &events);
    for round in 0..3 {
        for number in 0..600 {
            change(&ada, "work", &[(name(number * 11 % 700), event(600 * round + number + 5000))]);
        }
        let done = futures_executor::block_on(store.compact()).unwrap();
        assert!(done.packs > 0, "what was in the log is in a pack now");
    }
    change(&ada, "work", &[(name(7), event(1))]);
    let bytes = device.statistics().written_bytes;
    change(&ada, "work", &[(name(7), event(2))]);
    assert!(device.statistics().written_bytes - bytes < 4096, "stored as a delta again");
    store.close().unwrap();
    let device: Rc<dyn BlockDevice> = device;
    let mut findings = Vec::new();
    check_device(&device, OpenOptions::default(), &mut |finding| findings.push(finding.to_string())).unwrap();
    assert_eq!(findings, [""; 0]);
}
