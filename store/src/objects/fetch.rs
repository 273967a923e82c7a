//! From an entry to its object, along the chain of deltas.

use super::{
    delta,
    entry::{self, EntryContent, EntryHeader, MAX_DELTA_CHAIN},
    pack::{AdoptedPack, PackPosition},
};
use crate::{Error, Object};
use bytes::Bytes;
use gix_hash::oid;
use std::rc::Rc;

/// An object, or how it is encoded.
pub(crate) enum Fetched {
    /// Decoded and verified already.
    Object(Object),
    /// An entry of the log, which may be a delta by id.
    Entry(Bytes),
    /// An entry of a pack, which may be a delta of either kind.
    Pack(Rc<AdoptedPack>, PackPosition),
}

/// Where an entry of a pack is.
type Place = (Rc<AdoptedPack>, PackPosition);

/// Gives the object, verified against its id. `fetch` finds the bases of deltas.
pub(crate) fn decode(
    id: &oid,
    fetch: &dyn Fn(&oid) -> Result<Fetched, Error>,
    limit: u64,
) -> Result<Object, Error> {
    let damaged = |error: Error| match error {
        Error::Malformed(reason) => Error::Damaged { id: id.to_owned(), reason },
        Error::NoObject(base) if *base != *id => {
            Error::Damaged { id: id.to_owned(), reason: format!("the base {base} of its delta is missing") }
        }
        other => other,
    };
    let mut fetched = fetch(id)?;
    if let Fetched::Object(object) = fetched {
        return Ok(object);
    }
    let mut deltas: Vec<(Vec<u8>, Option<Place>)> = Vec::new();
    let mut delta_bytes = 0_u64;
    let base = loop {
        if deltas.len() > MAX_DELTA_CHAIN {
            return Err(Error::Damaged { id: id.to_owned(), reason: "its deltas have no end".into() });
        }
        let (bytes, place) = match fetched {
            Fetched::Object(object) => break object,
            Fetched::Entry(bytes) => (bytes, None),
            Fetched::Pack(pack, position) => {
                if let Some(object) = pack.cached(position) {
                    break object;
                }
                (pack.entry(position).map_err(damaged)?, Some((pack, position)))
            }
        };
        let header = EntryHeader::parse(&bytes).map_err(damaged)?;
        let (content, _) = header.inflate(&bytes, limit).map_err(damaged)?;
        fetched = match (header.content, &place) {
            (EntryContent::Whole(kind), _) => {
                let object = Object { kind, data: content.into() };
                // It may be the base of more, unless nothing is made of it now.
                if let (Some((pack, position)), false) = (&place, deltas.is_empty()) {
                    pack.keep(*position, &object);
                }
                break object;
            }
            (EntryContent::ReferenceDelta(base), _) => fetch(&base).map_err(damaged)?,
            (EntryContent::OffsetDelta(distance), Some((pack, position))) => {
                let base = pack.base(*position, distance).map_err(damaged)?;
                Fetched::Pack(pack.clone(), base)
            }
            (EntryContent::OffsetDelta(_), None) => {
                let reason = "its delta's base is given by offset, outside a pack".into();
                return Err(Error::Damaged { id: id.to_owned(), reason });
            }
        };
        delta_bytes += content.len() as u64;
        if delta_bytes > limit {
            return Err(Error::Limit(format!("the deltas of object {id}")));
        }
        deltas.push((content, place));
    };
    let Object { kind, mut data } = base;
    for (delta, place) in deltas.into_iter().rev() {
        data = Bytes::from(delta::apply(&data, &delta, limit).map_err(damaged)?);
        if let Some((pack, position)) = place {
            pack.keep(position, &Object { kind, data: data.clone() });
        }
    }
    entry::verify(id, kind, &data)?;
    Ok(Object { kind, data })
}
