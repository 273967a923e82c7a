//! Reading a pack from a peer: every object is inflated, resolved, hashed and shown to a visitor.

use crate::{
    Error, Objects, Repository,
    objects::{delta, entry::hash},
    pack::{
        Pace,
        pack_index::IndexEntry,
        scan::{Encoding, Entry, Scanner, TRAILER},
    },
};
use bytes::Bytes;
use gix_hash::ObjectId;
use gix_object::Kind;
use std::collections::HashMap;

/// What a pushed pack may cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackLimits {
    /// Length of the pack in bytes. It is held in memory until it is adopted.
    pub pack_size: u64,
    /// Number of objects; each takes about 150 bytes of memory while the pack is read.
    pub objects: u32,
    /// Size of one object in bytes, inflated and resolved.
    pub object_size: u64,
    /// Longest chain of deltas.
    pub delta_depth: u32,
    /// Sizes of all objects together, inflated and resolved, in bytes: bounds the time a push may take.
    pub resolved_size: u64,
    /// Bytes of delta bases that are kept at once; beyond it they are made again when needed.
    pub delta_bases: u64,
}

impl Default for PackLimits {
    fn default() -> Self {
        Self {
            pack_size: 512 << 20,
            objects: 4_000_000,
            object_size: 64 << 20,
            delta_depth: 4095,
            resolved_size: 64 << 30,
            delta_bases: 96 << 20,
        }
    }
}

impl PackLimits {
    /// Limits for a push that has so many bytes of memory to itself. A pack grows by doubling its room while
    /// it arrives, so it may have a third.
    pub fn within(memory: u64) -> Self {
        let most = Self::default();
        Self {
            pack_size: most.pack_size.min(memory / 3),
            objects: most.objects.min(u32::try_from(memory / 8 / 150).unwrap_or(u32::MAX)),
            object_size: most.object_size.min(memory / 4),
            delta_bases: most.delta_bases.min(memory / 8),
            ..most
        }
    }
}

/// What [`read_pack`] is at, for progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReceiveStage {
    /// Inflating entries and hashing whole objects.
    Indexing,
    /// Making objects of deltas.
    Resolving,
}

/// A pack whose objects have all been seen.
pub(crate) struct ReceivedPack {
    /// The pack as it came.
    pub(crate) pack: Bytes,
    /// Its entries, in the order of the pack.
    pub(crate) entries: Vec<IndexEntry>,
    /// The kinds of all its objects.
    pub(crate) kinds: HashMap<ObjectId, Kind>,
    /// The repository's objects that it has deltas against.
    pub(crate) thin_bases: Vec<ObjectId>,
    /// Its checksum.
    pub(crate) checksum: ObjectId,
}

/// What a delta is against.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Base {
    /// Not a delta, or not resolved yet.
    None,
    /// An entry.
    Entry(u32),
    /// An object of the repository: a position in the list of thin bases.
    Repository(u32),
}

/// A base whose deltas are being resolved.
struct Frame {
    base: Base,
    kind: Kind,
    depth: u32,
    /// `None` when it was dropped to save memory.
    data: Option<Vec<u8>>,
    /// Deltas by position, in `Reader::by_position`.
    by_position: std::ops::Range<usize>,
    /// Deltas by id, in `Reader::by_id`.
    by_id: std::ops::Range<usize>,
}

struct Reader<'a, V> {
    scanner: Scanner<'a>,
    limits: &'a PackLimits,
    repository: &'a Repository,
    pace: &'a Pace,
    visit: V,
    ids: Vec<Option<ObjectId>>,
    kinds: HashMap<ObjectId, Kind>,
    bases: Vec<Base>,
    thin_bases: Vec<ObjectId>,
    /// Deltas sorted by their base's position: (base, delta).
    by_position: Vec<(u32, u32)>,
    /// Deltas sorted by their base's id.
    by_id: Vec<(ObjectId, u32)>,
    resolved: u64,
    deltas_done: u32,
}

