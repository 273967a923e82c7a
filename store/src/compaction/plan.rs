//! Which objects a new pack has, and how each of them is to be encoded, before anything is written: so the
//! room that it needs is known, and its header can be written first.
//!
//! Memory: about 120 bytes an object, of at most [`MAX_OBJECTS`] at a time.

use super::entries::{EntryReader, Place};
use crate::{
    Error, Pace,
    format::record::{Attributes, Record},
    objects::{
        delta,
        entry::{EntryContent, MAX_ENTRY_HEADER, MAX_KEPT_CHAIN},
        zlib,
    },
};
use gix_hash::ObjectId;
use gix_object::Kind;

/// The most objects of one new pack: 16 MiB of memory. More become several packs; in tests sooner.
pub(super) const MAX_OBJECTS: usize = if cfg!(test) { 1 << 14 } else { 1 << 17 };
/// The longest chain of deltas that is copied; what would be deeper is encoded anew.
const MAX_DEPTH: u8 = MAX_KEPT_CHAIN;
/// The depth is being computed: a chain that comes here again is a circle.
const COMPUTING: u8 = u8::MAX;
const UNKNOWN: u8 = u8::MAX - 1;

/// What an object is encoded from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Base {
    /// It is stored whole.
    None,
    /// A delta that is copied, against another object of the plan.
    Planned(Handle),
    /// Its stored delta cannot be used.
    Anew,
}

/// An object of the plan: its bucket, and its place in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Handle(u32);

/// One object.
#[derive(Clone, Debug)]
pub(super) struct Planned {
    pub(super) id: ObjectId,
    pub(super) kind: Kind,
    /// Deltas below it.
    pub(super) depth: u8,
    pub(super) place: Place,
    sequence: u32,
    pub(super) base: Base,
    /// Where it was written in the new pack; 0 while it was not.
    pub(super) offset: u64,
    /// Bytes of its new entry.
    pub(super) length: u32,
}

/// The objects of a new pack, sorted by id.
pub(super) struct Plan {
    /// By the first byte of the id: each is sorted in a moment.
    buckets: Vec<Vec<Planned>>,
    /// The objects in the order of their sources.
    order: Vec<Handle>,
    len: u32,
    /// The pack takes at most so many bytes.
    pub(super) bound: u64,
}

impl Plan {
    pub(super) fn new() -> Self {
        Self { buckets: vec![Vec::new(); 256], order: Vec::new(), len: 0, bound: 0 }
    }

    /// Adds an object; they are copied in the order in which they are added.
    pub(super) fn add(&mut self, id: ObjectId, kind: Kind, place: Place) {
        let planned = Planned {
            id,
            kind,
            depth: UNKNOWN,
            place,
            sequence: self.len,
            base: Base::None,
            offset: 0,
            length: 0,
        };
        if let Some(bucket) = self.buckets.get_mut(usize::from(id.first_byte())) {
            bucket.push(planned);
            self.len += 1;
        }
    }

    /// Number of objects.
    pub(super) fn len(&self) -> usize {
        self.len as usize
    }

    /// All objects have been added: decides how each is encoded.
    pub(super) async fn finish(&mut self, reader: &EntryReader<'_>, pace: &Pace) -> Result<(), Error> {
        let added = self.len as usize;
        self.len = 0;
        let mut order = vec![None; added];
        for (number, bucket) in (0_u32..).zip(&mut self.buckets) {
            bucket.sort_unstable_by(|a, b| a.id.cmp(&b.id).then(a.sequence.cmp(&b.sequence)));
            bucket.dedup_by(|later, first| later.id == first.id);
            bucket.shrink_to_fit();
            for (at, planned) in (0_u32..).zip(bucket) {
                if let Some(slot) = order.get_mut(planned.sequence as usize) {
                    *slot = Some(Handle(number << 24 | at));
                    self.len += 1;
                }
            }
            pace.spend(1 << 15).await;
        }
        self.order = order.into_iter().flatten().collect();
        self.bound = 0;
        for at in 0..self.order.len() {
            let Some(handle) = self.order.get(at).copied() else { break };
            self.find_base(handle, reader)?;
            pace.spend(1000).await;
        }
        for at in 0..self.order.len() {
            let Some(handle) = self.order.get(at).copied() else { break };
            self.find_depth(handle, reader)?;
            pace.spend(200).await;
        }
        Ok(())
    }

