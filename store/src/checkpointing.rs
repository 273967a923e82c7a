//! When and how checkpoints are made.
//!
//! A checkpoint rides on the group commit: it is written with a batch of frames, the batch's flush makes
//! it durable, the superblock that names it is written then, and the next flush makes that durable. Only
//! then may anything that older superblocks need be used again.

use crate::{
    Error,
    core::{Core, State},
    format::{
        checkpoint::CheckpointWriter,
        layout::{Extent, SUPERBLOCKS},
        superblock::{CheckpointPlace, LogPosition, Superblock},
    },
    replay::segments,
};
use std::{collections::BTreeSet, future::poll_fn, rc::Rc, task::Poll};
use xxhash_rust::xxh3::xxh3_64;

/// A checkpoint that is written, but that no durable superblock names yet.
pub(crate) struct PreparedCheckpoint {
    place: CheckpointPlace,
    log: LogPosition,
    generation: u64,
    /// What only the checkpoint before it needs.
    released: Vec<Extent>,
    pub(crate) superblock_written: bool,
}

impl PreparedCheckpoint {
    /// Where it is.
    pub(crate) fn extent(&self) -> Extent {
        self.place.extent
    }

    /// What only the checkpoint before it needs, with that one's own extent.
    pub(crate) fn released(&self) -> &[Extent] {
        &self.released
    }
}

/// What no repository has any more and somebody reads: packs, and segments that are not `live` anyway.
fn still_read(state: &State, live: &BTreeSet<u32>) -> Vec<Extent> {
    let mut segments = BTreeSet::new();
    for removed in &state.removed {
        segments.extend(removed.borrow().segments().filter(|segment| !live.contains(segment)));
    }
    let mut extents = state.packs_still_read();
    extents.extend(segments.into_iter().map(|first| Extent { first, count: 1 }));
    extents
}

impl Core {
    /// Writes a checkpoint of the state after all sealed frames, if one is due. Nothing may be unsealed.
    pub(crate) fn prepare_checkpoint_if_due(&self, state: &mut State) -> Result<(), Error> {
        if state.log.since_checkpoint() < state.checkpoint_due || state.prepared.is_some() {
            return Ok(());
        }
        if !self.prepare_checkpoint(state)? {
            // No room for it now; try again later. The log alone holds everything.
            state.checkpoint_due = state.log.since_checkpoint() + self.options.checkpoint_after;
        }
        Ok(())
    }

    /// Writes a checkpoint of the state after all sealed frames; false when there is no room for it.
    fn prepare_checkpoint(&self, state: &mut State) -> Result<bool, Error> {
        debug_assert!(!state.log.has_open() && state.prepared.is_none());
        let position = state.log.position();
        state.give_up_removed();
        let mut live = BTreeSet::from([position.segment, position.next_segment]);
        for repository in state.repositories.values() {
            live.extend(repository.borrow().segments());
        }
        // Nobody reads them any more.
        let (read, unread) = std::mem::take(&mut state.dropped_packs)
            .into_iter()
            .partition::<Vec<_>, _>(|pack| Rc::strong_count(pack) > 1);
        state.dropped_packs = read;
        for place in unread.iter().filter_map(|pack| pack.place()) {
            state.space.release(place.extent);
        }
        let still_read = still_read(state, &live);
        live.extend(still_read.iter().flat_map(|extent| extent.segments()));
        let dead: Vec<u32> = state.data_segments.difference(&live).copied().collect();
        let mut released = state.space.begin_checkpoint();
        released.push(state.checkpoint.extent);
        released.extend(dead.iter().map(|segment| Extent { first: *segment, count: 1 }));
        let generation = state.generation + 1;
        let count = state.repositories.len() as u32;
        // A mount has no readers: for it, what is still read is what only the checkpoint before needs.
        let retained = [&released[..], &still_read].concat();
        let mut writer = CheckpointWriter::new(generation, state.next_repository, &retained, count);
        for repository in state.repositories.values() {
            let mut repository = repository.borrow_mut();
            let references = repository.latest_references();
            let packs: Vec<_> = repository.pack_places().collect();
            let (number, name) = (repository.number, repository.name.clone());
            let moves = repository.stranding_moves;
            let shallow = repository.shallow.clone();
            let records = repository.index.sorted();
            writer.repository(number, &name, moves, &references, &shallow, &packs, records);
        }
        let bytes = writer.finish();
        let extent = Extent::count_for(bytes.len() as u64).and_then(|count| state.space.allocate(count, 0));
        let Some(extent) = extent else {
            released.retain(|extent| *extent != state.checkpoint.extent && !dead.contains(&extent.first));
            released.into_iter().for_each(|extent| state.space.release(extent));
            return Ok(false);
        };
        dead.iter().for_each(|segment| {
            state.data_segments.remove(segment);
        });
        self.disk.write(extent.offset(), &bytes)?;
        let place = CheckpointPlace { extent, length: bytes.len() as u64, checksum: xxh3_64(&bytes) };
        state.prepared = Some(PreparedCheckpoint {
            place,
            log: position,
            generation,
            released,
            superblock_written: false,
        });
        state.log.restart_count();
        state.removed_since_checkpoint = false;
        Ok(true)
    }