/// Reads a pack. Deltas may be against objects of `repository` and no other.
///
/// `visit` sees each object once, in no particular order.
///
/// # Errors
/// [`Error::Malformed`] and [`Error::Limit`], with words for the person who pushes; those of `visit`.
pub(crate) async fn read_pack<V>(
    pack: Bytes,
    repository: &Repository,
    limits: &PackLimits,
    pace: &Pace,
    progress: &mut dyn FnMut(ReceiveStage, u64, u64),
    visit: V,
) -> Result<ReceivedPack, Error>
where
    V: FnMut(&ObjectId, Kind, &[u8]) -> Result<(), Error>,
{
    let scanner = Scanner::new(&pack, limits)?;
    let checksum = verify_checksum(&pack, pace).await?;
    let mut reader = Reader {
        scanner,
        limits,
        repository,
        pace,
        visit,
        ids: Vec::new(),
        kinds: HashMap::new(),
        bases: Vec::new(),
        thin_bases: Vec::new(),
        by_position: Vec::new(),
        by_id: Vec::new(),
        resolved: 0,
        deltas_done: 0,
    };
    reader.read_entries(progress).await?;
    reader.resolve_deltas(progress).await?;
    let Reader { scanner, ids, kinds, thin_bases, .. } = reader;
    let entries = scanner
        .entries
        .iter()
        .zip(&ids)
        .filter_map(|(entry, id)| Some(IndexEntry { id: (*id)?, offset: entry.offset, crc32: entry.crc32 }))
        .collect();
    Ok(ReceivedPack { entries, kinds, thin_bases, checksum, pack })
}

async fn verify_checksum(pack: &[u8], pace: &Pace) -> Result<ObjectId, Error> {
    let (content, trailer) = pack.split_at(pack.len() - TRAILER);
    let mut hasher = gix_hash::hasher(gix_hash::Kind::Sha1);
    for piece in content.chunks(1 << 18) {
        hasher.update(piece);
        pace.spend(piece.len() as u64).await;
    }
    let checksum = hasher.try_finalize().map_err(|error| Error::Malformed(error.to_string()))?;
    if checksum.as_slice() != trailer {
        return Err(Error::Malformed("pack checksum does not match: the pack was damaged on its way".into()));
    }
    Ok(checksum)
}

