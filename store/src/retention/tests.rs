//! What is cut off, what is left of it, and what becomes of the space.

use super::{day::DAY, *};
use crate::{EntryKind, FormatOptions, OpenOptions, Store, TreeEdit, check_device, noise::noise};
use futures_executor::block_on;
use kalends_block_backend::{BlockDevice, MemoryDevice};
use proptest::prelude::*;
use std::{collections::HashSet, rc::Rc};

const MAIN: &str = "refs/heads/main";
const SERVER: &str = "Kalends <kalends@localhost>";
/// A midnight.
const START: i64 = 19_700 * DAY;

fn store() -> (Rc<MemoryDevice>, Store, Repository) {
    let device = Rc::new(MemoryDevice::new(64 << 20));
    let store = Store::format(device.clone(), &FormatOptions::default()).unwrap();
    let repository = store.create_repository("test").unwrap();
    (device, store, repository)
}

/// Bytes of a file that does not compress, so many that a commit alone is worth collecting.
const FILE: usize = 100_000;

/// Adds a commit with a file of its own content.
fn commit(repository: &Repository, parents: &[ObjectId], time: i64, text: &str) -> ObjectId {
    let mut transaction = repository.transaction();
    let blob =
        transaction.insert(Kind::Blob, noise(xxhash_rust::xxh3::xxh3_64(text.as_bytes()), FILE)).unwrap();
    let edit = TreeEdit { name: b"event.ics".into(), entry: Some((EntryKind::Blob, blob)) };
    let tree = transaction.edit_tree(None, &[edit]).unwrap();
    let parents: String = parents.iter().map(|parent| format!("parent {parent}\n")).collect();
    let who = format!("A <a@example.org> {time} +0000");
    let body = format!("tree {tree}\n{parents}author {who}\ncommitter {who}\n\n{text}\n");
    let id = transaction.insert(Kind::Commit, body).unwrap();
    block_on(transaction.submit().unwrap()).unwrap();
    id
}

fn set(repository: &Repository, name: &str, new: Option<ObjectId>) {
    let mut transaction = repository.transaction();
    let expected = repository.latest_reference(name);
    transaction.update_reference(ReferenceUpdate { name: name.into(), expected, new });
    block_on(transaction.submit().unwrap()).unwrap();
}

/// Three commits a day on a branch, from one day to another; gives all of them, oldest first.
fn days(repository: &Repository, branch: &str, range: std::ops::Range<i64>) -> Vec<ObjectId> {
    let mut ids = Vec::new();
    for day in range {
        for hour in [8, 12, 23] {
            let parent: Vec<_> = repository.latest_reference(branch).into_iter().collect();
            let id = commit(
                repository,
                &parent,
                START + day * DAY + hour * 3600,
                &format!("{branch} {day} {hour}"),
            );
            set(repository, branch, Some(id));
            ids.push(id);
        }
    }
    ids
}

fn retain(repository: &Repository, day: i64) -> Retained {
    block_on(repository.retain(START + day * DAY + 5000, SERVER)).unwrap()
}

/// First parents, newest first, as far as the boundary.
fn line(repository: &Repository, name: &str) -> Vec<Commit> {
    let mut line = Vec::new();
    let mut next = repository.reference(name);
    while let Some(id) = next {
        let commit = Commit::read(repository, &id).unwrap();
        next = commit.parents.first().copied();
        line.push(commit);
    }
    line
}

fn text(repository: &Repository, id: &ObjectId) -> String {
    String::from_utf8(repository.object(id).unwrap().data.to_vec()).unwrap()
}

/// The store, its checkpoints and its log are clean; gives it opened again.
fn checked(device: &Rc<MemoryDevice>, store: &Store) -> Store {
    let mut findings = Vec::new();
    store.check(&mut |finding| findings.push(finding.to_string()));
    let device: Rc<dyn BlockDevice> = device.clone();
    let mut report = |finding: crate::Finding| findings.push(finding.to_string());
    let summary = check_device(&device, OpenOptions::default(), &mut report).unwrap();
    assert!(summary.is_clean() && findings.is_empty(), "{findings:?}");
    Store::open(device).unwrap()
}