    /// The prepared checkpoint is durable if the frames up to its position are: names it in a superblock.
    pub(crate) fn write_superblock_if_prepared(&self, state: &mut State, flushed: u64) -> Result<(), Error> {
        let Some(prepared) = &mut state.prepared else { return Ok(()) };
        if prepared.superblock_written || prepared.log.sequence > flushed + 1 {
            return Ok(());
        }
        let superblock = Superblock {
            uuid: self.uuid,
            block_size: self.disk.block_size,
            capacity: state.capacity_to_come,
            generation: prepared.generation,
            checkpoint: prepared.place,
            log: prepared.log,
        };
        // Never over the newest: when this write is torn, the other one is whole.
        let slot = 1 - state.superblock_slot;
        self.disk.write(SUPERBLOCKS[slot], &superblock.encode())?;
        prepared.superblock_written = true;
        Ok(())
    }

    /// The superblock of the prepared checkpoint is durable.
    pub(crate) fn install_checkpoint(&self, state: &mut State) {
        let Some(prepared) = state.prepared.take() else { return };
        state.space.end_checkpoint(prepared.released);
        state.checkpoint = prepared.place;
        state.generation = prepared.generation;
        state.superblock_slot = 1 - state.superblock_slot;
        state.checkpoint_due = self.options.checkpoint_after.max(4 * prepared.place.length);
        self.grow(state);
        state.compaction.look();
    }

    /// Uses the rest of a device that has grown, when both superblocks name it: before that, an older one
    /// could be all that is found after a crash.
    fn grow(&self, state: &mut State) {
        let (used, all) = (segments(self.capacity.get()), segments(state.capacity_to_come));
        if state.capacity_named && used < all {
            self.capacity.set(state.capacity_to_come);
            state.space.free(Extent { first: used, count: all - used });
        }
        state.capacity_named = true;
    }

    /// Makes a checkpoint of the state as it is now, beside other work; false when there is no room for it.
    pub(crate) async fn checkpoint(&self) -> Result<bool, Error> {
        let mut target = None;
        poll_fn(|context| {
            loop {
                self.wakers.add(context.waker());
                self.advance();
                let state = &mut *self.state.borrow_mut();
                if let Some(error) = &state.failure {
                    return Poll::Ready(Err(error.clone()));
                }
                if target.is_some_and(|target| state.generation >= target) {
                    return Poll::Ready(Ok(true));
                }
                if state.flight.is_some() {
                    return Poll::Pending;
                }
                match (target, state.prepared.is_some()) {
                    // One that is under way is of an earlier state.
                    (None, true) | (Some(_), true) => {}
                    (None, false) => {
                        target = Some(state.generation + 1);
                        state.checkpoint_due = 0;
                    }
                    (Some(_), false) if state.checkpoint_due == 0 => {}
                    (Some(_), false) => return Poll::Ready(Ok(false)),
                }
                self.start(state);
            }
        })
        .await
    }

    /// Makes everything durable and a checkpoint of it, blocking; false when there is no room for one.
    pub(crate) fn checkpoint_now(&self, state: &mut State) -> Result<bool, Error> {
        self.flush_now(state)?;
        while state.prepared.is_some() {
            self.flush_now(state)?;
        }
        if !self.prepare_checkpoint(state)? {
            return Ok(false);
        }
        while state.prepared.is_some() {
            self.flush_now(state)?;
        }
        Ok(true)
    }

    /// Frees by checkpoints what was given up; false when there is nothing to free.
    pub(crate) fn reclaim(&self, state: &mut State) -> Result<bool, Error> {
        Ok(state.reclaim_pays(self.capacity.get()) && self.checkpoint_now(state)?)
    }
}
