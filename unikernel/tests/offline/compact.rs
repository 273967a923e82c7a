//! `kalends compact` makes a device small and loses nothing.

use crate::devices::{Scratch, format, kalends, noise, put, stderr, stdout};
use std::path::Path;

#[test]
fn a_compacted_device_is_clean_and_has_everything() {
    let scratch = Scratch::new("compact");
    let device = scratch.path("kalends.img");
    let store = format(&device);
    let ada = store.create_repository("ada").unwrap();
    for number in 0..60 {
        put(&ada, &format!("{}.ics", number % 20), &noise(number, 20_000));
    }
    let references = ada.references();
    drop((ada, store));

    let output = kalends(&[Path::new("compact"), &device]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(
        stdout(&output).contains(": 1 packs written, 0 unreachable objects removed"),
        "{}",
        stdout(&output)
    );
    let output = kalends(&[Path::new("fsck"), &device]);
    assert!(output.status.success(), "{}", stdout(&output));
    assert!(stdout(&output).contains("1 pack"), "{}", stdout(&output));
    let store = kalends_store::Store::open(std::rc::Rc::new(
        kalends_block_backend::FileDevice::open(&device).unwrap(),
    ))
    .unwrap();
    assert_eq!(store.repository("ada").unwrap().references(), references);
    drop(store);

    let output = kalends(&[Path::new("compact")]);
    assert_eq!(stderr(&output), "kalends: usage: kalends compact DEVICE\n");
}
