//! Whether all objects that pushed objects refer to exist.

use crate::{Error, Pin, Repository, format::record::Record, pack::Pace};
use gix_hash::ObjectId;
use gix_object::Kind;

/// Objects of the repository that are remembered and held as needed. Beyond it memory matters more, and
/// nothing is collected until the push has ended; 15 MiB.
const REMEMBERED: usize = 1 << 18;
/// Links that are collected before they are sorted, at least.
const FRESH: usize = 4096;
/// Links beyond the number of pushed objects after which those are sorted out that the repository has.
const BEYOND: usize = 1 << 16;
/// The most links that are kept so that one which comes again and again is collected once; a power of two.
const RECENT: usize = 1 << 15;

/// An object that another refers to: its id, and the kind that it must have.
type Link = [u8; 21];

const ANY: u8 = u8::MAX;
/// In the place of the kind: no link.
const NOTHING: u8 = u8::MAX - 1;

fn link(id: &ObjectId, kind: Option<Kind>) -> Link {
    let mut link = [kind.map_or(ANY, |kind| kind as u8); 21];
    if let Some(start) = link.first_chunk_mut::<20>() {
        start.copy_from_slice(id.as_slice());
    }
    link
}

fn id_of(link: &Link) -> ObjectId {
    let [id @ .., _] = *link;
    ObjectId::Sha1(id)
}

/// Collects the links of the objects of a pack: 21 bytes for each object that is referred to, and a quarter
/// more.
///
/// Every object of the pack is examined, not only what its tips reach: so that whatever the repository
/// has, it has with all that it refers to, and a later push of a reference alone can be accepted without
/// a walk.
pub(crate) struct LinkCheck {
    repository: Repository,
    /// Holds what was found there: no reference may reach it.
    pin: Pin,
    /// Objects that the repository has and that pushed objects refer to, sorted.
    present: Vec<[u8; 20]>,
    /// Links, sorted, each once.
    sorted: Vec<Link>,
    /// Links that came since.
    fresh: Vec<Link>,
    /// Links that came lately, by the start of their id.
    recent: Vec<Link>,
    /// How many objects the pack has: more cannot be needed.
    pushed: usize,
    /// Whether `present` lacks some of what was found.
    forgotten: bool,
}

fn missing(repository: &Repository, id: &ObjectId) -> Error {
    Error::Malformed(format!("missing necessary objects: {id}{}", repository.why_missing()))
}

fn check_kind(link: &Link, actual: Kind) -> Result<(), Error> {
    let [.., wanted] = *link;
    if wanted == ANY || wanted == actual as u8 {
        return Ok(());
    }
    let kinds = [Kind::Tree, Kind::Blob, Kind::Commit, Kind::Tag];
    let wanted = kinds.into_iter().find(|kind| *kind as u8 == wanted).unwrap_or(Kind::Blob);
    Err(Error::Malformed(format!("object {} is a {actual}, not a {wanted}", id_of(link))))
}

impl LinkCheck {
    /// Prepares for the links of pushed objects.
    pub(crate) fn new(repository: &Repository) -> Self {
        Self {
            pin: repository.pin(),
            repository: repository.clone(),
            present: Vec::new(),
            sorted: Vec::new(),
            fresh: Vec::new(),
            recent: Vec::new(),
            pushed: 0,
            forgotten: false,
        }
    }

    /// How many objects the pack declares, before the first of them.
    pub(crate) fn expect(&mut self, pushed: u32) {
        self.pushed = pushed as usize;
        self.recent = vec![[NOTHING; 21]; self.pushed.next_power_of_two().min(RECENT)];
    }

    /// Adds a link.
    pub(crate) fn add(&mut self, id: ObjectId, kind: Option<Kind>) -> Result<(), Error> {
        let link = link(&id, kind);
        let [a, b, c, ..] = link;
        let place = usize::from(a) | usize::from(b) << 8 | usize::from(c) << 16;
        let mask = self.recent.len().saturating_sub(1);
        if let Some(recent) = self.recent.get_mut(place & mask) {
            if *recent == link {
                return Ok(());
            }
            *recent = link;
        }
        self.fresh.push(link);
        if self.fresh.len() >= FRESH.max(self.sorted.len() / 4) {
            self.sort();
            if self.sorted.len() > self.pushed + BEYOND.max(self.pushed / 2) {
                self.settle()?;
            }
        }
        Ok(())
    }

    fn sort(&mut self) {
        // Ids as numbers first: they differ in their first bytes.
        let start = |link: &Link| link.first_chunk().copied().map_or(0, u64::from_be_bytes);
        self.fresh.sort_unstable_by(|a, b| start(a).cmp(&start(b)).then_with(|| a.cmp(b)));
        self.fresh.dedup();
        merge(&mut self.sorted, &mut self.fresh);
    }

