//! The secrets area: two slots, written one after the other, each whole or void.

use super::{
    codec::{Reader, put_text},
    layout::SECRETS_LENGTH,
};
use crate::Error;
use std::collections::BTreeMap;
use xxhash_rust::xxh3::xxh3_64_with_seed;

const MAGIC: u64 = u64::from_le_bytes(*b"KSECRET\0");
const HEADER: usize = 32;

/// Named byte strings.
pub(crate) type Secrets = BTreeMap<String, Vec<u8>>;

/// Encodes a slot, without padding.
pub(crate) fn encode(secrets: &Secrets, generation: u64, seed: u64) -> Result<Vec<u8>, Error> {
    let mut body = Vec::new();
    for (name, value) in secrets {
        if name.len() > 255 {
            return Err(Error::InvalidName(name.clone()));
        }
        put_text(&mut body, name);
        body.extend_from_slice(&(value.len() as u32).to_le_bytes());
        body.extend_from_slice(value);
    }
    if body.len() > SECRETS_LENGTH - HEADER {
        return Err(Error::Limit("secrets of more than 64 KiB together".into()));
    }
    let mut out = Vec::with_capacity(HEADER + body.len());
    out.extend_from_slice(&MAGIC.to_le_bytes());
    out.extend_from_slice(&generation.to_le_bytes());
    out.extend_from_slice(&(body.len() as u64).to_le_bytes());
    let checksum = xxh3_64_with_seed(&[&out, body.as_slice()].concat(), seed);
    out.extend_from_slice(&checksum.to_le_bytes());
    out.extend_from_slice(&body);
    Ok(out)
}

/// Decodes a slot; `None` when it holds nothing whole.
pub(crate) fn decode(slot: &[u8], seed: u64) -> Option<(u64, Secrets)> {
    let mut reader = Reader::new(slot);
    if reader.u64().ok()? != MAGIC {
        return None;
    }
    let generation = reader.u64().ok()?;
    let length = usize::try_from(reader.u64().ok()?).ok()?;
    let checksum = reader.u64().ok()?;
    let body = reader.bytes(length).ok()?;
    if xxh3_64_with_seed(&[slot.get(..HEADER - 8)?, body].concat(), seed) != checksum {
        return None;
    }
    let mut reader = Reader::new(body);
    let mut secrets = Secrets::new();
    while !reader.is_empty() {
        let name = reader.text().ok()?.to_owned();
        let length = reader.u32().ok()?;
        secrets.insert(name, reader.bytes(length as usize).ok()?.to_vec());
    }
    Some((generation, secrets))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_read_as_written_and_damage_voids_the_slot() {
        let secrets = Secrets::from([("tls-key".into(), vec![1, 2, 3]), ("empty".into(), vec![])]);
        let mut slot = encode(&secrets, 4, 42).unwrap();
        let used = slot.len();
        slot.resize(SECRETS_LENGTH, 0);
        assert_eq!(decode(&slot, 42), Some((4, secrets)));
        assert_eq!(decode(&slot, 1), None);
        for at in 0..used {
            let mut slot = slot.clone();
            slot[at] ^= 1;
            assert_eq!(decode(&slot, 42), None, "byte {at}");
        }
    }

    #[test]
    fn more_than_the_slot_holds_is_refused() {
        let secrets = Secrets::from([("big".into(), vec![0; SECRETS_LENGTH])]);
        assert!(matches!(encode(&secrets, 1, 1), Err(Error::Limit(_))));
    }
}
