//! The calendar objects of a push that were found right while they were received.

use kalends_icalendar::{ComponentKind, Identity};
use kalends_store::ObjectId;
use std::{cell::RefCell, collections::HashMap};

/// Bytes of memory that are taken where nothing else is said: some 30,000 objects.
const MEMORY: usize = 4 << 20;
/// Bytes that an object takes beside its UID.
const OVERHEAD: usize = 80;

/// UID and type of each object, by the id of its blob. What does not fit is left out.
pub(super) struct Seen {
    found: RefCell<Found>,
    limit: usize,
}

#[derive(Default)]
struct Found {
    /// Type, and where the UID begins and ends.
    places: HashMap<ObjectId, (ComponentKind, u32, u32)>,
    /// All UIDs, one after another.
    uids: String,
}

impl Seen {
    /// Takes a 32nd of the memory for a push.
    pub(super) fn within(push_memory: Option<u64>) -> Self {
        let limit = push_memory.map_or(MEMORY, |memory| (memory / 32).min(MEMORY as u64) as usize);
        Self { found: RefCell::default(), limit }
    }

    /// Whether another object could be kept.
    pub(super) fn has_room(&self) -> bool {
        self.found.borrow().size() < self.limit
    }

    /// Keeps what an object is.
    pub(super) fn add(&self, id: ObjectId, identity: &Identity) {
        let mut found = self.found.borrow_mut();
        if found.size() + OVERHEAD + identity.uid.len() > self.limit {
            return;
        }
        let start = found.uids.len() as u32;
        found.uids.push_str(&identity.uid);
        let end = found.uids.len() as u32;
        found.places.insert(id, (identity.kind, start, end));
    }

    /// What an object is, if that is known.
    pub(super) fn get(&self, id: &ObjectId) -> Option<Identity> {
        let found = self.found.borrow();
        let (kind, start, end) = *found.places.get(id)?;
        let uid = found.uids.get(start as usize..end as usize)?.to_owned();
        Some(Identity { uid, kind })
    }
}

impl Found {
    fn size(&self) -> usize {
        self.places.len() * OVERHEAD + self.uids.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_kept_within_the_memory_for_them() {
        let seen = Seen::within(Some(32 << 10));
        let identity =
            |number: u32| Identity { uid: format!("{number}@example.org"), kind: ComponentKind::Event };
        let id = |number: u32| {
            let mut id = [0; 20];
            id[..4].copy_from_slice(&number.to_le_bytes());
            ObjectId::Sha1(id)
        };
        let mut kept = 0;
        for number in 0..100 {
            seen.add(id(number), &identity(number));
            match seen.get(&id(number)) {
                Some(found) => assert_eq!(found, identity(number)),
                None => break,
            }
            kept += 1;
        }
        assert_eq!(kept, 1024 / (OVERHEAD as u32 + 13));
        let long = Identity { uid: "x".repeat(5000), kind: ComponentKind::Todo };
        seen.add(id(1000), &long);
        assert_eq!(seen.get(&id(1000)), None);
        assert_eq!(seen.get(&id(0)), Some(identity(0)), "what was kept stays");
    }
}
