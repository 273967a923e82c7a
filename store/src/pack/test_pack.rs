//! Packs made by hand, entry by entry, for tests.

use crate::objects::{delta::DeltaBuilder, zlib};
use gix_hash::ObjectId;
use gix_object::Kind;
use gix_pack::data::entry::Header;

/// Builds a pack.
#[derive(Default)]
pub(crate) struct TestPack {
    entries: Vec<u8>,
    count: u32,
}

impl TestPack {
    /// Where the next entry begins.
    fn offset(&self) -> u64 {
        12 + self.entries.len() as u64
    }

    /// Adds an entry; gives its offset.
    pub(crate) fn entry(&mut self, header: Header, content: &[u8]) -> u64 {
        let offset = self.offset();
        header.write_to(content.len() as u64, &mut self.entries).unwrap();
        zlib::deflate(content, zlib::Effort::Small, &mut self.entries);
        self.count += 1;
        offset
    }

    /// Adds a blob as it is.
    pub(crate) fn blob(&mut self, content: &[u8]) -> u64 {
        self.entry(Header::Blob, content)
    }

    /// Adds a delta against an earlier entry.
    pub(crate) fn delta(&mut self, base: u64, delta: &[u8]) -> u64 {
        let base_distance = self.offset() - base;
        self.entry(Header::OfsDelta { base_distance }, delta)
    }

    /// Adds a delta against an object.
    pub(crate) fn delta_by_id(&mut self, base: ObjectId, delta: &[u8]) -> u64 {
        self.entry(Header::RefDelta { base_id: base }, delta)
    }

    /// The pack.
    pub(crate) fn finish(self) -> Vec<u8> {
        let mut pack = gix_pack::data::header::encode(gix_pack::data::Version::V2, self.count).to_vec();
        pack.extend_from_slice(&self.entries);
        let mut hasher = gix_hash::hasher(gix_hash::Kind::Sha1);
        hasher.update(&pack);
        pack.extend_from_slice(hasher.try_finalize().unwrap().as_slice());
        pack
    }
}

/// A delta that keeps `base` and appends `more`.
pub(crate) fn append(base: &[u8], more: &[u8]) -> Vec<u8> {
    let mut builder = DeltaBuilder::new(base.len(), base.len() + more.len());
    builder.copy(0..base.len());
    builder.insert(more);
    builder.finish()
}

/// The id of a blob.
pub(crate) fn blob_id(content: &[u8]) -> ObjectId {
    gix_object::compute_hash(gix_hash::Kind::Sha1, Kind::Blob, content).unwrap()
}
