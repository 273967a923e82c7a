//! Writing packs: entries are copied as they are stored wherever the receiver can use them so.

use crate::{
    EncodedEntry, Error, Objects, Repository,
    objects::entry::encode_whole,
    pack::{encode_index, pack_index::IndexEntry},
};
use flate2::Crc;
use gix_hash::ObjectId;
use gix_object::Kind;
use gix_pack::data::entry::Header;
use sha1::{Digest, Sha1};
use std::collections::{HashMap, HashSet};

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
/// Memory: about 60 bytes an object for where it was written, and one entry at a time.
pub(crate) struct PackEncoder<'a> {
    repository: &'a Repository,
    options: &'a PackOptions,
    /// Where an object was written; 0 while it was not.
    offsets: HashMap<ObjectId, u64>,
    offset: u64,
    hasher: Sha1,
    statistics: PackStatistics,
    /// The entries so far, when an index is wanted.
    index: Option<Vec<IndexEntry>>,
}

impl<'a> PackEncoder<'a> {
    /// A pack of these objects, each named once.
    pub(crate) fn new(
        repository: &'a Repository,
        options: &'a PackOptions,
        objects: &[ObjectId],
    ) -> Result<Self, Error> {
        if u32::try_from(objects.len()).is_err() {
            return Err(Error::Limit("objects in a pack".into()));
        }
        Ok(Self {
            repository,
            options,
            offsets: objects.iter().map(|id| (*id, 0)).collect(),
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

    fn note(&mut self, id: &ObjectId, entry: &[&[u8]]) {
        self.offsets.insert(*id, self.offset);
        if let Some(index) = &mut self.index {
            let mut crc = Crc::new();
            entry.iter().for_each(|part| crc.update(part));
            index.push(IndexEntry { id: *id, offset: self.offset, crc32: crc.sum() });
        }
    }

    fn emit(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        self.hasher.update(bytes);
        self.offset += bytes.len() as u64;
        out.extend_from_slice(bytes);
    }

    /// Appends the header of the pack.
    pub(crate) fn begin(&mut self, out: &mut Vec<u8>) {
        let count = self.offsets.len() as u32;
        self.emit(&gix_pack::data::header::encode(gix_pack::data::Version::V2, count), out);
    }

    /// Appends an object, after the bases that it needs; nothing when it was written before.
    pub(crate) fn write(&mut self, id: &ObjectId, out: &mut Vec<u8>) -> Result<(), Error> {
        let mut chain = vec![*id];
        while let Some(id) = chain.last().copied() {
            if self.offsets.get(&id).is_none_or(|offset| *offset != 0) {
                chain.pop();
                continue;
            }
            let entry = self.repository.encoded(&id)?;
            match entry.delta_base {
                None => self.copy(&id, whole(entry.kind), &entry, out),
                Some(base) => match self.offsets.get(&base) {
                    // Stored copies of two objects may be deltas of each other: one goes whole.
                    Some(0) if chain.contains(&base) => self.encode(&id, out)?,
                    Some(0) => {
                        chain.push(base);
                        continue;
                    }
                    Some(offset) if self.options.offset_deltas => {
                        let base_distance = self.offset - offset;
                        self.copy(&id, Header::OfsDelta { base_distance }, &entry, out);
                    }
                    Some(_) => self.copy(&id, Header::RefDelta { base_id: base }, &entry, out),
                    None if self.options.known.contains(&base) => {
                        self.copy(&id, Header::RefDelta { base_id: base }, &entry, out);
                    }
                    None => self.encode(&id, out)?,
                },
            }
            chain.pop();
        }
        Ok(())
    }

    fn copy(&mut self, id: &ObjectId, header: Header, entry: &EncodedEntry, out: &mut Vec<u8>) {
        let start = encode_header(header, entry.inflated_size);
        self.note(id, &[&start, &entry.zlib]);
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
    fn encode(&mut self, id: &ObjectId, out: &mut Vec<u8>) -> Result<(), Error> {
        let object = self.repository.object(id)?;
        let entry = encode_whole(object.kind, &object.data);
        self.note(id, &[&entry]);
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
