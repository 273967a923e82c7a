//! A device with something of everything, and putting checksums right on it.
//!
//! Offsets and checksums are those of `docs/store-format.md`, written down once more: a fuzzer that could
//! not make valid checksums would hardly get past them.

use crate::history::{noise, put};
use futures_executor::block_on;
use kalends_block_backend::{BlockDevice, MemoryDevice, SimulatedDevice};
use kalends_store::{FormatOptions, ReferenceUpdate, Store, wire::write_full_pack};
use std::{cell::OnceCell, rc::Rc};
use xxhash_rust::xxh3::{Xxh3, xxh3_64, xxh3_128_with_seed};

pub(crate) const SEGMENT: usize = 1 << 20;
pub(crate) const SUPERBLOCKS: [usize; 2] = [0, 64 << 10];
pub(crate) const SUPERBLOCK: usize = 4096;
const BLOCK: usize = 512;
/// Bytes before the operations of a frame.
pub(crate) const FRAME_HEADER: usize = 64;

/// A closed store, and where things are on it.
pub(crate) struct Image {
    device: SimulatedDevice,
    pub(crate) bytes: Vec<u8>,
}

thread_local! {
    static IMAGE: OnceCell<Rc<Image>> = const { OnceCell::new() };
}

pub(crate) fn number(bytes: &[u8], at: usize, length: usize) -> usize {
    let mut number = [0; 8];
    number[..length].copy_from_slice(&bytes[at..at + length]);
    usize::try_from(u64::from_le_bytes(number)).unwrap_or(usize::MAX)
}

impl Image {
    /// The image of this thread.
    pub(crate) fn get() -> Rc<Self> {
        IMAGE.with(|image| image.get_or_init(|| Rc::new(Self::make())).clone())
    }

    fn make() -> Self {
        let device = Rc::new(SimulatedDevice::new(12 * SEGMENT, BLOCK as u32));
        let store = Store::format(device.clone(), &FormatOptions::default()).unwrap();
        store.set_secret("key", b"a secret").unwrap();
        let ada = store.create_repository("ada").unwrap();
        for number in 0..8 {
            put(&ada, &format!("{}.ics", number % 3), noise(number, 300));
        }
        store.close().unwrap();
        // A pack of its own, and log after the checkpoint.
        let elsewhere =
            Store::format(Rc::new(MemoryDevice::new(8 << 20)), &FormatOptions::default()).unwrap();
        let elsewhere = elsewhere.create_repository("pushed").unwrap();
        let tip = put(&elsewhere, "big.txt", noise(9, 530_000));
        let mut pack = Vec::new();
        let full = write_full_pack(&elsewhere, &mut pack).unwrap().unwrap();
        let bob = store.create_repository("bob").unwrap();
        let mut transaction = bob.transaction();
        transaction.adopt_pack(pack.into(), full.index.into()).unwrap();
        transaction.update_reference(ReferenceUpdate {
            name: "refs/heads/pushed".into(),
            expected: None,
            new: Some(tip),
        });
        block_on(transaction.submit().unwrap()).unwrap();
        store.close().unwrap();
        for number in 0..3 {
            put(&ada, "late.ics", noise(20 + number, 300));
        }
        drop((ada, bob, store));
        let bytes = device.contents();
        Self { device: SimulatedDevice::from_bytes(bytes.clone(), BLOCK as u32), bytes }
    }

    /// The device, to be changed.
    pub(crate) fn device(&self) -> Rc<SimulatedDevice> {
        Rc::new(self.device.crash_point(0).lose_power(|_, _| None))
    }

    /// Where the newest superblock is.
    pub(crate) fn newest(&self) -> usize {
        SUPERBLOCKS.into_iter().max_by_key(|at| number(&self.bytes, at + 40, 8)).unwrap_or(0)
    }

    /// Where its checkpoint is, and its length.
    pub(crate) fn checkpoint(&self) -> (usize, usize) {
        let at = self.newest();
        (number(&self.bytes, at + 48, 4) * SEGMENT, number(&self.bytes, at + 56, 8))
    }

