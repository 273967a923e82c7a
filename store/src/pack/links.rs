//! Whether all objects that pushed objects refer to exist.

use crate::{Error, Repository};
use gix_hash::ObjectId;
use gix_object::Kind;
use std::collections::{HashMap, hash_map::Entry};

/// Links of the repository's objects that are remembered, so that a directory of 10,000 files that comes
/// in many versions is looked up once. Beyond it memory matters more; about 64 MiB.
const REMEMBERED: usize = 1 << 20;

/// Collects the links of the objects of a pack.
///
/// Every object of the pack is examined, not only what its tips reach: so that whatever the repository
/// has, it has with all that it refers to, and a later push of a reference alone can be accepted without
/// a walk.
pub(crate) struct LinkCheck<'a> {
    repository: &'a Repository,
    /// Objects of the repository that pushed objects refer to.
    present: HashMap<ObjectId, Kind>,
    /// Objects that must come with the pack.
    needed: HashMap<ObjectId, Option<Kind>>,
    /// How many objects the pack has: more cannot be needed.
    pushed: usize,
}

fn missing(id: &ObjectId) -> Error {
    Error::Malformed(format!("missing necessary objects: {id}"))
}

fn wrong_kind(id: &ObjectId, actual: Kind, wanted: Kind) -> Error {
    Error::Malformed(format!("object {id} is a {actual}, not a {wanted}"))
}

impl<'a> LinkCheck<'a> {
    /// Prepares for the links of `pushed` objects.
    pub(crate) fn new(repository: &'a Repository, pushed: u32) -> Self {
        Self { repository, present: HashMap::new(), needed: HashMap::new(), pushed: pushed as usize }
    }

    /// Adds a link.
    pub(crate) fn add(&mut self, id: ObjectId, kind: Option<Kind>) -> Result<(), Error> {
        let known = match self.present.get(&id) {
            Some(known) => Some(*known),
            None if self.repository.contains(&id) => {
                let known = self.repository.kind(&id)?;
                if self.present.len() == REMEMBERED {
                    self.present.clear();
                }
                self.present.insert(id, known);
                Some(known)
            }
            None => None,
        };
        if let Some(known) = known {
            return match kind {
                Some(wanted) if wanted != known => Err(wrong_kind(&id, known, wanted)),
                _ => Ok(()),
            };
        }
        match self.needed.entry(id) {
            Entry::Occupied(mut entry) => match (*entry.get(), kind) {
                (Some(before), Some(now)) if before != now => Err(wrong_kind(&id, before, now)),
                (None, _) => {
                    entry.insert(kind);
                    Ok(())
                }
                _ => Ok(()),
            },
            Entry::Vacant(entry) => {
                entry.insert(kind);
                if self.needed.len() > self.pushed { Err(missing(&id)) } else { Ok(()) }
            }
        }
    }

    /// Checks that all that is needed is among the pushed objects.
    pub(crate) fn finish(&self, pushed: &HashMap<ObjectId, Kind>) -> Result<(), Error> {
        for (id, wanted) in &self.needed {
            match (pushed.get(id), wanted) {
                (None, _) => return Err(missing(id)),
                (Some(kind), Some(wanted)) if kind != wanted => return Err(wrong_kind(id, *kind, *wanted)),
                _ => {}
            }
        }
        Ok(())
    }

    /// Checks again that what the repository had is still there, right before the pack is adopted:
    /// unreachable objects may have been collected meanwhile.
    pub(crate) fn still_present(&self) -> Result<(), Error> {
        match self.present.keys().find(|id| !self.repository.contains(id)) {
            Some(id) => Err(missing(id)),
            None => Ok(()),
        }
    }
}
