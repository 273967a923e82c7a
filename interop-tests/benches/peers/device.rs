//! What the device itself needs for the least that a durable change can cost.

use kalends_interop_tests::TemporaryDirectory;
use std::{
    fs::OpenOptions,
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