    /// Sorts out the links to objects that the repository has. The rest must come with the pack.
    fn settle(&mut self) -> Result<(), Error> {
        let (mut kept, mut found) = (Vec::new(), Vec::new());
        for link in std::mem::take(&mut self.sorted) {
            if self.is_present(&link)? {
                found.push(link);
            } else {
                kept.push(link);
            }
        }
        self.sorted = kept;
        self.remember(&found);
        // An object may be needed as of several kinds, which is found out in the end.
        if self.sorted.len() > 4 * self.pushed {
            let why = self.repository.why_missing();
            return Err(Error::Malformed(format!(
                "missing necessary objects: it refers to more than it has{why}"
            )));
        }
        Ok(())
    }

    /// Whether the repository has the object of a link; then it is held.
    fn is_present(&self, link: &Link) -> Result<bool, Error> {
        match self.repository.kind(&id_of(link)) {
            Ok(kind) => {
                self.pin.add(id_of(link));
                check_kind(link, kind).map(|()| true)
            }
            Err(Error::NoObject(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn remember(&mut self, found: &[Link]) {
        if self.present.len() + found.len() > REMEMBERED {
            self.forgotten = true;
            self.present.clear();
            self.pin.add_everything();
        }
        let mut found: Vec<[u8; 20]> = found
            .iter()
            .take(REMEMBERED)
            .map(|link| link.first_chunk().copied().unwrap_or_default())
            .collect();
        found.dedup();
        merge(&mut self.present, &mut found);
    }

    /// Checks that all that is needed is among the pushed objects, which are sorted by id, or in the
    /// repository. Gives the pushed objects that no other refers to, if there are not more than `most`
    /// of them.
    pub(crate) async fn finish(
        &mut self,
        pushed: &[Record],
        most: usize,
        pace: &Pace,
    ) -> Result<Option<Vec<ObjectId>>, Error> {
        self.sort();
        (self.fresh, self.recent) = (Vec::new(), Vec::new());
        let links = std::mem::take(&mut self.sorted);
        let (mut at, mut found, mut tips) = (0, Vec::new(), Some(Vec::new()));
        let mut tip = |record: &Record| {
            if let Some(list) = &mut tips {
                list.push(record.id());
                if list.len() > most {
                    tips = None;
                }
            }
        };
        let mut last = None;
        for link in &links {
            pace.spend(100).await;
            while let Some(record) = pushed.get(at).filter(|record| record.id_bytes()[..] < link[..20]) {
                if last != Some(at) {
                    tip(record);
                }
                at += 1;
            }
            match pushed.get(at) {
                Some(record) if record.id_bytes()[..] == link[..20] => {
                    check_kind(link, record.attributes().kind())?;
                    last = Some(at);
                }
                _ if self.is_present(link)? => {
                    if found.len() < REMEMBERED {
                        found.push(*link);
                    } else {
                        self.forgotten = true;
                        self.pin.add_everything();
                    }
                }
                _ => return Err(missing(&self.repository, &id_of(link))),
            }
        }
        for (number, record) in pushed.iter().enumerate().skip(at) {
            if last != Some(number) {
                tip(record);
            }
        }
        self.remember(&found);
        Ok(tips)
    }

    /// All objects of the repository that pushed objects refer to, once these are all known; `None` when there
    /// were too many to remember.
    pub(crate) fn outside(&self) -> Option<Vec<ObjectId>> {
        (!self.forgotten).then(|| self.present.iter().map(|id| ObjectId::Sha1(*id)).collect())
    }

    /// Checks again that what the repository had is still there, right before the pack is adopted: the pin
    /// has held it against collection, but the repository may have been removed.
    pub(crate) fn still_present(&self) -> Result<(), Error> {
        let ids = self.present.iter().map(|id| ObjectId::Sha1(*id));
        match ids.into_iter().find(|id| !self.repository.contains(id)) {
            Some(id) => Err(missing(&self.repository, &id)),
            None => Ok(()),
        }
    }
}

/// Merges sorted `new` into `old`, each element once, in place from the end.
fn merge<T: Copy + Ord>(old: &mut Vec<T>, new: &mut Vec<T>) {
    new.retain(|element| old.binary_search(element).is_err());
    let Some(&filler) = new.first() else { return };
    let mut rest = old.len();
    old.reserve_exact(new.len());
    old.resize(rest + new.len(), filler);
    let mut free = old.len();
    while let Some(last) = new.last() {
        free -= 1;
        match rest.checked_sub(1).and_then(|at| old.get(at).copied()) {
            Some(largest) if largest > *last => {
                old[free] = largest;
                rest -= 1;
            }
            _ => {
                old[free] = *last;
                new.pop();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn merging_gives_each_element_once_in_order(
            parts in proptest::collection::vec(proptest::collection::btree_set(0_u8..60, 0..20), 0..8),
        ) {
            let (mut merged, mut expected) = (Vec::new(), BTreeSet::new());
            for part in parts {
                expected.extend(part.iter().copied());
                merge(&mut merged, &mut part.into_iter().collect());
            }
            prop_assert_eq!(merged, expected.into_iter().collect::<Vec<_>>());
        }
    }
}
