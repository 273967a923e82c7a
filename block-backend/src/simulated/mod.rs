//! A disk for tests that loses, reorders and tears what was not flushed, and fails on demand.

mod crash;
mod image;

pub use crash::CrashPoint;

use crate::{BlockDevice, DeviceError, Durability, FlushFuture};
use image::Image;
use std::{
    cell::{Cell, RefCell},
    collections::BTreeSet,
    future::poll_fn,
    io,
    ops::Range,
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
        data: Rc<[u8]>,
    },
    /// Makes durable the writes among so many first steps.
    Flush {
        covers: usize,
    },
}

type History = Rc<RefCell<Vec<Step>>>;

/// A simulated disk that keeps its whole history, so that a crash can be had at any step of it.
///
/// Everything random is drawn from seeds given by the caller: a failure can be replayed.
pub struct SimulatedDevice {
    block_size: u32,
    /// What a read sees: all writes in order.
    current: RefCell<Image>,
    /// The state before the history.
    origin: Image,
    history: History,
    statistics: Cell<Statistics>,
    unreadable: RefCell<BTreeSet<u64>>,
    writes_fail: Cell<bool>,
    flushes_fail: Cell<bool>,
    /// Flushes, counted from 0, that the disk says it has done and has not.
    ignored: RefCell<Range<u64>>,
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
        Self::from_image(Image::new(capacity), block_size)
    }

    /// A device with this content, all of it durable.
    ///
    /// # Panics
    /// When the length is not a multiple of the block size.
    pub fn from_bytes(bytes: Vec<u8>, block_size: u32) -> Self {
        Self::from_image(Image::from_bytes(&bytes), block_size)
    }

    fn from_image(image: Image, block_size: u32) -> Self {
        assert!(block_size.is_power_of_two() && block_size >= 512, "a block size of {block_size}");
        assert!(image.len().is_multiple_of(block_size as usize), "whole blocks");
        Self {
            block_size,
            current: RefCell::new(image.clone()),
            origin: image,
            history: Rc::default(),
            statistics: Cell::default(),
            unreadable: RefCell::default(),
            writes_fail: Cell::new(false),
            flushes_fail: Cell::new(false),
            ignored: RefCell::new(0..0),
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
        self.current.borrow().to_vec()
    }

    /// The moment before step `step`, or after all steps if there are no more.
    pub fn crash_point(&self, step: usize) -> CrashPoint {
        CrashPoint::new(self.block_size, self.origin.clone(), self.history.clone(), step)
    }

    /// The device as it may be found after a loss of power before step `step`: all that was flushed, and
    /// of each block written since then any one of its versions.
    pub fn crash(&self, step: usize, seed: u64) -> SimulatedDevice {
        self.crash_point(step).lose_power_at_random(seed)
    }

    /// Flips one bit, as rot does, without a step in the history.
    pub fn flip_bit(&self, offset: u64, bit: u8) {
        let mut current = self.current.borrow_mut();
        if (offset as usize) < current.len() {
            let mut byte = [0];
            current.read(offset as usize, &mut byte);
            current.write(offset as usize, &[byte[0] ^ 1 << (bit % 8)]);
        }
    }

    /// Makes the block that holds byte `offset` fail when read, until it is written again: disks then use
    /// another place for it.
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

    /// Makes the disk lie: it says that it has done these flushes, counted from 0 as
    /// [`Statistics::flushes`] does, and does nothing. For tests of tests.
    pub fn ignore_flushes(&self, flushes: Range<u64>) {
        *self.ignored.borrow_mut() = flushes;
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

    /// Counts a flush; gives the number of steps that it covers.
    fn begin_flush(&self) -> usize {
        let number = self.statistics.get().flushes;
        self.count(|statistics| statistics.flushes += 1);
        if self.ignored.borrow().contains(&number) { 0 } else { self.steps() }
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
        self.current.borrow().read(range.start, buffer);
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
        let block = u64::from(self.block_size);
        let end = (offset + data.len() as u64) / block;
        self.unreadable.borrow_mut().retain(|number| !(offset / block..end).contains(number));
        self.current.borrow_mut().write(range.start, data);
        self.history.borrow_mut().push(Step::Write { offset, data: data.into() });
        Ok(())
    }

    fn flush(&self) -> Result<(), DeviceError> {
        if self.flushes_fail.get() {
            return Err(DeviceError::Io(io::Error::other("simulated flush error")));
        }
        let covers = self.begin_flush();
        self.history.borrow_mut().push(Step::Flush { covers });
        Ok(())
    }

    fn flush_async(&self) -> FlushFuture {
        let mut held = self.held.borrow_mut();
        if !held.holding || self.flushes_fail.get() {
            return Box::pin(std::future::ready(self.flush()));
        }
        held.waiting.push(self.begin_flush());
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
    fn faults_come_when_asked_for() {
        let device = SimulatedDevice::new(8192, 512);
        device.make_unreadable(700);
        assert!(device.read(512, &mut [0; 512]).is_err());
        assert!(device.read(0, &mut [0; 512]).is_ok());
        device.write(0, &[0; 512]).unwrap();
        assert!(device.read(512, &mut [0; 512]).is_err());
        device.write(512, &[0; 512]).unwrap();
        assert!(device.read(512, &mut [0; 512]).is_ok());
        device.flip_bit(3, 2);
        assert_eq!(device.contents()[3], 4);
        device.fail_writes(true);
        assert!(device.write(0, &[0; 512]).is_err());
        device.fail_flushes(true);
        assert!(device.flush().is_err());
        assert_eq!(device.steps(), 2);
    }

    #[test]
    fn an_ignored_flush_makes_nothing_durable() {
        let device = SimulatedDevice::new(8192, 512);
        device.ignore_flushes(1..2);
        for (number, doubtful) in [0, 1, 0].into_iter().enumerate() {
            device.write(0, &[number as u8; 512]).unwrap();
            device.flush().unwrap();
            assert_eq!(device.crash_point(device.steps()).doubtful_blocks(), doubtful);
        }
    }
}
