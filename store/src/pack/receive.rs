//! Reading a pack from a peer: every object is inflated, resolved, hashed and shown to a visitor.
//!
//! The pack is read while it arrives, and kept in memory or on the device; deltas are resolved when all of
//! it is there, from each base depth first, so that few bases are needed at once.

use crate::{
    Error, Objects, Repository,
    format::record::{Attributes, Record},
    objects::{
        delta,
        entry::{EntryContent, EntryHeader, hash},
    },
    pack::{
        Pace,
        pack_storage::PackStorage,
        scan::{Entry, Scanner, TRAILER},
    },
};
use gix_hash::ObjectId;
use gix_object::Kind;
use sha1::{Digest, Sha1};

/// Bytes of memory for each object of a pack while it is read: its record, its place among the deltas, and a
/// link to it.
const PER_OBJECT: u64 = 64;
/// Bytes of inflated deltas that are kept at most; of the room for bases of deltas not more than a quarter.
const KEPT_DELTAS: u64 = 4 << 20;
/// Bookkeeping of one of them, in bytes.
const KEPT_OVERHEAD: usize = 48;
/// Memory for a push where it is not scarce.
const MEMORY: u64 = 256 << 20;

/// What a pushed pack may cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackLimits {
    /// Length of the pack in bytes; the free space of the device is a limit too.
    pub pack_size: u64,
    /// Number of objects; each takes about 64 bytes of memory while the pack is read.
    pub objects: u32,
    /// Size of one object in bytes, inflated and resolved.
    pub object_size: u64,
    /// Longest chain of deltas.
    pub delta_depth: u32,
    /// Sizes of all objects together, inflated and resolved, in bytes: bounds the time a push may take.
    pub resolved_size: u64,
    /// Bytes of delta bases, and of deltas that wait for theirs, that are kept at once; beyond it they are made,
    /// or inflated, again when needed.
    pub delta_bases: u64,
}

impl Default for PackLimits {
    fn default() -> Self {
        Self::within(MEMORY)
    }
}

impl PackLimits {
    /// Limits for a push that has so many bytes of memory to itself: half for bookkeeping, an eighth for bases
    /// of deltas, and an eighth for each of base, delta and object.
    pub fn within(memory: u64) -> Self {
        Self {
            pack_size: u64::MAX,
            objects: u32::try_from(memory / 2 / PER_OBJECT).unwrap_or(u32::MAX),
            object_size: (memory / 8).min(64 << 20),
            delta_depth: 4095,
            resolved_size: 256 << 30,
            delta_bases: memory / 8,
        }
    }
}

/// A pack whose objects have all been seen.
pub(crate) struct ReceivedPack {
    /// The pack as it came, without its trailer.
    pub(crate) storage: PackStorage,
    /// Its objects, sorted by id.
    pub(crate) records: Vec<Record>,
    /// The repository's objects that it has deltas against.
    pub(crate) thin_bases: Vec<ObjectId>,
    /// Its checksum.
    pub(crate) checksum: ObjectId,
}

/// Sees each object once, in no particular order.
pub(crate) type Visit<'a> = &'a mut dyn FnMut(&ObjectId, Kind, &[u8]) -> Result<(), Error>;

/// What a delta is against.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Base {
    /// An entry.
    Entry(u32),
    /// An object of the repository: a position in the list of thin bases.
    Repository(u32),
}

impl Base {
    /// The bit that tells an object of the repository from an entry.
    const OUTSIDE: u32 = 1 << 31;
    /// Of what is no delta, or waits for its base.
    const NONE: u32 = u32::MAX;

    fn pack(self) -> u32 {
        match self {
            Self::Entry(position) => position,
            Self::Repository(position) => position | Self::OUTSIDE,
        }
    }

    fn unpack(packed: u32) -> Option<Self> {
        match packed {
            Self::NONE => None,
            _ if packed & Self::OUTSIDE != 0 => Some(Self::Repository(packed & !Self::OUTSIDE)),
            _ => Some(Self::Entry(packed)),
        }
    }
}

