//! Devices that a guest must not serve, and must leave as they are.

use crate::{
    guest::Guest,
    spt::{options, tender},
};
use kalends_interop_tests::{Server, TemporaryDirectory, namespace::Namespace};
use std::fs;
use xxhash_rust::xxh3::xxh3_64;

/// Exit status for a device that cannot be served.
const UNUSABLE_DEVICE: i32 = 3;
/// Where the superblocks are, and their length (docs/store-format.md).
const SUPERBLOCKS: [usize; 2] = [0, 64 << 10];
const SUPERBLOCK_LENGTH: usize = 4096;

/// Boots a guest on a device of these bytes, which it must refuse with one line that has this part.
fn is_refused(what: &str, bytes: &[u8], part: &str) {
    let (namespace, directory) = (Namespace::new(), TemporaryDirectory::new());
    let device = directory.join("device.img");
    fs::write(&device, bytes).unwrap();
    let (ended, said) = Guest::run(tender(&namespace, &device, &options()));
    assert_eq!(ended.code(), Some(UNUSABLE_DEVICE), "{what}: {said}");
    assert!(said.contains(part), "{what}: {said}");
    assert_eq!(said.trim_end().lines().count(), 1, "{what}: {said}");
    assert!(fs::read(&device).unwrap() == bytes, "{what}: the device was written to");
}

/// The bytes of a device with a store, of which both superblocks have been written.
fn device() -> Vec<u8> {
    let mut server = Server::start_with_device_of("8M");
    server.stop();
    server.start_again();
    let put = kalends_interop_tests::Curl::new(&server, "MKCOL", "/dav/calendars/ada/notes/").send();
    assert_eq!(put.status, 201, "{put:?}");
    server.stop();
    let bytes = fs::read(server.device()).unwrap();
    for at in SUPERBLOCKS {
        assert!(bytes[at..].starts_with(b"KALENDS\0"), "a superblock is at byte {at}");
    }
    bytes
}

#[test]
fn a_device_without_a_store_is_refused_and_left_alone() {
    is_refused("an empty device", &[0; 16 << 20], "it has no superblock");
    is_refused("something else", &[0x5a; 1 << 20], "it has no superblock");
}

#[test]
fn a_device_with_both_superblocks_torn_is_refused_and_left_alone() {
    let mut bytes = device();
    for at in SUPERBLOCKS {
        // Of its blocks, the later ones were never written.
        bytes[at + 512..at + SUPERBLOCK_LENGTH].fill(0xff);
    }
    is_refused("torn superblocks", &bytes, "both superblocks are damaged");
}

#[test]
fn a_device_that_is_too_small_is_refused_and_left_alone() {
    is_refused("one block", &[0; 512], "512 bytes are too few");
    let bytes = device();
    is_refused("a cut device", &bytes[..4 << 20], "the store uses 8388608 bytes, and the device has");
    is_refused("superblocks alone", &bytes[..68 << 10], "the store uses 8388608 bytes, and the device has");
}

#[test]
fn a_device_of_a_newer_format_is_refused_and_left_alone() {
    let whole = device();
    let mut one = whole.clone();
    for at in SUPERBLOCKS {
        let superblock = &mut one[at..at + SUPERBLOCK_LENGTH];
        let version = u32::from_le_bytes(superblock[8..12].try_into().unwrap());
        superblock[8..12].copy_from_slice(&(version + 1).to_le_bytes());
        let (body, checksum) = superblock.split_at_mut(SUPERBLOCK_LENGTH - 8);
        checksum.copy_from_slice(&xxh3_64(body).to_le_bytes());
    }
    let part = "it has format version 2, and this program knows version 1 only";
    is_refused("a newer format", &one, part);
    // As the newer program leaves it with its first checkpoint.
    let mut mixed = whole;
    let newer = SUPERBLOCKS[1]..SUPERBLOCKS[1] + SUPERBLOCK_LENGTH;
    mixed[newer.clone()].copy_from_slice(&one[newer]);
    is_refused("a newer format in one superblock", &mixed, part);
}
