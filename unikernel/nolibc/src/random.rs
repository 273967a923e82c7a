//! Random bytes for keys and hash seeds.
//!
//! A ChaCha20 generator, seeded once from the processor (RDSEED or RDRAND) or the host's virtio-rng. Each
//! request replaces the key first (fast key erasure), so that memory read later tells nothing of earlier
//! bytes, and mixes a fresh RDRAND word in where there is one, so that two copies of one paused guest go
//! different ways.

use crate::{
    exit,
    one_thread::OneThread,
    platform::{Current, Platform},
    processor,
};
use chacha20::{
    ChaCha20Legacy,
    cipher::{KeyIvInit, StreamCipher},
};
use std::{cell::RefCell, mem};

const KEY: usize = 32;

/// A generator of random bytes.
pub struct Generator {
    key: [u8; KEY],
    requests: u64,
}

impl Generator {
    /// A generator that is as good as its seed.
    pub const fn new(seed: [u8; KEY]) -> Self {
        Self { key: seed, requests: 0 }
    }

    /// Fills `bytes`; `fresh` is mixed in.
    pub fn fill(&mut self, bytes: &mut [u8], fresh: u64) {
        let mut key = mem::take(&mut self.key);
        for (byte, fresh) in key.iter_mut().zip(fresh.to_le_bytes()) {
            *byte ^= fresh;
        }
        // 64-bit nonce, 64-bit block counter: no request is too long.
        let mut stream = ChaCha20Legacy::new((&key).into(), (&self.requests.to_le_bytes()).into());
        self.requests = self.requests.wrapping_add(1);
        stream.apply_keystream(&mut self.key);
        bytes.fill(0);
        stream.apply_keystream(bytes);
    }
}

static GENERATOR: OneThread<RefCell<Option<Generator>>> = OneThread::new(RefCell::new(None));

/// Seeds the guest's generator, or stops the guest: without entropy no TLS key is secret.
pub(crate) fn seed() {
    let mut words = [0; KEY / 8];
    let mut seeded =
        words.iter_mut().all(|word| processor::entropy_word().map(|random| *word = random).is_some())
            && processor::generator_is_sane(&words);
    let mut seed = [0; KEY];
    for (bytes, word) in seed.chunks_exact_mut(8).zip(words) {
        bytes.copy_from_slice(&word.to_le_bytes());
    }
    let mut host = [0; KEY];
    if Current::host_entropy(&mut host) {
        seeded = true;
        seed.iter_mut().zip(host).for_each(|(byte, host)| *byte ^= host);
    }
    if !seeded {
        exit::stop(
            exit::NO_ENTROPY,
            format_args!(
                "no entropy: the processor has neither RDSEED nor RDRAND{}; no key could be kept secret",
                Current::ENTROPY_ADVICE
            ),
        );
    }
    GENERATOR.replace(Some(Generator::new(seed)));
}

/// Fills `bytes` from the guest's generator.
pub fn fill(bytes: &mut [u8]) {
    let fresh = processor::random_word().unwrap_or(0);
    match &mut *GENERATOR.borrow_mut() {
        Some(generator) => generator.fill(bytes, fresh),
        None => {
            exit::stop(exit::NO_ENTROPY, format_args!("bug: random bytes were asked for before the start"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_differ_and_seeds_decide() {
        let (mut one, mut two) = (Generator::new([7; KEY]), Generator::new([7; KEY]));
        let (mut first, mut second, mut other) = ([0; 100], [0; 100], [0; 100]);
        one.fill(&mut first, 0);
        one.fill(&mut second, 0);
        two.fill(&mut other, 0);
        assert_ne!(first, second);
        assert_eq!(first, other);
        two.fill(&mut other, 1);
        assert_ne!(second, other, "a fresh word changes the stream");
    }

    #[test]
    fn the_key_changes_with_every_request() {
        let mut generator = Generator::new([7; KEY]);
        generator.fill(&mut [], 0);
        assert_ne!(generator.key, [7; KEY]);
    }

    #[test]
    fn the_stream_is_that_of_chacha20() {
        // RFC 7539 2.3.2's block function with a zero key: the first 32 bytes go to the next key.
        let mut generator = Generator::new([0; KEY]);
        let mut bytes = [0; 8];
        generator.fill(&mut bytes, 0);
        assert_eq!(generator.key[..4], [0x76, 0xb8, 0xe0, 0xad]);
        assert_eq!(bytes[..4], [0xda, 0x41, 0x59, 0x7c]);
    }
}