/// A base whose deltas are being resolved.
struct Frame {
    base: Base,
    kind: Kind,
    depth: u32,
    /// `None` when it was dropped to save memory.
    data: Option<Vec<u8>>,
    /// Deltas by position, in `PackReader::by_position`.
    by_position: std::ops::Range<usize>,
    /// Deltas by id, in `PackReader::by_id`.
    by_id: std::ops::Range<usize>,
}

/// Reads a pack. Deltas may be against objects of one repository and no other.
///
/// Memory: 36 bytes an object, 8 more for a delta, 24 for one whose base is named by its id; what
/// [`PackLimits::delta_bases`] allows; and one object.
pub(crate) struct PackReader {
    repository: Repository,
    limits: PackLimits,
    storage: PackStorage,
    scanner: Scanner,
    hasher: Sha1,
    /// All entries so far, in the order of the pack; those of deltas that wait have the null id.
    entries: Vec<Record>,
    thin_bases: Vec<ObjectId>,
    /// What each entry is a delta against, as far as it is resolved.
    bases: Vec<u32>,
    /// The last bytes so far: perhaps the trailer.
    last: Vec<u8>,
    /// What deltas inflate to, by their position, as far as there is room: so that they are inflated once.
    deltas: Vec<(u32, Box<[u8]>)>,
    /// Bytes of these.
    deltas_size: u64,
    /// Deltas sorted by their base's position: (base, delta).
    by_position: Vec<(u32, u32)>,
    /// Deltas sorted by their base's id.
    by_id: Vec<(ObjectId, u32)>,
    resolved: u64,
    deltas_done: u32,
}

const WAITS: ObjectId = ObjectId::null(gix_hash::Kind::Sha1);

impl PackReader {
    /// A reader of a pack that is yet to come.
    pub(crate) fn new(repository: &Repository, limits: &PackLimits, storage: PackStorage) -> Self {
        let limits = PackLimits { objects: limits.objects.min(Base::OUTSIDE - 1), ..limits.clone() };
        Self {
            repository: repository.clone(),
            limits,
            storage,
            scanner: Scanner::new(),
            hasher: Sha1::new(),
            entries: Vec::new(),
            thin_bases: Vec::new(),
            bases: Vec::new(),
            last: Vec::new(),
            deltas: Vec::new(),
            deltas_size: 0,
            by_position: Vec::new(),
            by_id: Vec::new(),
            resolved: 0,
            deltas_done: 0,
        }
    }

    /// The number of entries that the pack declares, once its first bytes are there.
    pub(crate) fn count(&self) -> u32 {
        self.scanner.count()
    }

    /// Takes the next bytes of the pack.
    ///
    /// # Errors
    /// [`Error::Malformed`] and [`Error::Limit`], with words for the person who pushes; [`Error::DeviceFull`];
    /// those of `visit`.
    pub(crate) async fn feed(&mut self, bytes: &[u8], pace: &Pace, visit: Visit<'_>) -> Result<(), Error> {
        self.keep(bytes, pace).await?;
        let mut input = bytes;
        while let Some((entry, data)) = self.scanner.next_entry(&mut input, &self.limits)? {
            let cost = data.len() as u64 + 500;
            self.add(&entry, &data, visit)?;
            self.scanner.recycle(data);
            pace.spend(cost).await;
        }
        Ok(())
    }

    /// Hashes and stores bytes, all but the last twenty: they may be the trailer.
    async fn keep(&mut self, bytes: &[u8], pace: &Pace) -> Result<(), Error> {
        if self.storage.length() + bytes.len() as u64 > self.limits.pack_size {
            return Err(Error::Limit(format!("a pack of more than {} bytes", self.limits.pack_size)));
        }
        let surely = (self.last.len() + bytes.len()).saturating_sub(TRAILER);
        let before = surely.min(self.last.len());
        let now = bytes.get(..surely - before).unwrap_or_default();
        for part in [self.last.get(..before).unwrap_or_default(), now] {
            self.hasher.update(part);
            self.storage.append(part, pace).await?;
        }
        self.last.drain(..before);
        self.last.extend_from_slice(bytes.get(now.len()..).unwrap_or_default());
        Ok(())
    }

