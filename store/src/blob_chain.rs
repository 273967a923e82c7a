//! Which blob a new blob is stored as a delta against.
//!
//! A file's former version is the best base that there is; a new file has much in common with one that was
//! written not long before ([`BlobBases`]). Deltas save bytes for good and cost reading: so chains have at
//! most [`MAX_DEPTH`] deltas. When the former version is that deep, the delta is against what it was made
//! from itself; and when a delta would not save a third, the blob is stored whole, and those to come
//! are made from it.

use crate::{
    Error, Repository,
    format::record::Attributes,
    objects::{
        blob_bases::BlobBases,
        delta_search::{DeltaBase, MAX_SIZE},
        entry,
    },
};
use bytes::Bytes;
use gix_hash::ObjectId;
use gix_object::Kind;
use std::collections::HashSet;

/// The longest chain of deltas that is made. A blob that came by a push may be deeper, and is no base then.
pub(crate) const MAX_DEPTH: u16 = 3;
/// Smaller blobs are not worth a delta, in bytes.
const SMALL: usize = 128;

/// Encodes the blobs of one transaction, one after the other.
pub(crate) struct BlobEncoder<'a> {
    repository: &'a Repository,
    bases: BlobBases,
    /// Blobs that this transaction stores whole.
    whole: HashSet<ObjectId>,
}

/// A delta that was found.
struct Found {
    base: ObjectId,
    delta: Vec<u8>,
    depth: u16,
}

impl<'a> BlobEncoder<'a> {
    pub(crate) fn new(repository: &'a Repository) -> Self {
        let bases = repository.core().blob_bases.borrow_mut().of(repository.state().borrow().number);
        Self { repository, bases, whole: HashSet::new() }
    }

    /// Whether blobs of this size can be deltas.
    pub(crate) fn concerns(size: usize) -> bool {
        (SMALL..=MAX_SIZE).contains(&size)
    }

    /// The entry of a blob and its attributes. `former` is what it takes the place of.
    pub(crate) fn encode(
        &mut self,
        id: ObjectId,
        content: &Bytes,
        former: Option<ObjectId>,
    ) -> (Vec<u8>, Attributes) {
        // What is wrong with a base is told when it is read for its own sake.
        let former = former.and_then(|former| self.against_former(former, content).ok().flatten());
        let found = match former {
            Some(found) if found.delta.len() <= content.len() / 8 => Some(found),
            former => {
                let limit = former.as_ref().map_or(content.len() / 2, |found| found.delta.len());
                self.against_other(content, limit).or(former)
            }
        };
        let mut whole = None;
        if let Some(Found { base, delta, depth }) = found {
            let entry = entry::encode_delta(base, &delta);
            // Of a small delta it is plain that it saves a third.
            if delta.len() > content.len() / 4 {
                whole = Some(entry::encode_whole(Kind::Blob, content));
            }
            if whole.as_ref().is_none_or(|whole| entry.len() <= whole.len() / 3 * 2) {
                self.bases.used(&base);
                return (entry, Attributes::new(Kind::Blob, Some(depth)));
            }
        }
        self.whole.insert(id);
        self.bases.add(id, content);
        let whole = whole.unwrap_or_else(|| entry::encode_whole(Kind::Blob, content));
        (whole, Attributes::new(Kind::Blob, Some(0)))
    }

    /// What was encoded has been submitted: the next transactions may be made upon it.
    pub(crate) fn submitted(self) {
        let number = self.repository.state().borrow().number;
        self.repository.core().blob_bases.borrow_mut().set(number, self.bases);
    }

    /// A delta against a former version, or what that was made from. Only if its content is at hand: a change
    /// reads nothing from the device, and most former versions were read or written not long before.
    fn against_former(&self, former: ObjectId, content: &[u8]) -> Result<Option<Found>, Error> {
        let cached = |id: &ObjectId| {
            let number = self.repository.state().borrow().number;
            self.repository.core().cached(number, id).filter(|object| object.kind == Kind::Blob)
        };
        if cached(&former).is_none() {
            return Ok(None);
        }
        let Some((base, depth)) = self.base_from(former)? else { return Ok(None) };
        let Some(object) = cached(&base) else { return Ok(None) };
        let delta = DeltaBase::new(object.data).and_then(|index| index.delta(content, content.len() / 2));
        Ok(delta.map(|delta| Found { base, delta, depth: depth + 1 }))
    }

