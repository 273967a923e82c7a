//! What an object must be like to be accepted: git's `receive.fsckObjects`, its errors and the warnings
//! that `--strict` turns into errors.
//!
//! Messages begin with git's own message id, such as `treeNotSorted`.

use crate::{Error, tree::PROTECTION};
use gix_hash::ObjectId;
use gix_object::{
    Kind, TreeRefIter,
    bstr::ByteSlice,
    tree::{EntryKind, name_order},
};
use gix_validate::path::component;
use std::cmp::Ordering;

/// Examines an object and reports each object that it refers to, with the kind it must have
/// (`None`: any). Submodules are no links.
pub(crate) fn check_object(
    id: &ObjectId,
    kind: Kind,
    data: &[u8],
    link: &mut dyn FnMut(ObjectId, Option<Kind>) -> Result<(), Error>,
) -> Result<(), Error> {
    let fault = |message: String| Error::Malformed(format!("object {id}: {message}"));
    match kind {
        Kind::Blob => Ok(()),
        Kind::Tree => check_tree(data, link, &fault),
        Kind::Commit => check_commit(data, link, &fault),
        Kind::Tag => check_tag(data, link, &fault),
    }
}

type Fault<'a> = &'a dyn Fn(String) -> Error;
type Link<'a> = &'a mut dyn FnMut(ObjectId, Option<Kind>) -> Result<(), Error>;

fn check_tree(data: &[u8], link: Link<'_>, fault: Fault<'_>) -> Result<(), Error> {
    let mut previous: Option<(&[u8], bool)> = None;
    let mut directories = Vec::new();
    let mut files = Vec::new();
    let mut iter = TreeRefIter::from_bytes(data, gix_hash::Kind::Sha1);
    loop {
        let offset = iter.offset_to_next_entry(data);
        let Some(entry) = iter.next() else { break };
        let entry = entry.map_err(|_| fault("badTree: cannot be parsed as a tree".into()))?;
        let name = entry.filename;
        if data.get(offset) == Some(&b'0') {
            return Err(fault(format!("zeroPaddedFilemode: {name:?} has a zero-padded file mode")));
        }
        // 100664 is of git's first months and still accepted by it.
        let is_tree = match entry.mode.value() {
            0o40000 => true,
            0o100644 | 0o100664 | 0o100755 | 0o120000 | 0o160000 => false,
            mode => return Err(fault(format!("badFilemode: {name:?} has mode {mode:o}"))),
        };
        if entry.oid.is_null() {
            return Err(fault(format!("nullSha1: {name:?} points to the null id")));
        }
        let mode = entry.mode.is_link().then_some(component::Mode::Symlink);
        if let Err(error) = gix_validate::path::component(name, mode, PROTECTION) {
            let message = match error {
                component::Error::Empty => "emptyName: contains an entry without a name".into(),
                component::Error::Relative => format!("hasDot: contains {name:?}"),
                component::Error::PathSeparator => format!("fullPathname: contains {name:?}"),
                component::Error::DotGitDir => format!("hasDotgit: contains {name:?}"),
                component::Error::SymlinkedGitModules => {
                    format!("gitmodulesSymlink: {name:?} is a symbolic link")
                }
                other => format!("badName: {name:?}: {other}"),
            };
            return Err(fault(message));
        }
        if let Some((before, before_is_tree)) = previous {
            match name_order(before, before_is_tree, name, is_tree) {
                Ordering::Less if before != name.as_bytes() => {}
                Ordering::Greater => {
                    return Err(fault(format!("treeNotSorted: {name:?} is out of order")));
                }
                _ => return Err(fault(format!("duplicateEntries: {name:?} occurs twice"))),
            }
        }
        previous = Some((name, is_tree));
        if is_tree {
            directories.push(name);
        } else {
            files.push(name);
        }
        match entry.mode.kind() {
            EntryKind::Tree => link(entry.oid.to_owned(), Some(Kind::Tree))?,
            EntryKind::Commit => {}
            _ => link(entry.oid.to_owned(), Some(Kind::Blob))?,
        }
    }
    // `a`, `a.b`, `a/` are in order, and yet `a` occurs twice.
    for name in directories {
        if files.binary_search_by(|file| name_order(file, false, name, false)).is_ok() {
            return Err(fault(format!("duplicateEntries: {name:?} occurs twice")));
        }
    }
    Ok(())
}

