//! Clones of what was pushed as one pack, which goes along as it lies on the device.

use crate::{
    large_pushes::{MAIN, commit, device, history, push_history},
    repositories::{drive, push, push_body, ready, whole},
};
use gix_hash::ObjectId;
use kalends_store::{
    FormatOptions, NoRules, Objects, ReferenceUpdate, Repository, Store,
    wire::{Protocol, ReceiveOptions, upload_pack},
};
use std::rc::Rc;

/// A repository that has [`history`] in one pack.
fn pushed() -> Repository {
    let store = Store::format(device(), &FormatOptions::default()).unwrap();
    let repository = store.create_repository("test").unwrap();
    let report = push_history(&repository, Rc::new(NoRules), ReceiveOptions::default());
    assert!(report.contains("ok refs/heads/main"), "{report}");
    repository
}

pub(crate) fn empty() -> Repository {
    Store::format(device(), &FormatOptions::default()).unwrap().create_repository("clone").unwrap()
}

/// The pack of a clone, as it comes without side bands.
pub(crate) fn clone(repository: &Repository, tip: &ObjectId, capabilities: &str, more: &str) -> Vec<u8> {
    let line = format!("want {tip} {capabilities}\n");
    let request = format!("{:04x}{line}{more}00000009done\n", line.len() + 4);
    let answer = whole(upload_pack(repository, Protocol::V0, request.into()));
    assert!(
        answer.starts_with(b"0008NAK\nPACK"),
        "{:?}",
        String::from_utf8_lossy(&answer[..200.min(answer.len())])
    );
    answer[8..].to_vec()
}

/// A repository of what was cloned: the push of it fails when an object is missing or comes twice.
pub(crate) fn unpack(pack: &[u8], tip: &ObjectId) -> Repository {
    let repository = empty();
    let report = whole(push(&repository, push_body(MAIN, None, Some(*tip), pack)).unwrap());
    let report = String::from_utf8_lossy(&report);
    assert!(report.contains("ok refs/heads/main"), "{report}");
    repository
}

pub(crate) fn objects(pack: &[u8]) -> u32 {
    u32::from_be_bytes(pack[8..12].try_into().unwrap())
}

#[test]
fn a_pushed_pack_is_cloned_as_it_came() {
    let repository = pushed();
    let (tip, sent) = history();
    assert!(clone(&repository, tip, "ofs-delta", "") == *sent);
    // Who does not know deltas by offset gets the same objects otherwise.
    let other = clone(&repository, tip, "", "");
    assert!(other != *sent && objects(&other) == objects(sent));
    assert_eq!(unpack(&other, tip).object_count().unwrap(), 900);
}

#[test]
fn what_was_written_since_follows_the_pack_and_nothing_comes_twice() {
    let repository = pushed();
    for number in 0..40 {
        // What is written is new, and every other time what was there before.
        let old = repository.tree(&repository.tree_of_commit(&history().0).unwrap()).unwrap();
        let entry = old.find(format!("file{}", number % 20).as_bytes()).unwrap().id.to_owned();
        let content = match number % 2 {
            0 => repository.object(&entry).unwrap().data.to_vec(),
            _ => format!("content {number}").into_bytes(),
        };
        commit(&repository, number, content);
    }
    let tip = repository.reference(MAIN).unwrap();
    let pack = clone(&repository, &tip, "ofs-delta", "");
    assert!(pack[12..].starts_with(&history().1[12..history().1.len() - 20]));
    let cloned = unpack(&pack, &tip);
    assert_eq!(cloned.object_count().unwrap() as u32, objects(&pack));
    let plain = clone(&repository, &tip, "", "");
    assert_eq!(objects(&plain), objects(&pack), "as many as a walk finds");
}

#[test]
fn a_pack_of_which_not_all_can_be_reached_is_not_sent_whole() {
    let repository = pushed();
    let (tip, sent) = history();
    let text = String::from_utf8(repository.object(tip).unwrap().data.to_vec()).unwrap();
    let parent = text.lines().find_map(|line| line.strip_prefix("parent ")).unwrap();
    let parent = ObjectId::from_hex(parent.as_bytes()).unwrap();
    let mut transaction = repository.transaction();
    transaction.update_reference(ReferenceUpdate {
        name: MAIN.into(),
        expected: Some(*tip),
        new: Some(parent),
    });
    drive(transaction.submit().unwrap()).unwrap();
    let pack = clone(&repository, &parent, "ofs-delta", "");
    assert!(objects(&pack) < objects(sent));
    let cloned = unpack(&pack, &parent);
    assert!(!cloned.contains(tip));
}

