//! Names of principals.

/// The longest name of a principal, in bytes.
pub const MAX_NAME_LENGTH: usize = 64;

/// The repository of the realm itself; no principal has this name.
pub const REALM_REPOSITORY: &str = "realm";

/// Checks the name of a user or group: it names a repository (`/git/NAME.git`) and stands in URLs.
///
/// # Errors
/// What is wrong with the name, as the end of a sentence that begins with it.
pub fn check_name(name: &str) -> Result<(), &'static str> {
    let plain = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = name.as_bytes();
    if name.is_empty() || name.len() > MAX_NAME_LENGTH {
        return Err("must have 1 to 64 characters");
    }
    if !bytes.first().is_some_and(plain) {
        return Err("must begin with a letter a-z or a digit");
    }
    if !bytes.iter().all(|byte| plain(byte) || matches!(byte, b'.' | b'_' | b'-')) {
        return Err("may hold only a-z, 0-9, '.', '_' and '-'");
    }
    if name == REALM_REPOSITORY {
        return Err("is taken by the realm repository");
    }
    if name.ends_with(".git") || name.ends_with('.') {
        return Err("must not end in '.git' or '.'");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::check_name;

    #[test]
    fn names_are_safe_in_urls_and_repository_names() {
        for good in ["ada", "0", "ada.lovelace", "a_b-c", &"a".repeat(64)] {
            assert_eq!(check_name(good), Ok(()), "{good}");
        }
        let long = "a".repeat(65);
        let bad = [
            ("", "1 to 64"),
            (long.as_str(), "1 to 64"),
            ("Ada", "must begin"),
            ("aDa", "may hold only"),
            (".ada", "must begin"),
            ("-ada", "must begin"),
            ("a/b", "may hold only"),
            ("a b", "may hold only"),
            ("ada\0", "may hold only"),
            ("adä", "may hold only"),
            ("a@b", "may hold only"),
            ("realm", "realm repository"),
            ("ada.git", "must not end"),
            ("ada.", "must not end"),
        ];
        for (name, reason) in bad {
            let error = check_name(name).expect_err(name);
            assert!(error.contains(reason), "{name}: {error}");
        }
    }
}