    /// Finds the base of a stored delta, and adds to the bound on the size.
    fn find_base(&mut self, handle: Handle, reader: &EntryReader<'_>) -> Result<(), Error> {
        let planned = self.get(handle)?;
        let (id, place) = (planned.id, planned.place);
        let (header, bytes) = reader.start(place)?;
        if let EntryContent::Whole(kind) = header.content
            && kind != planned.kind
        {
            let reason = format!("is a {kind}, and a {} in the index", planned.kind);
            return Err(Error::Damaged { id, reason });
        }
        let base = reader.base(&id, place, &header)?;
        self.bound += u64::from(place.length) + MAX_ENTRY_HEADER as u64;
        let base = match base {
            None => Base::None,
            Some(base) => self.find(&base).map_or(Base::Anew, Base::Planned),
        };
        if base == Base::Anew {
            self.bound += anew_bound(header.stream(&bytes))?;
        }
        self.get_mut(handle)?.base = base;
        Ok(())
    }

    /// Computes the depth of an object, and breaks chains that are too long or circles.
    fn find_depth(&mut self, handle: Handle, reader: &EntryReader<'_>) -> Result<(), Error> {
        let mut chain = vec![handle];
        while let Some(at) = chain.last().copied() {
            let planned = self.get_mut(at)?;
            let depth = match (planned.depth, planned.base) {
                (UNKNOWN, Base::Planned(base)) => {
                    planned.depth = COMPUTING;
                    match self.get(base)?.depth {
                        UNKNOWN => {
                            chain.push(base);
                            continue;
                        }
                        below if below >= MAX_DEPTH => self.encode_anew(at, reader)?,
                        below => below + 1,
                    }
                }
                (COMPUTING, Base::Planned(base)) => match self.get(base)?.depth {
                    below if below >= MAX_DEPTH => self.encode_anew(at, reader)?,
                    below => below + 1,
                },
                (UNKNOWN | COMPUTING, _) => 0,
                (known, _) => known,
            };
            self.get_mut(at)?.depth = depth;
            chain.pop();
        }
        Ok(())
    }

    fn encode_anew(&mut self, handle: Handle, reader: &EntryReader<'_>) -> Result<u8, Error> {
        let (header, bytes) = reader.start(self.get(handle)?.place)?;
        self.bound += anew_bound(header.stream(&bytes))?;
        self.get_mut(handle)?.base = Base::Anew;
        Ok(0)
    }

    pub(super) fn find(&self, id: &ObjectId) -> Option<Handle> {
        let number = u32::from(id.first_byte());
        let bucket = self.buckets.get(number as usize)?;
        let at = bucket.binary_search_by(|planned| planned.id.cmp(id)).ok()?;
        Some(Handle(number << 24 | at as u32))
    }

    pub(super) fn get(&self, Handle(handle): Handle) -> Result<&Planned, Error> {
        let bucket = self.buckets.get((handle >> 24) as usize);
        let planned = bucket.and_then(|bucket| bucket.get((handle & 0xff_ffff) as usize));
        planned.ok_or_else(|| Error::Malformed("not in the plan".into()))
    }

    pub(super) fn get_mut(&mut self, Handle(handle): Handle) -> Result<&mut Planned, Error> {
        let bucket = self.buckets.get_mut((handle >> 24) as usize);
        let planned = bucket.and_then(|bucket| bucket.get_mut((handle & 0xff_ffff) as usize));
        planned.ok_or_else(|| Error::Malformed("not in the plan".into()))
    }

    /// The object at a place in the order of the sources.
    pub(super) fn at(&self, place: usize) -> Option<Handle> {
        self.order.get(place).copied()
    }

    /// The records of the new pack, sorted by id.
    pub(super) fn into_records(self) -> Vec<Record> {
        let mut records = Vec::with_capacity(self.len());
        for bucket in self.buckets {
            records.extend(bucket.iter().map(|planned| {
                let attributes = Attributes::new(planned.kind, None);
                Record::new(&planned.id, planned.offset, planned.length, attributes)
            }));
        }
        records
    }
}

/// What an object takes that is compressed anew, from the start of its delta's stream.
fn anew_bound(stream: &[u8]) -> Result<u64, Error> {
    let (_, size, _) = delta::sizes(&zlib::inflate_start(stream, 32)?)?;
    // What deflate adds to what it cannot compress: 5 bytes for each 16 KiB, and some more.
    Ok(size.saturating_add(size / 1000).saturating_add(128))
}