#[test]
fn a_pack_that_is_not_reached_is_not_sent() {
    let repository = empty();
    commit(&repository, 0, b"first".to_vec());
    let (first, sent) = (repository.reference(MAIN).unwrap(), history());
    let report =
        whole(push(&repository, push_body("refs/heads/other", None, Some(sent.0), &sent.1)).unwrap());
    assert!(String::from_utf8_lossy(&report).contains("ok refs/heads/other"));
    assert_eq!(objects(&clone(&repository, &first, "ofs-delta", "")), 3);
    let both = clone(&repository, &sent.0, "ofs-delta", &format!("{:04x}want {first}\n", 4 + 46));
    assert_eq!(objects(&both), 903);
}

#[test]
fn a_pack_that_refers_to_another_goes_along_with_it() {
    let (server, client) = (pushed(), pushed());
    let old = history().0;
    let mut state = 77_u64;
    for number in 0..100 {
        let mut noise = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as u8
        };
        commit(&client, number, (0..8000).map(|_| noise()).collect());
    }
    let new = client.reference(MAIN).unwrap();
    let request = format!("{:04x}want {new} ofs-delta\n0000{:04x}have {old}\n0009done\n", 4 + 56, 4 + 46);
    let answer = whole(upload_pack(&client, Protocol::V0, request.into()));
    let start = answer.windows(4).position(|bytes| bytes == b"PACK").unwrap();
    let (pack, line) = (&answer[start..], "refs/heads/main");
    assert_eq!(objects(pack), 300);
    let report = whole(push(&server, push_body(line, Some(old), Some(new), pack)).unwrap());
    assert!(String::from_utf8_lossy(&report).contains("ok refs/heads/main"));
    let all = clone(&server, &new, "ofs-delta", "");
    assert_eq!(objects(&all), 1200);
    assert!(all[12..].starts_with(&history().1[12..history().1.len() - 20]));
    assert_eq!(unpack(&all, &new).object_count().unwrap(), 1200);
}

#[test]
fn clones_go_on_beside_writes_and_after_their_repository_is_gone() {
    let store = Store::format(device(), &FormatOptions::default()).unwrap();
    let (repository, other) =
        (store.create_repository("test").unwrap(), store.create_repository("other").unwrap());
    push_history(&repository, Rc::new(NoRules), ReceiveOptions::default());
    let (tip, sent) = history();
    let line = format!("want {tip} ofs-delta\n");
    let request = format!("{:04x}{line}00000009done\n", line.len() + 4);
    let mut clones: Vec<_> = (0..4)
        .map(|_| (upload_pack(&repository, Protocol::V0, request.clone().into()), Vec::new(), true))
        .collect();
    drop(repository);
    let (mut number, mut turn) = (0, 0);
    while clones.iter().any(|(_, _, open)| *open) {
        turn += 1;
        for (at, (reply, received, open)) in clones.iter_mut().enumerate() {
            // Some are quicker than others.
            if *open && turn % (at + 1) == 0 {
                match ready(reply) {
                    Some(Some(bytes)) => received.extend_from_slice(&bytes),
                    Some(None) => *open = false,
                    None => {}
                }
            }
        }
        if turn == 10 {
            store.remove_repository("test").unwrap();
        }
        // Where the pack is would be used again, were it free.
        if turn % 4 == 0 && number < 20 {
            let mut state = u64::from(number);
            let mut noise = || {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 33) as u8
            };
            commit(&other, number, (0..2_000_000).map(|_| noise()).collect());
            store.close().unwrap();
            number += 1;
        }
    }
    assert!(number > 10);
    for (_, received, _) in clones {
        assert!(received.strip_prefix(b"0008NAK\n") == Some(&sent[..]));
    }
    // The last of them gone, its space is free again.
    let free = store.free_bytes();
    for number in 40..43 {
        commit(&other, number, b"small".to_vec());
        store.close().unwrap();
    }
    assert!(store.free_bytes() >= free + sent.len() as u64, "{free} {}", store.free_bytes());
}

#[test]
fn a_clone_without_files_or_directories_has_the_rest() {
    let repository = pushed();
    commit(&repository, 3, b"new".to_vec());
    let tip = repository.reference(MAIN).unwrap();
    for (filter, expected) in [("blob:none", 602), ("tree:0", 301), ("blob:limit=10", 603), ("tree:1", 602)] {
        let more = format!("{:04x}filter {filter}\n", 4 + 8 + filter.len());
        let pack = clone(&repository, &tip, "ofs-delta filter", &more);
        assert_eq!(objects(&pack), expected, "{filter}");
    }
}
