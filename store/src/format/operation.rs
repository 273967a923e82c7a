//! Operations: what the frames of the log say.

use super::{
    codec::{Reader, put_text},
    layout::Extent,
    record::Attributes,
};
use crate::{Error, retention::ShallowList};
use gix_hash::{ObjectId, oid};

/// A pack that a repository has adopted, and its index behind it in the same extent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PackPlace {
    pub(crate) extent: Extent,
    /// Bytes of the pack, which starts with the extent.
    pub(crate) pack_length: u64,
    /// Where the index starts in the extent: the next block after the pack.
    pub(crate) index_offset: u64,
    /// Bytes of the index.
    pub(crate) index_length: u64,
    /// xxh3-64 of what follows the pages of the index.
    pub(crate) index_checksum: u64,
}

/// One operation. Those of a transaction count when its [`Operation::Commit`] is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation<'a> {
    CreateRepository {
        repository: u32,
        name: &'a str,
    },
    RemoveRepository {
        repository: u32,
    },
    /// The operations that follow are about this repository.
    Begin {
        repository: u32,
    },
    /// A new object; `entry` are its bytes as a pack entry.
    Object {
        id: ObjectId,
        attributes: Attributes,
        entry: &'a [u8],
    },
    /// A new object too large for a segment, in an extent of its own.
    LargeObject {
        id: ObjectId,
        attributes: Attributes,
        offset: u64,
        length: u32,
    },
    Reference {
        name: &'a str,
        old: Option<ObjectId>,
        new: Option<ObjectId>,
        /// Objects that the old value reached may be unreachable now.
        strands: bool,
    },
    Pack(PackPlace),
    Commit,
    /// The pack whose extent begins with this segment is no longer part of the repository.
    DropPack {
        first: u32,
    },
    /// The objects so far whose entries in the log, or in extents of their own, begin in this range of bytes
    /// of the device are no longer part of the repository, unless they are elsewhere too.
    DropRecords {
        start: u64,
        end: u64,
    },
    /// Unreachable objects were dropped, as far as so many of the references' moves had left them.
    Collected {
        moves: u64,
    },
    /// The shallow list of the repository: all commits whose parents it does without.
    Shallow {
        /// Their ids, 20 bytes each, sorted, each once.
        commits: &'a [u8],
        /// Objects that were reachable may not be now.
        strands: bool,
    },
}

const CREATE_REPOSITORY: u8 = 1;
const REMOVE_REPOSITORY: u8 = 2;
const BEGIN: u8 = 3;
const OBJECT: u8 = 4;
const LARGE_OBJECT: u8 = 5;
const REFERENCE: u8 = 6;
const PACK: u8 = 7;
const COMMIT: u8 = 8;
const DROP_PACK: u8 = 9;
const DROP_RECORDS: u8 = 10;
const COLLECTED: u8 = 11;
const SHALLOW: u8 = 12;

/// Bytes of an [`Operation::Object`] before its entry.
pub(crate) const OBJECT_HEADER: usize = 1 + 20 + 2 + 4;

impl Operation<'_> {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match *self {
            Self::CreateRepository { repository, name } => {
                out.push(CREATE_REPOSITORY);
                out.extend_from_slice(&repository.to_le_bytes());
                put_text(&mut out, name);
            }
            Self::RemoveRepository { repository } => {
                out.push(REMOVE_REPOSITORY);
                out.extend_from_slice(&repository.to_le_bytes());
            }
            Self::Begin { repository } => {
                out.push(BEGIN);
                out.extend_from_slice(&repository.to_le_bytes());
            }
            Self::Object { id, attributes, entry } => {
                out.reserve(OBJECT_HEADER + entry.len());
                out.push(OBJECT);
                put_object(&mut out, &id, attributes, entry.len() as u32);
                out.extend_from_slice(entry);
            }
            Self::LargeObject { id, attributes, offset, length } => {
                out.push(LARGE_OBJECT);
                put_object(&mut out, &id, attributes, length);
                out.extend_from_slice(&offset.to_le_bytes());
            }
            Self::Reference { name, old, new, strands } => {
                out.push(REFERENCE);
                out.push(u8::from(old.is_some()) | u8::from(new.is_some()) << 1 | u8::from(strands) << 2);
                put_text(&mut out, name);
                for id in [old, new].into_iter().flatten() {
                    out.extend_from_slice(id.as_bytes());
                }
            }
            Self::Pack(place) => {
                out.push(PACK);
                place.encode(&mut out);
            }
            Self::Commit => out.push(COMMIT),
            Self::DropPack { first } => {
                out.push(DROP_PACK);
                out.extend_from_slice(&first.to_le_bytes());
            }
            Self::DropRecords { start, end } => {
                out.push(DROP_RECORDS);
                out.extend_from_slice(&start.to_le_bytes());
                out.extend_from_slice(&end.to_le_bytes());
            }
            Self::Collected { moves } => {
                out.push(COLLECTED);
                out.extend_from_slice(&moves.to_le_bytes());
            }
            Self::Shallow { commits, strands } => {
                out.push(SHALLOW);
                out.push(u8::from(strands));
                out.extend_from_slice(&((commits.len() / 20) as u32).to_le_bytes());
                out.extend_from_slice(commits);
            }
        }
        out
    }
}

