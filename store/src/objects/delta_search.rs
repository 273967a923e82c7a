//! Finding a delta: what of an object is in another one.
//!
//! As git's `diff-delta` and Myers' greedy copies: blocks of the base are indexed by their hash, and each
//! place of the target is looked up; a match is extended in both directions.

use super::delta::DeltaBuilder;
use bytes::Bytes;

/// Bases up to this size are indexed more finely: they are iCalendar objects, in which a date is worth a copy.
const FINE: usize = 4 << 10;
/// The largest base and target: the index takes four bytes for each eight of the base, for each two of a small one.
pub(crate) const MAX_SIZE: usize = 64 << 10;

/// How a base is indexed.
#[derive(Clone, Copy)]
struct Grain {
    /// Bytes of a block. A shorter match is not worth a copy instruction and the place it breaks.
    block: usize,
    /// Blocks of the base begin at multiples of this.
    stride: usize,
}

impl Grain {
    fn of(size: usize) -> Self {
        if size <= FINE { Self { block: 8, stride: 2 } } else { Self { block: 16, stride: 8 } }
    }
}

/// An object as a base of deltas, with the index of its blocks.
pub(crate) struct DeltaBase {
    data: Bytes,
    grain: Grain,
    /// Open addressing by the hash of the block: where it begins, and one more; 0 for nothing.
    table: Vec<u32>,
}

impl DeltaBase {
    /// Indexes an object; `None` when it is too small or too large to be a base.
    pub(crate) fn new(data: Bytes) -> Option<Self> {
        let grain = Grain::of(data.len());
        let Grain { block, stride } = grain;
        if !(block..=MAX_SIZE).contains(&data.len()) {
            return None;
        }
        let mut table = vec![0_u32; (data.len() / stride * 2).next_power_of_two().max(16)];
        let mask = table.len() - 1;
        for start in (0..=data.len() - block).step_by(stride) {
            let mut slot = hash(&data[start..start + block]) & mask;
            // Of blocks that are equal the first is enough; the table is half empty, so this ends.
            while table[slot] != 0 {
                let known = table[slot] as usize - 1;
                if data[known..known + block] == data[start..start + block] {
                    break;
                }
                slot = (slot + 1) & mask;
            }
            if table[slot] == 0 {
                table[slot] = start as u32 + 1;
            }
        }
        Some(Self { data, grain, table })
    }

    /// The delta that makes `target`, if it takes at most `limit` bytes.
    pub(crate) fn delta(&self, target: &[u8], limit: usize) -> Option<Vec<u8>> {
        if target.len() > MAX_SIZE {
            return None;
        }
        let block = self.grain.block;
        let mut builder = DeltaBuilder::new(self.data.len(), target.len());
        let (mut at, mut done, mut inserted) = (0, 0, 0);
        while at + block <= target.len() {
            let Some(start) = self.find(&target[at..at + block]) else {
                at += 1;
                if inserted + (at - done) > limit {
                    return None;
                }
                continue;
            };
            let back = (0..(at - done).min(start))
                .take_while(|back| self.data[start - back - 1] == target[at - back - 1])
                .count();
            let forward = self.data[start + block..]
                .iter()
                .zip(&target[at + block..])
                .take_while(|(old, new)| old == new)
                .count();
            builder.insert(&target[done..at - back]);
            inserted += at - back - done + 4;
            builder.copy(start - back..start + block + forward);
            at += block + forward;
            done = at;
        }
        builder.insert(&target[done..]);
        let delta = builder.finish();
        (delta.len() <= limit).then_some(delta)
    }

    /// How much of `target` is in the base, in parts of 256, as blocks of 16 bytes here and there tell.
    pub(crate) fn likeness(&self, target: &[u8]) -> usize {
        let (mut looked, mut found) = (0, 0);
        for at in (0..target.len().saturating_sub(self.grain.block)).step_by(16) {
            looked += 1;
            found += usize::from(self.find(&target[at..at + self.grain.block]).is_some());
        }
        256 * found / looked.max(1)
    }

    fn find(&self, block: &[u8]) -> Option<usize> {
        let mask = self.table.len() - 1;
        let mut slot = hash(block) & mask;
        loop {
            let start = (self.table[slot] as usize).checked_sub(1)?;
            if self.data[start..start + block.len()] == *block {
                return Some(start);
            }
            slot = (slot + 1) & mask;
        }
    }

    /// Bytes of memory that it takes.
    pub(crate) fn memory(&self) -> usize {
        self.data.len() + 4 * self.table.len()
    }
}

/// A multiplicative hash of a block of 8 or 16 bytes.
fn hash(block: &[u8]) -> usize {
    let word = |bytes: Option<&[u8]>| {
        bytes.and_then(<[u8]>::first_chunk).map_or(0, |word| u64::from_le_bytes(*word))
    };
    let mixed = word(Some(block)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
        ^ word(block.get(8..)).wrapping_mul(0xc2b2_ae3d_27d4_eb4f);
    (mixed >> 29) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{noise::noise, objects::delta::apply};
    use proptest::prelude::*;

    #[test]
    fn a_changed_line_costs_little_more_than_the_line() {
        let lines = |changed: usize| -> Vec<u8> {
            let line = |number: usize| format!("X-LINE-{number}: {}\r\n", number * 7919);
            (0..40)
                .map(|number| if number == changed { "SUMMARY:x\r\n".into() } else { line(number) })
                .collect::<String>()
                .into()
        };
        let delta = DeltaBase::new(lines(99).into()).unwrap().delta(&lines(20), 1000).unwrap();
        assert!(delta.len() < 40, "{}", delta.len());
        assert_eq!(apply(&lines(99), &delta, 1 << 20).unwrap(), lines(20));
    }

    #[test]
    fn what_has_nothing_in_common_has_no_delta() {
        let noise = |seed: u64| noise(seed, 2000);
        assert_eq!(DeltaBase::new(noise(3).into()).unwrap().delta(&noise(5), 1000), None);
        let new = |length: usize| DeltaBase::new(vec![0; length].into());
        assert!(
            new(7).is_none() && new(8).is_some() && new(MAX_SIZE).is_some() && new(MAX_SIZE + 1).is_none()
        );
    }

    proptest! {
        #[test]
        fn a_delta_makes_its_target(
            base in prop_oneof![
                proptest::collection::vec(0_u8..3, 16..2000),
                proptest::collection::vec(0_u8..3, FINE + 1..FINE + 2000),
            ],
            cuts in proptest::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0_u8..9), 0..6),
        ) {
            let mut target = Vec::new();
            for (a, b, byte) in cuts {
                let (a, b) = (a.index(base.len()), b.index(base.len()));
                target.extend_from_slice(&base[a.min(b)..a.max(b)]);
                target.extend(std::iter::repeat_n(byte, usize::from(byte)));
            }
            let index = DeltaBase::new(base.clone().into()).unwrap();
            prop_assert!(index.likeness(&target) <= 256 && (target.is_empty() || index.likeness(&base) == 256));
            let delta = index.delta(&target, usize::MAX / 2).unwrap();
            prop_assert_eq!(apply(&base, &delta, 1 << 20).unwrap(), target);
        }
    }
}
