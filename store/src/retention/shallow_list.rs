//! The shallow list of a repository, as git keeps it in a file `shallow` (gitrepository-layout(5)).

use crate::Error;
use gix_hash::{ObjectId, oid};
use std::{collections::BTreeSet, rc::Rc};

/// The most commits of a list, so that its operation fits into a frame of the log: 200 KB.
pub(crate) const MAX_SHALLOW: usize = 10_000;

/// The commits whose parents a repository does without: its shallow boundary. Cloning is cheap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ShallowList {
    /// Ids, 20 bytes each, sorted, each once.
    ids: Rc<[u8]>,
}

impl ShallowList {
    /// Examines what an operation or a checkpoint says.
    pub(crate) fn check(ids: &[u8]) -> Result<(), Error> {
        let mut all = ids.chunks_exact(20);
        let sorted = all.by_ref().is_sorted_by(|a, b| a < b);
        if !sorted || !all.remainder().is_empty() || ids.len() > MAX_SHALLOW * 20 {
            return Err(Error::Malformed("a shallow list is not sorted, or is too long".into()));
        }
        Ok(())
    }

    /// Reads what [`bytes`](Self::bytes) gave.
    pub(crate) fn decode(ids: &[u8]) -> Result<Self, Error> {
        Self::check(ids)?;
        Ok(Self { ids: ids.into() })
    }

    /// The ids, 20 bytes each, sorted.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.ids
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.ids.len() / 20
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = ObjectId> {
        self.ids.chunks_exact(20).filter_map(|id| ObjectId::try_from(id).ok())
    }

    /// Whether the parents of a commit are not looked for.
    pub(crate) fn contains(&self, id: &oid) -> bool {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = (low + high) / 2;
            let Some(found) = self.ids.get(middle * 20..middle * 20 + 20) else { return false };
            match found.cmp(id.as_bytes()) {
                std::cmp::Ordering::Equal => return true,
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        false
    }

    /// This list and these commits.
    ///
    /// # Errors
    /// [`Error::Limit`] when that is too long a list.
    pub(crate) fn with(&self, more: impl IntoIterator<Item = ObjectId>) -> Result<Self, Error> {
        let all: BTreeSet<ObjectId> = self.iter().chain(more).collect();
        if all.len() > MAX_SHALLOW {
            return Err(Error::Limit(format!("more than {MAX_SHALLOW} commits at the shallow boundary")));
        }
        Ok(all.into_iter().collect())
    }
}

/// Of ids in order, each once.
impl FromIterator<ObjectId> for ShallowList {
    fn from_iter<T: IntoIterator<Item = ObjectId>>(ids: T) -> Self {
        let ids: BTreeSet<ObjectId> = ids.into_iter().collect();
        Self { ids: ids.iter().flat_map(|id| id.as_slice()).copied().collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn id(byte: u8) -> ObjectId {
        ObjectId::Sha1([byte; 20])
    }

    proptest! {
        #[test]
        fn a_list_is_a_set_that_reads_as_written(
            first in proptest::collection::vec(0_u8..40, 0..20), more in proptest::collection::vec(0_u8..40, 0..20),
        ) {
            let list: ShallowList = first.iter().map(|byte| id(*byte)).collect();
            let list = list.with(more.iter().map(|byte| id(*byte))).unwrap();
            let expected: BTreeSet<u8> = first.into_iter().chain(more).collect();
            prop_assert_eq!(list.len(), expected.len());
            for byte in 0..40 {
                prop_assert_eq!(list.contains(&id(byte)), expected.contains(&byte));
            }
            prop_assert_eq!(ShallowList::decode(list.bytes()).unwrap(), list);
        }
    }

    #[test]
    fn lists_out_of_order_or_too_long_are_refused() {
        assert!(ShallowList::decode(&[[2; 20], [1; 20]].concat()).is_err());
        assert!(ShallowList::decode(&[[1; 20], [1; 20]].concat()).is_err());
        assert!(ShallowList::decode(&[1; 21]).is_err());
        let number = |number: usize| {
            let mut id = [0; 20];
            id[..8].copy_from_slice(&(number as u64).to_be_bytes());
            ObjectId::Sha1(id)
        };
        let list = ShallowList::default().with((0..MAX_SHALLOW).map(number)).unwrap();
        assert!(matches!(list.with([number(MAX_SHALLOW)]), Err(Error::Limit(_))));
    }
}
