//! Changing a password in `users.toml` without touching anything else of it.

use super::{password_hash::PasswordHash, users_file::UsersFile};
use toml::de::DeTable;

/// The file with this user's password replaced, or with the user added at its end.
///
/// # Errors
/// What is wrong, for a person; the file is then to be changed by hand.
pub(super) fn with_password(
    text: &str,
    name: &str,
    hash: &PasswordHash,
    administrator: bool,
) -> Result<String, String> {
    let line = format!("password = \"{hash}\"\n");
    let mut edited = text.to_owned();
    match find(text, name)? {
        Place::Value(range) => edited.replace_range(range, &format!("\"{hash}\"")),
        Place::After(at) => edited.insert_str(at, &line),
        Place::End => {
            if !edited.is_empty() && !edited.ends_with('\n') {
                edited.push('\n');
            }
            if !edited.is_empty() && !edited.ends_with("\n\n") {
                edited.push('\n');
            }
            // A bare key may not hold a dot.
            let key = if name.contains('.') { format!("\"{name}\"") } else { name.to_owned() };
            edited.push_str(&format!("[{key}]\n{line}"));
            if administrator {
                edited.push_str("administrator = true\n");
            }
        }
    }
    let (users, problems) = UsersFile::read(&edited);
    if let Some(problem) = problems.first() {
        return Err(format!("cannot change the password of {name:?}: {problem}"));
    }
    if users.accounts.get(name).and_then(|account| account.password.as_ref()) != Some(hash) {
        return Err(format!("cannot change the password of {name:?}: edit users.toml by hand"));
    }
    Ok(edited)
}

enum Place {
    /// The old password's bytes, with its quotes.
    Value(std::ops::Range<usize>),
    /// The user has none: here begins the line after its header.
    After(usize),
    /// There is no such user.
    End,
}

fn find(text: &str, name: &str) -> Result<Place, String> {
    let table = DeTable::parse(text).map_err(|error| error.message().to_owned())?;
    let Some((key, value)) = table.get_ref().get_key_value(name) else { return Ok(Place::End) };
    let password = value.get_ref().as_table().and_then(|user| user.get("password"));
    if let Some(password) = password {
        return Ok(Place::Value(password.span()));
    }
    let after_key = text.get(key.span().end..).unwrap_or_default();
    let end_of_line = after_key.find('\n').map(|at| key.span().end + at + 1);
    end_of_line.map(Place::After).ok_or_else(|| format!("user {name:?} has no password to change"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::realm::tests::HASH;

    fn hash() -> PasswordHash {
        PasswordHash::new("a new password")
    }

    #[test]
    fn only_the_hash_changes() {
        let text = format!(
            "# who\n[ada] # the first\n  password   = '{HASH}' # old\nemail = [\"a@b\"]\n[bob]\npassword = \"{HASH}\"\n"
        );
        let hash = hash();
        let edited = with_password(&text, "ada", &hash, false).unwrap();
        assert_eq!(edited, text.replacen(&format!("'{HASH}'"), &format!("\"{hash}\""), 1));
    }

    #[test]
    fn new_users_go_to_the_end() {
        let hash = hash();
        let edited = with_password("# who", "ada.l", &hash, true).unwrap();
        assert_eq!(edited, format!("# who\n\n[\"ada.l\"]\npassword = \"{hash}\"\nadministrator = true\n"));
    }

    #[test]
    fn a_disabled_user_without_password_gets_one() {
        let hash = hash();
        let edited = with_password("[ada] # away\ndisabled = true\n", "ada", &hash, false).unwrap();
        assert_eq!(edited, format!("[ada] # away\npassword = \"{hash}\"\ndisabled = true\n"));
    }

    #[test]
    fn what_cannot_be_edited_is_said() {
        let inline = "ada = { disabled = true }\n";
        let error = with_password(inline, "ada", &hash(), false).unwrap_err();
        assert!(error.starts_with("cannot change the password of \"ada\": users.toml:"), "{error}");
    }
}
