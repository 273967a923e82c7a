//! Copying the objects of a plan into a new pack: entries as they are stored wherever that is possible.
//!
//! What cannot be copied, since the base of its delta does not come along or its chain is too long, is
//! encoded anew. Blobs and trees that are stored whole may become deltas against one before them, where that
//! saves a quarter: a blob against one that is alike, as an earlier version of an event is, a tree against the
//! last whole ones. Memory: 15 MiB.

use super::{
    entries::EntryReader,
    output::PackOutput,
    plan::{Base, Handle, Plan, Planned},
};
use crate::{
    Error, Object, Pace, Tree,
    core::{Core, RepositoryState},
    objects::{
        cache::{Bounds, Cache},
        delta_search::{DeltaBase, MAX_SIZE},
        entry::{EntryHeader, MAX_DELTA_CHAIN, write_header},
        fetch::{self, Fetched},
        similarity::{SketchTable, sketch},
        zlib::{self, Effort},
    },
};
use bytes::Bytes;
use gix_hash::{ObjectId, oid};
use gix_object::Kind;
use gix_pack::data::entry::Header;
use std::{cell::RefCell, collections::VecDeque, rc::Rc};

/// Kinds in the order of the pack: what walks read first lies together.
const KINDS: [Kind; 4] = [Kind::Commit, Kind::Tag, Kind::Tree, Kind::Blob];
/// So many of the blobs that were bases last are kept, for the next one; so many bytes at most.
const BLOBS: usize = 64;
const BLOB_MEMORY: usize = 2 << 20;
/// So many blobs that are alike are tried as bases.
const TRIED: usize = 3;
/// So many whole trees are tried as bases.
const TREES: usize = 4;
/// Memory of these trees.
const TREE_MEMORY: usize = 4 << 20;
/// What is this deep is no base of deltas that are found here: reading one costs as many steps.
const MAX_BASE_DEPTH: u8 = 8;
/// About the bytes that name a base.
const BASE: usize = 4;
/// Smaller objects are not worth a delta.
const SMALL: usize = 64;
/// Decoded objects that are kept, as bases of what is encoded anew.
const CACHE: usize = 8 << 20;

/// What objects are tried against.
struct Candidates {
    /// Blobs that are stored whole.
    blobs: SketchTable<Handle>,
    indexed: VecDeque<(Handle, Rc<DeltaBase>)>,
    trees: VecDeque<(Handle, Tree)>,
}

/// A delta against an object that was copied already.
struct FoundDelta {
    base: Handle,
    /// Bytes of the delta.
    size: u64,
    stream: Vec<u8>,
}

/// Copies one plan.
pub(super) struct Copying<'a> {
    pub(super) core: &'a Core,
    pub(super) repository: &'a Rc<RefCell<RepositoryState>>,
    pub(super) reader: &'a EntryReader<'a>,
    pub(super) pace: &'a Pace,
    candidates: Candidates,
    decoded: RefCell<Cache<ObjectId, Object>>,
}

impl<'a> Copying<'a> {
    pub(super) fn new(
        core: &'a Core,
        repository: &'a Rc<RefCell<RepositoryState>>,
        reader: &'a EntryReader<'a>,
        pace: &'a Pace,
    ) -> Self {
        let decoded = RefCell::new(Cache::new(Bounds::bytes(CACHE)));
        let candidates =
            Candidates { blobs: SketchTable::new(), indexed: VecDeque::new(), trees: VecDeque::new() };
        Self { core, repository, reader, pace, candidates, decoded }
    }

    /// Copies all objects.
    pub(super) async fn run(&mut self, plan: &mut Plan, output: &mut PackOutput) -> Result<(), Error> {
        for kind in KINDS {
            for place in 0..plan.len() {
                let Some(handle) = plan.at(place) else { break };
                if plan.get(handle)?.kind == kind {
                    self.copy(handle, plan, output).await?;
                } else if place.is_multiple_of(1024) {
                    self.pace.spend(1 << 14).await;
                }
            }
        }
        Ok(())
    }