#[test]
fn old_history_becomes_one_commit_a_day_and_its_space_is_given_back() {
    let (device, store, repository) = store();
    let commits = days(&repository, MAIN, 0..40);
    let done = retain(&repository, 30);
    // The last commit before the boundary is the first that is left.
    let boundary = commits[30 * 3 - 1];
    assert_eq!(done, Retained { given_back: 89, days: 30, boundary: 1 });
    assert_eq!(repository.shallow(), [boundary]);
    let left: Vec<_> = line(&repository, MAIN).into_iter().map(|commit| commit.id).collect();
    assert!(left.iter().rev().eq(&commits[89..]));
    let kept = line(&repository, "refs/days/main");
    assert_eq!(kept.len(), 30);
    for (day, kept) in (0..30).rev().zip(&kept) {
        let last = commits[day as usize * 3 + 2];
        assert_eq!(kept.tree, repository.tree_of_commit(&last).unwrap());
        assert_eq!(kept.time, START + day * DAY + 23 * 3600);
        let text = text(&repository, &kept.id);
        let subject = format!("\n\nKeep {}\n\nWhat {last} left, the last of 3 commits", Day::of(kept.time));
        assert!(text.contains(&subject) && text.contains("\nauthor Kalends <kalends@localhost> "), "{text}");
    }
    assert!(repository.contains(&commits[0]));
    let given = block_on(store.compact()).unwrap();
    assert!(given.unreachable >= 89, "{given:?}");
    assert!(commits[..89].iter().all(|id| !repository.contains(id)));
    assert!(repository.contains(&boundary));
    let again = checked(&device, &store).repository("test").unwrap();
    assert_eq!(again.shallow(), [boundary]);
    assert_eq!(again.references(), repository.references());
}

#[test]
fn a_boundary_that_moves_day_by_day_leaves_the_same_days() {
    let (device, store, repository) = store();
    let (_, _, at_once) = super::tests::store();
    days(&at_once, MAIN, 0..20);
    retain(&at_once, 15);
    for day in 0..20 {
        days(&repository, MAIN, day..day + 1);
        if day >= 5 {
            retain(&repository, day - 4);
        }
        if day % 4 == 0 {
            block_on(store.compact()).unwrap();
        }
    }
    assert_eq!(repository.references(), at_once.references());
    block_on(store.compact()).unwrap();
    assert_eq!(repository.shallow(), at_once.shallow());
    checked(&device, &store);
}

#[test]
fn nothing_is_written_where_nothing_has_become_old_enough() {
    let (_, store, repository) = store();
    assert_eq!(retain(&repository, 3), Retained::default());
    days(&repository, MAIN, 0..10);
    assert_eq!(retain(&repository, 0), Retained::default());
    retain(&repository, 5);
    let before = (repository.references(), repository.shallow(), store.core().state.borrow().submitted);
    assert_eq!(retain(&repository, 5), Retained { boundary: 1, ..Retained::default() });
    assert_eq!(retain(&repository, 3), Retained { boundary: 1, ..Retained::default() });
    let after = (repository.references(), repository.shallow(), store.core().state.borrow().submitted);
    assert_eq!(before, after);
}

#[test]
fn a_branch_without_changes_keeps_its_tip_and_its_days_only() {
    let (device, store, repository) = store();
    let commits = days(&repository, MAIN, 0..5);
    assert_eq!(retain(&repository, 100), Retained { given_back: 14, days: 5, boundary: 1 });
    assert_eq!(line(&repository, MAIN).len(), 1);
    assert_eq!(repository.reference(MAIN), commits.last().copied());
    assert_eq!(line(&repository, "refs/days/main").len(), 5);
    block_on(store.compact()).unwrap();
    // And goes on as any other.
    days(&repository, MAIN, 100..103);
    assert_eq!(line(&repository, MAIN).len(), 10);
    retain(&repository, 102);
    assert_eq!(line(&repository, "refs/days/main").len(), 7);
    block_on(store.compact()).unwrap();
    checked(&device, &store);
}

