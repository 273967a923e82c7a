//! Clones of packs that were pushed on top of what a repository had.

use crate::{
    clones::{clone, empty, noise, objects, unpack},
    large_pushes::{MAIN, commit, device},
    repositories::{drive, push, push_body, whole},
};
use gix_hash::ObjectId;
use kalends_store::{
    FormatOptions, ReferenceUpdate, Repository, Store,
    wire::{Protocol, upload_pack},
};
use std::{
    fs,
    process::{Command, Stdio},
};

/// A file that does not compress.
fn file(number: u32) -> Vec<u8> {
    noise(77 + u64::from(number), 8000)
}

/// Copies what `from` has beyond `old` by a fetch and a push; gives its tip and how long the pack was.
fn copy(from: &Repository, to: &Repository, old: Option<ObjectId>, capabilities: &str) -> (ObjectId, usize) {
    let tip = from.reference(MAIN).unwrap();
    let line = format!("want {tip} {capabilities}\n");
    let have = old.map_or(String::new(), |old| format!("{:04x}have {old}\n", 4 + 46));
    let request = format!("{:04x}{line}0000{have}0009done\n", line.len() + 4);
    let answer = whole(upload_pack(from, Protocol::V0, request.into()));
    let start = answer.windows(4).position(|bytes| bytes == b"PACK").unwrap();
    let report = whole(push(to, push_body(MAIN, old, Some(tip), &answer[start..])).unwrap());
    let report = String::from_utf8_lossy(&report);
    assert!(report.contains("ok refs/heads/main"), "{report}");
    (tip, answer.len() - start)
}

/// A server with 20 commits in its log and 200 more in a pack on top, and both tips.
fn on_top(capabilities: &str) -> (Repository, ObjectId, ObjectId) {
    let (server, client) = (empty(), empty());
    for number in 0..20 {
        commit(&client, number, format!("{number}\n").repeat(200).into_bytes());
    }
    let (first, length) = copy(&client, &server, None, "ofs-delta");
    assert!(length < 512 << 10, "goes to the log");
    for number in 20..220 {
        // Files 5 to 19 stay as they are in the log.
        commit(&client, 20 * number + number % 5, file(number));
    }
    let (tip, length) = copy(&client, &server, Some(first), capabilities);
    assert!(length > 1 << 20, "stays a pack");
    (server, first, tip)
}

/// Whether a pack has copied another: each entry is then where it was, but for the header.
fn begins_alike(a: &[u8], b: &[u8], length: usize) -> bool {
    a[12..length] == b[12..length]
}

/// Stock git takes the pack, and finds all in it that the tip reaches.
fn assert_git_takes(pack: &[u8], tip: &ObjectId) {
    let directory = std::env::temp_dir().join(format!("kalends-boundary-{}-{tip}", std::process::id()));
    fs::create_dir_all(&directory).unwrap();
    let git = |arguments: &[&str], input: Stdio| {
        let output =
            Command::new("git").current_dir(&directory).args(arguments).stdin(input).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    git(&["init", "-q", "--bare", "--initial-branch=main"], Stdio::null());
    let file = directory.join("sent.pack");
    fs::write(&file, pack).unwrap();
    git(&["index-pack", "--strict", "--stdin"], fs::File::open(&file).unwrap().into());
    git(&["update-ref", MAIN, &tip.to_string()], Stdio::null());
    let found = git(&["fsck", "--strict", "--unreachable"], Stdio::null());
    assert!(!found.contains("unreachable"), "{found}");
    let reached = git(&["rev-list", "--objects", MAIN], Stdio::null());
    assert_eq!(reached.lines().count() as u32, objects(pack));
    fs::remove_dir_all(&directory).unwrap();
}

#[test]
fn a_pack_on_top_of_the_log_is_cloned_as_it_came_with_what_it_needs() {
    for capabilities in ["ofs-delta", "ofs-delta thin-pack"] {
        let (server, _, tip) = on_top(capabilities);
        let pack = clone(&server, &tip, "ofs-delta", "");
        assert_eq!(objects(&pack), 660, "{capabilities}");
        assert_git_takes(&pack, &tip);
        assert_eq!(unpack(&pack, &tip).object_count().unwrap(), 660);
        // What is copied begins the same however much follows; a walk would send the newest commit first.
        commit(&server, 7, b"newer".to_vec());
        let newer = server.reference(MAIN).unwrap();
        let more = clone(&server, &newer, "ofs-delta", "");
        assert!(begins_alike(&more, &pack, 1 << 20), "{capabilities}: copied");
        assert_eq!(objects(&more), 663);
        assert_git_takes(&more, &newer);
        for (filter, expected) in [("blob:none", 442), ("tree:0", 221)] {
            let lines = format!("{:04x}filter {filter}\n", 4 + 8 + filter.len());
            assert_eq!(objects(&clone(&server, &newer, "ofs-delta filter", &lines)), expected, "{filter}");
        }
    }
}

#[test]
fn what_a_deleted_branch_reached_of_a_pack_is_not_cloned() {
    let (server, first, tip) = on_top("ofs-delta");
    let mut transaction = server.transaction();
    transaction.update_reference(ReferenceUpdate {
        name: MAIN.into(),
        expected: Some(tip),
        new: Some(first),
    });
    drive(transaction.submit().unwrap()).unwrap();
    let pack = clone(&server, &first, "ofs-delta", "");
    assert_eq!(objects(&pack), 60);
    assert_git_takes(&pack, &first);
}

#[test]
fn a_pack_on_top_of_a_pack_is_cloned_whole() {
    let store = Store::format(device(), &FormatOptions::default()).unwrap();
    let (server, client) = (store.create_repository("server").unwrap(), empty());
    let mut old = None;
    for (start, end) in [(0, 100), (100, 400)] {
        for number in start..end {
            commit(&client, number, file(number));
        }
        let (tip, length) = copy(&client, &server, old, "ofs-delta thin-pack");
        assert!(length > 512 << 10);
        old = Some(tip);
    }
    let tip = old.unwrap();
    let pack = clone(&server, &tip, "ofs-delta", "");
    assert_eq!(objects(&pack), 1200);
    assert_git_takes(&pack, &tip);
    commit(&server, 400, file(400));
    let newer = server.reference(MAIN).unwrap();
    assert!(begins_alike(&clone(&server, &newer, "ofs-delta", ""), &pack, 2 << 20), "copied");
}
