//! What `Store::check` finds in a store whose device is whole: objects and references that do not fit.

use futures_executor::block_on;
use kalends_block_backend::MemoryDevice;
use kalends_store::{
    EntryKind, FormatOptions, Kind, ObjectId, ReferenceUpdate, Repository, Severity, Store, Transaction,
    TreeEdit,
};
use std::rc::Rc;

const MAIN: &str = "refs/heads/main";

fn store() -> Store {
    Store::format(Rc::new(MemoryDevice::new(16 << 20)), &FormatOptions::default()).unwrap()
}

fn missing_id() -> ObjectId {
    ObjectId::from_hex(b"0123456789012345678901234567890123456789").unwrap()
}

fn commit_text(tree: &ObjectId, parents: &[ObjectId]) -> String {
    let parents: String = parents.iter().map(|parent| format!("parent {parent}\n")).collect();
    format!("tree {tree}\n{parents}author A <a@b> 0 +0000\ncommitter A <a@b> 0 +0000\n\nx\n")
}

fn point(mut transaction: Transaction, name: &str, id: ObjectId) {
    transaction.update_reference(ReferenceUpdate { name: name.into(), expected: None, new: Some(id) });
    block_on(transaction.submit().unwrap()).unwrap();
}

/// The lines of a check, all of which must be damage.
fn findings(store: &Store) -> Vec<String> {
    let mut lines = Vec::new();
    let summary = store.check(&mut |finding| {
        assert_eq!(finding.class, Severity::Damage);
        lines.push(finding.to_string());
    });
    assert_eq!(summary.is_clean(), lines.is_empty());
    lines
}

fn tree(transaction: &mut Transaction, name: &str, entry: (EntryKind, ObjectId)) -> ObjectId {
    transaction.edit_tree(None, &[TreeEdit { name: name.into(), entry: Some(entry) }]).unwrap()
}

fn repository(store: &Store) -> Repository {
    store.create_repository("ada").unwrap()
}

#[test]
fn a_missing_file_is_named_with_the_directory_and_commit_that_want_it() {
    let store = store();
    let mut transaction = repository(&store).transaction();
    let work = tree(&mut transaction, "lunch.ics", (EntryKind::Blob, missing_id()));
    let root = tree(&mut transaction, "work", (EntryKind::Tree, work));
    let commit = transaction.insert(Kind::Commit, commit_text(&root, &[])).unwrap();
    point(transaction, MAIN, commit);
    let missing = missing_id();
    assert_eq!(
        findings(&store),
        [
            format!("ada: object {missing}: is missing; {work} refers to it"),
            format!("ada: object {missing}: is file work/lunch.ics in commit {commit}"),
        ]
    );
}

#[test]
fn a_history_that_is_cut_is_told_for_the_reference() {
    let store = store();
    let mut transaction = repository(&store).transaction();
    let root = transaction.edit_tree(None, &[]).unwrap();
    let commit = transaction.insert(Kind::Commit, commit_text(&root, &[missing_id()])).unwrap();
    point(transaction, MAIN, commit);
    let missing = missing_id();
    assert_eq!(
        findings(&store),
        [
            format!("ada: object {missing}: is missing; {commit} refers to it"),
            format!("ada: object {missing}: cuts the history of {MAIN}: is missing"),
        ]
    );
}

#[test]
fn references_must_name_what_is_there_and_branches_commits() {
    let store = store();
    let ada = repository(&store);
    let mut transaction = ada.transaction();
    let blob = transaction.insert(Kind::Blob, "x").unwrap();
    point(transaction, MAIN, blob);
    point(ada.transaction(), "refs/tags/gone", missing_id());
    point(ada.transaction(), "refs/tags/blob", blob);
    assert_eq!(
        findings(&store),
        [
            format!("ada: object {blob}: is a blob, and {MAIN} must be a commit"),
            format!("ada: object {}: is missing; refs/tags/gone names it", missing_id()),
        ]
    );
}