    /// Where the log goes on from it.
    pub(crate) fn log(&self) -> usize {
        let at = self.newest();
        number(&self.bytes, at + 72, 4) * SEGMENT + number(&self.bytes, at + 76, 4)
    }

    /// The seed of the checksums of frames.
    pub(crate) fn seed(&self) -> u64 {
        xxh3_128_with_seed(&self.bytes[16..32], 0) as u64
    }
}

/// Overwrites any bytes; what lies outside the device is left out.
pub(crate) fn patch(device: &SimulatedDevice, at: usize, bytes: &[u8]) {
    let end = (at + bytes.len()).min(device.capacity() as usize);
    if at >= end {
        return;
    }
    let (first, last) = (at / BLOCK * BLOCK, end.next_multiple_of(BLOCK));
    let mut blocks = vec![0; last - first];
    if device.read(first as u64, &mut blocks).is_ok() {
        blocks[at - first..end - first].copy_from_slice(&bytes[..end - at]);
        device.write(first as u64, &blocks).unwrap();
    }
}

/// Bytes of the device.
pub(crate) fn read(device: &SimulatedDevice, at: usize, length: usize) -> Vec<u8> {
    let (first, last) = (at / BLOCK * BLOCK, (at + length).next_multiple_of(BLOCK));
    let mut blocks = vec![0; last - first];
    match last <= device.capacity() as usize && device.read(first as u64, &mut blocks).is_ok() {
        true => blocks[at - first..at - first + length].to_vec(),
        false => Vec::new(),
    }
}

/// Puts the checksum of a superblock right.
pub(crate) fn seal_superblock(bytes: &mut [u8]) {
    if let Some((body, checksum)) = bytes.split_at_mut_checked(SUPERBLOCK - 8) {
        checksum.copy_from_slice(&xxh3_64(body).to_le_bytes());
    }
}

/// Puts right the checksums of both superblocks and of the checkpoints that they name.
pub(crate) fn seal_checkpoints(device: &SimulatedDevice) {
    for at in SUPERBLOCKS {
        let mut superblock = read(device, at, SUPERBLOCK);
        let (place, length) = (number(&superblock, 48, 4), number(&superblock, 56, 8));
        if let Some(start) = place.checked_mul(SEGMENT).filter(|_| length <= 2 * SEGMENT) {
            let checkpoint = read(device, start, length);
            superblock[64..72].copy_from_slice(&xxh3_64(&checkpoint).to_le_bytes());
        }
        seal_superblock(&mut superblock);
        patch(device, at, &superblock);
    }
}

/// Puts right the checksums of frames from a place on, and links them, as many as there are.
pub(crate) fn seal_frames(device: &SimulatedDevice, start: usize, seed: u64) {
    let mut at = start;
    let mut link: Option<(u64, u64)> = None;
    for _ in 0..16 {
        let mut frame = read(device, at, FRAME_HEADER);
        if !frame.starts_with(b"KLOG") {
            return;
        }
        let length = number(&frame, 4, 4);
        if !(FRAME_HEADER..=SEGMENT).contains(&length) {
            return;
        }
        frame = read(device, at, length);
        if frame.len() < FRAME_HEADER {
            return;
        }
        if let Some((sequence, previous)) = link {
            frame[8..16].copy_from_slice(&sequence.to_le_bytes());
            frame[32..40].copy_from_slice(&previous.to_le_bytes());
        }
        let checksum = seal_frame(&mut frame, seed);
        link = Some((number(&frame, 8, 8) as u64 + 1, checksum));
        patch(device, at, &frame);
        at += length.next_multiple_of(BLOCK);
    }
}

/// Puts the checksum of a frame right, and gives its low half.
pub(crate) fn seal_frame(frame: &mut [u8], seed: u64) -> u64 {
    let mut hasher = Xxh3::with_seed(seed);
    hasher.update(&frame[..48]);
    hasher.update(&frame[FRAME_HEADER..]);
    let checksum = hasher.digest128();
    frame[48..FRAME_HEADER].copy_from_slice(&checksum.to_le_bytes());
    checksum as u64
}
