//! How long chains of deltas become by pushes.
//!
//! The objects of a small push go into the log as they came: what is a delta against an object of an earlier
//! push stays one, as git sends it, and that object may be a delta itself. A file that is changed by one push
//! after the other would so end in a chain that nobody reads in a bearable time, and at last in one that is too
//! long to be read. So what would lie deeper than [`MAX_DEPTH`] is stored whole.

use crate::{
    Error,
    objects::{
        entry::{MAX_DELTA_CHAIN, MAX_KEPT_CHAIN},
        pack::AdoptedPack,
    },
    tree_chain::Lineage,
};
use gix_hash::{ObjectId, oid};
use std::collections::{HashMap, HashSet};

/// Deltas that may lie between a pushed object and the whole one it is made from.
const MAX_DEPTH: usize = MAX_KEPT_CHAIN as usize;

/// The depths of the objects of one pack, once those are in the log.
#[derive(Default)]
pub(crate) struct Depths {
    known: HashMap<ObjectId, usize>,
    /// Those that would be too deep as they came.
    whole: HashSet<ObjectId>,
}

impl Depths {
    /// Whether an object of the pack, which is a delta there, has to be stored whole. `source` knows what is
    /// stored already.
    ///
    /// # Errors
    /// Those of reading the device; [`Error::Malformed`] when its deltas go round in a circle.
    pub(crate) fn is_too_deep(
        &mut self,
        id: ObjectId,
        pack: &AdoptedPack,
        source: &dyn Lineage,
    ) -> Result<bool, Error> {
        self.depth(id, pack, source)?;
        Ok(self.whole.contains(&id))
    }

    /// Finds how many deltas are below an object, and which are whole so that there are not too many.
    fn depth(&mut self, id: ObjectId, pack: &AdoptedPack, source: &dyn Lineage) -> Result<(), Error> {
        let (mut path, mut stored) = (Vec::new(), 0);
        let mut at = id;
        let mut depth = loop {
            if let Some(known) = self.known.get(&at) {
                break *known;
            }
            let (base, is_new) = base(&at, pack, source)?;
            stored += usize::from(!is_new);
            path.push((at, is_new));
            match base {
                None => {
                    path.pop();
                    self.known.insert(at, 0);
                    break 0;
                }
                // It is deep enough already, whatever is below.
                Some(_) if stored > MAX_DEPTH => break MAX_DEPTH,
                Some(_) if path.len() > 2 * MAX_DELTA_CHAIN => {
                    return Err(Error::Malformed("deltas that have no end".into()));
                }
                Some(base) => at = base,
            }
        };
        while let Some((id, is_new)) = path.pop() {
            depth += 1;
            if is_new && depth > MAX_DEPTH {
                self.whole.insert(id);
                depth = 0;
            }
            self.known.insert(id, depth);
        }
        Ok(())
    }
}

