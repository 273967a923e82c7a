//! What single steps of the store cost, in memory: one edit of a calendar's tree with its delta, and packs of a
//! history. Each stands beside what bounds it: hashing the half of the tree that changes its place on average, and
//! reading what is packed. Allocations are counted.
//!
//! `cargo bench -p kalends-store --bench objects`.

mod workload;

use divan::{Bencher, black_box, counter::ItemsCount};
use futures_executor::block_on;
use futures_util::StreamExt;
use kalends_block_backend::MemoryDevice;
use kalends_store::{
    EntryKind, FormatOptions, Kind, ObjectId, Objects, Repository, Store, TreeEdit,
    wire::{Protocol, upload_pack, write_full_pack},
};
use std::{collections::HashSet, rc::Rc};
use workload::{event, fill, name, newest, put};

fn main() {
    divan::main();
}

#[global_allocator]
static ALLOCATOR: divan::AllocProfiler = divan::AllocProfiler::system();

/// Events of a calendar.
const EVENTS: [usize; 4] = [100, 1_000, 10_000, 100_000];
/// Changes of the history that is packed, in a calendar of a thousand events.
const CHANGES: usize = 2_000;

/// A store with a calendar of so many events.
fn calendar(events: usize) -> (Store, Repository) {
    let device = Rc::new(MemoryDevice::new(512 << 20));
    let store = Store::format(device, &FormatOptions::default()).unwrap();
    let repository = store.create_repository("ada").unwrap();
    fill(&repository, events);
    (store, repository)
}

/// One changed event: the tree is edited, hashed and encoded as a delta.
#[divan::bench(args = EVENTS)]
fn edit_one_entry(bencher: Bencher<'_, '_>, events: usize) {
    let (_store, repository) = calendar(events);
    let mut change = 0_usize;
    let mut inputs = || {
        // A tree hands what was hashed of it on to the first one that is made from it.
        change += 2;
        let entry = |change: usize| change * 7919 % events;
        block_on(put(&repository, entry(change), event(events + change))).unwrap();
        let mut transaction = repository.transaction();
        let (_, calendar) = newest(&transaction);
        let blob = transaction.insert(Kind::Blob, event(events + change + 1)).unwrap();
        // A step that is coprime to all of the sizes spreads the changes over the tree.
        let edit = TreeEdit { name: name(entry(change + 1)), entry: Some((EntryKind::Blob, blob)) };
        (transaction, calendar, edit)
    };
    bencher.with_inputs(&mut inputs).bench_local_refs(|(transaction, calendar, edit)| {
        transaction.edit_tree(calendar.as_ref(), std::slice::from_ref(black_box(edit))).unwrap()
    });
}

/// What [`edit_one_entry`] cannot avoid: half of the tree comes after the entry.
#[divan::bench(args = EVENTS)]
fn hash_half_of_the_tree(bencher: Bencher<'_, '_>, events: usize) {
    let (_store, repository) = calendar(events);
    let transaction = repository.transaction();
    let tree = transaction.object(&newest(&transaction).1.unwrap()).unwrap().data;
    bencher.bench_local(|| {
        let mut hasher = gix_hash::hasher(gix_hash::Kind::Sha1);
        hasher.update(black_box(&tree[tree.len() / 2..]));
        hasher.try_finalize().unwrap()
    });
}

/// A calendar that was changed often.
fn history() -> (Store, Repository) {
    let (store, repository) = calendar(1_000);
    for change in 0..CHANGES {
        block_on(put(&repository, change * 7919 % 1_000, event(1_000 + change))).unwrap();
    }
    (store, repository)
}

/// Everything that the references reach, with its kind.
fn reached(repository: &Repository) -> Vec<(ObjectId, Kind)> {
    let (mut seen, mut objects) = (HashSet::new(), Vec::new());
    let mut next: Vec<ObjectId> = repository.references().iter().map(|reference| reference.id).collect();
    while let Some(id) = next.pop() {
        if !seen.insert(id) {
            continue;
        }
        let object = repository.object(&id).unwrap();
        objects.push((id, object.kind));
        match object.kind {
            Kind::Tree => next.extend(repository.tree(&id).unwrap().iter().map(|entry| entry.id.to_owned())),
            Kind::Commit => {
                let text = std::str::from_utf8(&object.data).unwrap();
                let named = text.lines().take_while(|line| !line.is_empty()).filter_map(|line| {
                    let id = line.strip_prefix("tree ").or(line.strip_prefix("parent "))?;
                    ObjectId::from_hex(id.as_bytes()).ok()
                });
                next.extend(named);
            }
            _ => {}
        }
    }
    objects
}

/// A clone: the history is walked, and its entries are copied or encoded.
#[divan::bench(sample_count = 20)]
fn pack_of_a_clone(bencher: Bencher<'_, '_>) {
    let (_store, repository) = history();
    let tip = repository.references()[0].id;
    let line = format!("want {tip} ofs-delta no-progress\n");
    let request = format!("{:04x}{line}00000009done\n", line.len() + 4);
    let objects = reached(&repository).len();
    bencher.counter(ItemsCount::new(objects)).bench_local(|| {
        let reply = upload_pack(&repository, Protocol::V0, request.clone().into());
        block_on(reply.fold(0, |sum, piece| async move { sum + piece.len() }))
    });
}

/// An export: the same, and every object is read and compared with its id.
#[divan::bench(sample_count = 20)]
fn pack_of_an_export(bencher: Bencher<'_, '_>) {
    let (_store, repository) = history();
    let objects = reached(&repository).len();
    bencher
        .counter(ItemsCount::new(objects))
        .bench_local(|| write_full_pack(&repository, &mut std::io::sink()).unwrap().unwrap().objects);
}

/// What an export cannot avoid: each object is made from its deltas and hashed.
#[divan::bench(sample_count = 20)]
fn read_every_object(bencher: Bencher<'_, '_>) {
    let (_store, repository) = history();
    let objects = reached(&repository);
    bencher.counter(ItemsCount::new(objects.len())).bench_local(|| {
        let read = |(id, kind): &(ObjectId, Kind)| match kind {
            Kind::Tree => repository.tree(id).unwrap().len(),
            _ => repository.object(id).unwrap().data.len(),
        };
        objects.iter().map(read).sum::<usize>()
    });
}
