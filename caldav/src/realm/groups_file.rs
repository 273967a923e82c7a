//! `groups.toml`: users who belong together.

use super::{
    document::{Document, Problem},
    name::check_name,
};
use std::collections::{BTreeMap, BTreeSet};

pub(super) const FILE: &str = "groups.toml";

/// The largest number of groups.
pub(super) const MAX_GROUPS: usize = 1_000;

/// The longest display name, in bytes.
const MAX_DISPLAY_NAME: usize = 255;

/// A group of users.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The name of the principal.
    pub name: String,
    /// The name people read.
    pub display_name: String,
    /// The names of the users in it.
    pub members: BTreeSet<String>,
}

/// One group of the file, with the lines that other files' mistakes are reported on.
#[derive(Clone, Debug)]
pub(super) struct GroupEntry {
    pub(super) group: Group,
    pub(super) line: usize,
    pub(super) members_line: usize,
}

/// All groups, by name.
pub(super) type GroupsFile = BTreeMap<String, GroupEntry>;

/// Reads the file. With any problem the result is not to be used.
pub(super) fn read(text: &str) -> (GroupsFile, Vec<Problem>) {
    Document::read(FILE, text, |top| {
        let mut groups = GroupsFile::new();
        for (name, table) in top.tables() {
            if let Err(reason) = check_name(name.value) {
                table.problem_on(name.line, format!("the group name {:?} {reason}", name.value));
            }
            table.only(&["display-name", "members"]);
            let display_name =
                table.text("display-name", MAX_DISPLAY_NAME).map_or(name.value, |text| text.value);
            let members = table.texts("members", super::name::MAX_NAME_LENGTH);
            let members_line = members.first().map_or(name.line, |member| member.line);
            let mut group = Group {
                name: name.value.into(),
                display_name: display_name.trim().into(),
                members: BTreeSet::new(),
            };
            for member in members {
                if !group.members.insert(member.value.into()) {
                    table.problem_on(member.line, format!("{:?} is a member twice", member.value));
                }
            }
            groups.insert(name.value.into(), GroupEntry { group, line: name.line, members_line });
        }
        if groups.len() > MAX_GROUPS {
            top.problem_on(0, format!("more than {MAX_GROUPS} groups"));
        }
        groups
    })
}
