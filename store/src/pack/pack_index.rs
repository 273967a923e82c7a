//! Pack indexes, version 2 (gitformat-pack(5)).

use crate::Error;
use gix_hash::ObjectId;

/// One object of a pack index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct IndexEntry {
    pub(crate) id: ObjectId,
    pub(crate) offset: u64,
    pub(crate) crc32: u32,
}

/// Encodes the index of a pack, just as `git index-pack` does. Sorts `entries`.
pub(crate) fn encode_index(entries: &mut [IndexEntry], pack_checksum: &ObjectId) -> Result<Vec<u8>, Error> {
    /// From here on, offsets are kept in the table of 64-bit offsets.
    const LARGE: u64 = 1 << 31;
    entries.sort_unstable();
    let mut out = Vec::with_capacity(8 + 1024 + entries.len() * 28 + 40);
    out.extend_from_slice(b"\xfftOc\0\0\0\x02");
    let mut below = 0;
    for byte in 0..=255 {
        below +=
            entries.get(below..).unwrap_or_default().iter().take_while(|e| e.id.first_byte() == byte).count();
        out.extend_from_slice(&(below as u32).to_be_bytes());
    }
    for entry in entries.iter() {
        out.extend_from_slice(entry.id.as_slice());
    }
    for entry in entries.iter() {
        out.extend_from_slice(&entry.crc32.to_be_bytes());
    }
    let mut large = Vec::new();
    for entry in entries.iter() {
        let offset = if entry.offset < LARGE {
            entry.offset as u32
        } else {
            large.push(entry.offset);
            LARGE as u32 | (large.len() - 1) as u32
        };
        out.extend_from_slice(&offset.to_be_bytes());
    }
    for offset in large {
        out.extend_from_slice(&offset.to_be_bytes());
    }
    out.extend_from_slice(pack_checksum.as_slice());
    let mut hasher = gix_hash::hasher(gix_hash::Kind::Sha1);
    hasher.update(&out);
    let checksum = hasher.try_finalize().map_err(|error| Error::Malformed(error.to_string()))?;
    out.extend_from_slice(checksum.as_slice());
    Ok(out)
}
