//! Where an object is, in 32 bytes: the unit of the index, in memory and in checkpoints.

use super::codec::Reader;
use crate::Error;
use gix_hash::{ObjectId, oid};
use gix_object::Kind;
use std::cmp::Ordering;

/// An object in the log or in an extent of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    id: [u8; 20],
    length: u32,
    offset: [u8; 6],
    attributes: Attributes,
}

/// Bytes of a record.
pub(crate) const RECORD: usize = 32;

/// An object's kind, and for a tree made by editing its place in its chain of deltas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Attributes(u16);

impl Attributes {
    /// The last place in a chain that can be told.
    pub(crate) const LAST_STEP: u16 = (1 << 14) - 2;

    /// `step` is at most [`LAST_STEP`](Self::LAST_STEP).
    pub(crate) fn new(kind: Kind, step: Option<u16>) -> Self {
        let kind = match kind {
            Kind::Blob => 0,
            Kind::Tree => 1,
            Kind::Commit => 2,
            Kind::Tag => 3,
        };
        Self(kind | step.map_or(0, |step| (step + 1) << 2))
    }

    pub(crate) fn from_bits(bits: u16) -> Self {
        Self(bits)
    }

    pub(crate) fn bits(self) -> u16 {
        self.0
    }

    pub(crate) fn kind(self) -> Kind {
        match self.0 & 3 {
            0 => Kind::Blob,
            1 => Kind::Tree,
            2 => Kind::Commit,
            _ => Kind::Tag,
        }
    }

    /// The place in its chain of deltas; `None` for an object that was stored as it came.
    pub(crate) fn step(self) -> Option<u16> {
        (self.0 >> 2).checked_sub(1)
    }
}

impl Record {
    /// `offset` is below 2⁴⁸.
    pub(crate) fn new(id: &oid, offset: u64, length: u32, attributes: Attributes) -> Self {
        let mut bytes = [0; 20];
        bytes.copy_from_slice(id.as_bytes());
        let mut low = [0; 6];
        low.copy_from_slice(&offset.to_le_bytes()[..6]);
        Self { id: bytes, length, offset: low, attributes }
    }

    pub(crate) fn id(&self) -> ObjectId {
        ObjectId::Sha1(self.id)
    }

    pub(crate) fn id_bytes(&self) -> &[u8; 20] {
        &self.id
    }

    /// The order of ids.
    pub(crate) fn by_id(a: &Self, b: &Self) -> Ordering {
        // As numbers first: they differ in their first bytes.
        let start = |record: &Self| record.id.first_chunk().copied().map_or(0, u64::from_be_bytes);
        start(a).cmp(&start(b)).then_with(|| a.id.cmp(&b.id))
    }

    /// First byte of the pack entry on the device.
    pub(crate) fn offset(&self) -> u64 {
        let mut offset = [0; 8];
        offset[..6].copy_from_slice(&self.offset);
        u64::from_le_bytes(offset)
    }

    /// Bytes of the pack entry.
    pub(crate) fn length(&self) -> u32 {
        self.length
    }

    pub(crate) fn attributes(&self) -> Attributes {
        self.attributes
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.id);
        out.extend_from_slice(&self.length.to_le_bytes());
        out.extend_from_slice(&self.offset);
        out.extend_from_slice(&self.attributes.0.to_le_bytes());
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self, Error> {
        let id = reader.id()?;
        let length = reader.u32()?;
        let mut offset = [0; 6];
        offset.copy_from_slice(reader.bytes(6)?);
        let mut bytes = [0; 20];
        bytes.copy_from_slice(id.as_bytes());
        Ok(Self { id: bytes, length, offset, attributes: Attributes(reader.u16()?) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_takes_32_bytes_in_memory_and_on_the_device() {
        assert_eq!(size_of::<Record>(), RECORD);
        let id = ObjectId::from_hex(b"0123456789abcdef0123456789abcdef01234567").unwrap();
        for (kind, step) in
            [(Kind::Blob, None), (Kind::Tree, Some(0)), (Kind::Tree, Some(4095)), (Kind::Tag, None)]
        {
            let record = Record::new(&id, 0xabcd_1234_5678, 4_000_000_000, Attributes::new(kind, step));
            let mut bytes = Vec::new();
            record.encode(&mut bytes);
            assert_eq!(bytes.len(), RECORD);
            assert_eq!(Record::decode(&mut Reader::new(&bytes)).unwrap(), record);
            assert_eq!((record.attributes().kind(), record.attributes().step()), (kind, step));
            assert_eq!((record.offset(), record.length()), (0xabcd_1234_5678, 4_000_000_000));
            assert_eq!(record.id(), id);
        }
    }
}
