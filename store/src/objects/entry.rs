//! Pack entries: how objects lie on the device, in the log and in packs alike.

use super::{
    delta,
    zlib::{self, Effort},
};
use crate::{Error, Object};
use bytes::Bytes;
use gix_hash::{ObjectId, oid};
use gix_object::Kind;
use gix_pack::data::{self, entry::Header};

/// The longest chain of deltas that is followed: git's own bound for packs.
pub(crate) const MAX_DELTA_CHAIN: usize = 4095;
/// The longest chain of deltas that is kept as somebody else made it, when a push is taken apart and when packs
/// are written anew: what git packs to (`pack.depth`). Longer ones cost more to read than they save.
pub(crate) const MAX_KEPT_CHAIN: u8 = 50;
/// The largest header of an entry: 10 bytes of type and size, 20 of base.
pub(crate) const MAX_ENTRY_HEADER: usize = 30;

/// What the instructions of an entry start from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EntryContent {
    /// The object itself.
    Whole(Kind),
    /// A delta against an object named by its id.
    ReferenceDelta(ObjectId),
    /// A delta against the entry so many bytes before this one, in a pack.
    OffsetDelta(u64),
}

/// The header of a pack entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EntryHeader {
    /// Object or delta.
    pub(crate) content: EntryContent,
    /// What the zlib stream inflates to, in bytes.
    pub(crate) inflated_size: u64,
    /// Length of the header in bytes; the zlib stream follows.
    pub(crate) length: usize,
}

impl EntryHeader {
    /// Reads the header at the start of `bytes`.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let entry = data::Entry::from_bytes(bytes, 0, gix_hash::Kind::Sha1)
            .map_err(|error| Error::Malformed(format!("pack entry: {error}")))?;
        let content = match entry.header {
            Header::Commit => EntryContent::Whole(Kind::Commit),
            Header::Tree => EntryContent::Whole(Kind::Tree),
            Header::Blob => EntryContent::Whole(Kind::Blob),
            Header::Tag => EntryContent::Whole(Kind::Tag),
            Header::RefDelta { base_id } => EntryContent::ReferenceDelta(base_id),
            Header::OfsDelta { base_distance } => EntryContent::OffsetDelta(base_distance),
        };
        Ok(Self { content, inflated_size: entry.decompressed_size, length: entry.header_size() })
    }

    /// The zlib stream of an entry that starts with this header.
    pub(crate) fn stream<'a>(&self, entry: &'a [u8]) -> &'a [u8] {
        entry.get(self.length..).unwrap_or_default()
    }

    /// The inflated stream of `entry`, refusing more than `limit` bytes.
    pub(crate) fn inflate(&self, entry: &[u8], limit: u64) -> Result<(Vec<u8>, usize), Error> {
        if self.inflated_size > limit {
            return Err(Error::Limit(format!("an object of {} bytes", self.inflated_size)));
        }
        let size = usize::try_from(self.inflated_size).map_err(|_| Error::Limit("object size".into()))?;
        zlib::inflate(self.stream(entry), size)
    }
}

/// The base of an entry's delta, if that is given by id.
pub(crate) fn base_by_id(entry: &[u8]) -> Result<Option<ObjectId>, Error> {
    Ok(match EntryHeader::parse(entry)?.content {
        EntryContent::ReferenceDelta(base) => Some(base),
        EntryContent::Whole(_) | EntryContent::OffsetDelta(_) => None,
    })
}

/// The entry of a whole object.
pub(crate) fn encode_whole(kind: Kind, content: &[u8]) -> Vec<u8> {
    let header = match kind {
        Kind::Commit => Header::Commit,
        Kind::Tree => Header::Tree,
        Kind::Blob => Header::Blob,
        Kind::Tag => Header::Tag,
    };
    encode(header, content)
}

/// The entry of an object that is a delta against another.
pub(crate) fn encode_delta(base: ObjectId, delta: &[u8]) -> Vec<u8> {
    encode(Header::RefDelta { base_id: base }, delta)
}

fn encode(header: Header, content: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    write_header(header, content.len() as u64, &mut out);
    let effort = if header == Header::Commit { Effort::Fast } else { Effort::Small };
    zlib::deflate(content, effort, &mut out);
    out
}

/// An entry from a zlib stream that exists already.
pub(crate) fn with_stream(base: Option<ObjectId>, kind: Kind, inflated_size: u64, stream: &[u8]) -> Vec<u8> {
    let header = match (base, kind) {
        (Some(base_id), _) => Header::RefDelta { base_id },
        (None, Kind::Commit) => Header::Commit,
        (None, Kind::Tree) => Header::Tree,
        (None, Kind::Blob) => Header::Blob,
        (None, Kind::Tag) => Header::Tag,
    };
    let mut out = Vec::with_capacity(MAX_ENTRY_HEADER + stream.len());
    write_header(header, inflated_size, &mut out);
    out.extend_from_slice(stream);
    out
}

/// Appends the header of an entry.
pub(crate) fn write_header(header: Header, size: u64, out: &mut Vec<u8>) {
    // A vector takes every write.
    let _ = header.write_to(size, out);
}

/// Applies deltas, the one next to the object last, and gives the object after checking its id.
pub(crate) fn resolve(
    id: &oid,
    base: Object,
    deltas: impl IntoIterator<Item = Vec<u8>>,
    limit: u64,
) -> Result<Object, Error> {
    let damaged = |error: Error| match error {
        Error::Malformed(reason) => Error::Damaged { id: id.to_owned(), reason },
        other => other,
    };
    let Object { kind, mut data } = base;
    for delta in deltas {
        data = Bytes::from(delta::apply(&data, &delta, limit).map_err(damaged)?);
    }
    verify(id, kind, &data)?;
    Ok(Object { kind, data })
}

/// Checks an object against its id.
pub(crate) fn verify(id: &oid, kind: Kind, data: &[u8]) -> Result<(), Error> {
    let found = hash(kind, data)?;
    if *found != *id {
        return Err(Error::Damaged { id: id.to_owned(), reason: format!("its content has the id {found}") });
    }
    Ok(())
}

/// The object id of `data` as an object of this kind.
///
/// # Errors
/// [`Error::Malformed`] when the data is made to collide with another object.
pub(crate) fn hash(kind: Kind, data: &[u8]) -> Result<ObjectId, Error> {
    gix_object::compute_hash(gix_hash::Kind::Sha1, kind, data)
        .map_err(|error| Error::Malformed(error.to_string()))
}
