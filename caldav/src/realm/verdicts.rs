//! What earlier verifications found, so that a password is hashed once and not with every request.

use blake2::{
    Blake2bMac,
    digest::{KeyInit, Mac, consts::U32},
};
use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

/// How long a verdict is believed.
const LIFETIME: Duration = Duration::from_secs(60 * 60);

/// The most verdicts of each kind that are kept.
const MAX_VERDICTS: usize = 1_024;

/// Names one question, "does this password match this hash, for this user?", without showing the password:
/// a keyed BLAKE2b (RFC 7693 §2.9) under a key that the process keeps to itself. Nobody without the key can
/// choose or predict tags, so that looking them up needs no constant time.
pub(super) type Tag = [u8; 32];

/// Verdicts of this process. Both kinds are bounded on their own, so that wrong passwords cannot displace
/// right ones.
pub(super) struct Verdicts {
    key: [u8; 32],
    right: HashMap<Tag, Instant>,
    /// A client with an old password asks again and again: that is one wrong guess, not many, and costs
    /// one hash.
    wrong: HashMap<Tag, Instant>,
}

impl Verdicts {
    pub(super) fn new() -> Self {
        let mut key = [0; 32];
        getrandom::fill(&mut key).expect("the system gives entropy");
        Self { key, right: HashMap::new(), wrong: HashMap::new() }
    }

    /// The tag of a question. The stored hash is part of it: a changed password forgets all verdicts.
    pub(super) fn tag(&self, name: &str, stored: &str, password: &str) -> Tag {
        let mut mac = Blake2bMac::<U32>::new_from_slice(&self.key).expect("a key of 32 bytes");
        for part in [name, stored, password] {
            mac.update(&(part.len() as u64).to_le_bytes());
            mac.update(part.as_bytes());
        }
        mac.finalize().into_bytes().into()
    }

    /// A number that an outsider cannot predict, the same for the same name.
    pub(super) fn number(&self, name: &str) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.tag(name, "", "");
        u64::from_le_bytes([a, b, c, d, e, f, g, h])
    }

    /// Whether the password was right, if that is known.
    pub(super) fn get(&self, tag: &Tag, now: Instant) -> Option<bool> {
        let fresh = |since: &Instant| now.saturating_duration_since(*since) < LIFETIME;
        if self.right.get(tag).is_some_and(fresh) {
            return Some(true);
        }
        self.wrong.get(tag).is_some_and(fresh).then_some(false)
    }

    /// Keeps a verdict; the oldest makes room for it.
    pub(super) fn insert(&mut self, tag: Tag, right: bool, now: Instant) {
        let verdicts = if right { &mut self.right } else { &mut self.wrong };
        if verdicts.len() >= MAX_VERDICTS {
            verdicts.retain(|_, since| now.saturating_duration_since(*since) < LIFETIME);
        }
        if verdicts.len() >= MAX_VERDICTS
            && let Some(oldest) = verdicts.iter().min_by_key(|(_, since)| **since).map(|(tag, _)| *tag)
        {
            verdicts.remove(&oldest);
        }
        verdicts.insert(tag, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_is_for_one_name_hash_and_password() {
        let mut verdicts = Verdicts::new();
        let now = Instant::now();
        let tag = verdicts.tag("ada", "hash", "secret");
        assert_eq!(verdicts.get(&tag, now), None);
        verdicts.insert(tag, true, now);
        assert_eq!(verdicts.get(&tag, now), Some(true));
        for other in [
            ("eve", "hash", "secret"),
            ("ada", "new", "secret"),
            ("ada", "hash", "secrets"),
            ("ada", "hashs", "ecret"),
        ] {
            let other = verdicts.tag(other.0, other.1, other.2);
            assert_eq!(verdicts.get(&other, now), None);
        }
        assert_ne!(Verdicts::new().tag("ada", "hash", "secret"), tag, "each process has its own key");
    }

    #[test]
    fn verdicts_expire() {
        let mut verdicts = Verdicts::new();
        let now = Instant::now();
        let tag = verdicts.tag("ada", "hash", "secret");
        verdicts.insert(tag, true, now);
        assert_eq!(verdicts.get(&tag, now + LIFETIME - Duration::from_secs(1)), Some(true));
        assert_eq!(verdicts.get(&tag, now + LIFETIME), None);
    }

    #[test]
    fn wrong_passwords_cannot_displace_right_ones_and_all_are_bounded() {
        let mut verdicts = Verdicts::new();
        let now = Instant::now();
        let right = verdicts.tag("ada", "hash", "secret");
        verdicts.insert(right, true, now);
        for guess in 0..2 * MAX_VERDICTS {
            let tag = verdicts.tag("ada", "hash", &guess.to_string());
            verdicts.insert(tag, false, now + Duration::from_millis(guess as u64));
        }
        assert_eq!(verdicts.get(&right, now), Some(true));
        assert_eq!(verdicts.wrong.len(), MAX_VERDICTS);
        let first = verdicts.tag("ada", "hash", "0");
        assert_eq!(verdicts.get(&first, now), None, "the oldest went first");
    }
}
