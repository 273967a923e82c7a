//! New passwords and their hashes.

use super::password_hash::{MAX_PASSWORD_LENGTH, PasswordHash};
use std::fmt;

/// The shortest password that is accepted for a hash, in characters (NIST SP 800-63B §5.1.1.2).
pub const MIN_PASSWORD_LENGTH: usize = 8;

/// Lower-case letters and digits without those that look alike: 0 o, 1 i l.
const ALPHABET: &[u8; 31] = b"abcdefghjkmnpqrstuvwxyz23456789";

/// Why a password is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasswordError {
    /// Shorter than [`MIN_PASSWORD_LENGTH`].
    TooShort,
    /// Longer than 1024 bytes.
    TooLong,
    /// Holds a control character; RFC 7617 §2 forbids them.
    ControlCharacter,
}

impl fmt::Display for PasswordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort => write!(f, "the password must have at least {MIN_PASSWORD_LENGTH} characters"),
            Self::TooLong => write!(f, "the password must have at most {MAX_PASSWORD_LENGTH} bytes"),
            Self::ControlCharacter => f.write_str("the password must not hold control characters"),
        }
    }
}

impl std::error::Error for PasswordError {}

/// The argon2id hash of a password in the PHC string format, as `users.toml` takes it. Takes tens of
/// milliseconds.
///
/// # Errors
/// When the password is too short or too long, or HTTP Basic authentication cannot carry it.
pub fn hash_password(password: &str) -> Result<String, PasswordError> {
    Ok(new_hash(password)?.to_string())
}

pub(super) fn new_hash(password: &str) -> Result<PasswordHash, PasswordError> {
    if password.chars().count() < MIN_PASSWORD_LENGTH {
        return Err(PasswordError::TooShort);
    }
    if password.len() > MAX_PASSWORD_LENGTH {
        return Err(PasswordError::TooLong);
    }
    if password.chars().any(char::is_control) {
        return Err(PasswordError::ControlCharacter);
    }
    Ok(PasswordHash::new(password))
}

/// A new random password that people can read and type: four groups of five letters and digits, 99 bits.
pub fn generate_password() -> String {
    let mut password = String::new();
    let mut random = [0; 32];
    loop {
        getrandom::fill(&mut random).expect("the system gives entropy");
        for byte in random {
            // 5 bits each; the one value without a letter is thrown again, so that all are as likely.
            let Some(letter) = ALPHABET.get(usize::from(byte & 31)) else { continue };
            if password.len() % 6 == 5 {
                password.push('-');
            }
            password.push(char::from(*letter));
            if password.len() == 23 {
                return password;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn generated_passwords_are_readable_and_differ() {
        let passwords: HashSet<String> = (0..100).map(|_| generate_password()).collect();
        assert_eq!(passwords.len(), 100);
        for password in &passwords {
            let groups: Vec<&str> = password.split('-').collect();
            assert_eq!(groups.len(), 4, "{password}");
            assert!(groups.iter().all(|group| group.len() == 5), "{password}");
            assert!(!password.contains(['0', 'o', '1', 'l', 'i']), "{password}");
        }
        let letters: HashSet<char> = passwords.iter().flat_map(|password| password.chars()).collect();
        assert_eq!(letters.len(), ALPHABET.len() + 1, "all letters occur");
    }

    #[test]
    fn unfit_passwords_are_refused() {
        assert_eq!(hash_password("1234567"), Err(PasswordError::TooShort));
        assert_eq!(hash_password("äöüäöüä"), Err(PasswordError::TooShort), "characters count, not bytes");
        assert_eq!(hash_password(&"x".repeat(1025)), Err(PasswordError::TooLong));
        assert_eq!(hash_password("12345678\n"), Err(PasswordError::ControlCharacter));
        assert!(hash_password("pass: wörd").is_ok());
    }
}
