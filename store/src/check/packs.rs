//! Adopted packs: checksums, index, and every entry.

use super::{
    finding::Findings,
    links::Links,
    objects::{damaged, examine},
    resolver::{Copy, Resolver},
};
use crate::{
    Error,
    core::RepositoryState,
    objects::pack::{AdoptedPack, HEADER, PackPosition, TRAILER},
};
use gix_hash::ObjectId;
use std::{cell::RefCell, rc::Rc};

/// Bytes that are read at once for a checksum.
const PIECE: u64 = 1 << 20;

/// Checks the packs of a repository.
pub(super) fn check(
    repository: &RefCell<RepositoryState>,
    resolver: &Resolver<'_>,
    links: &mut Links,
    findings: &mut Findings<'_>,
) {
    let (name, packs) = {
        let state = repository.borrow();
        (state.name.clone(), state.packs.clone())
    };
    for pack in packs {
        findings.summary.packs += 1;
        let offset = pack.place().map_or(0, |place| place.extent.offset());
        let title = format!("the pack at byte {offset}");
        let checksum = match check_frame(&pack) {
            Ok(checksum) => Some(checksum),
            Err(error) => {
                findings.damage_in(&name, None, format!("{title}: {}", text(error)));
                None
            }
        };
        let positions = match pack.positions() {
            Ok(positions) => positions,
            Err(error) => {
                let message = format!("{title}: none of its objects can be found: {}", text(error));
                findings.damage_in(&name, None, message);
                continue;
            }
        };
        if let Some((checksum, count)) = checksum
            && let Err(error) = pack.verify_index(count, &checksum)
        {
            findings.damage_in(&name, None, format!("{title}: {}", text(error)));
        }
        let mut last = None;
        for position in positions {
            findings.summary.objects += 1;
            let found = position.and_then(|position| Ok((position, pack.id(position)?)));
            let (position, id) = match found {
                Ok(found) => found,
                Err(error) => {
                    // A damaged page tells nothing of some hundred objects: it is named once.
                    let message = format!("{title}: {}", text(error));
                    if last.as_ref() != Some(&message) {
                        findings.damage_in(&name, None, message.clone());
                        last = Some(message);
                    }
                    continue;
                }
            };
            match check_entry(&pack, position, &id, resolver) {
                Ok(object) => examine(&name, &id, &object, resolver, links, findings),
                Err(error) => damaged(&name, &id, &error, &format!("in {title}"), links, findings),
            }
        }
    }
}

fn text(error: Error) -> String {
    match error {
        Error::Malformed(reason) => reason,
        other => other.to_string(),
    }
}

/// Checks what is not in entries, header and trailer; gives the checksum and the number of objects.
pub(crate) fn check_frame(pack: &AdoptedPack) -> Result<(ObjectId, u32), Error> {
    let malformed = |what: String| Err(Error::Malformed(what));
    let length = pack.pack_length();
    let Some(end) = length.checked_sub(TRAILER).filter(|end| *end >= HEADER) else {
        return malformed("it is too short".into());
    };
    let mut hasher = gix_hash::hasher(gix_hash::Kind::Sha1);
    let mut header = None;
    let mut at = 0;
    while at < end {
        let piece = pack.read(at, PIECE.min(end - at))?;
        header = header.or_else(|| piece.first_chunk().copied());
        hasher.update(&piece);
        at += piece.len() as u64;
    }
    let found = hasher.try_finalize().map_err(|error| Error::Malformed(error.to_string()))?;
    if found.as_slice() != pack.read(end, TRAILER)?.as_ref() {
        return malformed("its checksum does not match".into());
    }
    let Some(header) = header else { return malformed("it is too short".into()) };
    let (version, count) =
        gix_pack::data::header::decode(&header).map_err(|error| Error::Malformed(error.to_string()))?;
    if version != gix_pack::data::Version::V2 {
        return malformed("it is not of version 2".into());
    }
    Ok((found, count))
}

/// Checks one entry against the index and its id.
pub(crate) fn check_entry(
    pack: &Rc<AdoptedPack>,
    position: PackPosition,
    id: &ObjectId,
    resolver: &Resolver<'_>,
) -> Result<crate::Object, Error> {
    let entry = pack.entry(position)?;
    resolver.copy(id, &entry, &Copy::Pack(pack.clone(), position))
}
