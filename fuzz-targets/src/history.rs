//! Small histories to fuzz.

use futures_executor::block_on;
use kalends_store::{EntryKind, Kind, ObjectId, Objects, ReferenceUpdate, Repository, TreeEdit};

pub(crate) const MAIN: &str = "refs/heads/main";

/// Bytes that do not compress.
pub(crate) fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed;
    (0..length)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as u8
        })
        .collect()
}

/// Commits one file.
pub(crate) fn put(repository: &Repository, name: &str, content: Vec<u8>) -> ObjectId {
    let mut transaction = repository.transaction();
    let parent = repository.latest_reference(MAIN);
    let base = parent.map(|parent| repository.tree_of_commit(&parent).unwrap());
    let blob = transaction.insert(Kind::Blob, content).unwrap();
    let edit = TreeEdit { name: name.into(), entry: Some((EntryKind::Blob, blob)) };
    let tree = transaction.edit_tree(base.as_ref(), &[edit]).unwrap();
    let parents = parent.map(|parent| format!("parent {parent}\n")).unwrap_or_default();
    let who = "A <a@example.org> 1700000000 +0000";
    let text = format!("tree {tree}\n{parents}author {who}\ncommitter {who}\n\nAdd {name}\n");
    let commit = transaction.insert(Kind::Commit, text).unwrap();
    transaction.update_reference(ReferenceUpdate { name: MAIN.into(), expected: parent, new: Some(commit) });
    block_on(transaction.submit().unwrap()).unwrap();
    commit
}
