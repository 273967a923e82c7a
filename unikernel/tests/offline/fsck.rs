//! `kalends fsck`: exit status and lines.

use crate::devices::{Scratch, format, kalends, noise, push_with_git, put, stderr, stdout, tag};
use std::{
    fs::{self, OpenOptions},
    io::{Read, Seek, SeekFrom, Write},
    path::Path,
};

/// Flips a bit of every place where the file has these bytes; gives the number of places.
fn flip_after(path: &Path, pattern: &[u8], at: usize) -> usize {
    let mut file = OpenOptions::new().read(true).write(true).open(path).unwrap();
    let mut content = Vec::new();
    file.read_to_end(&mut content).unwrap();
    let places: Vec<usize> = content
        .windows(pattern.len())
        .enumerate()
        .filter_map(|(place, window)| (window == pattern).then_some(place))
        .collect();
    for place in &places {
        file.seek(SeekFrom::Start((place + at) as u64)).unwrap();
        file.write_all(&[content[place + at] ^ 1]).unwrap();
    }
    places.len()
}

fn fsck(device: &Path) -> (Option<i32>, String, String) {
    let output = kalends(&[Path::new("fsck"), device]);
    (output.status.code(), stdout(&output), stderr(&output))
}

#[test]
fn a_whole_device_is_clean_and_is_not_written() {
    let scratch = Scratch::new("clean");
    let device = scratch.path("kalends.img");
    let store = format(&device);
    let ada = store.create_repository("ada").unwrap();
    for number in 0..50 {
        put(&ada, &format!("{number}.ics"), &format!("event {number}"));
    }
    tag(&ada, "v1");
    push_with_git(&store.create_repository("bob").unwrap(), &scratch);
    store.create_repository("empty").unwrap();
    for closed in [false, true] {
        if closed {
            store.close().unwrap();
        }
    }
    put(&ada, "late.ics", "after the checkpoint");
    drop((ada, store));
    let before = fs::read(&device).unwrap();
    let (code, out, err) = fsck(&device);
    assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
    assert!(out.contains("3 repositories, 3 references, 91 commits, "), "{out}");
    assert!(
        out.contains(" 1 pack\n") && out.ends_with("is clean\n") && out.contains("and 1 frame ("),
        "{out}"
    );
    assert!(fs::read(&device).unwrap() == before);
}

#[test]
fn a_damaged_file_is_named_with_its_path_and_commit() {
    let scratch = Scratch::new("blob");
    let device = scratch.path("kalends.img");
    let store = format(&device);
    let ada = store.create_repository("ada").unwrap();
    put(&ada, "before.ics", "before");
    let (commit, blob) = put(&ada, "lunch.ics", &noise(1, 2000));
    store.close().unwrap();
    drop((ada, store));
    // An object's operation: tag 4, id, attributes, length; then its entry.
    let operation = [&[4], blob.as_slice()].concat();
    assert_eq!(flip_after(&device, &operation, 27 + 500), 1);
    let (code, out, _) = fsck(&device);
    assert_eq!(code, Some(1), "{out}");
    assert!(out.contains(&format!("damage: ada: object {blob}: ")), "{out}");
    let place = format!("object {blob}: is file work/lunch.ics in commit {commit}");
    assert!(out.contains(&place), "{out}");
    assert!(out.contains("checkpoint 1, in reserve for checkpoint 2: frame "), "{out}");
    assert!(out.contains("is damaged (2 found)"), "{out}");
}

#[test]
fn a_damaged_pack_index_is_told_from_damaged_objects() {
    let scratch = Scratch::new("packs");
    let device = scratch.path("kalends.img");
    let store = format(&device);
    let bob = store.create_repository("bob").unwrap();
    let tip = push_with_git(&bob, &scratch);
    store.close().unwrap();
    drop((bob, store));
    let whole = fs::read(&device).unwrap();
    let pack = whole.windows(8).position(|window| window == b"PACK\0\0\0\x02").unwrap();
    let index = whole.windows(8).position(|window| window == b"KPACKIDX").unwrap();
    for (place, expected) in [
        (pack + 300_000, "its checksum does not match"),
        (index - 4, "none of its objects can be found"),
        (index - 4, &format!("object {tip}: refs/heads/main names it: the index of the pack")),
    ] {
        let mut damaged = whole.clone();
        damaged[place] ^= 8;
        fs::write(&device, damaged).unwrap();
        let (code, out, _) = fsck(&device);
        assert_eq!(code, Some(1), "{out}");
        assert!(out.contains(expected), "{out} lacks {expected}");
    }
}

#[test]
fn superblocks_checkpoints_and_the_log_are_checked() {
    let scratch = Scratch::new("frame");
    let device = scratch.path("kalends.img");
    let store = format(&device);
    let ada = store.create_repository("ada").unwrap();
    for number in 0..3 {
        put(&ada, "a.ics", &number.to_string());
        store.close().unwrap();
    }
    for number in 0..3 {
        put(&ada, "b.ics", &number.to_string());
    }
    drop((ada, store));
    let whole = fs::read(&device).unwrap();
    let checkpoints: Vec<usize> =
        (1..8).map(|segment| segment << 20).filter(|at| whole[*at..].starts_with(b"KCHECKPT")).collect();
    assert!(checkpoints.len() >= 2);
    let generation = |at: usize| u64::from_le_bytes(whole[at + 8..at + 16].try_into().unwrap());
    let of = |wanted: u64| checkpoints.iter().copied().find(|at| generation(*at) == wanted).unwrap();
    let newest = checkpoints.iter().map(|at| generation(*at)).max().unwrap();
    let frames = whole.windows(4).enumerate().filter(|(at, window)| at % 512 == 0 && *window == b"KLOG");
    let frames: Vec<usize> = frames.map(|(at, _)| at).collect();
    let before_the_last = frames[frames.len() - 2];
    for (places, code, expected) in [
        (vec![100], 0, "note: superblock 0 is damaged"),
        (vec![100, (64 << 10) + 100], 2, "both superblocks are damaged"),
        (vec![of(newest) + 20], 1, "does not match its checksum"),
        (vec![of(newest - 1) + 20], 1, "in reserve for checkpoint"),
        (vec![of(newest) + 20, of(newest - 1) + 20], 1, "is damaged, and cannot be opened"),
        (vec![before_the_last + 70], 1, "is damaged, and frame"),
    ] {
        let mut damaged = whole.clone();
        for place in places {
            damaged[place] ^= 8;
        }
        fs::write(&device, damaged).unwrap();
        let (found, out, err) = fsck(&device);
        assert_eq!(found, Some(code), "{expected}: {out}{err}");
        assert!(out.contains(expected) || err.contains(expected), "{out}{err} lacks {expected}");
    }
}

#[test]
fn what_cannot_be_checked_ends_with_status_2_and_one_line() {
    let scratch = Scratch::new("unreadable");
    let device = scratch.path("kalends.img");
    let (code, out, err) = fsck(&device);
    assert_eq!((code, out.as_str()), (Some(2), ""));
    assert!(err.contains("No such file"), "{err}");
    fs::write(&device, vec![7; 1 << 20]).unwrap();
    let (code, _, err) = fsck(&device);
    assert!(code == Some(2) && err.contains("not a Kalends store: it has no superblock"), "{err}");
    fs::remove_file(&device).unwrap();
    let _store = format(&device);
    let (code, _, err) = fsck(&device);
    assert!(code == Some(2) && err.contains("is being served by another process; stop that"), "{err}");
    assert_eq!(err.lines().count(), 1);
}