fn put_object(out: &mut Vec<u8>, id: &oid, attributes: Attributes, length: u32) {
    out.extend_from_slice(id.as_bytes());
    out.extend_from_slice(&attributes.bits().to_le_bytes());
    out.extend_from_slice(&length.to_le_bytes());
}

impl PackPlace {
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.extent.first.to_le_bytes());
        out.extend_from_slice(&self.extent.count.to_le_bytes());
        for value in [self.pack_length, self.index_offset, self.index_length, self.index_checksum] {
            out.extend_from_slice(&value.to_le_bytes());
        }
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self, Error> {
        let place = Self {
            extent: Extent { first: reader.u32()?, count: reader.u32()? },
            pack_length: reader.u64()?,
            index_offset: reader.u64()?,
            index_length: reader.u64()?,
            index_checksum: reader.u64()?,
        };
        let end = place.index_offset.checked_add(place.index_length);
        if place.pack_length > place.index_offset || end.is_none_or(|end| end > place.extent.length()) {
            return Err(Error::Malformed("a pack reaches beyond its extent".into()));
        }
        Ok(place)
    }
}

/// Reads the operations of a frame one by one.
pub(crate) struct Operations<'a>(Reader<'a>);

impl<'a> Operations<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(Reader::new(bytes))
    }

    /// How much has been read: after an [`Operation::Object`], where its entry ends.
    pub(crate) fn position(&self) -> usize {
        self.0.position()
    }

    /// The next operation, or `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Operation<'a>>, Error> {
        let reader = &mut self.0;
        if reader.is_empty() {
            return Ok(None);
        }
        Ok(Some(match reader.u8()? {
            CREATE_REPOSITORY => {
                Operation::CreateRepository { repository: reader.u32()?, name: reader.text()? }
            }
            REMOVE_REPOSITORY => Operation::RemoveRepository { repository: reader.u32()? },
            BEGIN => Operation::Begin { repository: reader.u32()? },
            OBJECT => {
                let (id, attributes) = (reader.id()?, Attributes::from_bits(reader.u16()?));
                let length = reader.u32()?;
                Operation::Object { id, attributes, entry: reader.bytes(length as usize)? }
            }
            LARGE_OBJECT => {
                let (id, attributes) = (reader.id()?, Attributes::from_bits(reader.u16()?));
                Operation::LargeObject { id, attributes, length: reader.u32()?, offset: reader.u64()? }
            }
            REFERENCE => {
                let flags = reader.u8()?;
                let name = reader.text()?;
                let old = (flags & 1 != 0).then(|| reader.id()).transpose()?;
                let new = (flags & 2 != 0).then(|| reader.id()).transpose()?;
                Operation::Reference { name, old, new, strands: flags & 4 != 0 }
            }
            PACK => Operation::Pack(PackPlace::decode(reader)?),
            COMMIT => Operation::Commit,
            DROP_PACK => Operation::DropPack { first: reader.u32()? },
            DROP_RECORDS => {
                let (start, end) = (reader.u64()?, reader.u64()?);
                if start >= end {
                    return Err(Error::Malformed("a range of records is empty".into()));
                }
                Operation::DropRecords { start, end }
            }
            COLLECTED => Operation::Collected { moves: reader.u64()? },
            SHALLOW => {
                let strands = reader.u8()? != 0;
                let count = reader.u32()? as usize;
                let commits = reader.bytes(count.saturating_mul(20))?;
                ShallowList::check(commits)?;
                Operation::Shallow { commits, strands }
            }
            other => return Err(Error::Malformed(format!("operation {other} is unknown"))),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gix_object::Kind;
    use proptest::prelude::*;

    #[test]
    fn operations_read_as_written() {
        let id = ObjectId::from_hex(b"0123456789abcdef0123456789abcdef01234567").unwrap();
        let attributes = Attributes::new(Kind::Tree, Some(3));
        let operations = [
            Operation::CreateRepository { repository: 7, name: "ünï" },
            Operation::Begin { repository: 7 },
            Operation::Object { id, attributes, entry: b"entry" },
            Operation::LargeObject { id, attributes, offset: 1 << 40, length: 5_000_000 },
            Operation::Reference { name: "refs/heads/main", old: None, new: Some(id), strands: false },
            Operation::Reference { name: "refs/heads/main", old: Some(id), new: None, strands: true },
            Operation::DropPack { first: 77 },
            Operation::DropRecords { start: 1 << 20, end: 1 << 40 },
            Operation::Collected { moves: 3 },
            Operation::Shallow { commits: &[[1; 20], [2; 20]].concat(), strands: true },
            Operation::Shallow { commits: &[], strands: false },
            Operation::Pack(PackPlace {
                extent: Extent { first: 5, count: 2 },
                pack_length: 1000,
                index_offset: 1024,
                index_length: 2000,
                index_checksum: 9,
            }),
            Operation::RemoveRepository { repository: 7 },
            Operation::Commit,
        ];
        let bytes: Vec<u8> = operations.iter().flat_map(Operation::encode).collect();
        let mut reader = Operations::new(&bytes);
        for operation in operations {
            assert_eq!(reader.next().unwrap(), Some(operation));
        }
        assert_eq!(reader.next().unwrap(), None);
    }

    proptest! {
        #[test]
        fn noise_never_panics(noise in proptest::collection::vec(any::<u8>(), 0..100)) {
            let mut reader = Operations::new(&noise);
            while let Ok(Some(_)) = reader.next() {}
        }
    }
}
