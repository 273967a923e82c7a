//! Which segments of the device are free.

use crate::format::layout::Extent;
use std::collections::BTreeMap;

/// The free segments, and those that are free soon.
///
/// What is given up stays as it is until two more checkpoints are durable: a mount may have to go back to
/// the superblock before the newest one, and then reads the log from there.
#[derive(Debug, Default)]
pub(crate) struct Space {
    /// First segment and count of each free range; ranges do not touch.
    free: BTreeMap<u32, u32>,
    free_segments: u32,
    /// Given up since the newest checkpoint.
    held: Vec<Extent>,
    /// Needed by the previous checkpoint only.
    retained: Vec<Extent>,
}

impl Space {
    /// All segments below `segments` but the first, free.
    pub(crate) fn new(segments: u32) -> Self {
        let mut space = Self::default();
        space.free(Extent { first: 1, count: segments.saturating_sub(1) });
        space
    }

    /// Number of free segments.
    pub(crate) fn free_segments(&self) -> u32 {
        self.free_segments
    }

    /// The most free segments in a row.
    pub(crate) fn largest(&self) -> u32 {
        self.free.values().copied().max().unwrap_or(0)
    }

    /// How many segments the next two checkpoints free.
    pub(crate) fn segments_to_come(&self) -> u32 {
        self.held.iter().chain(&self.retained).map(|extent| extent.count).sum()
    }

    /// What is given up and not free yet.
    pub(crate) fn kept(&self) -> impl Iterator<Item = Extent> + '_ {
        self.held.iter().chain(&self.retained).copied()
    }

    /// What is free.
    pub(crate) fn free_extents(&self) -> impl Iterator<Item = Extent> + '_ {
        self.free.iter().map(|(first, count)| Extent { first: *first, count: *count })
    }

    /// Takes `count` segments in a row, leaving at least `reserve` free: the first place that fits.
    pub(crate) fn allocate(&mut self, count: u32, reserve: u32) -> Option<Extent> {
        if count == 0 || self.free_segments < count.checked_add(reserve)? {
            return None;
        }
        let (&first, _) = self.free.iter().find(|(_, free)| **free >= count)?;
        let extent = Extent { first, count };
        self.take(extent).then_some(extent)
    }

    /// As [`allocate`](Self::allocate), for an extent that may grow: within the largest range that is free,
    /// behind some room for others, which take the first place that fits.
    pub(crate) fn allocate_to_grow(&mut self, count: u32, reserve: u32) -> Option<Extent> {
        /// The most segments that are left for others.
        const ROOM: u32 = 64;
        if count == 0 || self.free_segments < count.checked_add(reserve)? {
            return None;
        }
        let (&first, &free) = self.free.iter().max_by_key(|(_, free)| **free)?;
        let room = (free / 8).min(ROOM).min(free.checked_sub(count)?);
        let extent = Extent { first: first + room, count };
        self.take(extent).then_some(extent)
    }

    /// Takes this very extent; false when part of it is not free.
    pub(crate) fn take(&mut self, extent: Extent) -> bool {
        let Some((&first, &count)) = self.free.range(..=extent.first).next_back() else { return false };
        let (start, end) = (u64::from(extent.first), u64::from(extent.first) + u64::from(extent.count));
        if end > u64::from(first) + u64::from(count) || extent.count == 0 {
            return false;
        }
        self.free.remove(&first);
        let before = (start - u64::from(first)) as u32;
        let after = (u64::from(first) + u64::from(count) - end) as u32;
        if before > 0 {
            self.free.insert(first, before);
        }
        if after > 0 {
            self.free.insert(end as u32, after);
        }
        self.free_segments -= extent.count;
        true
    }

    /// Frees an extent at once: one that nothing on the device refers to.
    pub(crate) fn free(&mut self, extent: Extent) {
        let Extent { mut first, mut count } = extent;
        if count == 0 {
            return;
        }
        self.free_segments += count;
        if let Some((&before, &length)) = self.free.range(..first).next_back()
            && before + length == first
        {
            self.free.remove(&before);
            (first, count) = (before, length + count);
        }
        if let Some(after) = self.free.remove(&(first + count)) {
            count += after;
        }
        self.free.insert(first, count);
    }

    /// Gives up an extent, to be free when two more checkpoints are durable.
    pub(crate) fn release(&mut self, extent: Extent) {
        self.held.push(extent);
    }

    /// Keeps an extent that only the previous checkpoint needs.
    pub(crate) fn retain(&mut self, extent: Extent) {
        self.retained.push(extent);
    }

    /// What was given up so far, for the checkpoint being made.
    pub(crate) fn begin_checkpoint(&mut self) -> Vec<Extent> {
        std::mem::take(&mut self.held)
    }

    /// The checkpoint is durable: frees what only its predecessor's predecessor needed. `released` is what
    /// [`begin_checkpoint`](Self::begin_checkpoint) gave, with the predecessor's own extent.
    pub(crate) fn end_checkpoint(&mut self, released: Vec<Extent>) {
        for extent in std::mem::replace(&mut self.retained, released) {
            self.free(extent);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn released_segments_are_free_after_two_checkpoints() {
        let mut space = Space::new(10);
        let extent = space.allocate(4, 0).unwrap();
        space.release(extent);
        for free in [5, 9] {
            let released = space.begin_checkpoint();
            space.end_checkpoint(released);
            assert_eq!(space.free_segments(), free);
        }
        assert_eq!(space.segments_to_come(), 0);
    }

    #[test]
    fn the_reserve_is_left() {
        let mut space = Space::new(10);
        assert_eq!(space.allocate(6, 4), None);
        assert_eq!(space.allocate(5, 4), Some(Extent { first: 1, count: 5 }));
        assert_eq!(space.allocate(1, 4), None);
        assert_eq!(space.allocate(4, 0), Some(Extent { first: 6, count: 4 }));
    }

    #[test]
    fn what_may_grow_is_put_where_it_can() {
        let mut space = Space::new(100);
        assert_eq!(space.allocate_to_grow(4, 96), None);
        assert_eq!(space.allocate_to_grow(4, 0), Some(Extent { first: 13, count: 4 }));
        assert_eq!(space.allocate(1, 0), Some(Extent { first: 1, count: 1 }));
        assert!(space.take(Extent { first: 17, count: 83 }));
        assert_eq!(space.allocate_to_grow(11, 0), Some(Extent { first: 2, count: 11 }));
        assert_eq!(space.allocate_to_grow(1, 0), None);
    }

    proptest! {
        #[test]
        fn ranges_are_never_given_twice(steps in proptest::collection::vec((1_u32..6, any::<bool>()), 1..200)) {
            let mut space = Space::new(64);
            let mut used = [false; 64];
            let mut extents: Vec<Extent> = Vec::new();
            for (count, give_back) in steps {
                if give_back && !extents.is_empty() {
                    let extent = extents.swap_remove(count as usize % extents.len());
                    extent.segments().for_each(|segment| used[segment as usize] = false);
                    space.free(extent);
                } else if let Some(extent) = space.allocate(count, 0) {
                    for segment in extent.segments() {
                        prop_assert!(segment > 0 && !std::mem::replace(&mut used[segment as usize], true));
                    }
                    extents.push(extent);
                }
                let free = used.iter().skip(1).filter(|used| !**used).count();
                prop_assert_eq!(space.free_segments() as usize, free);
            }
        }
    }
}
