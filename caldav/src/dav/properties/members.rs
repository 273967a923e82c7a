//! Walking the members of a collection, in git's order, while they are written.

use super::{
    subject::Subject,
    write::{Context, ResponseWriter},
};
use crate::{
    dav::{
        home::Home,
        location::{HomePath, MAX_SEGMENTS, encode_into},
        multistatus,
    },
    snapshot::{Directory, File, is_member_file},
};
use kalends_store::{EntryKind, Error, ObjectId, Objects};
use std::rc::Rc;

/// The members of a collection that are still to be written.
pub(super) struct Members {
    home: Home,
    /// Whether members of members are walked too.
    deep: bool,
    levels: Vec<Level>,
    /// The URL of the member at hand; what is before it stays from one to the next.
    href: String,
}

struct Level {
    path: HomePath,
    directory: Rc<Directory>,
    position: usize,
    /// Bytes of the URL of the directory.
    href: usize,
    /// The file at hand.
    file: File,
}

impl Level {
    fn new(path: HomePath, directory: Rc<Directory>, href: usize) -> Self {
        let file =
            File { id: directory.id, kind: EntryKind::Blob, name: Vec::new(), parent: directory.clone() };
        Self { path, directory, position: 0, href, file }
    }
}

impl Members {
    /// The members of the collection at `path`; with `deep` all that is below it.
    pub(super) fn new(home: Home, path: HomePath, directory: Rc<Directory>, deep: bool) -> Self {
        let href = path.href();
        let levels = vec![Level::new(path, directory, href.len())];
        Self { home, deep, levels, href }
    }

    /// Appends the response of the next member; false when there is none left.
    pub(super) fn write_next(
        &mut self,
        out: &mut String,
        context: &Context<'_>,
        writer: &mut ResponseWriter,
    ) -> bool {
        while let Some(level) = self.levels.last_mut() {
            let Some(entry) = level.directory.tree.get(level.position) else {
                self.levels.pop();
                continue;
            };
            level.position += 1;
            self.href.truncate(level.href);
            encode_into(&mut self.href, entry.name);
            if is_member_file(&entry) {
                level.file.id = entry.id.to_owned();
                level.file.kind = entry.mode.kind();
                level.file.name.clear();
                level.file.name.extend_from_slice(entry.name);
                let subject = Subject::File { home: &self.home, file: &level.file };
                writer.write(out, context, &self.href, subject);
                return true;
            }
            if !entry.mode.is_tree() {
                continue;
            }
            self.href.push('/');
            let path = level.path.member(entry.name, true);
            match self.home.snapshot().directory(entry.id.to_owned()) {
                Ok(directory) => {
                    let subject =
                        Subject::Collection { home: &self.home, path: &path, directory: &directory };
                    writer.write(out, context, &self.href, subject);
                    if self.deep && path.segments.len() < MAX_SEGMENTS {
                        self.levels.push(Level::new(path, directory, self.href.len()));
                    }
                }
                Err(error) => multistatus::write_error(out, &self.href, &error.into()),
            }
            return true;
        }
        false
    }
}

/// Whether more than `limit` members are below a tree, at any depth; reads no more trees than that.
pub(super) fn exceed(objects: &dyn Objects, tree: ObjectId, limit: usize) -> Result<bool, Error> {
    let mut left = limit;
    let mut trees = vec![(tree, 0)];
    while let Some((tree, depth)) = trees.pop() {
        let tree = objects.tree(&tree)?;
        let Some(rest) = left.checked_sub(tree.len()) else { return Ok(true) };
        left = rest;
        if depth < MAX_SEGMENTS {
            let below = tree.iter().filter(|entry| entry.mode.is_tree());
            trees.extend(below.map(|entry| (entry.id.to_owned(), depth + 1)));
        }
    }
    Ok(false)
}
