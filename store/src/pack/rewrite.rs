//! Packs written anew, entry by entry, from what is whole of another.

use crate::{
    Error, Object,
    format::record::{Attributes, Record},
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

/// Writes a pack of so many objects, piece by piece, and gives their records and the pack's checksum. Entries
/// are copied where their bases come before them; `make` gives the objects of the others.
///
/// Memory: 80 bytes an object, and one of them.
///
/// # Errors
/// Those of `objects`, `make` and `out`; [`Error::Limit`] for more objects than a pack can have.
pub(crate) fn write_pack(
    count: usize,
    objects: &mut dyn Iterator<Item = Result<PackedObject, Error>>,
    make: &dyn Fn(&ObjectId) -> Result<Object, Error>,
    out: &mut dyn FnMut(&[u8]) -> Result<(), Error>,
) -> Result<(Vec<Record>, ObjectId), Error> {
    let declared = u32::try_from(count).map_err(|_| Error::Limit("objects in a pack".into()))?;
    let mut entry_bytes = gix_pack::data::header::encode(gix_pack::data::Version::V2, declared).to_vec();
    let mut hasher = Sha1::new();
    let mut offset = entry_bytes.len() as u64;
    hasher.update(&entry_bytes);
    out(&entry_bytes)?;
    let mut offsets: HashMap<ObjectId, u64> = HashMap::new();
    let mut records = Vec::with_capacity(count);
    for object in objects {
        let PackedObject { id, attributes, entry } = object?;
        entry_bytes.clear();
        let copied = entry.and_then(|entry| {
            let header = match entry.content {
                Ok(Kind::Commit) => Header::Commit,
                Ok(Kind::Tree) => Header::Tree,
                Ok(Kind::Blob) => Header::Blob,
                Ok(Kind::Tag) => Header::Tag,
                Err(base) => Header::OfsDelta { base_distance: offset - offsets.get(&base)? },
            };
            Some((header, entry))
        });
        match copied {
            Some((header, entry)) => {
                write_header(header, entry.inflated_size, &mut entry_bytes);
                entry_bytes.extend_from_slice(&entry.zlib);
            }
            None => {
                let object = make(&id)?;
                entry_bytes = encode_whole(object.kind, &object.data);
            }
        }
        let length = u32::try_from(entry_bytes.len()).map_err(|_| Error::Limit("entry size".into()))?;
        hasher.update(&entry_bytes);
        out(&entry_bytes)?;
        offsets.insert(id, offset);
        records.push(Record::new(&id, offset, length, attributes));
        offset += u64::from(length);
    }
    let checksum = ObjectId::Sha1(hasher.finalize().into());
    out(checksum.as_slice())?;
    Ok((records, checksum))
}