impl<V: FnMut(&ObjectId, Kind, &[u8]) -> Result<(), Error>> Reader<'_, V> {
    async fn read_entries(&mut self, progress: &mut dyn FnMut(ReceiveStage, u64, u64)) -> Result<(), Error> {
        let total = u64::from(self.scanner.count);
        while let Some((entry, data)) = self.scanner.next_entry()? {
            let position = self.ids.len() as u32;
            self.charge(data.len())?;
            let id = match entry.encoding {
                Encoding::Whole(kind) => Some(self.found(kind, &data)?),
                Encoding::Delta(base) => {
                    self.by_position.push((base, position));
                    None
                }
                Encoding::DeltaById(base) => {
                    self.by_id.push((base, position));
                    None
                }
            };
            self.ids.push(id);
            progress(ReceiveStage::Indexing, self.ids.len() as u64, total);
            self.pace.spend(data.len() as u64 + 500).await;
        }
        self.scanner.end()?;
        self.by_position.sort_unstable();
        self.by_id.sort_unstable();
        self.bases = vec![Base::None; self.ids.len()];
        Ok(())
    }

    async fn resolve_deltas(
        &mut self,
        progress: &mut dyn FnMut(ReceiveStage, u64, u64),
    ) -> Result<(), Error> {
        let total = (self.by_position.len() + self.by_id.len()) as u64;
        if total == 0 {
            return Ok(());
        }
        for position in 0..self.scanner.entries.len() {
            let entry = self.entry(position as u32)?;
            if let (Encoding::Whole(kind), Some(Some(id))) = (entry.encoding, self.ids.get(position)) {
                let frame = self.frame(Base::Entry(position as u32), kind, 0, *id, None);
                self.resolve_from(frame, total, progress).await?;
            }
        }
        // Whatever still waits for its base has it in the repository, or nowhere.
        let mut at = 0;
        while let Some(&(id, delta)) = self.by_id.get(at) {
            at += 1;
            if self.ids.get(delta as usize).is_none_or(Option::is_some) {
                continue;
            }
            if self.kinds.contains_key(&id) {
                return Err(Error::Malformed(format!("delta base {id} could not be resolved")));
            }
            if !self.repository.contains(&id) {
                continue;
            }
            let object = self.repository.object(&id)?;
            let base = Base::Repository(self.thin_bases.len() as u32);
            self.thin_bases.push(id);
            let frame = self.frame(base, object.kind, 0, id, Some(object.data.to_vec()));
            self.resolve_from(frame, total, progress).await?;
        }
        match self.ids.iter().position(Option::is_none) {
            None => Ok(()),
            Some(position) => Err(match self.entry(position as u32)?.encoding {
                Encoding::DeltaById(id) => {
                    Error::Malformed(format!("pack has a delta against {id}, which is missing"))
                }
                _ => Error::Malformed("pack has a delta whose base is missing".into()),
            }),
        }
    }

    /// Resolves all deltas that are directly or indirectly against the base of `frame`.
    async fn resolve_from(
        &mut self,
        frame: Frame,
        total: u64,
        progress: &mut dyn FnMut(ReceiveStage, u64, u64),
    ) -> Result<(), Error> {
        let mut stack = vec![frame];
        let mut kept =
            stack.iter().filter_map(|frame| frame.data.as_ref()).map(|data| data.len() as u64).sum::<u64>();
        while let Some(frame) = stack.last_mut() {
            let next = match frame.by_position.next() {
                Some(at) => self.by_position.get(at).map(|(_, delta)| *delta),
                None => frame.by_id.next().and_then(|at| self.by_id.get(at)).map(|(_, delta)| *delta),
            };
            let Some(position) = next else {
                kept -= stack.pop().and_then(|frame| frame.data).map_or(0, |data| data.len() as u64);
                continue;
            };
            if self.ids.get(position as usize).is_none_or(Option::is_some) {
                continue;
            }
            let (base, kind, depth) = (frame.base, frame.kind, frame.depth + 1);
            if depth > self.limits.delta_depth {
                let limit = self.limits.delta_depth;
                return Err(Error::Limit(format!("a chain of more than {limit} deltas")));
            }
            let data = match frame.data.take() {
                Some(data) => data,
                None => {
                    let data = self.rebuild(base)?;
                    kept += data.len() as u64;
                    data
                }
            };
            let entry = self.entry(position)?;
            let instructions = self.scanner.inflate(&entry)?;
            let result = delta::apply(&data, &instructions, self.limits.object_size)?;
            self.charge(result.len())?;
            let id = self.found(kind, &result)?;
            if let Some(slot) = self.ids.get_mut(position as usize) {
                *slot = Some(id);
            }
            if let Some(slot) = self.bases.get_mut(position as usize) {
                *slot = base;
            }
            self.deltas_done += 1;
            progress(ReceiveStage::Resolving, u64::from(self.deltas_done), total);
            let cost = (instructions.len() + result.len()) as u64 + 500;
            // A base that has no more deltas goes at once: a plain chain keeps two objects.
            if frame.by_position.is_empty() && frame.by_id.is_empty() {
                kept -= data.len() as u64;
                stack.pop();
            } else {
                frame.data = Some(data);
            }
            let frame = self.frame(Base::Entry(position), kind, depth, id, Some(result));
            if !frame.by_position.is_empty() || !frame.by_id.is_empty() {
                kept += frame.data.as_ref().map_or(0, |data| data.len() as u64);
                stack.push(frame);
                for older in stack.iter_mut().rev().skip(1).rev() {
                    if kept <= self.limits.delta_bases {
                        break;
                    }
                    kept -= older.data.take().map_or(0, |data| data.len() as u64);
                }
            }
            self.pace.spend(cost).await;
        }
        Ok(())
    }

    fn frame(&self, base: Base, kind: Kind, depth: u32, id: ObjectId, data: Option<Vec<u8>>) -> Frame {
        let by_position = match base {
            Base::Entry(position) => {
                let start = self.by_position.partition_point(|(base, _)| *base < position);
                let end = self.by_position.partition_point(|(base, _)| *base <= position);
                start..end
            }
            _ => 0..0,
        };
        let start = self.by_id.partition_point(|(base, _)| *base < id);
        let end = self.by_id.partition_point(|(base, _)| *base <= id);
        Frame { base, kind, depth, data, by_position, by_id: start..end }
    }

    /// Makes the object of a base again that was not kept.
    fn rebuild(&mut self, base: Base) -> Result<Vec<u8>, Error> {
        let mut chain = Vec::new();
        let mut at = base;
        let mut data = loop {
            match at {
                Base::Repository(position) => {
                    let id = self.thin_bases.get(position as usize).copied();
                    let id = id.ok_or_else(|| Error::Malformed("delta base is missing".into()))?;
                    break self.repository.object(&id)?.data.to_vec();
                }
                Base::Entry(position) => {
                    let entry = self.entry(position)?;
                    match self.bases.get(position as usize) {
                        Some(Base::None) | None => break self.scanner.inflate(&entry)?,
                        Some(below) => {
                            chain.push(entry);
                            at = *below;
                        }
                    }
                }
                Base::None => return Err(Error::Malformed("delta base is missing".into())),
            }
        };
        while let Some(entry) = chain.pop() {
            let instructions = self.scanner.inflate(&entry)?;
            data = delta::apply(&data, &instructions, self.limits.object_size)?;
            self.charge(data.len())?;
        }
        Ok(data)
    }

    fn entry(&self, position: u32) -> Result<Entry, Error> {
        let entry = self.scanner.entries.get(position as usize).copied();
        entry.ok_or_else(|| Error::Malformed("pack entry is missing".into()))
    }

    fn charge(&mut self, bytes: usize) -> Result<(), Error> {
        self.resolved += bytes as u64;
        if self.resolved > self.limits.resolved_size {
            let limit = self.limits.resolved_size;
            return Err(Error::Limit(format!("a push of more than {limit} bytes when unpacked")));
        }
        Ok(())
    }

    fn found(&mut self, kind: Kind, data: &[u8]) -> Result<ObjectId, Error> {
        let id = hash(kind, data)?;
        if self.kinds.insert(id, kind).is_some() {
            return Err(Error::Malformed(format!("pack has object {id} twice")));
        }
        (self.visit)(&id, kind, data)?;
        Ok(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        FormatOptions, Store,
        pack::{
            complete,
            test_pack::{TestPack, append, blob_id},
        },
    };
    use futures_util::FutureExt;
    use kalends_block_backend::MemoryDevice;
    use std::{collections::BTreeSet, fs, process::Command, rc::Rc};

    fn store() -> Store {
        Store::format(Rc::new(MemoryDevice::new(64 << 20)), &FormatOptions::default()).unwrap()
    }

    fn repository() -> Repository {
        store().create_repository("test").unwrap()
    }

    fn insert(repository: &Repository, content: &[u8]) -> ObjectId {
        let mut transaction = repository.transaction();
        let id = transaction.insert(Kind::Blob, content.to_vec()).unwrap();
        futures_executor::block_on(transaction.submit().unwrap()).unwrap();
        id
    }

    /// The contents of the objects of a pack.
    fn read_with(
        pack: Vec<u8>,
        repository: &Repository,
        limits: &PackLimits,
    ) -> Result<(ReceivedPack, BTreeSet<Vec<u8>>), Error> {
        let mut contents = BTreeSet::new();
        let received =
            read_pack(pack.into(), repository, limits, &Pace::unpaced(), &mut |_, _, _| {}, |id, _, data| {
                assert_eq!(*id, blob_id(data));
                contents.insert(data.to_vec());
                Ok(())
            })
            .now_or_never()
            .unwrap()?;
        Ok((received, contents))
    }

    fn read(pack: Vec<u8>) -> Result<BTreeSet<Vec<u8>>, Error> {
        read_with(pack, &repository(), &PackLimits::default()).map(|(_, contents)| contents)
    }

    fn error(pack: Vec<u8>) -> String {
        read(pack).unwrap_err().to_string()
    }

    fn set<const N: usize>(contents: [&[u8]; N]) -> BTreeSet<Vec<u8>> {
        contents.into_iter().map(<[u8]>::to_vec).collect()
    }

    #[test]
    fn deltas_are_resolved_whatever_their_order() {
        let mut pack = TestPack::default();
        // By id before its base, against a delta, against a delta by offset.
        pack.delta_by_id(blob_id(b"one two three"), &append(b"one two three", b" four"));
        let one = pack.blob(b"one");
        let two = pack.delta(one, &append(b"one", b" two"));
        pack.delta(two, &append(b"one two", b" three"));
        pack.delta(one, &append(b"one", b" too"));
        pack.delta_by_id(blob_id(b"one too"), &append(b"one too", b" many"));
        let expected =
            set([b"one", b"one two", b"one two three", b"one two three four", b"one too", b"one too many"]);
        assert_eq!(read(pack.finish()).unwrap(), expected);
    }

    #[test]
    fn bases_that_were_dropped_to_save_memory_are_made_again() {
        let mut pack = TestPack::default();
        let (mut offset, mut content, mut expected) = (0, Vec::new(), BTreeSet::new());
        for number in 0..60_u8 {
            let more = vec![number; 5000];
            // Each has two deltas, so that it is needed after the whole chain below it.
            offset = match number {
                0 => pack.blob(&more),
                _ => {
                    pack.delta(offset, &append(&content, b"leaf"));
                    expected.insert([&content[..], b"leaf"].concat());
                    pack.delta(offset, &append(&content, &more))
                }
            };
            content.extend_from_slice(&more);
            expected.insert(content.clone());
        }
        let limits = PackLimits { delta_bases: 400_000, ..PackLimits::default() };
        let (_, contents) = read_with(pack.finish(), &repository(), &limits).unwrap();
        assert!(contents == expected);
    }

    #[test]
    fn a_thin_pack_takes_its_bases_from_its_own_repository_only() {
        let store = store();
        let (mine, theirs) =
            (store.create_repository("mine").unwrap(), store.create_repository("theirs").unwrap());
        let base = insert(&theirs, b"a secret");
        let mut pack = TestPack::default();
        pack.delta_by_id(base, &append(b"a secret", b", and more"));
        let pack = pack.finish();
        let limits = PackLimits::default();
        let error = read_with(pack.clone(), &mine, &limits).err().unwrap().to_string();
        assert!(error.contains(&format!("a delta against {base}, which is missing")), "{error}");
        let (received, contents) = read_with(pack, &theirs, &limits).unwrap();
        assert_eq!(contents, set([b"a secret, and more"]));
        assert_eq!(received.thin_bases, [base]);
    }

    #[test]
    fn a_completed_pack_and_its_index_are_what_git_makes() {
        let repository = repository();
        let base = insert(&repository, &b"line\n".repeat(100));
        let mut pack = TestPack::default();
        let first = pack.blob(b"first");
        pack.delta(first, &append(b"first", b" second"));
        pack.delta_by_id(base, &append(&b"line\n".repeat(100), b"last line\n"));
        let (received, _) = read_with(pack.finish(), &repository, &PackLimits::default()).unwrap();
        let (pack, index) =
            complete(received, &repository, &Pace::unpaced()).now_or_never().unwrap().unwrap();
        let directory = std::env::temp_dir().join(format!("kalends-index-pack-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join("test.pack"), &pack).unwrap();
        let output = Command::new("git")
            .current_dir(&directory)
            .args(["index-pack", "--strict", "test.pack"])
            .output();
        let output = output.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let theirs = fs::read(directory.join("test.idx")).unwrap();
        fs::remove_dir_all(&directory).unwrap();
        assert!(theirs == index[..]);
    }

    #[test]
    fn what_is_not_a_pack_is_refused_with_the_reason() {
        let blob = |content: &[u8]| {
            let mut pack = TestPack::default();
            pack.blob(content);
            pack
        };
        let mut unsigned = blob(b"x").finish();
        *unsigned.last_mut().unwrap() ^= 1;
        let mut garbage = blob(b"x").finish();
        garbage.truncate(garbage.len() - 20);
        garbage.extend_from_slice(b"more");
        let mut hasher = gix_hash::hasher(gix_hash::Kind::Sha1);
        hasher.update(&garbage);
        garbage.extend_from_slice(hasher.try_finalize().unwrap().as_slice());
        let mut twice = blob(b"x");
        twice.blob(b"x");
        let mut before = blob(b"x");
        before.delta(2, &append(b"x", b"y"));
        let mut itself = TestPack::default();
        itself.delta_by_id(blob_id(b"x"), &append(b"x", b""));
        for (pack, reason) in [
            (b"PACK".to_vec(), "pack is truncated"),
            (b"not a pack, but long enough to be one".to_vec(), "pack header"),
            (unsigned, "checksum does not match"),
            (garbage, "4 bytes after the last entry"),
            (twice.finish(), "twice"),
            (before.finish(), "delta base is not an earlier entry"),
            (itself.finish(), "which is missing"),
        ] {
            let error = error(pack);
            assert!(error.contains(reason), "{error} is not {reason}");
        }
    }

    #[test]
    fn every_dimension_is_bounded() {
        let mut chain = TestPack::default();
        let mut content = vec![b'x'; 1000];
        let mut offset = chain.blob(&content);
        for _ in 0..20 {
            offset = chain.delta(offset, &append(&content, b"more"));
            content.extend_from_slice(b"more");
        }
        let pack = chain.finish();
        let default = PackLimits::default();
        for (limits, reason) in [
            (PackLimits { objects: 20, ..default.clone() }, "a pack of 21 objects (at most 20)"),
            (PackLimits { object_size: 999, ..default.clone() }, "an object of 1000 bytes (at most 999)"),
            (PackLimits { object_size: 1040, ..default.clone() }, "an object of 1044 bytes"),
            (PackLimits { delta_depth: 19, ..default.clone() }, "a chain of more than 19 deltas"),
            (PackLimits { resolved_size: 15_000, ..default.clone() }, "more than 15000 bytes when unpacked"),
        ] {
            let error = read_with(pack.clone(), &repository(), &limits).err().unwrap();
            assert!(matches!(error, Error::Limit(_)), "{error}");
            assert!(error.to_string().contains(reason), "{error} is not {reason}");
        }
        assert!(read_with(pack, &repository(), &PackLimits { delta_depth: 20, ..default }).is_ok());
    }
}