    fn add(&mut self, entry: &Entry, data: &[u8], visit: Visit<'_>) -> Result<(), Error> {
        let position = self.entries.len() as u32;
        if self.entries.capacity() == 0 {
            // An entry takes at least nine bytes: what is declared is not believed far ahead.
            self.entries.reserve((self.scanner.count() as usize).min(1 << 16));
        }
        self.charge(data.len())?;
        let (id, kind) = match entry.content {
            EntryContent::Whole(kind) => (found(kind, data, visit)?, kind),
            EntryContent::OffsetDelta(distance) => {
                let base = entry.offset.checked_sub(distance).filter(|_| distance > 0);
                let base = base.and_then(|base| self.entry_at(base)).ok_or_else(|| {
                    Error::Malformed(format!(
                        "pack entry {position} at offset {}: delta base is not an earlier entry",
                        entry.offset
                    ))
                })?;
                self.by_position.push((base as u32, position));
                self.keep_delta(position, data);
                (WAITS, Kind::Blob)
            }
            EntryContent::ReferenceDelta(base) => {
                self.by_id.push((base, position));
                self.keep_delta(position, data);
                (WAITS, Kind::Blob)
            }
        };
        self.entries.push(Record::new(&id, entry.offset, entry.length, Attributes::new(kind, None)));
        Ok(())
    }

    /// The position of the entry at an offset, which most often is the last one.
    fn entry_at(&self, offset: u64) -> Option<usize> {
        if self.entries.last().is_some_and(|last| last.offset() == offset) {
            return Some(self.entries.len() - 1);
        }
        self.entries.binary_search_by_key(&offset, Record::offset).ok()
    }

    fn keep_delta(&mut self, position: u32, data: &[u8]) {
        let size = self.deltas_size + (data.len() + KEPT_OVERHEAD) as u64;
        if size <= (self.limits.delta_bases / 4).min(KEPT_DELTAS) {
            self.deltas_size = size;
            self.deltas.push((position, data.into()));
        }
    }

    /// What a delta inflates to. It is asked for once, or else it is inflated again.
    fn take_delta(&mut self, position: u32) -> Result<Vec<u8>, Error> {
        let kept = self.deltas.binary_search_by_key(&position, |(position, _)| *position);
        match kept.ok().and_then(|at| self.deltas.get_mut(at)) {
            Some((_, data)) if !data.is_empty() => {
                self.deltas_size -= (data.len() + KEPT_OVERHEAD) as u64;
                Ok(std::mem::take(data).into())
            }
            _ => self.inflate(&self.entry(position)?),
        }
    }

    /// Resolves the deltas, when all bytes of the pack were taken.
    ///
    /// # Errors
    /// As [`feed`](Self::feed).
    pub(crate) async fn resolve(
        mut self,
        pace: &Pace,
        progress: &mut dyn FnMut(u64, u64),
        visit: Visit<'_>,
    ) -> Result<ReceivedPack, Error> {
        let trailer = self.scanner.end()?;
        if self.hasher.finalize_reset()[..] != trailer {
            return Err(Error::Malformed(
                "pack checksum does not match: the pack was damaged on its way".into(),
            ));
        }
        self.by_position.sort_unstable();
        self.by_id.sort_unstable();
        self.resolve_deltas(pace, progress, visit).await?;
        let Self { storage, entries: mut records, thin_bases, .. } = self;
        records.sort_unstable_by(Record::by_id);
        if let Some([first, _]) = records.array_windows().find(|[a, b]| a.id_bytes() == b.id_bytes()) {
            return Err(Error::Malformed(format!("pack has object {} twice", first.id())));
        }
        Ok(ReceivedPack { storage, records, thin_bases, checksum: ObjectId::Sha1(trailer) })
    }

