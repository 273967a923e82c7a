//! Objects and references in memory: the store's first core, without a device format.

use crate::{EncodedEntry, Error, Object};
use bytes::Bytes;
use flate2::{Compression, write::ZlibEncoder};
use gix_hash::ObjectId;
use std::{
    collections::{BTreeMap, HashMap},
    io::Write,
};

#[derive(Default)]
pub(crate) struct MemoryRepository {
    pub(crate) objects: HashMap<ObjectId, Object>,
    pub(crate) references: BTreeMap<String, ObjectId>,
}

impl MemoryRepository {
    pub(crate) fn encoded(&self, id: &ObjectId) -> Result<EncodedEntry, Error> {
        let object = self.objects.get(id).ok_or(Error::NoObject(*id))?;
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(&object.data).expect("writing to memory");
        Ok(EncodedEntry {
            kind: object.kind,
            delta_base: None,
            inflated_size: object.data.len() as u64,
            zlib: Bytes::from(encoder.finish().expect("writing to memory")),
        })
    }
}
