//! Which blobs of a repository new ones are stored as deltas against, besides their own former versions.
//!
//! Events of one person share most of their text: time zones, properties of the program that writes them,
//! people. So the last few blobs that were stored whole, and are like many others, are kept at hand. A base
//! serves [`MAX_USES`] blobs, so that damage in one place costs no more than so many.

use super::{
    cache::{Bounds, Cache, Cached},
    delta_search::DeltaBase,
};
use bytes::Bytes;
use gix_hash::ObjectId;
use std::rc::Rc;

/// Bases kept of a repository.
const KEPT: usize = 8;
/// The largest base that is kept.
const MAX_SIZE: usize = 16 << 10;
/// Bytes of memory of the bases of all repositories.
const MEMORY: usize = 1 << 20;
/// Blobs that become deltas against one base.
pub(crate) const MAX_USES: u16 = 64;
/// What has less in common with a base, in parts of 256, is not tried.
const ALIKE: usize = 96;

/// A blob that is stored whole.
#[derive(Clone)]
pub(crate) struct BlobBase {
    pub(crate) id: ObjectId,
    pub(crate) index: Rc<DeltaBase>,
    uses: u16,
}

/// The bases of one repository, the one that was used last first.
#[derive(Clone, Default)]
pub(crate) struct BlobBases(Vec<BlobBase>);

impl BlobBases {
    /// The base that has most in common with a blob, of those that `usable` lets pass.
    pub(crate) fn most_alike(
        &self,
        content: &[u8],
        mut usable: impl FnMut(&ObjectId) -> bool,
    ) -> Option<&BlobBase> {
        let alike = self.0.iter().map(|base| (base.index.likeness(content), base));
        // Of those that are equally alike the one that was used last.
        alike
            .rev()
            .filter(|(likeness, base)| *likeness >= ALIKE && usable(&base.id))
            .max_by_key(|(likeness, _)| *likeness)
            .map(|(_, base)| base)
    }

    /// Notes that a blob is a delta against a base.
    pub(crate) fn used(&mut self, id: &ObjectId) {
        let Some(at) = self.0.iter().position(|base| base.id == *id) else { return };
        let mut base = self.0.remove(at);
        base.uses += 1;
        if base.uses < MAX_USES {
            self.0.insert(0, base);
        }
    }

    /// Adds a blob that is stored whole.
    pub(crate) fn add(&mut self, id: ObjectId, content: &Bytes) {
        if content.len() > MAX_SIZE {
            return;
        }
        // A copy: the content may be a part of something larger.
        let Some(index) = DeltaBase::new(Bytes::copy_from_slice(content)) else { return };
        self.0.truncate(KEPT - 1);
        self.0.insert(0, BlobBase { id, index: Rc::new(index), uses: 0 });
    }
}

impl Cached for Rc<BlobBases> {
    fn size(&self) -> usize {
        self.0.iter().map(|base| base.index.memory() + size_of::<BlobBase>()).sum()
    }
}

/// The bases of the repositories that were written to last.
pub(crate) struct AllBlobBases(Cache<u32, Rc<BlobBases>>);

impl AllBlobBases {
    /// None so far.
    pub(crate) fn new() -> Self {
        Self(Cache::new(Bounds::bytes(MEMORY)))
    }

    /// Those of a repository.
    pub(crate) fn of(&mut self, repository: u32) -> BlobBases {
        self.0.get(&repository).map_or_else(BlobBases::default, |bases| BlobBases::clone(&bases))
    }

    /// Those of a repository are these now.
    pub(crate) fn set(&mut self, repository: u32, bases: BlobBases) {
        self.0.insert(repository, Rc::new(bases));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u16) -> ObjectId {
        let mut id = [0; 20];
        id[..2].copy_from_slice(&number.to_le_bytes());
        ObjectId::Sha1(id)
    }

    /// Texts of one kind have most in common.
    fn text(kind: u64, number: u64) -> Bytes {
        let line = |line: u64| format!("X-{line}:{}\r\n", (line + 3) * (kind + 11) * 7_919_000);
        ((0..30).map(line).collect::<String>() + &format!("UID:{number}\r\n")).into()
    }

    #[test]
    fn the_most_alike_base_is_found_until_it_has_served_its_number_of_blobs() {
        let mut bases = BlobBases::default();
        (0..5).for_each(|kind| bases.add(id(kind), &text(kind.into(), 0)));
        for number in 1..=u64::from(MAX_USES) {
            assert_eq!(bases.most_alike(&text(3, number), |_| true).unwrap().id, id(3));
            assert!(bases.most_alike(&text(3, number), |base| *base != id(3)).is_none());
            bases.used(&id(3));
        }
        assert!(bases.most_alike(&text(3, 99), |_| true).is_none());
        assert_eq!(bases.most_alike(&text(4, 99), |_| true).unwrap().id, id(4));
    }

    #[test]
    fn the_last_bases_of_the_last_repositories_are_kept_within_their_memory() {
        let mut all = AllBlobBases::new();
        for repository in 0..1000 {
            let mut bases = all.of(repository);
            for kind in 0..20_u16 {
                bases.add(id(kind), &text(kind.into(), repository.into()));
            }
            assert_eq!(bases.0.len(), KEPT);
            assert_eq!(bases.0[0].id, id(19));
            all.set(repository, bases);
        }
        assert!(all.of(0).0.is_empty() && all.of(999).0.len() == KEPT);
        let mut bases = all.of(1);
        bases.add(id(1), &vec![0; MAX_SIZE + 1].into());
        assert!(bases.0.is_empty(), "too large to be kept");
    }
}