    async fn resolve_deltas(
        &mut self,
        pace: &Pace,
        progress: &mut dyn FnMut(u64, u64),
        visit: Visit<'_>,
    ) -> Result<(), Error> {
        let total = (self.by_position.len() + self.by_id.len()) as u64;
        if total == 0 {
            return Ok(());
        }
        self.bases = vec![Base::NONE; self.entries.len()];
        for position in 0..self.entries.len() as u32 {
            let entry = self.entry(position)?;
            if entry.id() != WAITS {
                let frame = self.frame(Base::Entry(position), entry.attributes().kind(), 0, entry.id(), None);
                self.resolve_from(frame, total, pace, progress, visit).await?;
            }
        }
        // Whatever still waits for its base has it in the repository, or nowhere.
        let mut at = 0;
        while let Some(&(id, delta)) = self.by_id.get(at) {
            at += 1;
            if self.entry(delta)?.id() != WAITS || !self.repository.contains(&id) {
                continue;
            }
            let object = self.repository.object(&id)?;
            let base = Base::Repository(self.thin_bases.len() as u32);
            self.thin_bases.push(id);
            let frame = self.frame(base, object.kind, 0, id, Some(object.data.to_vec()));
            self.resolve_from(frame, total, pace, progress, visit).await?;
        }
        match self.entries.iter().position(|entry| entry.id() == WAITS) {
            None => Ok(()),
            Some(position) => {
                let named = self.by_id.iter().find(|(_, delta)| *delta as usize == position);
                Err(Error::Malformed(match named {
                    Some((id, _)) => format!("pack has a delta against {id}, which is missing"),
                    None => "pack has a delta whose base is missing".into(),
                }))
            }
        }
    }

    /// Resolves all deltas that are directly or indirectly against the base of `frame`.
    async fn resolve_from(
        &mut self,
        frame: Frame,
        total: u64,
        pace: &Pace,
        progress: &mut dyn FnMut(u64, u64),
        visit: Visit<'_>,
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
            let entry = self.entry(position)?;
            if entry.id() != WAITS {
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
            let instructions = self.take_delta(position)?;
            let result = delta::apply(&data, &instructions, self.limits.object_size)?;
            self.charge(result.len())?;
            let id = found(kind, &result, visit)?;
            if let Some(slot) = self.entries.get_mut(position as usize) {
                *slot = Record::new(&id, entry.offset(), entry.length(), Attributes::new(kind, None));
            }
            if let Some(slot) = self.bases.get_mut(position as usize) {
                *slot = base.pack();
            }
            self.deltas_done += 1;
            progress(u64::from(self.deltas_done), total);
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
                    if kept + self.deltas_size <= self.limits.delta_bases {
                        break;
                    }
                    kept -= older.data.take().map_or(0, |data| data.len() as u64);
                }
            }
            pace.spend(cost).await;
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
            Base::Repository(_) => 0..0,
        };
        let start = self.by_id.partition_point(|(base, _)| *base < id);
        let end = self.by_id.partition_point(|(base, _)| *base <= id);
        Frame { base, kind, depth, data, by_position, by_id: start..end }
    }

    /// Makes the object of a base again that was not kept.
    fn rebuild(&mut self, base: Base) -> Result<Vec<u8>, Error> {
        let missing = || Error::Malformed("delta base is missing".into());
        let mut deltas: Vec<u32> = Vec::new();
        let mut at = Some(base);
        let mut data = loop {
            match at.ok_or_else(missing)? {
                Base::Repository(position) => {
                    let id = self.thin_bases.get(position as usize).copied().ok_or_else(missing)?;
                    break self.repository.object(&id)?.data.to_vec();
                }
                Base::Entry(position) => match self.bases.get(position as usize).copied().map(Base::unpack) {
                    Some(None) | None => break self.inflate(&self.entry(position)?)?,
                    Some(below) => {
                        deltas.push(position);
                        at = below;
                    }
                },
            }
        };
        while let Some(position) = deltas.pop() {
            let instructions = self.inflate(&self.entry(position)?)?;
            data = delta::apply(&data, &instructions, self.limits.object_size)?;
            self.charge(data.len())?;
        }
        Ok(data)
    }

    /// What an entry inflates to.
    fn inflate(&self, entry: &Record) -> Result<Vec<u8>, Error> {
        let bytes = self.storage.read(entry.offset(), entry.length() as usize)?;
        let header = EntryHeader::parse(&bytes)?;
        header.inflate(&bytes, self.limits.object_size).map(|(data, _)| data)
    }

    fn entry(&self, position: u32) -> Result<Record, Error> {
        let entry = self.entries.get(position as usize).copied();
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
}

