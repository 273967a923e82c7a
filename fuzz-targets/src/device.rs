//! Devices: mounted, checked and repaired.

use crate::{
    history::put,
    image::{
        FRAME_HEADER, Image, SEGMENT, SUPERBLOCK, SUPERBLOCKS, number, patch, seal_checkpoints, seal_frame,
        seal_frames, seal_superblock,
    },
};
use kalends_block_backend::{BlockDevice, SimulatedDevice};
use kalends_store::{NoClones, OpenOptions, Store, check_device, repair_device, wire::write_full_pack};
use std::rc::Rc;

/// Does with a device all that can be done with one.
fn use_device(device: Rc<SimulatedDevice>) {
    let device: Rc<dyn BlockDevice> = device;
    let options = OpenOptions { max_object_size: 8 << 20, ..OpenOptions::default() };
    let _ = check_device(&device, options.clone(), &mut |_| {});
    let work = |store: &Store| {
        for name in store.repositories() {
            let Ok(repository) = store.repository(&name) else { continue };
            let _ = write_full_pack(&repository, &mut std::io::sink());
        }
    };
    if let Ok(store) = Store::open_with(device.clone(), options.clone()) {
        work(&store);
    }
    if repair_device(&device, options.clone(), &mut NoClones, &mut |_| {}).is_ok() {
        // What a repair leaves opens, and takes changes.
        let store = Store::open_with(device, options).expect("a repaired device opens");
        work(&store);
        if let Ok(new) = store.create_repository("new") {
            put(&new, "a.ics", b"content".to_vec());
        }
        let _ = store.close();
    }
}

/// The input is a superblock, whose checksum is put right, alone on the device.
pub(crate) fn superblock(input: &[u8]) {
    let device = Image::get().device();
    let mut superblock = input.to_vec();
    superblock.resize(SUPERBLOCK, 0);
    seal_superblock(&mut superblock);
    patch(&device, SUPERBLOCKS[0], &superblock);
    patch(&device, SUPERBLOCKS[1], &[0; SUPERBLOCK]);
    use_device(device);
}

pub(crate) fn superblock_seeds() -> Vec<Vec<u8>> {
    let image = Image::get();
    SUPERBLOCKS.iter().map(|at| image.bytes[*at..at + 112].to_vec()).collect()
}

/// The input is the checkpoint of the newest superblock, which says its length and checksum.
pub(crate) fn checkpoint(input: &[u8]) {
    let image = Image::get();
    let device = image.device();
    let (place, input) = (image.checkpoint().0, &input[..input.len().min(SEGMENT)]);
    patch(&device, place, input);
    let at = image.newest();
    let mut superblock = image.bytes[at..at + SUPERBLOCK].to_vec();
    superblock[56..64].copy_from_slice(&(input.len() as u64).to_le_bytes());
    patch(&device, at, &superblock);
    seal_checkpoints(&device);
    use_device(device);
}

pub(crate) fn checkpoint_seeds() -> Vec<Vec<u8>> {
    let image = Image::get();
    let (at, length) = image.checkpoint();
    vec![image.bytes[at..at + length].to_vec()]
}

/// The input are the operations of the first frame after the newest checkpoint.
pub(crate) fn log(input: &[u8]) {
    let image = Image::get();
    let device = image.device();
    let at = image.log();
    let room = SEGMENT - at % SEGMENT - FRAME_HEADER;
    let mut frame = image.bytes[at..at + FRAME_HEADER].to_vec();
    frame.extend_from_slice(&input[..input.len().min(room)]);
    let length = frame.len() as u32;
    frame[4..8].copy_from_slice(&length.to_le_bytes());
    seal_frame(&mut frame, image.seed());
    patch(&device, at, &frame);
    use_device(device);
}

pub(crate) fn log_seeds() -> Vec<Vec<u8>> {
    let image = Image::get();
    let mut seeds = Vec::new();
    // Frames of all kinds, those before the checkpoint too.
    for at in (0..image.bytes.len()).step_by(512) {
        if image.bytes[at..].starts_with(b"KLOG") {
            let length = number(&image.bytes, at + 4, 4);
            seeds.push(image.bytes[at + FRAME_HEADER..at + length].to_vec());
        }
    }
    seeds
}

/// The input says which checksums are put right (one byte), and what is overwritten: each `u32` offset,
/// `u16` length, bytes.
pub(crate) fn mount(input: &[u8]) {
    let image = Image::get();
    let device = image.device();
    let Some((flags, mut rest)) = input.split_first() else { return };
    while let Some((head, tail)) = rest.split_at_checked(6) {
        let (at, length) = (number(head, 0, 4), number(head, 4, 2));
        let (bytes, tail) = tail.split_at(length.min(tail.len()));
        patch(&device, at % image.bytes.len(), bytes);
        rest = tail;
    }
    if flags & 1 != 0 {
        seal_checkpoints(&device);
    }
    if flags & 2 != 0 {
        seal_frames(&device, image.log(), image.seed());
    }
    use_device(device);
}

pub(crate) fn mount_seeds() -> Vec<Vec<u8>> {
    let image = Image::get();
    let mut places = vec![(image.checkpoint().0, 300), (image.log(), 700), (128 << 10, 80), (192 << 10, 80)];
    places.extend(SUPERBLOCKS.map(|at| (at, 112)));
    let find = |pattern: &[u8]| image.bytes.windows(pattern.len()).position(|window| window == pattern);
    places.extend(find(b"PACK\0\0\0\x02").map(|at| (at, 600)));
    places.extend(find(b"KPACKIDX").map(|at| (at - 200, 240)));
    places.extend(find(b"KPACKIDX").map(|at| (at - 2 * (4096 + 16), 300)));
    let seeds = places.into_iter().flat_map(|(at, length)| {
        let image = image.clone();
        (0..4).map(move |flags| {
            let mut seed = vec![flags];
            seed.extend_from_slice(&(at as u32).to_le_bytes());
            seed.extend_from_slice(&(length as u16).to_le_bytes());
            seed.extend_from_slice(&image.bytes[at..at + length]);
            seed
        })
    });
    seeds.collect()
}