    /// The nearest object on the chain of `former` that can be a base, and the number of deltas below it.
    fn base_from(&self, former: ObjectId) -> Result<Option<(ObjectId, u16)>, Error> {
        let record = self.repository.state().borrow().index.get(&former);
        if let Some(depth) = record.and_then(|record| record.attributes().step())
            && depth < MAX_DEPTH
        {
            return Ok(Some((former, depth)));
        }
        let mut chain = vec![former];
        let mut id = former;
        // Up to this one the depth of what is in the chain is counted from its end.
        let end = loop {
            let link = self.repository.link(&id)?;
            let Some(below) = link.base else { break 0 };
            let depth = link.attributes.and_then(Attributes::step);
            if let Some(depth) = depth
                && depth < MAX_DEPTH
            {
                break depth;
            }
            if chain.len() > usize::from(MAX_DEPTH) {
                return Ok(None);
            }
            chain.push(below);
            id = below;
        };
        let depths = (0..chain.len() as u16).rev().map(|above| end + above);
        Ok(chain.into_iter().zip(depths).find(|(_, depth)| *depth < MAX_DEPTH))
    }

    /// A delta against another blob that was stored whole.
    fn against_other(&self, content: &[u8], limit: usize) -> Option<Found> {
        let state = self.repository.state().borrow();
        let usable = |id: &ObjectId| {
            // Not when it was moved to a pack, where it may be a delta, nor when it was collected.
            self.whole.contains(id)
                || state.index.get(id).is_some_and(|record| record.attributes().step() == Some(0))
        };
        let base = self.bases.most_alike(content, usable)?;
        let delta = base.index.delta(content, limit)?;
        Some(Found { base: base.id, delta, depth: 1 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Error, FormatOptions, Objects, ReferenceUpdate, Store, Transaction, TreeEdit,
        commit::{Cut, EncodedObject, Submission},
        noise::noise,
        objects::blob_bases::MAX_USES,
    };
    use futures_executor::block_on;
    use gix_object::tree::EntryKind;
    use kalends_block_backend::{BlockDevice, MemoryDevice};
    use std::{collections::HashMap, rc::Rc};

    const MAIN: &str = "refs/heads/main";

    fn store() -> (Rc<MemoryDevice>, Store, Repository) {
        let device = Rc::new(MemoryDevice::new(16 << 20));
        let store = Store::format(device.clone(), &FormatOptions::default()).unwrap();
        let repository = store.create_repository("ada").unwrap();
        (device, store, repository)
    }

    /// An event of a kind that shares its text with others.
    fn event(kind: u64, number: usize, version: usize) -> Vec<u8> {
        let line = |line: u64| format!("X-{line}:{}\r\n", (line + 3) * (kind + 11) * 7_919_000);
        let shared: String = (0..30).map(line).collect();
        format!("{shared}UID:{number}@example.org\r\nSUMMARY:version {version}\r\n").into()
    }

    /// A transaction that puts a file on top of main, and the file's blob.
    fn change(repository: &Repository, name: &str, content: Vec<u8>) -> (Transaction, ObjectId) {
        let mut transaction = repository.transaction();
        let parent = repository.latest_reference(MAIN);
        let base = parent.map(|parent| transaction.tree_of_commit(&parent).unwrap());
        let blob = transaction.insert(Kind::Blob, content).unwrap();
        let edit = TreeEdit { name: name.into(), entry: Some((EntryKind::Blob, blob)) };
        let tree = transaction.edit_tree(base.as_ref(), &[edit]).unwrap();
        let line = parent.map(|parent| format!("parent {parent}\n")).unwrap_or_default();
        let who = "A <a@example.org> 1700000000 +0000";
        let text = format!("tree {tree}\n{line}author {who}\ncommitter {who}\n\n{name}\n");
        let new = Some(transaction.insert(Kind::Commit, text).unwrap());
        transaction.update_reference(ReferenceUpdate { name: MAIN.into(), expected: parent, new });
        (transaction, blob)
    }

    fn put(repository: &Repository, name: &str, content: Vec<u8>) -> ObjectId {
        let (transaction, blob) = change(repository, name, content);
        block_on(transaction.submit().unwrap()).unwrap();
        blob
    }

    /// The objects that an object is made from, one after the other, to the whole one.
    fn chain(repository: &Repository, id: ObjectId) -> Vec<ObjectId> {
        std::iter::successors(Some(id), |id| repository.link(id).unwrap().base).skip(1).collect()
    }

    #[test]
    fn versions_of_an_event_are_deltas_in_short_chains() {
        let (device, store, repository) = store();
        let versions: Vec<_> = (0..50).map(|version| event(1, 7, version)).collect();
        let ids: Vec<_> =
            versions.iter().map(|version| put(&repository, "lunch.ics", version.clone())).collect();
        let lengths: Vec<_> = ids.iter().map(|id| chain(&repository, *id).len()).collect();
        let deepest = usize::from(MAX_DEPTH);
        assert_eq!(lengths[..=deepest], (0..=deepest).collect::<Vec<_>>());
        assert!(lengths[deepest..].iter().all(|length| *length == deepest));
        store.close().unwrap();
        drop((store, repository));
        let store = Store::open(device).unwrap();
        let repository = store.repository("ada").unwrap();
        for (id, version) in ids.iter().zip(&versions) {
            assert_eq!(repository.object(id).unwrap().data, version);
            assert_eq!(repository.header(id).unwrap().size, version.len() as u64);
        }
        // The former version is at hand, since it was read.
        let next = put(&repository, "lunch.ics", event(1, 7, 50));
        assert_eq!(chain(&repository, next).len(), deepest);
        let mut findings = Vec::new();
        store.check(&mut |finding| findings.push(finding.to_string()));
        assert!(findings.is_empty(), "{findings:?}");
    }

    #[test]
    fn new_events_are_deltas_on_one_like_them_of_which_each_serves_a_bounded_number() {
        let (_, _, repository) = store();
        let mut served: HashMap<ObjectId, usize> = HashMap::new();
        let mut whole = 0;
        for number in 0..1000 {
            let id = put(&repository, &format!("{number}.ics"), event(number as u64 % 5, number, 0));
            match chain(&repository, id)[..] {
                [] => whole += 1,
                [base] => *served.entry(base).or_default() += 1,
                _ => panic!("a new event is a delta on a delta"),
            }
        }
        assert!(served.values().all(|count| *count <= usize::from(MAX_USES)), "{served:?}");
        assert_eq!(whole, 20, "one of each kind, and another when that has served its number");
    }

    #[test]
    fn what_has_changed_much_or_is_small_or_large_is_stored_whole() {
        let (_, _, repository) = store();
        put(&repository, "a.ics", event(1, 1, 0));
        let other = put(&repository, "a.ics", event(2, 1, 0));
        assert!(chain(&repository, other).is_empty());
        for content in [vec![b'x'; SMALL - 1], vec![b'x'; MAX_SIZE + 1]] {
            let mut next = content.clone();
            next[50] = b'y';
            put(&repository, "b.ics", content);
            let next = put(&repository, "b.ics", next);
            assert!(chain(&repository, next).is_empty());
        }
    }

    #[test]
    fn blobs_of_a_refused_transaction_are_no_bases() {
        let (_, store, repository) = store();
        let (refused, lost) = change(&repository, "a.ics", event(1, 1, 0));
        put(&repository, "b.ics", event(2, 2, 0));
        assert!(matches!(refused.submit(), Err(Error::ReferenceConflict { .. })));
        assert!(!repository.contains(&lost));
        let third = put(&repository, "c.ics", event(1, 3, 0));
        assert!(chain(&repository, third).is_empty());
        store.check(&mut |finding| panic!("{finding}"));
    }

    #[test]
    fn a_blob_that_was_collected_is_no_base() {
        let (_, store, repository) = store();
        // Something that is worth a collection.
        put(&repository, "large.bin", noise(1, 200_000));
        let lost = put(&repository, "a.ics", event(1, 1, 0));
        let mut transaction = repository.transaction();
        let expected = repository.reference(MAIN);
        transaction.update_reference(ReferenceUpdate { name: MAIN.into(), expected, new: None });
        block_on(transaction.submit().unwrap()).unwrap();
        block_on(store.compact()).unwrap();
        assert!(!repository.contains(&lost));
        let next = put(&repository, "a.ics", event(1, 2, 0));
        assert!(chain(&repository, next).is_empty());
        store.check(&mut |finding| panic!("{finding}"));
    }

    #[test]
    fn a_damaged_former_version_does_not_hinder_a_change() {
        let (device, store, repository) = store();
        let former = put(&repository, "a.ics", event(1, 1, 0));
        store.close().unwrap();
        drop((store, repository));
        let store = Store::open(device.clone()).unwrap();
        let repository = store.repository("ada").unwrap();
        let record = repository.state().borrow().index.get(&former).unwrap();
        let mut block = [0; 1024];
        let at = record.offset() / 512 * 512;
        device.read(at, &mut block).unwrap();
        block[(record.offset() - at) as usize + 40] ^= 1;
        device.write(at, &block).unwrap();
        assert!(matches!(repository.object(&former), Err(Error::Damaged { .. })));
        let next = put(&repository, "a.ics", event(1, 1, 1));
        assert!(chain(&repository, next).is_empty());
        assert_eq!(repository.object(&next).unwrap().data, event(1, 1, 1));
    }

    /// Stores versions as a push may bring them: each a delta on the one before, with nothing said of steps.
    fn pushed_chain(repository: &Repository, versions: usize) -> Vec<ObjectId> {
        let mut ids: Vec<ObjectId> = Vec::new();
        for version in 0..versions {
            let content = event(1, 1, version);
            let id = entry::hash(Kind::Blob, &content).unwrap();
            let entry = match ids.last() {
                None => entry::encode_whole(Kind::Blob, &content),
                Some(before) => {
                    let base = DeltaBase::new(repository.object(before).unwrap().data).unwrap();
                    entry::encode_delta(*before, &base.delta(&content, 1000).unwrap())
                }
            };
            let attributes = Attributes::new(Kind::Blob, None);
            let objects = vec![EncodedObject { id, attributes, entry: entry.into() }];
            let submission =
                Submission { objects, packs: vec![], updates: vec![], strands: vec![], cut: Cut::default() };
            repository.core().submit(repository.state(), submission).unwrap();
            ids.push(id);
        }
        ids
    }

    #[test]
    fn chains_of_a_push_are_built_upon_only_as_far_as_they_are_short() {
        let (_, store, repository) = store();
        let lengths: Vec<usize> = pushed_chain(&repository, 9)
            .into_iter()
            .enumerate()
            .map(|(number, former)| {
                let name = format!("{number}.ics");
                let mut transaction = repository.transaction();
                let parent = repository.latest_reference(MAIN);
                let edit = TreeEdit { name: name.clone().into(), entry: Some((EntryKind::Blob, former)) };
                let base = parent.map(|parent| transaction.tree_of_commit(&parent).unwrap());
                let tree = transaction.edit_tree(base.as_ref(), &[edit]).unwrap();
                let who = "A <a@example.org> 1700000000 +0000";
                let text = format!("tree {tree}\nauthor {who}\ncommitter {who}\n\n{name}\n");
                let new = Some(transaction.insert(Kind::Commit, text).unwrap());
                let update = ReferenceUpdate { name: MAIN.into(), expected: parent, new };
                transaction.update_reference(update);
                block_on(transaction.submit().unwrap()).unwrap();
                let id = put(&repository, &name, event(1, 1, 100 + number));
                // Those that are too deep have nothing to be made from; what is stored whole then is.
                let number = repository.state().borrow().number;
                repository.core().blob_bases.borrow_mut().set(number, BlobBases::default());
                chain(&repository, id).len()
            })
            .collect();
        assert_eq!(lengths, [1, 2, 3, 3, 0, 0, 0, 0, 0]);
        store.check(&mut |finding| panic!("{finding}"));
    }
}