/// Takes lines off the header of a commit or tag.
struct Header<'a> {
    rest: &'a [u8],
}

impl<'a> Header<'a> {
    /// The value of the next line when it begins with `name` and a space.
    fn take(&mut self, name: &str) -> Option<&'a [u8]> {
        let rest = self.rest.strip_prefix(name.as_bytes())?.strip_prefix(b" ")?;
        let end = rest.find_byte(b'\n')?;
        let (value, rest) = rest.split_at(end);
        self.rest = rest.get(1..).unwrap_or_default();
        Some(value)
    }

    /// The value of the next line as an object id, in lower-case digits.
    fn take_id(&mut self, name: &str) -> Option<Result<ObjectId, String>> {
        let value = self.take(name)?;
        let upper = value.iter().any(u8::is_ascii_uppercase);
        Some(match ObjectId::from_hex(value) {
            Ok(id) if id.kind() == gix_hash::Kind::Sha1 && !upper => Ok(id),
            _ => Err(format!("invalid '{name}' line: bad object id")),
        })
    }
}

/// git ends the header at the first empty line, or at the end; a NUL before it is an error.
fn check_header(data: &[u8], fault: Fault<'_>) -> Result<(), Error> {
    let end = data.find(b"\n\n").map_or(data.len(), |end| end + 1);
    let header = data.get(..end).unwrap_or_default();
    if header.contains(&0) {
        return Err(fault("nulInHeader: unterminated header: NUL".into()));
    }
    if !header.ends_with(b"\n") {
        return Err(fault("unterminatedHeader: unterminated header".into()));
    }
    Ok(())
}

fn check_commit(data: &[u8], link: Link<'_>, fault: Fault<'_>) -> Result<(), Error> {
    check_header(data, fault)?;
    let mut header = Header { rest: data };
    let tree = header
        .take_id("tree")
        .ok_or_else(|| fault("missingTree: invalid format - expected 'tree' line".into()))?
        .map_err(|error| fault(format!("badTreeSha1: {error}")))?;
    link(tree, Some(Kind::Tree))?;
    while let Some(parent) = header.take_id("parent") {
        link(parent.map_err(|error| fault(format!("badParentSha1: {error}")))?, Some(Kind::Commit))?;
    }
    let author = header
        .take("author")
        .ok_or_else(|| fault("missingAuthor: invalid format - expected 'author' line".into()))?;
    check_identity(author).map_err(|error| fault(format!("{error} in author")))?;
    if header.rest.starts_with(b"author ") {
        return Err(fault("multipleAuthors: invalid format - multiple 'author' lines".into()));
    }
    let committer = header
        .take("committer")
        .ok_or_else(|| fault("missingCommitter: invalid format - expected 'committer' line".into()))?;
    check_identity(committer).map_err(|error| fault(format!("{error} in committer")))?;
    if data.contains(&0) {
        return Err(fault("nulInCommit: NUL byte in the commit object body".into()));
    }
    Ok(())
}

fn check_tag(data: &[u8], link: Link<'_>, fault: Fault<'_>) -> Result<(), Error> {
    check_header(data, fault)?;
    let mut header = Header { rest: data };
    let target = header
        .take_id("object")
        .ok_or_else(|| fault("missingObject: invalid format - expected 'object' line".into()))?
        .map_err(|error| fault(format!("badObjectSha1: {error}")))?;
    let kind = header
        .take("type")
        .ok_or_else(|| fault("missingTypeEntry: invalid format - expected 'type' line".into()))?;
    let kind = Kind::from_bytes(kind).map_err(|_| fault("badType: invalid 'type' value".into()))?;
    header
        .take("tag")
        .ok_or_else(|| fault("missingTagEntry: invalid format - expected 'tag' line".into()))?;
    // The oldest tags have no tagger.
    if header.rest.starts_with(b"tagger ") {
        let tagger = header.take("tagger").unwrap_or_default();
        check_identity(tagger).map_err(|error| fault(format!("{error} in tagger")))?;
    }
    link(target, Some(kind))
}

