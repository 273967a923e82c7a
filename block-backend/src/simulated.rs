//! A disk for tests that loses, reorders and tears what was not flushed, and fails on demand.

use crate::{BlockDevice, DeviceError, Durability, FlushFuture};
use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
    future::poll_fn,
    io,
    rc::Rc,
    task::{Poll, Waker},
};

/// What a [`SimulatedDevice`] has been asked to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Read requests.
    pub reads: u64,
    /// Write requests.
    pub writes: u64,
    /// Bytes of all writes.
    pub written_bytes: u64,
    /// Flushes.
    pub flushes: u64,
}

/// One step of the device's history.
enum Step {
    Write {
        offset: u64,
        data: Vec<u8>,
    },
    /// Makes durable the writes among so many first steps.
    Flush {
        covers: usize,
    },
}

/// A simulated disk that keeps its whole history, so that a crash can be had at any step of it.
///
/// Everything random is drawn from seeds given by the caller: a failure can be replayed.
pub struct SimulatedDevice {
    block_size: u32,
    /// What a read sees: all writes in order.
    current: RefCell<Vec<u8>>,
    /// The state before the history.
    origin: Vec<u8>,
    history: Rc<RefCell<Vec<Step>>>,
    statistics: Cell<Statistics>,
    unreadable: RefCell<BTreeSet<u64>>,
    writes_fail: Cell<bool>,
    flushes_fail: Cell<bool>,
    held: Rc<RefCell<Held>>,
}

#[derive(Default)]
struct Held {
    holding: bool,
    /// Flushes that wait: how many steps each covers.
    waiting: Vec<usize>,
    /// Number of flushes ever released.
    released: usize,
    wakers: Vec<Waker>,
}

impl SimulatedDevice {
    /// An empty device.
    ///
    /// # Panics
    /// When the capacity is not a multiple of the block size.
    pub fn new(capacity: usize, block_size: u32) -> Self {
        Self::from_bytes(vec![0; capacity], block_size)
    }

    /// A device with this content, all of it durable.
    ///
    /// # Panics
    /// When the length is not a multiple of the block size.
    pub fn from_bytes(bytes: Vec<u8>, block_size: u32) -> Self {
        assert!(block_size.is_power_of_two() && block_size >= 512, "a block size of {block_size}");
        assert!(bytes.len().is_multiple_of(block_size as usize), "whole blocks");
        Self {
            block_size,
            current: RefCell::new(bytes.clone()),
            origin: bytes,
            history: Rc::default(),
            statistics: Cell::default(),
            unreadable: RefCell::default(),
            writes_fail: Cell::new(false),
            flushes_fail: Cell::new(false),
            held: Rc::default(),
        }
    }

    /// Number of steps (writes and flushes) so far.
    pub fn steps(&self) -> usize {
        self.history.borrow().len()
    }

    /// Counts so far.
    pub fn statistics(&self) -> Statistics {
        self.statistics.get()
    }

    /// What a read of the whole device would see now.
    pub fn contents(&self) -> Vec<u8> {
        self.current.borrow().clone()
    }

    /// The device as it may be found after a loss of power before step `step`: all that was flushed, and
    /// of each block written since then any one of its versions.
    pub fn crash(&self, step: usize, seed: u64) -> SimulatedDevice {
        let block = self.block_size as usize;
        let mut bytes = self.origin.clone();
        let mut unflushed: BTreeMap<usize, Vec<(usize, &[u8])>> = BTreeMap::new();
        let history = self.history.borrow();
        for (number, step) in history.iter().take(step).enumerate() {
            match step {
                Step::Write { offset, data } => {
                    for (at, content) in data.chunks(block).enumerate() {
                        let versions = unflushed.entry(*offset as usize + at * block).or_default();
                        versions.push((number, content));
                    }
                }
                Step::Flush { covers } => unflushed.retain(|offset, versions| {
                    let flushed = versions.partition_point(|(number, _)| number < covers);
                    if let Some((_, content)) = versions.drain(..flushed).next_back() {
                        bytes[*offset..*offset + block].copy_from_slice(content);
                    }
                    !versions.is_empty()
                }),
            }
        }
        let mut random = seed;
        // Some crashes lose nearly all, some nearly nothing, most something.
        let loss = splitmix(&mut random) % 101;
        for (offset, versions) in unflushed {
            if splitmix(&mut random) % 100 < loss {
                continue;
            }
            // Mostly the newest version; an older one if the disk reordered.
            let newest = !splitmix(&mut random).is_multiple_of(4);
            let pick = match newest {
                true => versions.len() - 1,
                false => (splitmix(&mut random) % versions.len() as u64) as usize,
            };
            bytes[offset..offset + block].copy_from_slice(versions[pick].1);
        }
        Self::from_bytes(bytes, self.block_size)
    }

    /// Flips one bit, as rot does, without a step in the history.
    pub fn flip_bit(&self, offset: u64, bit: u8) {
        if let Some(byte) = self.current.borrow_mut().get_mut(offset as usize) {
            *byte ^= 1 << (bit % 8);
        }
    }

    /// Makes the block that holds byte `offset` fail when read.
    pub fn make_unreadable(&self, offset: u64) {
        self.unreadable.borrow_mut().insert(offset / u64::from(self.block_size));
    }