fn found(kind: Kind, data: &[u8], visit: Visit<'_>) -> Result<ObjectId, Error> {
    let id = hash(kind, data)?;
    visit(&id, kind, data)?;
    Ok(id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        FormatOptions, Store,
        extent_writer::ExtentWriter,
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
        let on_device = ExtentWriter::new(repository.core()).map(PackStorage::Device)?;
        let [(received, contents), (_, same)] = [PackStorage::Memory(Vec::new()), on_device].map(|storage| {
            let mut contents = BTreeSet::new();
            let mut visit = |id: &ObjectId, _: Kind, data: &[u8]| {
                assert_eq!(*id, blob_id(data));
                contents.insert(data.to_vec());
                Ok(())
            };
            let received = async {
                let (mut reader, pace) = (PackReader::new(repository, limits, storage), Pace::unpaced());
                for piece in pack.chunks(1000) {
                    reader.feed(piece, &pace, &mut visit).await?;
                }
                reader.resolve(&pace, &mut |_, _| {}, &mut visit).await
            };
            (received.now_or_never().unwrap(), contents)
        });
        assert!(contents == same, "in memory and on the device it is the same");
        Ok((received?, contents))
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
    fn a_completed_pack_and_its_records_are_what_git_makes() {
        let repository = repository();
        let base = insert(&repository, &b"line\n".repeat(100));
        let mut pack = TestPack::default();
        let first = pack.blob(b"first");
        pack.delta(first, &append(b"first", b" second"));
        pack.delta_by_id(base, &append(&b"line\n".repeat(100), b"last line\n"));
        let (received, _) = read_with(pack.finish(), &repository, &PackLimits::default()).unwrap();
        let ReceivedPack { storage, records, .. } =
            complete(received, &repository, &Pace::unpaced()).now_or_never().unwrap().unwrap();
        let PackStorage::Memory(pack) = storage else { panic!("it was kept in memory") };
        let directory = std::env::temp_dir().join(format!("kalends-index-pack-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join("test.pack"), &pack).unwrap();
        let git = |arguments: &[&str]| {
            let output = Command::new("git").current_dir(&directory).args(arguments).output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8(output.stdout).unwrap()
        };
        git(&["index-pack", "--strict", "test.pack"]);
        // Lines of id, kind, size, size in the pack and offset.
        let theirs: BTreeSet<String> = git(&["verify-pack", "-v", "test.idx"])
            .lines()
            .filter(|line| line.split(' ').next().is_some_and(|id| id.len() == 40))
            .map(|line| {
                let fields: Vec<&str> = line.split_whitespace().collect();
                format!("{} {} {} {}", fields[0], fields[1], fields[3], fields[4])
            })
            .collect();
        fs::remove_dir_all(&directory).unwrap();
        let ours: BTreeSet<String> = records
            .iter()
            .map(|record| {
                let kind = record.attributes().kind();
                format!("{} {kind} {} {}", record.id(), record.length(), record.offset())
            })
            .collect();
        assert_eq!(ours, theirs);
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