#[test]
fn what_references_name_is_left_whatever_its_age() {
    let (device, store, repository) = store();
    let commits = days(&repository, MAIN, 0..10);
    set(&repository, "refs/tags/start", Some(commits[4]));
    set(&repository, "refs/heads/side", Some(commits[20]));
    let mut transaction = repository.transaction();
    let blob = transaction.insert(Kind::Blob, "note\n").unwrap();
    transaction.update_reference(ReferenceUpdate {
        name: "refs/notes/blob".into(),
        expected: None,
        new: Some(blob),
    });
    block_on(transaction.submit().unwrap()).unwrap();
    retain(&repository, 9);
    let mut expected = vec![commits[4], commits[20], commits[26]];
    expected.sort_unstable();
    assert_eq!(repository.shallow(), expected);
    assert_eq!(line(&repository, "refs/days/main").len(), 9);
    // The side branch has days of its own; those that both had are the same commits.
    let side: Vec<_> = line(&repository, "refs/days/side").into_iter().map(|commit| commit.id).collect();
    let main: Vec<_> = line(&repository, "refs/days/main").into_iter().map(|commit| commit.id).collect();
    assert_eq!(side, main[2..]);
    block_on(store.compact()).unwrap();
    for id in [blob, commits[4], commits[20], commits[26]] {
        assert!(repository.contains(&id));
    }
    assert!(!repository.contains(&commits[3]) && !repository.contains(&commits[21]));
    // What nothing names any more leaves the list with its commit.
    set(&repository, "refs/tags/start", None);
    block_on(store.compact()).unwrap();
    let again = checked(&device, &store).repository("test").unwrap();
    expected.retain(|id| *id != commits[4]);
    assert_eq!((again.shallow(), repository.shallow()), (expected.clone(), expected));
}

#[test]
fn no_clock_has_anything_cut_off_that_is_younger() {
    let (_, _, repository) = store();
    let commits = days(&repository, MAIN, 0..10);
    // Somebody whose clock begins anew.
    let late = commit(&repository, &[commits[29]], 100, "1970");
    let later = commit(&repository, &[late], START + 10 * DAY, "now");
    set(&repository, MAIN, Some(later));
    retain(&repository, 8);
    assert_eq!(repository.shallow(), [commits[23]]);
    assert_eq!(line(&repository, MAIN).len(), 9);
    // And whose clock is ahead: what was made upon it stays.
    let (_, _, repository) = store();
    let commits = days(&repository, MAIN, 0..2);
    let ahead = commit(&repository, &[commits[5]], START + 1000 * DAY, "ahead");
    set(&repository, MAIN, Some(ahead));
    days(&repository, MAIN, 2..9);
    retain(&repository, 8);
    assert_eq!(repository.shallow(), [commits[5]]);
    assert_eq!(line(&repository, MAIN).len(), 23);
}

#[test]
fn who_reads_goes_by_the_boundary_before_and_finds_everything() {
    let (_, store, repository) = store();
    let commits = days(&repository, MAIN, 0..10);
    retain(&repository, 3);
    block_on(store.compact()).unwrap();
    let pin = repository.pin();
    let reader = repository.held();
    retain(&repository, 8);
    block_on(store.compact()).unwrap();
    assert_eq!(line(&reader, MAIN).len(), 22);
    assert_eq!(line(&repository, MAIN).len(), 7);
    drop(pin);
    block_on(store.compact()).unwrap();
    assert!(!repository.contains(&commits[10]));
    assert_eq!(repository.shallow(), [commits[23]]);
}

#[test]
fn days_are_never_cut_off_even_where_they_were_merged() {
    let (device, store, repository) = store();
    let commits = days(&repository, MAIN, 0..10);
    retain(&repository, 5);
    let kept = repository.reference("refs/days/main").unwrap();
    let merge = commit(&repository, &[commits[29], kept], START + 10 * DAY, "merge");
    set(&repository, MAIN, Some(merge));
    days(&repository, MAIN, 11..20);
    retain(&repository, 15);
    block_on(store.compact()).unwrap();
    assert_eq!(line(&repository, "refs/days/main").len(), 15);
    checked(&device, &store);
}

