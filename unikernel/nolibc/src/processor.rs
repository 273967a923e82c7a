//! What the processor gives: random words.

use std::arch::x86_64::{__cpuid, __cpuid_count, _rdrand64_step, _rdseed64_step};

const ATTEMPTS: usize = 1000;

/// One word from the processor's entropy source, or `None` where it has none.
///
/// RDSEED is taken where there is one, as it draws from the conditioned noise itself, else RDRAND.
pub(crate) fn entropy_word() -> Option<u64> {
    if has_rdseed() {
        // SAFETY: CPUID says that the instruction exists.
        if let Some(word) = attempt(|word| unsafe { rdseed(word) }) {
            return Some(word);
        }
    }
    random_word()
}

/// One word from the processor's generator (RDRAND), or `None` where it has none.
pub(crate) fn random_word() -> Option<u64> {
    // SAFETY: CPUID says that the instruction exists.
    if has_rdrand() { attempt(|word| unsafe { rdrand(word) }) } else { None }
}

/// Processors are known whose generator, once broken, gives all ones or repeats itself and calls it success.
pub(crate) fn generator_is_sane(words: &[u64]) -> bool {
    words.iter().all(|word| *word != u64::MAX && *word != 0)
        && words.windows(2).all(|pair| pair[0] != pair[1])
}

fn attempt(mut instruction: impl FnMut(&mut u64) -> i32) -> Option<u64> {
    let mut word = 0;
    for _ in 0..ATTEMPTS {
        if instruction(&mut word) == 1 {
            return Some(word);
        }
        std::hint::spin_loop();
    }
    None
}

#[target_feature(enable = "rdseed")]
fn rdseed(word: &mut u64) -> i32 {
    // SAFETY: the reference is valid to write to; no other condition.
    #[allow(unused_unsafe)]
    unsafe {
        _rdseed64_step(word)
    }
}

#[target_feature(enable = "rdrand")]
fn rdrand(word: &mut u64) -> i32 {
    // SAFETY: the reference is valid to write to; no other condition.
    #[allow(unused_unsafe)]
    unsafe {
        _rdrand64_step(word)
    }
}

fn has_rdrand() -> bool {
    __cpuid(1).ecx & 1 << 30 != 0
}

fn has_rdseed() -> bool {
    __cpuid(0).eax >= 7 && __cpuid_count(7, 0).ebx & 1 << 18 != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_generator_is_noticed() {
        assert!(generator_is_sane(&[1, 2, 3]));
        assert!(!generator_is_sane(&[1, u64::MAX, 3]));
        assert!(!generator_is_sane(&[1, 2, 2]));
    }
}
