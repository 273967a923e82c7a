//! The realm's files together, as they are at one commit.

use super::{
    document::{MAX_FILE_SIZE, Problem},
    groups_file::{self, GroupsFile},
    server_file::{self, ServerSettings},
    users_file::{self, Account, UsersFile},
};
use kalends_store::{EntryKind, Error, ObjectId, Objects};

/// What the realm says at one commit, checked.
#[derive(Clone, Debug, Default)]
pub(super) struct Configuration {
    pub(super) users: UsersFile,
    pub(super) groups: GroupsFile,
    pub(super) server: ServerSettings,
}

/// The most problems that are listed at once.
const MAX_PROBLEMS: usize = 20;

impl Configuration {
    /// Reads the files of a tree.
    ///
    /// # Errors
    /// The inner error lists what is wrong with the files; the outer one means that they could not be read.
    pub(super) fn read(objects: &dyn Objects, tree: &ObjectId) -> Result<Result<Self, Vec<Problem>>, Error> {
        let mut problems = Vec::new();
        let users = match read_file(objects, tree, users_file::FILE)? {
            Ok(Some(text)) => collect(UsersFile::read(&text), &mut problems),
            Ok(None) => {
                let message = "is missing; without it nobody can sign in";
                problems.push(problem(users_file::FILE, message));
                UsersFile::default()
            }
            Err(message) => {
                problems.push(problem(users_file::FILE, message));
                UsersFile::default()
            }
        };
        let groups = match read_file(objects, tree, groups_file::FILE)? {
            Ok(text) => collect(groups_file::read(&text.unwrap_or_default()), &mut problems),
            Err(message) => {
                problems.push(problem(groups_file::FILE, message));
                GroupsFile::default()
            }
        };
        let server = match read_file(objects, tree, server_file::FILE)? {
            Ok(text) => collect(server_file::read(&text.unwrap_or_default()), &mut problems),
            Err(message) => {
                problems.push(problem(server_file::FILE, message));
                ServerSettings::default()
            }
        };
        let configuration = Self { users, groups, server };
        configuration.check_groups(&mut problems);
        if problems.is_empty() {
            return Ok(Ok(configuration));
        }
        problems.sort();
        let more = problems.len().saturating_sub(MAX_PROBLEMS);
        if more > 0 {
            problems.truncate(MAX_PROBLEMS);
            problems.push(problem("realm", format!("and {more} more problems")));
        }
        Ok(Err(problems))
    }

    /// Whether somebody can sign in and change the realm.
    pub(super) fn has_administrator(&self) -> bool {
        self.users.accounts.values().any(|account| account.user.administrator && !account.disabled)
    }

    /// The account that a sign-in name means: a user name or a mail address, in any case, as keyboards
    /// of telephones like to begin with a capital.
    pub(super) fn account(&self, sign_in_name: &str) -> Option<&Account> {
        let name = sign_in_name.to_lowercase();
        let name = if name.contains('@') { self.users.addresses.get(&name)? } else { &name };
        self.users.accounts.get(name).filter(|account| !account.disabled)
    }

    fn check_groups(&self, problems: &mut Vec<Problem>) {
        let mut report = |line, message| {
            problems.push(Problem { file: groups_file::FILE.into(), line, message });
        };
        for (name, entry) in &self.groups {
            if let Some(account) = self.users.accounts.get(name) {
                let line = account.line;
                report(entry.line, format!("group {name:?} has the name of a user (users.toml:{line})"));
            }
            for member in &entry.group.members {
                if !self.users.accounts.contains_key(member) {
                    let message = format!("member {member:?} of {name:?} is not a user of users.toml");
                    report(entry.members_line, message);
                }
            }
        }
    }
}

fn collect<T>((value, found): (T, Vec<Problem>), problems: &mut Vec<Problem>) -> T {
    problems.extend(found);
    value
}

fn problem(file: &str, message: impl Into<String>) -> Problem {
    Problem { file: file.into(), line: 0, message: message.into() }
}

/// The text of a file at the top of a tree; `None` when there is no such file.
pub(super) fn read_file(
    objects: &dyn Objects,
    tree: &ObjectId,
    name: &str,
) -> Result<Result<Option<String>, String>, Error> {
    let tree = objects.tree(tree)?;
    let Some(entry) = tree.find(name) else { return Ok(Ok(None)) };
    if !matches!(entry.mode.kind(), EntryKind::Blob | EntryKind::BlobExecutable) {
        return Ok(Err("must be a file, not a directory, link or submodule".into()));
    }
    let object = objects.object(&entry.id.to_owned())?;
    if object.data.len() as u64 > MAX_FILE_SIZE {
        return Ok(Err(format!("is larger than {MAX_FILE_SIZE} bytes")));
    }
    match String::from_utf8(object.data.to_vec()) {
        Ok(text) => Ok(Ok(Some(text))),
        Err(error) => {
            let valid = error.utf8_error().valid_up_to();
            let line = object.data.iter().take(valid).filter(|byte| **byte == b'\n').count() + 1;
            Ok(Err(format!("line {line} is not UTF-8")))
        }
    }
}
