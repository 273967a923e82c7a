//! Making submitted transactions durable, many with one flush.
//!
//! One flush is under way at a time; what is submitted meanwhile shares the next. The flush belongs to the
//! store and not to the [`Commit`](crate::Commit) that started it, so whoever polls next carries it on.

use crate::{
    Error,
    core::{Core, State, SubmittedUpdate},
};
use kalends_block_backend::FlushFuture;
use std::{
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, Wake, Waker},
};

/// A flush under way.
pub(crate) struct Flight {
    future: FlushFuture,
    stage: Stage,
    /// The last transaction it makes durable.
    covers: u64,
    /// The last frame of that transaction.
    frame: u64,
    /// Whether a superblock was written before it began.
    installs: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Extents are made durable before the frames that refer to them are written: replay does not read
    /// extents, and must find whole what a valid frame names.
    Extents,
    Frames,
}

/// All who wait for a flush.
#[derive(Default)]
pub(crate) struct Wakers(Mutex<Vec<Waker>>);

impl Wakers {
    pub(crate) fn add(&self, waker: &Waker) {
        let mut wakers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !wakers.iter().any(|known| known.will_wake(waker)) {
            wakers.push(waker.clone());
        }
    }

    fn wake_all(&self) {
        let wakers = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        wakers.into_iter().for_each(Waker::wake);
    }
}

impl Wake for Wakers {
    fn wake(self: Arc<Self>) {
        self.wake_all();
    }
}

impl Core {
    /// Whether a transaction is durable; carries the shared flush on.
    pub(crate) fn poll_durable(&self, number: u64, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        loop {
            self.wakers.add(context.waker());
            self.advance();
            let mut state = self.state.borrow_mut();
            if state.durable >= number {
                return Poll::Ready(Ok(()));
            }
            if let Some(error) = &state.failure {
                return Poll::Ready(Err(error.clone()));
            }
            if state.flight.is_some() {
                return Poll::Pending;
            }
            self.start(&mut state);
        }
    }

    /// Begins a flush, if something waits for one and none is under way.
    pub(crate) fn begin_flush(&self) {
        self.advance();
        let mut state = self.state.borrow_mut();
        if state.flight.is_none() && state.failure.is_none() && state.durable < state.submitted {
            self.start(&mut state);
        }
    }

    /// Carries the flush under way on as far as it goes without waiting.
    pub(crate) fn advance(&self) {
        let waker = Waker::from(self.wakers.clone());
        let mut context = Context::from_waker(&waker);
        loop {
            let Some(mut flight) = self.state.borrow_mut().flight.take() else { return };
            let result = match flight.future.as_mut().poll(&mut context) {
                Poll::Pending => {
                    self.state.borrow_mut().flight = Some(flight);
                    return;
                }
                Poll::Ready(result) => result,
            };
            let mut state = self.state.borrow_mut();
            let next = match (result, flight.stage) {
                (Err(error), _) => Err(error.into()),
                (Ok(()), Stage::Extents) => self.write_frames(&mut state, flight.covers, flight.frame),
                (Ok(()), Stage::Frames) => {
                    self.complete(&mut state, flight.covers, flight.frame, flight.installs)
                }
            };
            if let Err(error) = next {
                fail(&mut state, error);
            }
            drop(state);
            self.wakers.wake_all();
        }
    }

    /// Begins to make durable what has been submitted.
    pub(crate) fn start(&self, state: &mut State) {
        state.log.seal();
        let (covers, frame) = (state.submitted, state.log.last_sealed());
        if std::mem::take(&mut state.extents_unflushed) {
            let (future, stage) = (self.disk.device.flush_async(), Stage::Extents);
            state.flight = Some(Flight { future, stage, covers, frame, installs: false });
        } else if let Err(error) = self.write_frames(state, covers, frame) {
            fail(state, error);
        }
    }

    fn write_frames(&self, state: &mut State, mut covers: u64, mut frame: u64) -> Result<(), Error> {
        if !state.extents_unflushed {
            // What came while the extents were flushed can join.
            state.log.seal();
            (covers, frame) = (state.submitted, state.log.last_sealed());
            self.prepare_checkpoint_if_due(state)?;
        }
        for sealed in state.log.sealed(frame) {
            self.disk.write(sealed.offset, &sealed.bytes)?;
        }
        let installs = state.prepared.as_ref().is_some_and(|prepared| prepared.superblock_written);
        let (future, stage) = (self.disk.device.flush_async(), Stage::Frames);
        state.flight = Some(Flight { future, stage, covers, frame, installs });
        Ok(())
    }

    /// Frames are durable: readers see their references.
    fn complete(&self, state: &mut State, covers: u64, frame: u64, installs: bool) -> Result<(), Error> {
        state.durable = state.durable.max(covers);
        state.log.set_flushed(frame);
        while state.queue.front().is_some_and(|submitted| submitted.number <= covers) {
            let Some(submitted) = state.queue.pop_front() else { break };
            let mut repository = submitted.repository.borrow_mut();
            for SubmittedUpdate { name, new, strands } in submitted.updates {
                if repository.moved.get(&name).is_some_and(|(number, _)| *number == submitted.number) {
                    repository.moved.remove(&name);
                }
                let former = match new {
                    Some(id) => repository.references.insert(name, id),
                    None => repository.references.remove(&name),
                };
                if let Some(former) = former.filter(|_| strands) {
                    repository.pins.borrow_mut().moved(former);
                }
            }
        }
        if installs {
            self.install_checkpoint(state);
        }
        self.write_superblock_if_prepared(state, frame)
    }

    /// Makes durable all that has been submitted, blocking.
    pub(crate) fn flush_now(&self, state: &mut State) -> Result<(), Error> {
        let result = self.try_flush_now(state);
        if let Err(error) = &result {
            fail(state, error.clone());
        }
        result
    }

    fn try_flush_now(&self, state: &mut State) -> Result<(), Error> {
        state.check_writable()?;
        let stage = state.flight.take().map(|flight| flight.stage);
        if std::mem::take(&mut state.extents_unflushed) || stage == Some(Stage::Extents) {
            self.disk.device.flush()?;
        }
        state.log.seal();
        let (covers, frame) = (state.submitted, state.log.last_sealed());
        for sealed in state.log.sealed(frame) {
            self.disk.write(sealed.offset, &sealed.bytes)?;
        }
        let installs = state.prepared.as_ref().is_some_and(|prepared| prepared.superblock_written);
        self.disk.device.flush()?;
        self.complete(state, covers, frame, installs)?;
        self.wakers.wake_all();
        Ok(())
    }
}

/// The device has failed: nothing that is not durable ever will be, and no more is written.
pub(crate) fn fail(state: &mut State, error: Error) {
    for submitted in std::mem::take(&mut state.queue) {
        submitted.repository.borrow_mut().moved.clear();
    }
    state.flight = None;
    state.failure.get_or_insert(error);
}