#[test]
fn objects_that_git_fsck_refuses_are_found_even_when_nothing_reaches_them() {
    let store = store();
    let mut transaction = repository(&store).transaction();
    let blob = transaction.insert(Kind::Blob, "x").unwrap();
    let unsorted = [b"100644 b\0", blob.as_slice(), b"100644 a\0", blob.as_slice()].concat();
    let unsorted = transaction.insert(Kind::Tree, unsorted).unwrap();
    let wrong = tree(&mut transaction, "x", (EntryKind::Tree, blob));
    block_on(transaction.submit().unwrap()).unwrap();
    let found = findings(&store);
    let nowhere = "is reached by no reference, or by damaged objects only";
    for line in [
        format!("ada: object {unsorted}: treeNotSorted: \"a\" is out of order"),
        format!("ada: object {wrong}: refers to {blob} as a tree, and that is a blob"),
        format!("ada: object {unsorted}: {nowhere}"),
        format!("ada: object {wrong}: {nowhere}"),
    ] {
        assert!(found.contains(&line), "{found:?} lack {line}");
    }
    assert_eq!(found.len(), 4);
}

#[test]
fn a_store_at_work_is_clean_at_any_time() {
    let store = store();
    for round in 0..5 {
        let name = format!("user{round}");
        let repository = store.create_repository(&name).unwrap();
        let mut transaction = repository.transaction();
        let blob = transaction.insert(Kind::Blob, vec![round; 2_000_000]).unwrap();
        let root = tree(&mut transaction, "a.ics", (EntryKind::Blob, blob));
        let commit = transaction.insert(Kind::Commit, commit_text(&root, &[])).unwrap();
        point(transaction, MAIN, commit);
        assert_eq!(findings(&store), Vec::<String>::new());
        if round % 2 == 0 {
            store.close().unwrap();
            store.remove_repository(&name).unwrap();
        }
        assert_eq!(findings(&store), Vec::<String>::new());
    }
}

#[test]
fn commits_that_have_a_damaged_path_are_told_from_the_first_to_the_last_across_branches() {
    let store = store();
    let mut transaction = repository(&store).transaction();
    let missing = missing_id();
    let with = tree(&mut transaction, "a.ics", (EntryKind::Blob, missing));
    let other = transaction.insert(Kind::Blob, "x").unwrap();
    let without = tree(&mut transaction, "b.ics", (EntryKind::Blob, other));
    let commit = |transaction: &mut Transaction, tree: &ObjectId, parents: &[ObjectId]| {
        transaction.insert(Kind::Commit, commit_text(tree, parents)).unwrap()
    };
    // It comes, goes on one branch, stays on the other, is merged, and goes.
    let before = commit(&mut transaction, &without, &[]);
    let first = commit(&mut transaction, &with, &[before]);
    let gone = commit(&mut transaction, &without, &[first]);
    let kept = tree(&mut transaction, "side", (EntryKind::Tree, with));
    let side = commit(&mut transaction, &kept, &[first]);
    let last = commit(&mut transaction, &with, &[gone, side]);
    let after = commit(&mut transaction, &without, &[last]);
    point(transaction, MAIN, after);
    let at = |path: &str, commits: String| format!("ada: object {missing}: is file {path} in {commits}");
    assert_eq!(
        findings(&store),
        [
            format!("ada: object {missing}: is missing; {with} refers to it"),
            at("a.ics", format!("2 commits, from {first} to {last}")),
            at("side/a.ics", format!("commit {side}")),
        ]
    );
}

#[test]
fn what_is_beyond_a_thousand_lines_is_counted() {
    let store = store();
    let mut transaction = repository(&store).transaction();
    let edits: Vec<TreeEdit> = (0..3000_u32)
        .map(|number| {
            let id = ObjectId::from_hex(format!("{number:040x}").as_bytes()).unwrap();
            TreeEdit { name: format!("{number:04}.ics").into(), entry: Some((EntryKind::Blob, id)) }
        })
        .collect();
    let root = transaction.edit_tree(None, &edits[1..]).unwrap();
    let commit = transaction.insert(Kind::Commit, commit_text(&root, &[])).unwrap();
    point(transaction, MAIN, commit);
    let mut lines = Vec::new();
    let summary = store.check(&mut |finding| lines.push(finding.to_string()));
    assert_eq!(summary.damage, 2999);
    assert_eq!(lines.len(), 2002, "{:?}", lines.last());
    assert_eq!(lines[1000], "ada: 1999 more findings like these");
    assert_eq!(lines[2001], "ada: 1999 more paths are damaged");
}