/// What an object is a delta against, and whether it is new with the pack.
fn base(id: &oid, pack: &AdoptedPack, source: &dyn Lineage) -> Result<(Option<ObjectId>, bool), Error> {
    match source.link(id) {
        Ok(link) => return Ok((link.base, false)),
        Err(Error::NoObject(_)) => {}
        Err(error) => return Err(error),
    }
    let position = pack.find(id)?.ok_or_else(|| Error::NoObject(id.to_owned()))?;
    Ok((pack.base_id(position)?, true))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        FormatOptions, Objects, Pace, PackLimits, Repository, Store,
        format::pack_index::Ends,
        pack::{
            PackReader, PackStorage, complete,
            test_pack::{TestPack, append, blob_id},
        },
    };
    use futures_executor::block_on;
    use gix_object::Kind;
    use kalends_block_backend::MemoryDevice;
    use std::rc::Rc;

    /// Puts a pack into a repository as a push does.
    fn adopt(repository: &Repository, pack: Vec<u8>) {
        block_on(async {
            let (limits, pace) = (PackLimits::default(), Pace::unpaced());
            let storage = PackStorage::Memory(Vec::new());
            let mut reader = PackReader::new(repository, &limits, storage);
            let mut visit = |_: &ObjectId, _: Kind, _: &[u8]| Ok(());
            reader.feed(&pack, &pace, &mut visit).await.unwrap();
            let received = reader.resolve(&pace, &mut |_, _| {}, &mut visit).await.unwrap();
            let received = complete(received, repository, &pace).await.unwrap();
            let mut transaction = repository.transaction();
            transaction.adopt_received(received, &Ends::default(), &pace).await.unwrap();
            transaction.submit().unwrap().await.unwrap();
        });
    }

    /// Deltas below a stored object.
    fn depth(repository: &Repository, mut id: ObjectId) -> usize {
        let mut depth = 0;
        while let Some(base) = repository.link(&id).unwrap().base {
            (id, depth) = (base, depth + 1);
        }
        depth
    }

    #[test]
    fn a_file_that_is_pushed_thousands_of_times_is_read_by_a_bounded_chain() {
        let device = Rc::new(MemoryDevice::new(64 << 20));
        let store = Store::format(device.clone(), &FormatOptions::default()).unwrap();
        let repository = store.create_repository("ada").unwrap();
        let mut content = b"the first version".to_vec();
        let mut pack = TestPack::default();
        pack.blob(&content);
        adopt(&repository, pack.finish());
        let mut deepest = 0;
        for version in 0..MAX_DELTA_CHAIN + 100 {
            // Of the same length, so that thousands of versions are small.
            let next = [b"the first version", format!(" and {version:06}").as_bytes()].concat();
            let mut delta = crate::objects::delta::DeltaBuilder::new(content.len(), next.len());
            delta.copy(0..17);
            delta.insert(&next[17..]);
            let mut pack = TestPack::default();
            pack.delta_by_id(blob_id(&content), &delta.finish());
            adopt(&repository, pack.finish());
            content = next;
            deepest = deepest.max(depth(&repository, blob_id(&content)));
        }
        assert_eq!(deepest, MAX_DEPTH);
        drop((repository, store));
        // Nothing of it is in a cache now.
        let store = Store::open(device).unwrap();
        let repository = store.repository("ada").unwrap();
        assert_eq!(repository.object(&blob_id(&content)).unwrap().data, content);
    }

    #[test]
    fn a_deep_pack_upon_a_deep_chain_is_bounded_too() {
        let store = Store::format(Rc::new(MemoryDevice::new(64 << 20)), &FormatOptions::default()).unwrap();
        let repository = store.create_repository("ada").unwrap();
        let mut content = b"x".to_vec();
        let mut pack = TestPack::default();
        pack.blob(&content);
        adopt(&repository, pack.finish());
        let mut all = Vec::new();
        for round in 0..3 {
            let mut pack = TestPack::default();
            for step in 0..120_u8 {
                pack.delta_by_id(blob_id(&content), &append(&content, &[round, step]));
                content.extend_from_slice(&[round, step]);
                all.push(content.clone());
            }
            adopt(&repository, pack.finish());
        }
        let depths: Vec<usize> = all.iter().map(|content| depth(&repository, blob_id(content))).collect();
        assert_eq!(depths.iter().max(), Some(&MAX_DEPTH));
        assert!(depths.iter().filter(|depth| **depth == 0).count() <= 360 / MAX_DEPTH + 1, "{depths:?}");
        for content in &all {
            let stored = repository.object(&blob_id(content)).unwrap();
            assert_eq!((stored.kind, &stored.data[..]), (Kind::Blob, &content[..]));
        }
    }

    #[test]
    fn what_came_as_a_shallow_delta_is_stored_as_it_came() {
        let store = Store::format(Rc::new(MemoryDevice::new(64 << 20)), &FormatOptions::default()).unwrap();
        let repository = store.create_repository("ada").unwrap();
        let mut pack = TestPack::default();
        let first = pack.blob(b"first");
        pack.delta(first, &append(b"first", b" second"));
        adopt(&repository, pack.finish());
        assert_eq!(repository.link(&blob_id(b"first second")).unwrap().base, Some(blob_id(b"first")));
    }
}
