//! What a simulated disk may look like after a crash.

use super::{History, SimulatedDevice, Step, image::Image, splitmix};
use std::{collections::BTreeMap, rc::Rc};

/// A moment in the history of a disk at which the machine loses power, or the program ends.
pub struct CrashPoint {
    block_size: u32,
    history: History,
    step: usize,
    /// All that is durable at the moment.
    durable: Image,
    /// The blocks that may be found in another state, by offset: all their versions, oldest first.
    doubtful: BTreeMap<usize, Vec<Version>>,
}

/// What a block was to become.
struct Version {
    step: usize,
    data: Rc<[u8]>,
    /// Where the block is in `data`.
    at: usize,
}

impl CrashPoint {
    pub(super) fn new(block_size: u32, origin: Image, history: History, step: usize) -> Self {
        let mut point = Self { block_size, history, step: 0, durable: origin, doubtful: BTreeMap::new() };
        point.advance(step);
        point
    }

    /// Goes on to the moment before step `step`, which is not earlier than this one.
    pub fn advance(&mut self, step: usize) {
        let block = self.block_size as usize;
        let history = self.history.borrow();
        for (number, step) in history.iter().enumerate().take(step).skip(self.step) {
            match step {
                Step::Write { offset, data } => {
                    for at in (0..data.len()).step_by(block) {
                        let version = Version { step: number, data: data.clone(), at };
                        self.doubtful.entry(*offset as usize + at).or_default().push(version);
                    }
                }
                Step::Flush { covers } => self.doubtful.retain(|offset, versions| {
                    let flushed = versions.partition_point(|version| version.step < *covers);
                    if let Some(version) = versions.drain(..flushed).next_back() {
                        self.durable.write(*offset, version.bytes(block));
                    }
                    !versions.is_empty()
                }),
            }
        }
        self.step = self.step.max(step);
    }

    /// Number of blocks that were written and not flushed.
    pub fn doubtful_blocks(&self) -> usize {
        self.doubtful.len()
    }

    /// The disk after a loss of power. `pick` is called for each doubtful block, by its number and the
    /// number of its versions (0 is the oldest), and says which one is found; `None` for the flushed one.
    pub fn lose_power(&self, mut pick: impl FnMut(usize, usize) -> Option<usize>) -> SimulatedDevice {
        let mut image = self.durable.clone();
        for (number, (offset, versions)) in self.doubtful.iter().enumerate() {
            if let Some(version) = pick(number, versions.len()).and_then(|picked| versions.get(picked)) {
                image.write(*offset, version.bytes(self.block_size as usize));
            }
        }
        SimulatedDevice::from_image(image, self.block_size)
    }

    /// As [`lose_power`](Self::lose_power), drawn from a seed: of each block any version.
    pub fn lose_power_at_random(&self, seed: u64) -> SimulatedDevice {
        let mut random = seed;
        // Some crashes lose nearly all, some nearly nothing, most something.
        let loss = splitmix(&mut random) % 101;
        self.lose_power(|_, versions| {
            if splitmix(&mut random) % 100 < loss {
                return None;
            }
            // Mostly the newest version; an older one if the disk reordered.
            match splitmix(&mut random).is_multiple_of(4) {
                true => Some((splitmix(&mut random) % versions as u64) as usize),
                false => Some(versions - 1),
            }
        })
    }

    /// The disk after the program was killed: all is as it was written, and what was not flushed can
    /// still be lost.
    pub fn kill(&self) -> SimulatedDevice {
        let device = SimulatedDevice::from_image(self.durable.clone(), self.block_size);
        let block = self.block_size as usize;
        let versions = self.doubtful.iter().flat_map(|(offset, versions)| {
            versions.iter().map(move |version| (version.step, *offset, version))
        });
        let mut versions: Vec<_> = versions.collect();
        versions.sort_by_key(|(step, offset, _)| (*step, *offset));
        for (_, offset, version) in versions {
            let data = version.bytes(block);
            device.current.borrow_mut().write(offset, data);
            device.history.borrow_mut().push(Step::Write { offset: offset as u64, data: data.into() });
        }
        device
    }
}

impl Version {
    fn bytes(&self, block: usize) -> &[u8] {
        &self.data[self.at..self.at + block]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::BlockDevice;
    use std::collections::BTreeSet;

    fn first_bytes(device: &SimulatedDevice) -> Vec<u8> {
        device.contents().chunks(512).map(|block| block[0]).collect()
    }

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
            let crashed = device.crash(device.steps(), seed);
            let bytes = crashed.contents();
            let blocks = first_bytes(&crashed);
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
    fn every_choice_can_be_made() {
        let device = SimulatedDevice::new(8192, 512);
        device.write(0, &[1; 1024]).unwrap();
        device.write(512, &[2; 1024]).unwrap();
        let point = device.crash_point(device.steps());
        assert_eq!(point.doubtful_blocks(), 3);
        let found = point.lose_power(|number, versions| {
            assert_eq!(versions, if number == 1 { 2 } else { 1 });
            [None, Some(0), Some(0)][number]
        });
        assert_eq!(first_bytes(&found)[..4], [0, 1, 2, 0]);
        assert_eq!(found.steps(), 0, "what is found is durable");
    }

    #[test]
    fn a_flush_covers_what_was_written_before_it_began() {
        let device = SimulatedDevice::new(8192, 512);
        device.hold_flushes();
        device.write(0, &[1; 512]).unwrap();
        let flush = device.flush_async();
        device.write(512, &[2; 512]).unwrap();
        device.release_flushes();
        drop(flush);
        let mut point = device.crash_point(2);
        assert_eq!(point.doubtful_blocks(), 2, "the flush has not ended");
        point.advance(3);
        assert_eq!(first_bytes(&point.lose_power(|_, _| None))[..2], [1, 0]);
    }

    #[test]
    fn after_a_kill_all_reads_as_written_and_can_still_be_lost() {
        let device = SimulatedDevice::new(8192, 512);
        device.write(0, &[1; 512]).unwrap();
        device.flush().unwrap();
        device.write(0, &[2; 1024]).unwrap();
        let killed = device.crash_point(device.steps()).kill();
        assert_eq!(first_bytes(&killed)[..3], [2, 2, 0]);
        assert_eq!(first_bytes(&killed.crash_point(killed.steps()).lose_power(|_, _| None))[..2], [1, 0]);
        killed.flush().unwrap();
        assert_eq!(first_bytes(&killed.crash(killed.steps(), 1))[..2], [2, 2]);
    }
}
