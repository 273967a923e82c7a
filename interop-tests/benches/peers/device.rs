//! What the machine itself needs for the least that a durable change can cost: its device, and its processor.

use kalends_interop_tests::{TemporaryDirectory, event};
use sha1::{Digest, Sha1};
use std::{
    fs::OpenOptions,
    hint::black_box,
    io::Write,
    time::{Duration, Instant},
};

/// Times of appending 4 KiB to a file in the temporary directory and waiting for the device (fdatasync).
pub(crate) fn append_and_sync() -> Vec<Duration> {
    let directory = TemporaryDirectory::new();
    let mut file = OpenOptions::new().create(true).append(true).open(directory.join("append")).unwrap();
    (0..200)
        .map(|number| {
            let start = Instant::now();
            file.write_all(&[number as u8; 4096]).unwrap();
            file.sync_data().unwrap();
            start.elapsed()
        })
        .collect()
}

/// Times of hashing (SHA-1) the tree of a calendar of so many events, as git encodes it, which its id is made
/// of. Without detection of collisions, which git and Kalends do beside it.
pub(crate) fn hash_tree(events: u32) -> Vec<Duration> {
    let entry = |number| format!("100644 {}\0{:020}", event::meeting(number).name, number);
    let tree: String = (0..events).map(entry).collect();
    (0..50)
        .map(|_| {
            let start = Instant::now();
            black_box(Sha1::digest(black_box(tree.as_bytes())));
            start.elapsed()
        })
        .collect()
}
