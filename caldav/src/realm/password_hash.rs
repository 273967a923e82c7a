//! argon2id hashes of passwords, in the PHC string format.

use argon2::{Algorithm, Argon2, Params, Version};
use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{
        DecodePaddingMode,
        general_purpose::{GeneralPurpose, GeneralPurposeConfig},
    },
};
use std::{fmt, ops::RangeInclusive};
use subtle::ConstantTimeEq;

/// The PHC format's B64: no padding, and nothing but the canonical encoding.
const B64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone),
);

/// Memory of one verification in KiB: bounded above, so that a configuration cannot make a small guest
/// run out of memory.
const MEMORY: RangeInclusive<u32> = 7_168..=19_456;
/// Passes over that memory.
const PASSES: RangeInclusive<u32> = 2..=10;
/// Lanes; they cost nothing here, and other programs make hashes with several.
const LANES: RangeInclusive<u32> = 1..=4;
/// Memory times passes, in KiB: at least OWASP's m=7168, t=5, at most about four times as much.
const WORK: RangeInclusive<u32> = 35_840..=131_072;
/// Salt and output in bytes.
const SALT: RangeInclusive<usize> = 16..=48;
const OUTPUT: RangeInclusive<usize> = 32..=64;

/// The longest password that is tried, in bytes.
pub(super) const MAX_PASSWORD_LENGTH: usize = 1_024;

/// How new hashes are made: the least memory among OWASP's equivalent choices (Password Storage Cheat
/// Sheet), as the guest may have only 64 MiB.
const NEW_MEMORY: u32 = 7_168;
const NEW_PASSES: u32 = 5;
const NEW_LANES: u32 = 1;

/// A parsed argon2id hash whose parameters are within bounds.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct PasswordHash {
    memory: u32,
    passes: u32,
    lanes: u32,
    salt: Vec<u8>,
    output: Vec<u8>,
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "argon2id m={} t={} p={}", self.memory, self.passes, self.lanes)
    }
}

impl fmt::Display for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { memory, passes, lanes, salt, output } = self;
        let (salt, output) = (B64.encode(salt), B64.encode(output));
        write!(f, "$argon2id$v=19$m={memory},t={passes},p={lanes}${salt}${output}")
    }
}

impl PasswordHash {
    /// Hashes a password with a new salt.
    pub(super) fn new(password: &str) -> Self {
        let mut salt = vec![0; *SALT.start()];
        getrandom::fill(&mut salt).expect("the system gives entropy");
        let mut hash = Self {
            memory: NEW_MEMORY,
            passes: NEW_PASSES,
            lanes: NEW_LANES,
            salt,
            output: vec![0; *OUTPUT.start()],
        };
        hash.output = hash.derive(password).expect("memory for one argon2id hash");
        hash
    }

    /// A hash that no password is known for, as costly to verify as `self`.
    pub(super) fn decoy(&self) -> Self {
        let mut decoy = self.clone();
        getrandom::fill(&mut decoy.salt).expect("the system gives entropy");
        getrandom::fill(&mut decoy.output).expect("the system gives entropy");
        decoy
    }

    /// Parses `$argon2id$v=19$m=...,t=...,p=...$salt$hash`.
    ///
    /// # Errors
    /// What is wrong, as the end of a sentence about the password; it repeats nothing of the text.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let not_a_hash = || {
            "is not an argon2id hash; run `kalends passwd` to make one, and change any password that you \
             pushed in plain text"
                .to_owned()
        };
        let rest = text.strip_prefix('$').ok_or_else(not_a_hash)?;
        let mut fields = rest.split('$');
        let mut next = || fields.next().unwrap_or_default();
        match next() {
            "argon2id" => {}
            algorithm if algorithm.starts_with("argon2") => {
                return Err("uses another variant of argon2; only argon2id is accepted".into());
            }
            _ => return Err(not_a_hash()),
        }
        if next() != "v=19" {
            return Err("is an argon2id hash of another version than v=19".into());
        }
        let (memory, passes, lanes) = parse_parameters(next())
            .ok_or("is an argon2id hash without parameters of the form m=7168,t=5,p=1")?;
        let salt = B64.decode(next()).map_err(|_| "is an argon2id hash whose salt is not base64")?;
        let output = B64.decode(next()).map_err(|_| "is an argon2id hash whose last part is not base64")?;
        if fields.next().is_some() {
            return Err("is an argon2id hash with a part too many".into());
        }
        let hash = Self { memory, passes, lanes, salt, output };
        hash.check_bounds()?;
        Ok(hash)
    }

    fn check_bounds(&self) -> Result<(), String> {
        let within = |name: &str, value: u32, range: &RangeInclusive<u32>| {
            if range.contains(&value) {
                return Ok(());
            }
            let (start, end) = (range.start(), range.end());
            Err(format!("is an argon2id hash with {name}={value}; it must be from {start} to {end}"))
        };
        within("m", self.memory, &MEMORY)?;
        within("t", self.passes, &PASSES)?;
        within("p", self.lanes, &LANES)?;
        within("m*t", self.memory * self.passes, &WORK)?;
        if !SALT.contains(&self.salt.len()) {
            return Err("is an argon2id hash with a salt of other than 16 to 48 bytes".into());
        }
        if !OUTPUT.contains(&self.output.len()) {
            return Err("is an argon2id hash of other than 32 to 64 bytes".into());
        }
        Ok(())
    }

    /// Whether the password is the one that was hashed. Takes tens of milliseconds and megabytes, by
    /// design; without that memory the answer is no.
    pub(super) fn verify(&self, password: &str) -> bool {
        password.len() <= MAX_PASSWORD_LENGTH
            && self.derive(password).is_some_and(|output| output.ct_eq(&self.output).into())
    }

    fn derive(&self, password: &str) -> Option<Vec<u8>> {
        let mut output = vec![0; self.output.len()];
        let params = Params::new(self.memory, self.passes, self.lanes, Some(output.len())).ok()?;
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(password.as_bytes(), &self.salt, &mut output)
            .ok()?;
        Some(output)
    }
}

