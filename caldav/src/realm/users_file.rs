//! `users.toml`: who there is.

use super::{
    User,
    document::{Document, Located, Problem, Table},
    name::check_name,
    password_hash::PasswordHash,
};
use std::collections::{BTreeMap, HashMap};

pub(super) const FILE: &str = "users.toml";

/// The largest number of users.
pub(super) const MAX_USERS: usize = 10_000;

/// The longest display name, in bytes.
const MAX_DISPLAY_NAME: usize = 255;

/// RFC 5321 §4.5.3.1.3 leaves 254 for an address without its angle brackets.
const MAX_ADDRESS: usize = 254;

const KEYS: [&str; 6] =
    ["display-name", "email", "password", "administrator", "disabled", "allow-force-push"];

/// One user of the file.
#[derive(Clone, Debug)]
pub(super) struct Account {
    pub(super) user: User,
    /// What the password must match; may be missing only in a disabled account.
    pub(super) password: Option<PasswordHash>,
    pub(super) disabled: bool,
    /// Where the account begins in the file.
    pub(super) line: usize,
}

/// All users, by name.
#[derive(Clone, Debug, Default)]
pub(super) struct UsersFile {
    pub(super) accounts: BTreeMap<String, Account>,
    /// Who has a mail address, in lower case.
    pub(super) addresses: HashMap<String, String>,
}

impl UsersFile {
    /// Reads the file. With any problem the result is not to be used.
    pub(super) fn read(text: &str) -> (Self, Vec<Problem>) {
        Document::read(FILE, text, |top| {
            let mut users = Self::default();
            for (name, table) in top.tables() {
                users.add(name, &table);
            }
            if users.accounts.len() > MAX_USERS {
                top.problem_on(0, format!("more than {MAX_USERS} users"));
            }
            users
        })
    }

    fn add(&mut self, name: Located<&str>, table: &Table<'_, '_>) {
        if let Err(reason) = check_name(name.value) {
            table.problem_on(name.line, format!("the user name {:?} {reason}", name.value));
        }
        table.only(&KEYS);
        let disabled = table.flag("disabled");
        let password = match table.text("password", usize::MAX) {
            Some(text) => match PasswordHash::parse(text.value) {
                Ok(hash) => Some(hash),
                Err(reason) => {
                    table.problem_on(text.line, format!("the password of {:?} {reason}", name.value));
                    None
                }
            },
            None => {
                if !disabled && !table.has("password") {
                    let message = format!(
                        "user {:?} has no password; add one, or disabled = true for as long as there is none",
                        name.value
                    );
                    table.problem_on(name.line, message);
                }
                None
            }
        };
        let addresses = self.read_addresses(name.value, table);
        let display_name = table.text("display-name", MAX_DISPLAY_NAME);
        if let Some(text) = display_name.as_ref().filter(|text| text.value.trim().is_empty()) {
            table.problem_on(
                text.line,
                "\"display-name\" is empty; leave it out to show the user name".into(),
            );
        }
        let user = User {
            name: name.value.into(),
            display_name: display_name.map_or(name.value, |text| text.value).trim().into(),
            addresses,
            administrator: table.flag("administrator"),
            allow_force_push: table.flag("allow-force-push"),
        };
        self.accounts.insert(name.value.into(), Account { user, password, disabled, line: name.line });
    }

    fn read_addresses(&mut self, name: &str, table: &Table<'_, '_>) -> Vec<String> {
        let mut addresses = Vec::new();
        for address in table.texts("email", MAX_ADDRESS) {
            if !is_address(address.value) {
                let message = format!("{:?} is not a mail address like ada@example.org", address.value);
                table.problem_on(address.line, message);
                continue;
            }
            match self.addresses.insert(address.value.to_lowercase(), name.into()) {
                None => addresses.push(address.value.into()),
                Some(other) => {
                    let message = format!("the address {} belongs to user {other:?} already", address.value);
                    table.problem_on(address.line, message);
                }
            }
        }
        addresses
    }
}

