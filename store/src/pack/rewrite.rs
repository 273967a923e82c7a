//! Packs written anew, entry by entry, from what is whole of another.

use crate::{
    Error, Object,
    objects::entry::{encode_whole, write_header},
    pack::{IndexEntry, encode_index},
};
use bytes::Bytes;
use flate2::Crc;
use gix_hash::ObjectId;
use gix_object::Kind;
use gix_pack::data::entry::Header;
use sha1::{Digest, Sha1};
use std::collections::HashMap;

/// An entry that can be copied: its kind or the base of its delta, what its zlib stream inflates to in
/// bytes, and that stream.
pub(crate) struct WholeEntry {
    pub(crate) content: Result<Kind, ObjectId>,
    pub(crate) inflated_size: u64,
    pub(crate) zlib: Bytes,
}

/// Makes a pack and its index. Entries are copied where their bases come before them; `make` gives the
/// objects of the others. Memory: the pack.
///
/// # Errors
/// Those of `make`; [`Error::Limit`] for more objects than a pack can have.
pub(crate) fn encode_pack(
    entries: Vec<(ObjectId, Option<WholeEntry>)>,
    make: &dyn Fn(&ObjectId) -> Result<Object, Error>,
) -> Result<(Vec<u8>, Vec<u8>), Error> {
    let count = u32::try_from(entries.len()).map_err(|_| Error::Limit("objects in a pack".into()))?;
    let mut pack = gix_pack::data::header::encode(gix_pack::data::Version::V2, count).to_vec();
    let mut offsets: HashMap<ObjectId, u64> = HashMap::new();
    let mut index = Vec::with_capacity(entries.len());
    for (id, entry) in entries {
        let offset = pack.len();
        let copied = entry.and_then(|entry| {
            let header = match entry.content {
                Ok(Kind::Commit) => Header::Commit,
                Ok(Kind::Tree) => Header::Tree,
                Ok(Kind::Blob) => Header::Blob,
                Ok(Kind::Tag) => Header::Tag,
                Err(base) => Header::OfsDelta { base_distance: offset as u64 - offsets.get(&base)? },
            };
            Some((header, entry))
        });
        match copied {
            Some((header, entry)) => {
                write_header(header, entry.inflated_size, &mut pack);
                pack.extend_from_slice(&entry.zlib);
            }
            None => {
                let object = make(&id)?;
                pack.extend_from_slice(&encode_whole(object.kind, &object.data));
            }
        }
        let mut crc = Crc::new();
        crc.update(pack.get(offset..).unwrap_or_default());
        offsets.insert(id, offset as u64);
        index.push(IndexEntry { id, offset: offset as u64, crc32: crc.sum() });
    }
    let checksum = ObjectId::Sha1(Sha1::digest(&pack).into());
    pack.extend_from_slice(checksum.as_slice());
    let index = encode_index(&mut index, &checksum)?;
    Ok((pack, index))
}
