//! Making a pack whole: a thin pack gets the bases that it lacks, and every pack its index.

use crate::{
    Error, Objects, Repository,
    objects::entry::encode_whole,
    pack::{Pace, encode_index, pack_index::IndexEntry, receive::ReceivedPack, scan::TRAILER},
};
use bytes::{Bytes, BytesMut};
use flate2::Crc;
use gix_pack::data::header;

/// Gives the complete pack and its index, as `git index-pack --fix-thin` does.
pub(crate) async fn complete(
    received: ReceivedPack,
    repository: &Repository,
    pace: &Pace,
) -> Result<(Bytes, Bytes), Error> {
    let ReceivedPack { pack, mut entries, thin_bases, mut checksum, .. } = received;
    let pack = if thin_bases.is_empty() {
        pack
    } else {
        // The only owner's memory is extended in place.
        let mut pack = pack.try_into_mut().unwrap_or_else(|shared| BytesMut::from(&shared[..]));
        pack.truncate(pack.len() - TRAILER);
        for id in thin_bases {
            let object = repository.object(&id)?;
            let entry = encode_whole(object.kind, &object.data);
            let mut crc = Crc::new();
            crc.update(&entry);
            entries.push(IndexEntry { id, offset: pack.len() as u64, crc32: crc.sum() });
            pack.extend_from_slice(&entry);
            pace.spend(object.data.len() as u64 * 8).await;
        }
        let count = u32::try_from(entries.len()).map_err(|_| Error::Limit("objects in a pack".into()))?;
        let start = header::encode(gix_pack::data::Version::V2, count);
        if let Some(place) = pack.get_mut(..start.len()) {
            place.copy_from_slice(&start);
        }
        let mut hasher = gix_hash::hasher(gix_hash::Kind::Sha1);
        for piece in pack.chunks(1 << 18) {
            hasher.update(piece);
            pace.spend(piece.len() as u64).await;
        }
        checksum = hasher.try_finalize().map_err(|error| Error::Malformed(error.to_string()))?;
        pack.extend_from_slice(checksum.as_slice());
        pack.freeze()
    };
    let index = encode_index(&mut entries, &checksum)?;
    Ok((pack, index.into()))
}