fn parse_parameters(text: &str) -> Option<(u32, u32, u32)> {
    let mut fields = text.split(',');
    let mut number = |prefix: &str| {
        let digits = fields.next()?.strip_prefix(prefix)?;
        digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse::<u32>().ok())?
    };
    let parameters = (number("m=")?, number("t=")?, number("p=")?);
    fields.next().is_none().then_some(parameters)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by argon2-cffi (the reference implementation): password "correct horse".
    const REFERENCE: &str =
        "$argon2id$v=19$m=12288,t=3,p=2$A4xQhbG/rcfnfTpINZAAig$rltKjttLfEeK4uktWXXbaZxhGcEsWr0Ho9gpiyacxuo";

    #[test]
    fn a_new_hash_verifies_its_password_only() {
        let hash = PasswordHash::new("correct horse");
        let read = PasswordHash::parse(&hash.to_string()).unwrap();
        assert_eq!(read, hash);
        assert!(read.verify("correct horse"));
        assert!(!read.verify("correct hors"));
        assert!(!hash.decoy().verify("correct horse"));
        assert_ne!(PasswordHash::new("correct horse"), hash, "salts differ");
    }

    #[test]
    fn hashes_of_the_reference_implementation_verify() {
        let hash = PasswordHash::parse(REFERENCE).unwrap();
        assert!(hash.verify("correct horse"));
        assert_eq!(hash.to_string(), REFERENCE);
    }

    #[test]
    fn parameters_are_bounded_both_ways() {
        let salt = "c2FsdHNhbHRzYWx0c2FsdA";
        let output = "MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI";
        let with =
            |parameters: &str| PasswordHash::parse(&format!("$argon2id$v=19${parameters}${salt}${output}"));
        for good in ["m=7168,t=5,p=1", "m=19456,t=2,p=1", "m=12288,t=3,p=4", "m=9216,t=4,p=1"] {
            assert!(with(good).is_ok(), "{good}");
        }
        let bad = [
            ("m=4194304,t=1,p=1", "m=4194304; it must be from 7168 to 19456"),
            ("m=4096,t=10,p=1", "m=4096;"),
            ("m=19456,t=1,p=1", "t=1; it must be from 2 to 10"),
            ("m=19456,t=4294967295,p=1", "t=4294967295;"),
            ("m=19456,t=2,p=16777215", "p=16777215;"),
            ("m=7168,t=2,p=1", "m*t=14336; it must be from 35840 to 131072"),
            ("m=19456,t=10,p=1", "m*t=194560;"),
            ("m=99999999999,t=5,p=1", "without parameters"),
            ("m=+7168,t=5,p=1", "without parameters"),
            ("m=7168,t=5", "without parameters"),
            ("m=7168,t=5,p=1,keyid=x", "without parameters"),
        ];
        for (parameters, reason) in bad {
            let error = with(parameters).expect_err(parameters);
            assert!(error.contains(reason), "{parameters}: {error}");
        }
    }

    #[test]
    fn other_hashes_are_named_for_what_they_are() {
        let bad = [
            ("secret", "is not an argon2id hash"),
            ("$2b$12$abcdefghijklmnopqrstuv", "is not an argon2id hash"),
            ("$argon2i$v=19$m=7168,t=5,p=1$c2FsdA$c2FsdA", "only argon2id"),
            ("$argon2id$v=16$m=7168,t=5,p=1$c2FsdA$c2FsdA", "another version"),
            ("$argon2id$v=19$m=7168,t=5,p=1$c2FsdA$c2FsdA", "a salt of other than 16"),
            ("$argon2id$v=19$m=7168,t=5,p=1$c2FsdHNhbHRzYWx0c2FsdA$c2FsdA", "of other than 32"),
            ("$argon2id$v=19$m=7168,t=5,p=1$c2FsdA==$c2FsdA", "salt is not base64"),
            ("$argon2id$v=19$m=7168,t=5,p=1$c2FsdA$c2F sdA", "last part is not base64"),
            ("$argon2id$v=19$m=7168,t=5,p=1$c2FsdA$c2FsdA$x", "a part too many"),
        ];
        for (text, reason) in bad {
            let error = PasswordHash::parse(text).expect_err(text);
            assert!(error.contains(reason), "{text}: {error}");
        }
    }

    #[test]
    fn endless_passwords_are_not_hashed() {
        let hash = PasswordHash::new("x");
        assert!(!hash.verify(&"x".repeat(MAX_PASSWORD_LENGTH + 1)));
    }
}
