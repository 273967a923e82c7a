//! The entries of a pack, one after another.

use crate::{Error, objects::zlib, pack::PackLimits};
use flate2::Crc;
use gix_hash::ObjectId;
use gix_object::Kind;
use gix_pack::data::entry::Header;

/// Length of the checksum at the end of a pack.
pub(crate) const TRAILER: usize = 20;

/// How an entry encodes its object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// Whole.
    Whole(Kind),
    /// As a delta against the entry at this position (count from 0) of the same pack.
    Delta(u32),
    /// As a delta against an object named by its id.
    DeltaById(ObjectId),
}

/// One entry of a pack.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    /// Where its header begins.
    pub(crate) offset: u64,
    /// Length of the header.
    pub(crate) header: u16,
    /// Its encoding.
    pub(crate) encoding: Encoding,
    /// Size after inflating: of the object, or of the delta.
    pub(crate) size: u64,
    /// CRC-32 of header and zlib stream, as pack indexes have it.
    pub(crate) crc32: u32,
}

impl Entry {
    /// Where its zlib stream begins.
    pub(crate) fn data_offset(&self) -> usize {
        self.offset as usize + usize::from(self.header)
    }
}

/// Reads the entries of a complete or thin pack in memory.
pub(crate) struct Scanner<'a> {
    pack: &'a [u8],
    limits: &'a PackLimits,
    offset: usize,
    /// All entries read so far, in the order of the pack.
    pub(crate) entries: Vec<Entry>,
    /// The number of entries that the pack declares.
    pub(crate) count: u32,
}

impl<'a> Scanner<'a> {
    /// Reads the header.
    pub(crate) fn new(pack: &'a [u8], limits: &'a PackLimits) -> Result<Self, Error> {
        let header = pack
            .first_chunk()
            .filter(|_| pack.len() >= gix_pack::data::header::SIZE + TRAILER)
            .ok_or_else(|| Error::Malformed("pack is truncated".into()))?;
        let (version, count) = gix_pack::data::header::decode(header)
            .map_err(|error| Error::Malformed(format!("pack header: {error}")))?;
        if version != gix_pack::data::Version::V2 {
            return Err(Error::Malformed("pack version is not 2".into()));
        }
        if count > limits.objects {
            return Err(Error::Limit(format!("a pack of {count} objects (at most {})", limits.objects)));
        }
        // An entry takes at least nine bytes, so that a small pack cannot reserve much.
        let capacity = (pack.len() / 9).min(count as usize);
        Ok(Self {
            pack,
            limits,
            offset: gix_pack::data::header::SIZE,
            entries: Vec::with_capacity(capacity),
            count,
        })
    }

    /// Reads the next entry and inflates it; `None` after the last.
    pub(crate) fn next_entry(&mut self) -> Result<Option<(Entry, Vec<u8>)>, Error> {
        if self.entries.len() == self.count as usize {
            return Ok(None);
        }
        let end = self.pack.len() - TRAILER;
        let position = self.entries.len();
        let place = |error: Error| match error {
            Error::Malformed(reason) => {
                Error::Malformed(format!("pack entry {position} at offset {}: {reason}", self.offset))
            }
            other => other,
        };
        let data = self.pack.get(self.offset..end).unwrap_or_default();
        let header = gix_pack::data::Entry::from_bytes(data, self.offset as u64, gix_hash::Kind::Sha1)
            .map_err(|error| place(Error::Malformed(error.to_string())))?;
        if header.decompressed_size > self.limits.object_size {
            return Err(Error::Limit(format!(
                "an object of {} bytes (at most {})",
                header.decompressed_size, self.limits.object_size
            )));
        }
        let encoding = match header.header {
            Header::Commit => Encoding::Whole(Kind::Commit),
            Header::Tree => Encoding::Whole(Kind::Tree),
            Header::Blob => Encoding::Whole(Kind::Blob),
            Header::Tag => Encoding::Whole(Kind::Tag),
            Header::RefDelta { base_id } => Encoding::DeltaById(base_id),
            Header::OfsDelta { base_distance } => {
                let base = (self.offset as u64)
                    .checked_sub(base_distance)
                    .and_then(|base| self.entries.binary_search_by_key(&base, |entry| entry.offset).ok())
                    .ok_or_else(|| place(Error::Malformed("delta base is not an earlier entry".into())))?;
                Encoding::Delta(base as u32)
            }
        };
        let header_size = header.header_size();
        let stream = data.get(header_size..).unwrap_or_default();
        let (content, length) = zlib::inflate(stream, header.decompressed_size as usize).map_err(place)?;
        let total = header_size + length;
        let mut crc = Crc::new();
        crc.update(data.get(..total).unwrap_or_default());
        let entry = Entry {
            offset: self.offset as u64,
            header: header_size as u16,
            encoding,
            size: header.decompressed_size,
            crc32: crc.sum(),
        };
        self.offset += total;
        self.entries.push(entry);
        Ok(Some((entry, content)))
    }

    /// Checks that nothing but the trailer follows the last entry.
    pub(crate) fn end(&self) -> Result<(), Error> {
        match self.pack.len() - TRAILER - self.offset {
            0 => Ok(()),
            excess => Err(Error::Malformed(format!("{excess} bytes after the last entry of the pack"))),
        }
    }

    /// Inflates an entry read before.
    pub(crate) fn inflate(&self, entry: &Entry) -> Result<Vec<u8>, Error> {
        let stream = self.pack.get(entry.data_offset()..).unwrap_or_default();
        zlib::inflate(stream, entry.size as usize).map(|(content, _)| content)
    }
}