/// Whether a text looks like RFC 5321's `Local-part@Domain`, without quoting and comments.
fn is_address(text: &str) -> bool {
    let odd = |c: char| c.is_whitespace() || c.is_control() || "<>()[]\\,;:\"'`".contains(c);
    text.split_once('@').is_some_and(|(local, domain)| {
        !local.is_empty()
            && !domain.is_empty()
            && !domain.contains('@')
            && !domain.starts_with(['.', '-'])
            && !domain.ends_with(['.', '-'])
            && !text.contains(odd)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::realm::tests::HASH;

    fn problems(text: &str) -> Vec<String> {
        let (_, mut problems) = UsersFile::read(text);
        problems.sort();
        problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_full_account_is_read() {
        let text = format!(
            "# staff\n[ada]\ndisplay-name = \"Ada Lovelace\"\nemail = [\"Ada@example.org\", \"al@example.org\"]\n\
             password = \"{HASH}\"\nadministrator = true\nallow-force-push = true\n\n[\"b.b\"]\ndisabled = true\n"
        );
        let (users, problems) = UsersFile::read(&text);
        assert_eq!(problems, []);
        let ada = &users.accounts["ada"];
        assert_eq!(ada.user.display_name, "Ada Lovelace");
        assert_eq!(ada.user.addresses, ["Ada@example.org", "al@example.org"]);
        assert!(ada.user.administrator && ada.user.allow_force_push && !ada.disabled);
        assert_eq!(ada.line, 2);
        assert_eq!(users.addresses["ada@example.org"], "ada");
        let other = &users.accounts["b.b"];
        assert!(other.disabled && !other.user.administrator && other.password.is_none());
        assert_eq!(other.user.display_name, "b.b");
    }

    #[test]
    fn every_mistake_is_named_with_its_line() {
        let text = "title = \"x\"\n\
                    [Ada]\npassword = \"secret\"\nadmin = true\n\
                    [bob]\nemail = \"bob@example.org\"\nadministrator = 1\n\
                    [eve]\ndisabled = true\nemail = [\"eve\", \"eve@example.org\", \"Eve@Example.org\"]\n\
                    display-name = \"\"\n";
        let found = problems(text);
        let expected = [
            "users.toml:1: \"title\" stands outside of a table",
            "users.toml:2: the user name \"Ada\" must begin with a letter a-z or a digit",
            "users.toml:3: the password of \"Ada\" is not an argon2id hash",
            "users.toml:4: unknown key \"admin\" in [Ada]; known are display-name, email, password",
            "users.toml:5: user \"bob\" has no password",
            "users.toml:6: \"email\" must be a list of strings",
            "users.toml:7: \"administrator\" must be true or false, not a value of type integer",
            "users.toml:10: \"eve\" is not a mail address",
            "users.toml:10: the address Eve@Example.org belongs to user \"eve\" already",
            "users.toml:11: \"display-name\" is empty",
        ];
        assert_eq!(found.len(), expected.len(), "{found:#?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.starts_with(expected), "{found}\n  is not\n{expected}");
        }
    }

    #[test]
    fn the_same_user_twice_is_a_mistake_of_syntax() {
        let found = problems("[ada]\ndisabled = true\n[ada]\ndisabled = true\n");
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("users.toml:3: ") && found[0].contains("duplicate"), "{}", found[0]);
    }

    #[test]
    fn a_plain_password_is_not_repeated_in_the_message() {
        let found = problems("[ada]\npassword = \"hunter2hunter2\"\n").join("\n");
        assert!(found.contains("kalends passwd") && !found.contains("hunter2"), "{found}");
    }

    #[test]
    fn deep_nesting_is_refused_not_followed() {
        let deep = format!("[ada]\nemail = {}{}\n", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(problems(&deep).len(), 1);
    }

    #[test]
    fn addresses_are_plain() {
        for good in ["a@b", "ada.l+x@sub.example.org", "ädä@exämple.org"] {
            assert!(is_address(good), "{good}");
        }
        for bad in ["", "@", "a@", "@b", "a@b@c", "a b@c", "a@b>", "a@.b", "a@b.", "a\u{7f}@b"] {
            assert!(!is_address(bad), "{bad:?}");
        }
    }
}
