//! Repositories to test with, and requests to them.

use bytes::Bytes;
use futures_util::{FutureExt, StreamExt};
use kalends_block_backend::MemoryDevice;
use kalends_store::{
    EntryKind, Error, FormatOptions, Kind, NoRules, ObjectId, Objects, ReferenceUpdate, Repository, Store,
    TreeEdit,
    wire::{ReceiveOptions, Reply, receive_pack, write_full_pack},
};
use std::{
    future::{Future, poll_fn},
    rc::Rc,
    task::{Context, Poll, Waker},
};

/// An empty repository in memory.
pub(crate) fn empty() -> Repository {
    let device = Rc::new(MemoryDevice::new(64 << 20));
    let store = Store::format(device, &FormatOptions::default()).unwrap();
    store.create_repository("test").unwrap()
}

/// Adds commits to a branch, each of which changes one of ten files.
pub(crate) fn grow(repository: &Repository, branch: &str, count: u32) -> ObjectId {
    for number in 0..count {
        let parent = repository.latest_reference(branch);
        let mut transaction = repository.transaction();
        let content = format!("{branch} {number}\n").repeat(40);
        let blob = transaction.insert(Kind::Blob, content.into_bytes()).unwrap();
        let name = format!("file{}", number % 10).into_bytes();
        let edit = TreeEdit { name, entry: Some((EntryKind::Blob, blob)) };
        let base = parent.map(|parent| transaction.tree_of_commit(&parent).unwrap());
        let tree = transaction.edit_tree(base.as_ref(), &[edit]).unwrap();
        let mut text = format!("tree {tree}\n");
        if let Some(parent) = parent {
            text += &format!("parent {parent}\n");
        }
        let who = format!("A <a@example.org> {} +0000", 1_700_000_000 + number);
        text += &format!("author {who}\ncommitter {who}\n\nCommit {number} of {branch}\n");
        let commit = transaction.insert(Kind::Commit, text.into_bytes()).unwrap();
        let update = ReferenceUpdate { name: branch.into(), expected: parent, new: Some(commit) };
        transaction.update_reference(update);
        drive(transaction.submit().unwrap()).unwrap();
    }
    repository.reference(branch).unwrap()
}

/// Runs a future to its end.
pub(crate) fn drive<F: Future>(future: F) -> F::Output {
    let mut future = std::pin::pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..10_000_000 {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
    }
    panic!("the future does not end");
}

/// The whole response.
pub(crate) fn whole(mut reply: Reply) -> Vec<u8> {
    let mut all = Vec::new();
    drive(poll_fn(|context| {
        while let Poll::Ready(bytes) = reply.poll_next_unpin(context) {
            match bytes {
                Some(bytes) => all.extend_from_slice(&bytes),
                None => return Poll::Ready(()),
            }
        }
        Poll::Pending
    }));
    all
}

/// The pack of all that a repository has.
pub(crate) fn pack(repository: &Repository) -> Vec<u8> {
    let mut pack = Vec::new();
    write_full_pack(repository, &mut pack).unwrap().unwrap();
    pack
}

/// The body of a push that moves one reference.
pub(crate) fn push_body(name: &str, old: Option<ObjectId>, new: Option<ObjectId>, pack: &[u8]) -> Vec<u8> {
    let null = ObjectId::null(gix_hash::Kind::Sha1);
    let (old, new) = (old.unwrap_or(null), new.unwrap_or(null));
    let line = format!("{old} {new} {name}\0 report-status side-band-64k");
    let mut body = format!("{:04x}{line}0000", line.len() + 4).into_bytes();
    body.extend_from_slice(pack);
    body
}

/// A push without rules.
pub(crate) fn push(repository: &Repository, body: Vec<u8>) -> Result<Reply, Error> {
    receive_pack(repository, Bytes::from(body), Rc::new(NoRules), ReceiveOptions::default())
}

/// Whether something can be read at once.
pub(crate) fn ready(reply: &mut Reply) -> Option<Option<Bytes>> {
    reply.next().now_or_never()
}
