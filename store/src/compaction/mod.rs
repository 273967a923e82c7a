//! Compaction and garbage collection, while the store is in use.
//!
//! Objects are copied into new packs (`plan.rs`, `copying.rs`, `output.rs`) or, where that would be too
//! little for a pack, to the end of the log; then one transaction puts the copies in the place of the
//! originals (`adoption.rs`). Readers and writers go on meanwhile, and see either the one or the other.
//! Unreachable objects are left out if a collection has told which they are (`reachability.rs`). What is
//! worth doing, and when, is in `policy.rs`.
//!
//! All of it gives way every few milliseconds: the longest step is the work on one object.

mod adoption;
mod copying;
mod emptying;
mod ends;
mod entries;
mod output;
mod plan;
mod policy;
mod reachability;
mod rewriting;
#[cfg(test)]
mod tests;

pub(crate) use policy::RepositoryCompaction;

use crate::{
    Error, Pace, Store,
    core::{Core, RepositoryState},
};
use policy::Effort;
use rewriting::Rewriting;
use std::{
    cell::RefCell,
    future::poll_fn,
    rc::Rc,
    task::{Context, Poll, Waker},
};

/// What a compaction did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compacted {
    /// Packs written.
    pub packs: u64,
    /// Bytes of these packs and their indexes, and of the entries that were put into the log again.
    pub bytes_written: u64,
    /// Unreachable objects that are gone.
    pub unreachable: u64,
    /// Repositories that were left as they are, since something in them is damaged.
    pub set_aside: u64,
    /// Bytes of the device that are free now.
    pub free_bytes: u64,
}

/// What there is to do.
#[derive(Default)]
pub(crate) struct CompactionState {
    /// Somebody had no room.
    room_wanted: bool,
    /// Something may have become worth compacting.
    due: bool,
    running: bool,
    waker: Option<Waker>,
}

impl CompactionState {
    /// The device was full.
    pub(crate) fn want_room(&mut self) {
        self.room_wanted = true;
        self.wake();
    }

    /// A repository has grown, or its references were moved.
    pub(crate) fn note_growth(&mut self, capacity: u64, repository: &RepositoryState) {
        if policy::due(repository, capacity) {
            self.look();
        }
    }

    /// Whether something is worth doing should be found out.
    pub(crate) fn look(&mut self) {
        self.due = true;
        self.wake();
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    fn poll(&mut self, context: &Context<'_>) -> Poll<Effort> {
        let room_wanted = std::mem::take(&mut self.room_wanted);
        if std::mem::take(&mut self.due) || room_wanted {
            return Poll::Ready(if room_wanted { Effort::Room } else { Effort::Routine });
        }
        self.waker = Some(context.waker().clone());
        Poll::Pending
    }
}

/// Only one compaction is under way at a time.
struct Running(Rc<Core>);

impl Running {
    fn begin(core: &Rc<Core>) -> Result<Self, Error> {
        if std::mem::replace(&mut core.state.borrow_mut().compaction.running, true) {
            return Err(Error::Limit("another compaction is under way".into()));
        }
        Ok(Self(core.clone()))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.state.borrow_mut().compaction.running = false;
    }
}

impl Store {
    /// Compacts the store as it is used, for as long as this is polled: to be run beside the service. Gives
    /// the error when the device has failed.
    ///
    /// Dropping it at any time loses nothing but the work on the pack at hand.
    pub async fn maintain(&self) -> Error {
        let core = self.core();
        core.state.borrow_mut().compaction.look();
        loop {
            let effort = poll_fn(|context| core.state.borrow_mut().compaction.poll(context)).await;
            // With other errors there is no room now, or another compaction is under way; there will be another
            // occasion.
            let result = compact(core, effort).await;
            if let (Err(_), Some(error)) = (result, &core.state.borrow().failure) {
                return error.clone();
            }
        }
    }

    /// Makes one pack of each repository that is large enough for one, without what no reference reaches,
    /// and frees what is not needed then. Others go on meanwhile.
    ///
    /// # Errors
    /// [`Error::DeviceFull`] when there is no room for the new packs beside the old ones;
    /// [`Error::Limit`] when another compaction is under way.
    pub async fn compact(&self) -> Result<Compacted, Error> {
        compact(self.core(), Effort::Full).await
    }
}

async fn compact(core: &Rc<Core>, effort: Effort) -> Result<Compacted, Error> {
    let _running = Running::begin(core)?;
    let pace = Pace::default();
    let mut done = Compacted::default();
    let mut full = None;
    let repositories: Vec<_> = core.state.borrow().repositories.values().cloned().collect();
    for repository in &repositories {
        if repository.borrow().compaction.is_set_aside() {
            done.set_aside += 1;
            continue;
        }
        let result = Rewriting { core, repository, pace: &pace, effort, done: &mut done }.run().await;
        match result.map_or_else(|error| note_failure(core, repository, error, &mut done), Ok) {
            Err(Error::DeviceFull) => full = Some(Error::DeviceFull),
            other => other?,
        }
        pace.spend(1 << 16).await;
    }
    match emptying::empty_segments(core, &pace, effort, &mut done).await {
        Err(Error::DeviceFull) => full = Some(Error::DeviceFull),
        other => other?,
    }
    let growth = {
        let state = core.state.borrow();
        state.capacity_to_come > core.capacity.get()
    };
    if done.bytes_written > 0 || done.unreachable > 0 || growth || effort > Effort::Routine {
        free_space(core).await?;
    }
    done.free_bytes = u64::from(core.state.borrow().space.free_segments()) * crate::format::layout::SEGMENT;
    match full {
        Some(error) if effort == Effort::Full => Err(error),
        _ => Ok(done),
    }
}

/// Frees what was given up, with two checkpoints.
async fn free_space(core: &Rc<Core>) -> Result<(), Error> {
    for _ in 0..2 {
        let worth = {
            let state = core.state.borrow();
            state.reclaim_pays(core.capacity.get())
        };
        if !worth || !core.checkpoint().await? {
            break;
        }
    }
    Ok(())
}

/// What becomes of a repository that could not be compacted. Gives the error when the others cannot be either.
fn note_failure(
    core: &Core,
    repository: &RefCell<RepositoryState>,
    error: Error,
    done: &mut Compacted,
) -> Result<(), Error> {
    if let Some(failure) = &core.state.borrow().failure {
        return Err(failure.clone());
    }
    match error {
        Error::DeviceFull => Err(error),
        _ if repository.borrow().removed => Ok(()),
        // Everything is in use, or more came to be than fits into a transaction: another time.
        Error::Limit(_) => Ok(()),
        // Something in it cannot be read: it is left as it is, for whoever may save it.
        error => {
            let mut repository = repository.borrow_mut();
            let notice = format!("repository {} is not compacted: {error}", repository.name);
            repository.compaction.set_aside(notice.clone());
            core.state.borrow_mut().notices.push(notice);
            done.set_aside += 1;
            Ok(())
        }
    }
}
