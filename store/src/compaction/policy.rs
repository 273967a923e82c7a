//! What is worth compacting, and when.
//!
//! A repository's part of the log becomes a pack when it has grown to [`pack_after`] bytes or
//! [`MAX_RECORDS`] objects. Packs are kept in geometric progression: each is at least as large as all
//! younger ones together ([`GEOMETRIC`]), as with `git repack --geometric`, so an object is written anew
//! about as often as the repository has doubled since. Unreachable objects are looked for when references
//! were moved so that there may be some, and the repository has grown by a quarter since the last time.
//! Segments of the log of which less than half is in use are emptied: what is left in them moves on.

use crate::{
    core::{Purpose, RepositoryState, State},
    format::layout::SEGMENT,
};
use gix_hash::ObjectId;
use std::ops::Range;

/// A pack joins the younger ones unless it is larger than so many times all of them together.
const GEOMETRIC: u64 = 2;
/// Objects of a repository in the log, in memory and in every checkpoint, beyond which they become a pack:
/// 2 MiB.
const MAX_RECORDS: usize = 1 << 16;
/// Less than this does not become a pack, which takes whole segments.
pub(super) const MIN_PACK: u64 = 512 << 10;
/// Unreachable bytes below which nothing is written anew on their account.
const MIN_GARBAGE: u64 = 1 << 20;
/// On a full device, or when asked to.
const MIN_GARBAGE_WANTED: u64 = 64 << 10;
/// Unused bytes of the log, in segments, below which it is left alone.
const MIN_UNUSED: u64 = 8;

/// Commits that are given back at once, so that what they leave is not waited for until the repository has grown.
const LARGE_CUT: u64 = 1000;

/// How much is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Effort {
    /// What pays.
    Routine,
    /// What makes room: the device was full.
    Room,
    /// All: somebody waits for it.
    Full,
}

/// What compaction remembers of a repository while the store is open.
#[derive(Default)]
pub(crate) struct RepositoryCompaction {
    /// Why it is left alone: it is damaged.
    pub(super) set_aside: Option<String>,
    /// Bytes that it had when unreachable objects were looked for last.
    pub(super) examined_bytes: u64,
    /// `stranding_moves` at that time.
    pub(super) examined_moves: u64,
    /// Bytes in the log when there was no room for a pack of them.
    pub(super) no_room_bytes: u64,
}

/// Bytes of a repository's objects in the log that become a pack.
pub(super) fn pack_after(capacity: u64) -> u64 {
    (capacity / 64).clamp(1 << 20, 8 << 20)
}

impl RepositoryCompaction {
    /// Whether it is left alone.
    pub(super) fn is_set_aside(&self) -> bool {
        self.set_aside.is_some()
    }

    /// History was cut off: whether that pays is found out at once where it was much of it.
    pub(crate) fn note_cut(&mut self, given_back: u64) {
        if given_back >= LARGE_CUT {
            self.examined_bytes = 0;
        }
    }

    /// It is left alone from now on.
    pub(super) fn set_aside(&mut self, reason: String) {
        self.set_aside = Some(reason);
    }
}

/// Whether something of a repository may be worth doing as a matter of routine.
pub(super) fn due(repository: &RepositoryState, capacity: u64) -> bool {
    !repository.compaction.is_set_aside()
        && (packing_due(repository, capacity, Effort::Routine) || collection_due(repository, Effort::Routine))
}

/// Whether a repository's part of the log should become a pack.
pub(super) fn packing_due(repository: &RepositoryState, capacity: u64, effort: Effort) -> bool {
    let bytes = repository.index.bytes();
    match effort {
        Effort::Routine if bytes < repository.compaction.no_room_bytes.saturating_add(MIN_PACK) => false,
        Effort::Routine => {
            bytes >= pack_after(capacity) || repository.index.len() >= MAX_RECORDS + large(repository)
        }
        Effort::Room | Effort::Full => bytes >= MIN_PACK,
    }
}

/// Objects in extents of their own, which may stay.
fn large(repository: &RepositoryState) -> usize {
    repository.index.large()
}

/// Whether unreachable objects should be looked for.
pub(super) fn collection_due(repository: &RepositoryState, effort: Effort) -> bool {
    let known = &repository.compaction;
    match effort {
        Effort::Full => true,
        Effort::Room => repository.stranding_moves > known.examined_moves,
        Effort::Routine => {
            let bytes = stored_bytes(repository);
            repository.stranding_moves > known.examined_moves
                && bytes >= known.examined_bytes.saturating_add(known.examined_bytes / 4)
        }
    }
}

