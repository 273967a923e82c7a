//! Making a pack whole: a thin pack gets the bases that it lacks, and every pack its trailer.

use crate::{
    Error, Objects, Repository,
    format::record::{Attributes, Record},
    objects::entry::encode_whole,
    pack::{Pace, receive::ReceivedPack},
};
use gix_hash::ObjectId;
use gix_pack::data::header;
use sha1::{Digest, Sha1};

/// Bytes that are read at once for the checksum.
const PIECE: u64 = 256 << 10;

/// Gives the complete pack, as `git index-pack --fix-thin` does.
pub(crate) async fn complete(
    mut received: ReceivedPack,
    repository: &Repository,
    pace: &Pace,
) -> Result<ReceivedPack, Error> {
    let ReceivedPack { storage, records, thin_bases, checksum } = &mut received;
    if !thin_bases.is_empty() {
        for id in thin_bases.iter() {
            let object = repository.object(id)?;
            let entry = encode_whole(object.kind, &object.data);
            let length = u32::try_from(entry.len()).map_err(|_| Error::Limit("entry size".into()))?;
            records.push(Record::new(id, storage.length(), length, Attributes::new(object.kind, None)));
            storage.append(&entry, pace).await?;
            pace.spend(object.data.len() as u64 * 8).await;
        }
        let count = u32::try_from(records.len()).map_err(|_| Error::Limit("objects in a pack".into()))?;
        storage.replace_start(&header::encode(gix_pack::data::Version::V2, count))?;
        let mut hasher = Sha1::new();
        let mut at = 0;
        while at < storage.length() {
            let piece = storage.read(at, PIECE.min(storage.length() - at) as usize)?;
            hasher.update(&piece);
            at += piece.len() as u64;
            pace.spend(piece.len() as u64).await;
        }
        *checksum = ObjectId::Sha1(hasher.finalize().into());
    }
    storage.append(checksum.as_slice(), pace).await?;
    Ok(received)
}