    /// Copies an object, after the bases that it needs; nothing when it was copied before.
    async fn copy(&mut self, handle: Handle, plan: &mut Plan, output: &mut PackOutput) -> Result<(), Error> {
        let mut chain = vec![handle];
        while let Some(at) = chain.last().copied() {
            let planned = plan.get(at)?;
            if planned.offset == 0 {
                match planned.base {
                    Base::Planned(base) if plan.get(base)?.offset == 0 => {
                        if chain.len() > MAX_DELTA_CHAIN {
                            return Err(Error::Malformed("a chain of deltas has no end".into()));
                        }
                        chain.push(base);
                        continue;
                    }
                    _ => self.write(at, plan, output).await?,
                }
            }
            chain.pop();
        }
        Ok(())
    }

    async fn write(&mut self, handle: Handle, plan: &mut Plan, output: &mut PackOutput) -> Result<(), Error> {
        let planned = plan.get(handle)?;
        let (id, kind) = (planned.id, planned.kind);
        let (header, stored) = match planned.base {
            Base::Anew => (None, None),
            Base::None => (Some(whole(kind)), Some(self.reader.entry(planned.place)?)),
            Base::Planned(base) => {
                let base_distance = output.offset() - plan.get(base)?.offset;
                (Some(Header::OfsDelta { base_distance }), Some(self.reader.entry(planned.place)?))
            }
        };
        let mut entry = Vec::new();
        let mut depth = planned.depth;
        if let (Some(header), Some(stored)) = (header, &stored) {
            let parsed = EntryHeader::parse(stored)?;
            // Its checksum is compared here: what is damaged must be found before the original is gone.
            let (content, length) = parsed
                .inflate(stored, self.core.options.max_object_size)
                .map_err(|error| Error::Damaged { id, reason: error.to_string() })?;
            let stream = parsed.stream(stored).get(..length).unwrap_or_default();
            let candidate = match header {
                Header::Blob | Header::Tree => self.find_delta(kind, &content, stream.len(), plan)?,
                _ => None,
            };
            match candidate {
                Some(delta) => depth = delta.encode(plan, output, &mut entry)?,
                None => {
                    write_header(header, parsed.inflated_size, &mut entry);
                    entry.extend_from_slice(stream);
                }
            }
            self.pace.spend(content.len() as u64 + 1000).await;
            if !header.is_delta() {
                self.remember(handle, kind, depth, content.into())?;
            }
        } else {
            let object = self.object(&id)?;
            if object.kind != kind {
                return Err(Error::Damaged { id, reason: format!("is a {}, not a {kind}", object.kind) });
            }
            let size = object.data.len();
            match self.find_delta(kind, &object.data, size, plan)? {
                Some(delta) => depth = delta.encode(plan, output, &mut entry)?,
                None => {
                    depth = 0;
                    write_header(whole(kind), size as u64, &mut entry);
                    zlib::deflate(&object.data, Effort::Small, &mut entry);
                }
            }
            self.pace.spend(4 * size as u64 + 1000).await;
            if kind == Kind::Tree {
                self.remember(handle, kind, depth, object.data)?;
            }
        }
        let length = u32::try_from(entry.len()).map_err(|_| Error::Limit("entry size".into()))?;
        let planned = plan.get_mut(handle)?;
        (planned.offset, planned.length, planned.depth) = (output.offset(), length, depth);
        output.append(&entry).await
    }