/// Whether so many unreachable bytes among others are worth writing the others anew.
pub(super) fn garbage_pays(garbage: u64, live: u64, effort: Effort) -> bool {
    match effort {
        Effort::Routine => garbage >= MIN_GARBAGE && garbage >= live / 4,
        Effort::Room | Effort::Full => garbage >= MIN_GARBAGE_WANTED,
    }
}

/// Bytes of all objects of a repository.
pub(super) fn stored_bytes(repository: &RepositoryState) -> u64 {
    let packs = repository.packs.iter().map(|pack| pack.pack_length());
    repository.index.bytes() + packs.sum::<u64>()
}

/// How many of the youngest packs, whose sizes are given oldest first, join so many new bytes.
pub(super) fn joining(sizes: &[u64], new: u64, effort: Effort) -> usize {
    if effort == Effort::Full {
        return sizes.len();
    }
    let mut sum = new;
    let youngest_first = sizes.iter().rev();
    youngest_first
        .take_while(|size| {
            let joins = **size < sum.saturating_mul(GEOMETRIC);
            sum = sum.saturating_add(**size);
            joins
        })
        .count()
}

/// Whether the log should be emptied where little of it is in use.
pub(super) fn emptying_due(segments: u64, unused: u64, effort: Effort) -> bool {
    match effort {
        Effort::Routine => unused >= MIN_UNUSED && unused >= segments / 2,
        Effort::Room | Effort::Full => unused >= 2,
    }
}

/// Segments that a new pack leaves free. As a matter of routine it must not take the room of new files.
pub(super) fn reserve(state: &State, capacity: u64, effort: Effort) -> u32 {
    match effort {
        Effort::Routine => state.reserve(capacity, Purpose::Data).saturating_add(2),
        Effort::Room | Effort::Full => state.reserve(capacity, Purpose::Compaction),
    }
}

/// Whether a segment of the log with so many bytes in use is to be emptied.
pub(super) fn is_sparse(bytes: u64, effort: Effort) -> bool {
    match effort {
        Effort::Routine => bytes <= SEGMENT / 2,
        Effort::Room | Effort::Full => bytes <= SEGMENT / 8 * 7,
    }
}

/// What the references of a repository name, as readers and writers may see them; and what else is pinned.
/// `None` when everything is.
pub(super) fn roots(state: &State, repository: &RepositoryState) -> Option<(Vec<ObjectId>, Vec<ObjectId>)> {
    let mut references: Vec<ObjectId> = repository.references.values().copied().collect();
    for submitted in &state.queue {
        // The one that is borrowed is the repository itself.
        let same = submitted.repository.try_borrow().map_or(true, |other| other.number == repository.number);
        if same {
            references.extend(submitted.updates.iter().filter_map(|update| update.new));
        }
    }
    Some((references, repository.pins.borrow().roots()?))
}

/// Joins ranges that touch; they are sorted.
pub(super) fn joined(ranges: impl IntoIterator<Item = Range<u64>>) -> Vec<Range<u64>> {
    let mut joined: Vec<Range<u64>> = Vec::new();
    for range in ranges {
        match joined.last_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            _ => joined.push(range),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_written_as_often_as_the_repository_has_doubled() {
        // Packs of one size come one after another.
        let (mut packs, mut written) = (Vec::new(), 0);
        for _ in 0..4096 {
            let joining = joining(&packs, 1, Effort::Routine);
            let size = 1 + packs.split_off(packs.len() - joining).iter().sum::<u64>();
            packs.push(size);
            written += size;
            assert!(packs.len() <= 13, "{packs:?}");
        }
        assert!(written <= 4096 * 13, "{written}");
        assert_eq!(packs.iter().sum::<u64>(), 4096);
    }

    #[test]
    fn small_devices_pack_early_and_large_ones_late() {
        assert_eq!(pack_after(8 << 20), 1 << 20);
        assert_eq!(pack_after(256 << 20), 4 << 20);
        assert_eq!(pack_after(1 << 40), 8 << 20);
    }

    #[test]
    fn ranges_that_touch_become_one() {
        assert_eq!(joined([1..2, 2..5, 7..8]), [1..5, 7..8]);
    }
}
