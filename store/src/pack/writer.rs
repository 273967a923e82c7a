//! Writing packs: entries are copied as they are stored wherever the receiver can use them so.

use crate::{
    EncodedEntry, Error, Objects, Repository,
    objects::{
        entry::encode_whole,
        id_table::IdTable,
        pack::{AdoptedPack, HEADER, TRAILER},
    },
    pack::{encode_index, pack_index::IndexEntry},
};
use flate2::Crc;
use gix_hash::ObjectId;
use gix_object::Kind;
use gix_pack::data::entry::Header;
use sha1::{Digest, Sha1};
use std::{collections::HashSet, rc::Rc};

/// What the receiver of a pack understands and has.
#[derive(Clone, Debug, Default)]
pub(crate) struct PackOptions {
    /// Deltas may name their base by its offset.
    pub(crate) offset_deltas: bool,
    /// Objects that the receiver has, as bases for deltas (a thin pack).
    pub(crate) known: HashSet<ObjectId>,
}

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PackStatistics {
    /// Objects.
    pub(crate) total: u32,
    /// Of them, deltas.
    pub(crate) deltas: u32,
    /// Objects whose entry was copied as stored.
    pub(crate) reused: u32,
    /// Of them, deltas.
    pub(crate) reused_deltas: u32,
    /// Objects beside these that came with whole packs.
    pub(crate) copied: u32,
}

fn whole(kind: Kind) -> Header {
    match kind {
        Kind::Commit => Header::Commit,
        Kind::Tree => Header::Tree,
        Kind::Blob => Header::Blob,
        Kind::Tag => Header::Tag,
    }
}

fn encode_header(header: Header, size: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(32);
    header.write_to(size, &mut out).expect("writing to memory");
    out
}

/// Writes one pack of known objects, in steps.
///
/// Memory: 8 bytes an object for where it was written, and one entry at a time.
pub(crate) struct PackEncoder<'a> {
    repository: &'a Repository,
    options: &'a PackOptions,
    objects: &'a IdTable,
    /// Packs all of whose objects come first, as they are, and none of which is among the others.
    copied: Vec<CopiedPack>,
    /// Where each object was written; 0 while it was not.
    offsets: Vec<u64>,
    offset: u64,
    hasher: Sha1,
    statistics: PackStatistics,
    /// The entries so far, when an index is wanted.
    index: Option<Vec<IndexEntry>>,
}

/// A pack that is copied, and where its entries are in the new one.
struct CopiedPack {
    pack: Rc<AdoptedPack>,
    start: u64,
    end: u64,
}

/// What the receiver can take as the base of a delta.
enum BaseOf {
    /// An entry at this offset.
    Offset(u64),
    /// An object that it has, or gets before.
    Id,
    /// An object of this number that is still to be written.
    ToWrite(u32),
    /// Nothing.
    None,
}

impl<'a> PackEncoder<'a> {
    /// A pack of these objects.
    pub(crate) fn new(
        repository: &'a Repository,
        options: &'a PackOptions,
        objects: &'a IdTable,
    ) -> Result<Self, Error> {
        if u32::try_from(objects.len()).is_err() {
            return Err(Error::Limit("objects in a pack".into()));
        }
        Ok(Self {
            repository,
            options,
            objects,
            copied: Vec::new(),
            offsets: vec![0; objects.len()],
            offset: 0,
            hasher: Sha1::new(),
            statistics: PackStatistics::default(),
            index: None,
        })
    }

    /// Also makes the index of the pack; 64 bytes an object more.
    pub(crate) fn with_index(mut self) -> Self {
        self.index = Some(Vec::with_capacity(self.offsets.len()));
        self
    }

    fn note(&mut self, number: u32, entry: &[&[u8]]) {
        if let Some(offset) = self.offsets.get_mut(number as usize) {
            *offset = self.offset;
        }
        if let (Some(index), Some(id)) = (&mut self.index, self.objects.id(number)) {
            let mut crc = Crc::new();
            entry.iter().for_each(|part| crc.update(part));
            index.push(IndexEntry { id, offset: self.offset, crc32: crc.sum() });
        }
    }

    fn emit(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        self.hasher.update(bytes);
        self.offset += bytes.len() as u64;
        out.extend_from_slice(bytes);
    }

    /// Appends the header of the pack.
    pub(crate) fn begin(&mut self, out: &mut Vec<u8>) {
        self.write_header(self.offsets.len() as u32, out);
    }

    fn write_header(&mut self, count: u32, out: &mut Vec<u8>) {
        self.emit(&gix_pack::data::header::encode(gix_pack::data::Version::V2, count), out);
    }

