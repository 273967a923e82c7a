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

/// How many requests still succeed before all fail; `None` while none is to fail.
type Countdown = Option<u64>;

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
    reads_fail: Cell<Countdown>,
    writes_fail: Cell<Countdown>,
    flushes_fail: Cell<Countdown>,
    /// Writes, counted from 0, that come to the disk after the flush that should cover them.
    late: RefCell<Range<u64>>,
    /// Such writes, until the next flush.
    delayed: RefCell<Vec<Step>>,
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
            reads_fail: Cell::new(None),
            writes_fail: Cell::new(None),
            flushes_fail: Cell::new(None),
            late: RefCell::new(0..0),
            delayed: RefCell::default(),
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

    /// The offset of each write so far.
    pub fn write_offsets(&self) -> Vec<u64> {
        let history = self.history.borrow();
        let offset = |step: &Step| match step {
            Step::Write { offset, .. } => Some(*offset),
            Step::Flush { .. } => None,
        };
        history.iter().filter_map(offset).collect()
    }

    /// Where something was ever written, in pieces of 4096 bytes.
    pub fn written_places(&self) -> Vec<u64> {
        self.current.borrow().written_places()
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

    /// Makes all reads fail after so many more, or work again.
    pub fn fail_reads_after(&self, reads: Option<u64>) {
        self.reads_fail.set(reads);
    }

    /// Makes all writes fail from now on, or work again.
    pub fn fail_writes(&self, fail: bool) {
        self.fail_writes_after(fail.then_some(0));
    }

    /// Makes all writes fail after so many more, or work again.
    pub fn fail_writes_after(&self, writes: Option<u64>) {
        self.writes_fail.set(writes);
    }

    /// Makes all flushes fail from now on, or work again.
    pub fn fail_flushes(&self, fail: bool) {
        self.fail_flushes_after(fail.then_some(0));
    }

    /// Makes all flushes fail after so many more, or work again.
    pub fn fail_flushes_after(&self, flushes: Option<u64>) {
        self.flushes_fail.set(flushes);
    }

    /// Makes the disk lie: it says that it has done these flushes, counted from 0 as
    /// [`Statistics::flushes`] does, and does nothing. For tests of tests.
    pub fn ignore_flushes(&self, flushes: Range<u64>) {
        *self.ignored.borrow_mut() = flushes;
    }

    /// Has these writes, counted from 0 as [`Statistics::writes`] does, reach the disk after the next flush
    /// and not before, as if the program had written in another order. For tests of tests.
    pub fn delay_writes(&self, writes: Range<u64>) {
        *self.late.borrow_mut() = writes;
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
            self.end_flush(covers);
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

    fn end_flush(&self, covers: usize) {
        let mut history = self.history.borrow_mut();
        history.push(Step::Flush { covers });
        history.append(&mut self.delayed.borrow_mut());
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

/// Counts a request down, and refuses it when no more are to succeed.
fn fail(countdown: &Cell<Countdown>, what: &str) -> Result<(), DeviceError> {
    let left = countdown.get();
    countdown.set(left.map(|left| left.saturating_sub(1)));
    match left {
        Some(0) => Err(DeviceError::Io(io::Error::other(format!("simulated {what} error")))),
        _ => Ok(()),
    }
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
        fail(&self.reads_fail, "read")?;
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
        fail(&self.writes_fail, "write")?;
        let number = self.statistics.get().writes;
        self.count(|statistics| {
            statistics.writes += 1;
            statistics.written_bytes += data.len() as u64;
        });
        let block = u64::from(self.block_size);
        let end = (offset + data.len() as u64) / block;
        self.unreadable.borrow_mut().retain(|number| !(offset / block..end).contains(number));
        self.current.borrow_mut().write(range.start, data);
        let step = Step::Write { offset, data: data.into() };
        match self.late.borrow().contains(&number) {
            true => self.delayed.borrow_mut().push(step),
            false => self.history.borrow_mut().push(step),
        }
        Ok(())
    }

    fn flush(&self) -> Result<(), DeviceError> {
        fail(&self.flushes_fail, "flush")?;
        self.end_flush(self.begin_flush());
        Ok(())
    }

    fn flush_async(&self) -> FlushFuture {
        let mut held = self.held.borrow_mut();
        if !held.holding || self.flushes_fail.get().is_some() {
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
        device.fail_reads_after(Some(1));
        assert!(device.read(0, &mut [0; 512]).is_ok());
        assert!(device.read(0, &mut [0; 512]).is_err());
        device.fail_reads_after(None);
        assert!(device.read(0, &mut [0; 512]).is_ok());
    }

    #[test]
    fn a_delayed_write_is_read_at_once_and_is_durable_with_the_flush_after_the_next() {
        let device = SimulatedDevice::new(8192, 512);
        device.delay_writes(0..1);
        device.write(0, &[1; 512]).unwrap();
        device.write(512, &[2; 512]).unwrap();
        assert_eq!(device.contents()[0], 1);
        device.flush().unwrap();
        let lost = |device: &SimulatedDevice| {
            let contents = device.crash_point(device.steps()).lose_power(|_, _| None).contents();
            [contents[0], contents[512]]
        };
        assert_eq!(lost(&device), [0, 2]);
        device.flush().unwrap();
        assert_eq!(lost(&device), [1, 2]);
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