    /// Makes all writes fail from now on, or work again.
    pub fn fail_writes(&self, fail: bool) {
        self.writes_fail.set(fail);
    }

    /// Makes all flushes fail from now on, or work again.
    pub fn fail_flushes(&self, fail: bool) {
        self.flushes_fail.set(fail);
    }

    /// Keeps asynchronous flushes waiting from now on, until [`release_flushes`](Self::release_flushes).
    pub fn hold_flushes(&self) {
        self.held.borrow_mut().holding = true;
    }

    /// Lets all flushes that wait complete, and later ones at once.
    pub fn release_flushes(&self) {
        let mut held = self.held.borrow_mut();
        held.holding = false;
        for covers in std::mem::take(&mut held.waiting) {
            held.released += 1;
            self.history.borrow_mut().push(Step::Flush { covers });
        }
        let wakers = std::mem::take(&mut held.wakers);
        drop(held);
        wakers.into_iter().for_each(Waker::wake);
    }

    fn count(&self, change: impl FnOnce(&mut Statistics)) {
        let mut statistics = self.statistics.get();
        change(&mut statistics);
        self.statistics.set(statistics);
    }
}

/// Steele, Lea and Flood's SplitMix64: one number of a sequence that the state determines.
fn splitmix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl BlockDevice for SimulatedDevice {
    fn block_size(&self) -> u32 {
        self.block_size
    }

    fn capacity(&self) -> u64 {
        self.origin.len() as u64
    }

    fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<(), DeviceError> {
        let range = crate::check_range(self, offset, buffer.len())?;
        self.count(|statistics| statistics.reads += 1);
        let block = u64::from(self.block_size);
        let blocks = offset / block..(offset + buffer.len() as u64).div_ceil(block);
        if self.unreadable.borrow().range(blocks).next().is_some() {
            return Err(DeviceError::Io(io::Error::other("simulated read error")));
        }
        buffer.copy_from_slice(&self.current.borrow()[range]);
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), DeviceError> {
        let range = crate::check_range(self, offset, data.len())?;
        if self.writes_fail.get() {
            return Err(DeviceError::Io(io::Error::other("simulated write error")));
        }
        self.count(|statistics| {
            statistics.writes += 1;
            statistics.written_bytes += data.len() as u64;
        });
        self.current.borrow_mut()[range].copy_from_slice(data);
        self.history.borrow_mut().push(Step::Write { offset, data: data.to_vec() });
        Ok(())
    }

    fn flush(&self) -> Result<(), DeviceError> {
        if self.flushes_fail.get() {
            return Err(DeviceError::Io(io::Error::other("simulated flush error")));
        }
        self.count(|statistics| statistics.flushes += 1);
        let covers = self.steps();
        self.history.borrow_mut().push(Step::Flush { covers });
        Ok(())
    }

    fn flush_async(&self) -> FlushFuture {
        let mut held = self.held.borrow_mut();
        if !held.holding || self.flushes_fail.get() {
            return Box::pin(std::future::ready(self.flush()));
        }
        self.count(|statistics| statistics.flushes += 1);
        held.waiting.push(self.steps());
        let mine = held.released + held.waiting.len();
        let held = self.held.clone();
        Box::pin(poll_fn(move |context| {
            let mut held = held.borrow_mut();
            if held.released < mine {
                held.wakers.push(context.waker().clone());
                return Poll::Pending;
            }
            Poll::Ready(Ok(()))
        }))
    }

    fn durability(&self) -> Durability {
        Durability::Volatile
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crash_keeps_what_was_flushed_and_any_part_of_the_rest() {
        let device = SimulatedDevice::new(8192, 512);
        device.write(0, &[1; 2048]).unwrap();
        device.flush().unwrap();
        device.write(0, &[2; 1024]).unwrap();
        device.write(0, &[3; 512]).unwrap();
        device.write(4096, &[4; 1024]).unwrap();
        let mut seen = BTreeSet::new();
        for seed in 0..400 {
            let bytes = device.crash(device.steps(), seed).contents();
            let blocks: Vec<u8> = bytes.chunks(512).map(|block| block[0]).collect();
            assert!(bytes.chunks(512).all(|block| block.iter().all(|byte| *byte == block[0])));
            assert!([1, 2, 3].contains(&blocks[0]) && [1, 2].contains(&blocks[1]));
            assert_eq!(blocks[2..4], [1, 1]);
            assert!([0, 4].contains(&blocks[8]) && [0, 4].contains(&blocks[9]));
            seen.insert(blocks);
        }
        assert_eq!(seen.len(), 3 * 2 * 2 * 2, "every combination comes up");
        assert_eq!(device.crash(1, 7).contents().len(), 8192);
        assert!(device.crash(2, 7).contents()[..2048].iter().all(|byte| *byte == 1));
    }

    #[test]
    fn faults_come_when_asked_for() {
        let device = SimulatedDevice::new(8192, 512);
        device.make_unreadable(700);
        assert!(device.read(512, &mut [0; 512]).is_err());
        assert!(device.read(0, &mut [0; 512]).is_ok());
        device.flip_bit(3, 2);
        assert_eq!(device.contents()[3], 4);
        device.fail_writes(true);
        assert!(device.write(0, &[0; 512]).is_err());
        device.fail_flushes(true);
        assert!(device.flush().is_err());
        assert_eq!(device.steps(), 0);
    }
}
