//! Checkpoints: the state that the log goes on from.

use super::{
    codec::{Reader, put_text},
    layout::Extent,
    operation::PackPlace,
    record::{RECORD, Record},
};
use crate::{Error, retention::ShallowList};
use gix_hash::ObjectId;
use std::collections::BTreeMap;

const MAGIC: u64 = u64::from_le_bytes(*b"KCHECKPT");

/// One repository in a checkpoint.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct RepositoryImage {
    pub(crate) number: u32,
    pub(crate) name: String,
    /// How often references were moved so that objects may have become unreachable, and were not collected.
    pub(crate) stranding_moves: u64,
    pub(crate) references: BTreeMap<String, ObjectId>,
    /// The commits whose parents it does without.
    pub(crate) shallow: ShallowList,
    pub(crate) packs: Vec<PackPlace>,
    /// Sorted by id.
    pub(crate) records: Vec<Record>,
}

/// A checkpoint, decoded.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Checkpoint {
    pub(crate) generation: u64,
    /// The number of the next repository; numbers are never used twice.
    pub(crate) next_repository: u32,
    /// Extents that only the previous checkpoint needs; they are free with the next one.
    pub(crate) retained: Vec<Extent>,
    pub(crate) repositories: Vec<RepositoryImage>,
}

/// Writes a checkpoint piece by piece, so that it needs no second copy of the index.
pub(crate) struct CheckpointWriter(Vec<u8>);

impl CheckpointWriter {
    pub(crate) fn new(generation: u64, next_repository: u32, retained: &[Extent], repositories: u32) -> Self {
        let mut out = Vec::new();
        out.extend_from_slice(&MAGIC.to_le_bytes());
        out.extend_from_slice(&generation.to_le_bytes());
        out.extend_from_slice(&next_repository.to_le_bytes());
        out.extend_from_slice(&(retained.len() as u32).to_le_bytes());
        out.extend_from_slice(&repositories.to_le_bytes());
        for extent in retained {
            out.extend_from_slice(&extent.first.to_le_bytes());
            out.extend_from_slice(&extent.count.to_le_bytes());
        }
        Self(out)
    }

    #[expect(clippy::too_many_arguments, reason = "the fields in their order, none of them copied")]
    pub(crate) fn repository(
        &mut self,
        number: u32,
        name: &str,
        stranding_moves: u64,
        references: &BTreeMap<String, ObjectId>,
        shallow: &ShallowList,
        packs: &[PackPlace],
        records: &[Record],
    ) {
        let out = &mut self.0;
        out.extend_from_slice(&number.to_le_bytes());
        put_text(out, name);
        out.extend_from_slice(&stranding_moves.to_le_bytes());
        out.extend_from_slice(&(references.len() as u32).to_le_bytes());
        for (name, id) in references {
            put_text(out, name);
            out.extend_from_slice(id.as_bytes());
        }
        out.extend_from_slice(&(shallow.len() as u32).to_le_bytes());
        out.extend_from_slice(shallow.bytes());
        out.extend_from_slice(&(packs.len() as u32).to_le_bytes());
        packs.iter().for_each(|pack| pack.encode(out));
        out.extend_from_slice(&(records.len() as u64).to_le_bytes());
        out.reserve(records.len() * RECORD);
        records.iter().for_each(|record| record.encode(out));
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.0
    }
}

impl Checkpoint {
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(bytes);
        if reader.u64()? != MAGIC {
            return Err(Error::Malformed("no checkpoint".into()));
        }
        let mut checkpoint =
            Self { generation: reader.u64()?, next_repository: reader.u32()?, ..Self::default() };
        let (retained, repositories) = (reader.u32()?, reader.u32()?);
        for _ in 0..retained {
            checkpoint.retained.push(Extent { first: reader.u32()?, count: reader.u32()? });
        }
        for _ in 0..repositories {
            checkpoint.repositories.push(decode_repository(&mut reader)?);
        }
        if !reader.is_empty() {
            return Err(Error::Malformed("bytes after the checkpoint".into()));
        }
        Ok(checkpoint)
    }
}

fn decode_repository(reader: &mut Reader<'_>) -> Result<RepositoryImage, Error> {
    let mut image = RepositoryImage {
        number: reader.u32()?,
        name: reader.text()?.into(),
        stranding_moves: reader.u64()?,
        ..Default::default()
    };
    for _ in 0..reader.u32()? {
        let name = reader.text()?.to_owned();
        image.references.insert(name, reader.id()?);
    }
    let shallow = reader.u32()? as usize;
    image.shallow = ShallowList::decode(reader.bytes(shallow.saturating_mul(20))?)?;
    for _ in 0..reader.u32()? {
        image.packs.push(PackPlace::decode(reader)?);
    }
    let count = reader.u64()?;
    if count > (reader.remaining() / RECORD) as u64 {
        return Err(Error::Malformed("the index ends early".into()));
    }
    image.records.reserve_exact(count as usize);
    for _ in 0..count {
        image.records.push(Record::decode(reader)?);
    }
    if !image.records.is_sorted_by(|a, b| a.id_bytes() < b.id_bytes()) {
        return Err(Error::Malformed("the index is not sorted".into()));
    }
    Ok(image)
}

#[cfg(test)]
mod tests {
    use super::{super::record::Attributes, *};
    use gix_object::Kind;
    use proptest::prelude::*;

    #[test]
    fn a_checkpoint_reads_as_written() {
        let id = |byte| ObjectId::Sha1([byte; 20]);
        let repository = |number, name: &str| RepositoryImage {
            number,
            name: name.into(),
            stranding_moves: 5,
            references: [("refs/heads/main".into(), id(1)), ("refs/tags/v1".into(), id(2))].into(),
            shallow: [id(7), id(5)].into_iter().collect(),
            packs: vec![PackPlace {
                extent: Extent { first: 3, count: 1 },
                pack_length: 10,
                index_offset: 512,
                index_length: 1100,
                index_checksum: 1,
            }],
            records: (0..50)
                .map(|byte| Record::new(&id(byte), 1 << 20, 99, Attributes::new(Kind::Blob, None)))
                .collect(),
        };
        let checkpoint = Checkpoint {
            generation: 3,
            next_repository: 9,
            retained: vec![Extent { first: 40, count: 2 }],
            repositories: vec![repository(1, "ada"), repository(2, "realm")],
        };
        let mut writer = CheckpointWriter::new(3, 9, &checkpoint.retained, 2);
        for image in &checkpoint.repositories {
            writer.repository(
                image.number,
                &image.name,
                image.stranding_moves,
                &image.references,
                &image.shallow,
                &image.packs,
                &image.records,
            );
        }
        let bytes = writer.finish();
        assert_eq!(Checkpoint::decode(&bytes).unwrap(), checkpoint);
        assert!(Checkpoint::decode(&bytes[..bytes.len() - 1]).is_err());
    }

    proptest! {
        #[test]
        fn noise_never_panics(noise in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Checkpoint::decode(&[&MAGIC.to_le_bytes(), noise.as_slice()].concat());
        }
    }
}