    /// The best delta for an object that takes so many bytes otherwise.
    fn find_delta(
        &mut self,
        kind: Kind,
        content: &[u8],
        stored: usize,
        plan: &Plan,
    ) -> Result<Option<FoundDelta>, Error> {
        if content.len() < SMALL {
            return Ok(None);
        }
        let mut best: Option<(Handle, Vec<u8>)> = None;
        match kind {
            Kind::Tree => {
                let tree = Tree::decode(Bytes::copy_from_slice(content))?;
                for (handle, base) in &self.candidates.trees {
                    let delta = base.delta(&tree);
                    if delta.len() < best.as_ref().map_or(content.len() / 2, |(_, best)| best.len()) {
                        best = Some((*handle, delta));
                    }
                }
            }
            Kind::Blob if content.len() <= MAX_SIZE => {
                let Some(sketch) = sketch(content) else { return Ok(None) };
                let mut tried = 0;
                for handle in self.candidates.blobs.similar(&sketch) {
                    let planned = plan.get(handle)?;
                    if planned.depth >= MAX_BASE_DEPTH || planned.offset == 0 || tried == TRIED {
                        continue;
                    }
                    tried += 1;
                    let Some(base) = self.indexed(handle, planned)? else { continue };
                    let limit =
                        best.as_ref().map_or(content.len() / 2, |(_, best)| best.len().saturating_sub(1));
                    if let Some(delta) = base.delta(content, limit) {
                        best = Some((handle, delta));
                    }
                }
            }
            _ => {}
        }
        let Some((base, delta)) = best else { return Ok(None) };
        let mut stream = Vec::new();
        zlib::deflate(&delta, Effort::Small, &mut stream);
        let pays = plan.get(base)?.depth < MAX_BASE_DEPTH && stream.len() + BASE <= stored / 4 * 3;
        Ok(pays.then_some(FoundDelta { base, size: delta.len() as u64, stream }))
    }

    /// A blob that is stored whole, as a base.
    fn indexed(&mut self, handle: Handle, planned: &Planned) -> Result<Option<Rc<DeltaBase>>, Error> {
        let indexed = &mut self.candidates.indexed;
        let base = match indexed.iter().position(|(known, _)| *known == handle) {
            Some(at) => indexed.remove(at).map(|(_, base)| base),
            None => {
                let stored = self.reader.entry(planned.place)?;
                let header = EntryHeader::parse(&stored)?;
                let (content, _) = header.inflate(&stored, self.core.options.max_object_size)?;
                DeltaBase::new(content.into()).map(Rc::new)
            }
        };
        let Some(base) = base else { return Ok(None) };
        indexed.push_front((handle, base.clone()));
        while indexed.len() > BLOBS
            || indexed.iter().map(|(_, base)| base.memory()).sum::<usize>() > BLOB_MEMORY
        {
            indexed.pop_back();
        }
        Ok(Some(base))
    }

    /// Keeps an object to try others against it.
    fn remember(&mut self, handle: Handle, kind: Kind, depth: u8, content: Bytes) -> Result<(), Error> {
        match kind {
            Kind::Blob if depth < MAX_BASE_DEPTH && content.len() >= SMALL => {
                if content.len() <= MAX_SIZE
                    && let Some(sketch) = sketch(&content)
                {
                    self.candidates.blobs.insert(&sketch, handle);
                }
            }
            Kind::Tree if depth == 0 && content.len() >= SMALL => {
                self.candidates.trees.push_front((handle, Tree::decode(content)?));
                let trees = &mut self.candidates.trees;
                while trees.len() > TREES
                    || trees.iter().map(|(_, tree)| tree.memory()).sum::<usize>() > TREE_MEMORY
                {
                    trees.pop_back();
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// An object, verified against its id.
    fn object(&self, id: &ObjectId) -> Result<Object, Error> {
        let fetch = |wanted: &oid| {
            if let Some(object) = self.decoded.borrow_mut().get(&wanted.to_owned()) {
                return Ok(Fetched::Object(object));
            }
            self.core.fetch_encoded(self.repository.borrow(), wanted)
        };
        let object = fetch::decode(id, &fetch, self.core.options.max_object_size)?;
        self.decoded.borrow_mut().insert(*id, object.clone());
        Ok(object)
    }
}

impl FoundDelta {
    /// Writes its entry, and gives its depth.
    fn encode(self, plan: &Plan, output: &PackOutput, entry: &mut Vec<u8>) -> Result<u8, Error> {
        let base = plan.get(self.base)?;
        let base_distance = output.offset() - base.offset;
        write_header(Header::OfsDelta { base_distance }, self.size, entry);
        entry.extend_from_slice(&self.stream);
        Ok(base.depth + 1)
    }
}

fn whole(kind: Kind) -> Header {
    match kind {
        Kind::Commit => Header::Commit,
        Kind::Tree => Header::Tree,
        Kind::Blob => Header::Blob,
        Kind::Tag => Header::Tag,
    }
}
