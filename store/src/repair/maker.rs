//! Making objects of whatever copies there are, past damaged ones.

use crate::{
    Object,
    core::{Core, RepositoryState},
    objects::{
        cache::{Bounds, Cache},
        entry::{self, EntryContent, EntryHeader, MAX_DELTA_CHAIN},
    },
};
use bytes::Bytes;
use gix_hash::ObjectId;
use gix_object::Kind;
use std::cell::RefCell;

/// Makes the objects of one repository.
pub(super) struct Maker<'a> {
    core: &'a Core,
    repository: &'a RefCell<RepositoryState>,
    made: RefCell<Cache<ObjectId, Object>>,
}

/// A stored copy, inflated.
enum Step {
    Whole(Kind, Vec<u8>),
    Delta(ObjectId, Vec<u8>),
}

impl<'a> Maker<'a> {
    /// Keeps so many bytes of made objects as bases of deltas.
    pub(super) fn new(core: &'a Core, repository: &'a RefCell<RepositoryState>, bases: usize) -> Self {
        Self { core, repository, made: RefCell::new(Cache::new(Bounds::bytes(bases))) }
    }

    /// The object, verified; or the object whose copies stand in the way, which may be the object itself.
    pub(super) fn make(&self, id: &ObjectId) -> Result<Object, ObjectId> {
        if let Some(object) = self.made.borrow_mut().get(id) {
            return Ok(object);
        }
        let mut culprit = *id;
        for first in self.steps(id) {
            match self.follow(id, first) {
                Ok(object) => {
                    self.made.borrow_mut().insert(*id, object.clone());
                    return Ok(object);
                }
                Err(other) => culprit = other,
            }
        }
        Err(culprit)
    }

    fn follow(&self, id: &ObjectId, first: Step) -> Result<Object, ObjectId> {
        let limit = self.core.options.max_object_size;
        let (mut step, mut deltas, mut bytes) = (first, Vec::new(), 0);
        let base = loop {
            let base = match step {
                Step::Whole(kind, data) => break Object { kind, data: data.into() },
                Step::Delta(base, delta) => {
                    bytes += delta.len() as u64;
                    deltas.push(delta);
                    base
                }
            };
            if bytes > limit || deltas.len() > MAX_DELTA_CHAIN {
                return Err(*id);
            }
            if let Some(object) = self.made.borrow_mut().get(&base) {
                break object;
            }
            step = self.steps(&base).next().ok_or(base)?;
        };
        entry::resolve(id, base, deltas.into_iter().rev(), limit).map_err(|_| *id)
    }

    /// The stored copies that inflate: that of the log, then those of packs.
    fn steps(&self, id: &ObjectId) -> impl Iterator<Item = Step> {
        let state = self.repository.borrow();
        let record = state.index.get(id);
        let packs = state.packs.clone();
        drop(state);
        let logged = record.and_then(|record| {
            let entry = self.core.read_data(record.offset(), record.length()).ok()?;
            self.step(&entry, |_| None)
        });
        let id = *id;
        logged.into_iter().chain(packs.into_iter().filter_map(move |pack| {
            let position = pack.find(&id).ok()??;
            let entry = pack.entry(position).ok()?;
            self.step(&entry, |distance| pack.id(pack.base(position, distance).ok()?).ok())
        }))
    }

    fn step(&self, entry: &Bytes, base: impl FnOnce(u64) -> Option<ObjectId>) -> Option<Step> {
        let header = EntryHeader::parse(entry).ok()?;
        let (content, _) = header.inflate(entry, self.core.options.max_object_size).ok()?;
        Some(match header.content {
            EntryContent::Whole(kind) => Step::Whole(kind, content),
            EntryContent::ReferenceDelta(base) => Step::Delta(base, content),
            EntryContent::OffsetDelta(distance) => Step::Delta(base(distance)?, content),
        })
    }
}