#[test]
fn what_the_boundary_cuts_off_while_it_is_collected_is_not_lost_by_half() {
    let (device, store, repository) = store();
    days(&repository, MAIN, 0..60);
    retain(&repository, 20);
    let compaction = store.compact();
    let mut compaction = std::pin::pin!(compaction);
    // One step of it, then the boundary moves, then the rest.
    let waker = std::task::Waker::noop();
    let mut context = std::task::Context::from_waker(waker);
    let mut day = 30;
    while compaction.as_mut().poll(&mut context).is_pending() {
        if day < 60 {
            retain(&repository, day);
            day += 10;
        }
    }
    assert!(day > 30, "the compaction gave way to nobody");
    checked(&device, &store);
    block_on(store.compact()).unwrap();
    checked(&device, &store);
}

#[test]
fn history_is_cut_off_on_a_full_device_too() {
    let device = Rc::new(MemoryDevice::new(24 << 20));
    let store = Store::format(device.clone(), &FormatOptions::default()).unwrap();
    let repository = store.create_repository("test").unwrap();
    days(&repository, MAIN, 0..5);
    let full = (0..).find_map(|number| {
        let mut transaction = repository.transaction();
        transaction.insert(Kind::Blob, noise(number, FILE)).unwrap();
        transaction.submit().and_then(block_on).err()
    });
    assert!(matches!(full, Some(Error::DeviceFull)), "{full:?}");
    // A move has no blobs: it uses what is reserved for deletions, and makes room.
    retain(&repository, 4);
    block_on(store.compact()).unwrap();
    assert_eq!(line(&repository, MAIN).len(), 4);
    checked(&device, &store);
}

/// A history of commits with these parents (by number) and days.
fn histories() -> impl Strategy<Value = Vec<(Vec<usize>, i64)>> {
    let commit = (proptest::collection::vec(any::<prop::sample::Index>(), 0..3), 0..30_i64);
    proptest::collection::vec(commit, 1..20).prop_map(|commits| {
        let parents = |number: usize, parents: Vec<prop::sample::Index>| -> Vec<usize> {
            let mut parents: Vec<_> = match number {
                0 => Vec::new(),
                _ => parents.iter().map(|parent| parent.index(number)).collect(),
            };
            parents.dedup();
            parents
        };
        commits.into_iter().enumerate().map(|(n, (p, day))| (parents(n, p), day)).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn everything_younger_is_left_and_nothing_older_but_the_boundary(
        commits in histories(), since in 1..30_i64, tips in proptest::collection::vec(any::<prop::sample::Index>(), 1..4),
    ) {
        let (device, store, repository) = store();
        let mut ids: Vec<ObjectId> = Vec::new();
        let mut dates: Vec<i64> = Vec::new();
        for (number, (parents, day)) in commits.iter().enumerate() {
            let named: Vec<_> = parents.iter().map(|parent| ids[*parent]).collect();
            ids.push(commit(&repository, &named, START + day * DAY + 3600, &number.to_string()));
            dates.push(parents.iter().map(|parent| dates[*parent]).fold(*day, i64::max));
        }
        let tips: Vec<usize> = tips.iter().map(|tip| tip.index(commits.len())).collect();
        for (number, tip) in tips.iter().enumerate() {
            set(&repository, &format!("refs/heads/b{number}"), Some(ids[*tip]));
        }
        // So that a collection always pays.
        commit(&repository, &[], START, "of no branch");
        retain(&repository, since);
        block_on(store.compact()).unwrap();
        let again = checked(&device, &store).repository("test").unwrap();
        // The model: from the tips down, as far as commits are young enough.
        let mut left = HashSet::new();
        let mut todo = tips;
        while let Some(number) = todo.pop() {
            if left.insert(number) && dates[number] >= since {
                todo.extend(&commits[number].0);
            }
        }
        for (number, id) in ids.iter().enumerate() {
            prop_assert_eq!(again.contains(id), left.contains(&number), "commit {}", number);
        }
        // Twice is once.
        let before = again.references();
        prop_assert_eq!(retain(&again, since), Retained { boundary: again.shallow().len() as u64, ..Retained::default() });
        prop_assert_eq!(again.references(), before);
    }
}
