//! Packs written anew, entry by entry, from what is whole of another.

use crate::{
    Error, Object,
    format::{
        pack_index::{self, Ends},
        record::{Attributes, Record},
    },
    objects::entry::{encode_whole, write_header},
};
use bytes::Bytes;
use gix_hash::ObjectId;
use gix_object::Kind;
use gix_pack::data::entry::Header;
use sha1::{Digest, Sha1};
use std::collections::HashMap;

/// An entry that can be copied.
pub(crate) struct WholeEntry {
    /// Its kind, or the base of its delta.
    pub(crate) content: Result<Kind, ObjectId>,
    /// What its zlib stream inflates to, in bytes.
    pub(crate) inflated_size: u64,
    pub(crate) zlib: Bytes,
}

/// An object of a pack to come.
pub(crate) struct PackedObject {
    pub(crate) id: ObjectId,
    pub(crate) attributes: Attributes,
    /// `None` when it has to be made.
    pub(crate) entry: Option<WholeEntry>,
}

/// Makes a pack, its index, and the index's checksum. Entries are copied where their bases come before them; `make` gives the
/// objects of the others. Memory: the pack.
///
/// # Errors
/// Those of `make`; [`Error::Limit`] for more objects than a pack can have.
pub(crate) fn encode_pack(
    entries: Vec<PackedObject>,
    make: &dyn Fn(&ObjectId) -> Result<Object, Error>,
) -> Result<(Vec<u8>, Vec<u8>, u64), Error> {
    let count = u32::try_from(entries.len()).map_err(|_| Error::Limit("objects in a pack".into()))?;
    let mut pack = gix_pack::data::header::encode(gix_pack::data::Version::V2, count).to_vec();
    let mut offsets: HashMap<ObjectId, u64> = HashMap::new();
    let mut records = Vec::with_capacity(entries.len());
    for PackedObject { id, attributes, entry } in entries {
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
        let length = u32::try_from(pack.len() - offset).map_err(|_| Error::Limit("entry size".into()))?;
        offsets.insert(id, offset as u64);
        records.push(Record::new(&id, offset as u64, length, attributes));
    }
    let checksum = ObjectId::Sha1(Sha1::digest(&pack).into());
    pack.extend_from_slice(checksum.as_slice());
    let mut index = Vec::new();
    let (_, index_checksum) = pack_index::write(&mut records, &checksum, &Ends::default(), &mut |bytes| {
        index.extend_from_slice(bytes);
        Ok(())
    })?;
    Ok((pack, index, index_checksum))
}