    /// Appends the header of a pack that begins with all objects of others, which [`copy`] appends.
    ///
    /// [`copy`]: Self::copy
    pub(crate) fn begin_with(&mut self, packs: Vec<Rc<AdoptedPack>>, out: &mut Vec<u8>) -> Result<(), Error> {
        let mut start = HEADER;
        let mut count = self.offsets.len();
        for pack in packs {
            count += pack.len()?;
            let entries = pack.pack_length().saturating_sub(HEADER + TRAILER);
            self.copied.push(CopiedPack { pack, start, end: start + entries });
            start += entries;
        }
        self.statistics.copied = (count - self.offsets.len()) as u32;
        let count = u32::try_from(count).map_err(|_| Error::Limit("objects in a pack".into()))?;
        self.write_header(count, out);
        Ok(())
    }

    /// Appends the next bytes of the packs that are copied, about `length`; false after the last.
    pub(crate) fn copy(&mut self, length: u64, out: &mut Vec<u8>) -> Result<bool, Error> {
        let Some(copied) = self.copied.iter().find(|copied| self.offset < copied.end) else {
            return Ok(false);
        };
        let part =
            copied.pack.read(self.offset - copied.start + HEADER, (copied.end - self.offset).min(length))?;
        self.emit(&part, out);
        Ok(true)
    }

    /// How a delta against an object can be written.
    fn base(&self, base: &ObjectId) -> Result<BaseOf, Error> {
        if let Some(number) = self.objects.get(base) {
            return Ok(match self.offsets.get(number as usize) {
                Some(0) | None => BaseOf::ToWrite(number),
                Some(offset) if self.options.offset_deltas => BaseOf::Offset(*offset),
                Some(_) => BaseOf::Id,
            });
        }
        for CopiedPack { pack, start, .. } in &self.copied {
            if let Some(position) = pack.find(base)? {
                return Ok(BaseOf::Offset(position.offset() - HEADER + start));
            }
        }
        Ok(if self.options.known.contains(base) { BaseOf::Id } else { BaseOf::None })
    }

    /// Appends the object of a number, after the bases that it needs; nothing when it was written before.
    pub(crate) fn write(&mut self, number: u32, out: &mut Vec<u8>) -> Result<(), Error> {
        let mut chain = vec![number];
        while let Some(number) = chain.last().copied() {
            let Some(id) = self.objects.id(number) else { return Ok(()) };
            if self.offsets.get(number as usize).is_none_or(|offset| *offset != 0) {
                chain.pop();
                continue;
            }
            let entry = self.repository.encoded(&id)?;
            match entry.delta_base.map(|base| Ok::<_, Error>((base, self.base(&base)?))).transpose()? {
                None => self.reuse(number, whole(entry.kind), &entry, out),
                // Stored copies of two objects may be deltas of each other: one goes whole.
                Some((_, BaseOf::ToWrite(base))) if chain.contains(&base) => self.encode(number, &id, out)?,
                Some((_, BaseOf::ToWrite(base))) => {
                    chain.push(base);
                    continue;
                }
                Some((_, BaseOf::Offset(offset))) => {
                    let base_distance = self.offset - offset;
                    self.reuse(number, Header::OfsDelta { base_distance }, &entry, out);
                }
                Some((base_id, BaseOf::Id)) => self.reuse(number, Header::RefDelta { base_id }, &entry, out),
                Some((_, BaseOf::None)) => self.encode(number, &id, out)?,
            }
            chain.pop();
        }
        Ok(())
    }

    fn reuse(&mut self, number: u32, header: Header, entry: &EncodedEntry, out: &mut Vec<u8>) {
        let start = encode_header(header, entry.inflated_size);
        self.note(number, &[&start, &entry.zlib]);
        self.emit(&start, out);
        self.emit(&entry.zlib, out);
        self.statistics.total += 1;
        self.statistics.reused += 1;
        if header.is_delta() {
            self.statistics.deltas += 1;
            self.statistics.reused_deltas += 1;
        }
    }

    /// Appends an object whole whose stored form the receiver cannot use.
    fn encode(&mut self, number: u32, id: &ObjectId, out: &mut Vec<u8>) -> Result<(), Error> {
        let object = self.repository.object(id)?;
        let entry = encode_whole(object.kind, &object.data);
        self.note(number, &[&entry]);
        self.emit(&entry, out);
        self.statistics.total += 1;
        Ok(())
    }

    /// Appends the trailer.
    pub(crate) fn end(self, out: &mut Vec<u8>) -> PackStatistics {
        out.extend_from_slice(&self.hasher.finalize());
        self.statistics
    }

    /// Appends the trailer, and gives the pack's checksum and the index that was wanted.
    pub(crate) fn end_with_index(self, out: &mut Vec<u8>) -> Result<(ObjectId, Vec<u8>), Error> {
        let checksum = ObjectId::Sha1(self.hasher.finalize().into());
        out.extend_from_slice(checksum.as_slice());
        let index = encode_index(&mut self.index.unwrap_or_default(), &checksum)?;
        Ok((checksum, index))
    }
}