/// `Name <address> seconds zone`, as git's fsck wants it.
fn check_identity(value: &[u8]) -> Result<(), String> {
    let bad = |message: &str| Err(message.to_owned());
    if value.starts_with(b"<") {
        return bad("missingNameBeforeEmail: missing space before email");
    }
    let Some(open) = value.find_byteset(b"<>") else { return bad("missingEmail: missing email") };
    if value.get(open) == Some(&b'>') {
        return bad("badName: bad name");
    }
    let (name, rest) = value.split_at(open);
    if !name.ends_with(b" ") {
        return bad("missingSpaceBeforeEmail: missing space before email");
    }
    let rest = rest.get(1..).unwrap_or_default();
    let Some(close) = rest.find_byteset(b"<>") else { return bad("badEmail: bad email") };
    if rest.get(close) == Some(&b'<') {
        return bad("badEmail: bad email");
    }
    let Some(date) = rest.get(close + 1..).and_then(|rest| rest.strip_prefix(b" ")) else {
        return bad("missingSpaceBeforeDate: missing space before date");
    };
    let Some((seconds, zone)) = date.split_once_str(" ") else { return bad("badDate: bad date") };
    if seconds.is_empty() || !seconds.iter().all(u8::is_ascii_digit) {
        return bad("badDate: bad date");
    }
    if seconds.len() > 1 && seconds.starts_with(b"0") {
        return bad("zeroPaddedDate: zero-padded date");
    }
    let in_range = seconds.to_str().ok().and_then(|text| text.parse::<i64>().ok());
    if in_range.is_none() {
        return bad("badDateOverflow: date causes integer overflow");
    }
    let digits = zone.strip_prefix(b"+").or_else(|| zone.strip_prefix(b"-"));
    if !digits.is_some_and(|digits| digits.len() == 4 && digits.iter().all(u8::is_ascii_digit)) {
        return bad("badTimezone: bad time zone");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ID: &str = "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391";

    fn check(kind: Kind, data: &[u8]) -> Result<Vec<(ObjectId, Option<Kind>)>, String> {
        let mut links = Vec::new();
        let id = ObjectId::null(gix_hash::Kind::Sha1);
        check_object(&id, kind, data, &mut |id, kind| {
            links.push((id, kind));
            Ok(())
        })
        .map_err(|error| error.to_string())?;
        Ok(links)
    }

    fn tree(entries: &[(&str, &str)]) -> Vec<u8> {
        let mut data = Vec::new();
        for (mode, name) in entries {
            data.extend_from_slice(format!("{mode} {name}\0").as_bytes());
            data.extend_from_slice(&[7; 20]);
        }
        data
    }

    #[test]
    fn a_tree_links_to_files_and_directories_but_not_to_submodules() {
        let data =
            tree(&[("100644", "a"), ("100755", "b"), ("40000", "c"), ("120000", "d"), ("160000", "e")]);
        let kinds: Vec<_> = check(Kind::Tree, &data).unwrap().into_iter().map(|(_, kind)| kind).collect();
        assert_eq!(kinds, [Some(Kind::Blob), Some(Kind::Blob), Some(Kind::Tree), Some(Kind::Blob)]);
    }

    #[test]
    fn a_tree_that_git_fsck_refuses_is_refused() {
        for (entries, message) in [
            (&[("100644", "b"), ("100644", "a")][..], "treeNotSorted"),
            (&[("40000", "a"), ("100644", "a.b")], "treeNotSorted"),
            (&[("100644", "a"), ("100644", "a")], "duplicateEntries"),
            (&[("100644", "a"), ("100644", "a.b"), ("40000", "a")], "duplicateEntries"),
            (&[("100644", "a"), ("40000", "a")], "duplicateEntries"),
            (&[("040000", "a")], "zeroPaddedFilemode"),
            (&[("100600", "a")], "badFilemode"),
            (&[("100644", "")], "emptyName"),
            (&[("40000", "..")], "hasDot"),
            (&[("100644", "x/y")], "fullPathname"),
            (&[("40000", ".git")], "hasDotgit"),
            (&[("40000", ".GiT")], "hasDotgit"),
            (&[("40000", "git~1")], "hasDotgit"),
            (&[("40000", ".g\u{200c}it")], "hasDotgit"),
            (&[("120000", ".gitmodules")], "gitmodulesSymlink"),
        ] {
            let error = check(Kind::Tree, &tree(entries)).unwrap_err();
            assert!(error.contains(message), "{error} is not {message}");
        }
        assert!(check(Kind::Tree, b"100644 a\0short").unwrap_err().contains("badTree"));
        let mut null = b"100644 a\0".to_vec();
        null.extend_from_slice(&[0; 20]);
        assert!(check(Kind::Tree, &null).unwrap_err().contains("nullSha1"));
    }

    #[test]
    fn a_commit_links_to_its_tree_and_parents() {
        let data = format!(
            "tree {ID}\nparent {ID}\nauthor A U Thor <a@example.org> 0 +0000\ncommitter C <> 1700000000 -0130\n\
             gpgsig x\n y\n\nmessage"
        );
        let kinds: Vec<_> =
            check(Kind::Commit, data.as_bytes()).unwrap().into_iter().map(|(_, kind)| kind).collect();
        assert_eq!(kinds, [Some(Kind::Tree), Some(Kind::Commit)]);
    }

    #[test]
    fn a_commit_that_git_fsck_refuses_is_refused() {
        let good = "A <a@b> 1 +0000";
        let make = |author: &str| format!("tree {ID}\nauthor {author}\ncommitter {good}\n\n");
        for (data, message) in [
            (String::new(), "unterminatedHeader"),
            (format!("author {good}\n\n"), "missingTree"),
            (format!("tree 12\nauthor {good}\ncommitter {good}\n\n"), "badTreeSha1"),
            (format!("tree {}\n\n", ID.to_uppercase()), "badTreeSha1"),
            (format!("tree {ID}\nparent 0\n\n"), "badParentSha1"),
            (format!("tree {ID}\ncommitter {good}\n\n"), "missingAuthor"),
            (format!("tree {ID}\nauthor {good}\nauthor {good}\ncommitter {good}\n\n"), "multipleAuthors"),
            (format!("tree {ID}\nauthor {good}\n\n"), "missingCommitter"),
            (format!("{}x\0", make(good)), "nulInCommit"),
            (make("<a@b> 1 +0000"), "missingNameBeforeEmail"),
            (make("A 1 +0000"), "missingEmail"),
            (make("A> <a@b> 1 +0000"), "badName"),
            (make("A<a@b> 1 +0000"), "missingSpaceBeforeEmail"),
            (make("A <a@b<c> 1 +0000"), "badEmail"),
            (make("A <a@b>1 +0000"), "missingSpaceBeforeDate"),
            (make("A <a@b> x +0000"), "badDate"),
            (make("A <a@b> 01 +0000"), "zeroPaddedDate"),
            (make("A <a@b> 99999999999999999999 +0000"), "badDateOverflow"),
            (make("A <a@b> 1 0000"), "badTimezone"),
            (make("A <a@b> 1 +0000 "), "badTimezone"),
        ] {
            let error = check(Kind::Commit, data.as_bytes()).unwrap_err();
            assert!(error.contains(message), "{error} is not {message}");
        }
    }

    #[test]
    fn a_tag_links_to_its_target() {
        let data = format!("object {ID}\ntype blob\ntag v1\ntagger A <a@b> 1 +0000\n\nmessage\n");
        assert_eq!(check(Kind::Tag, data.as_bytes()).unwrap()[0].1, Some(Kind::Blob));
        let old = format!("object {ID}\ntype commit\ntag v0.99\n\n");
        assert_eq!(check(Kind::Tag, old.as_bytes()).unwrap()[0].1, Some(Kind::Commit));
        for (from, to, message) in [
            ("object", "objekt", "missingObject"),
            ("type blob", "type calendar", "badType"),
            ("tag v1", "tog v1", "missingTagEntry"),
            ("<a@b>", "a@b", "missingEmail"),
        ] {
            let error = check(Kind::Tag, data.replacen(from, to, 1).as_bytes()).unwrap_err();
            assert!(error.contains(message), "{error} is not {message}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_examined_without_panic(data in proptest::collection::vec(any::<u8>(), 0..200)) {
            for kind in [Kind::Tree, Kind::Commit, Kind::Tag] {
                let _ = check(kind, &data);
            }
        }
    }
}
