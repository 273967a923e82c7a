//! The latest commits, as people read them.

use gix_object::CommitRef;
use kalends_store::{Error, Kind, ObjectId, Objects};

/// A commit.
pub(super) struct Entry {
    /// When it was made: `2026-01-31 09:30`, by the author's clock.
    pub(super) time: String,
    /// Who made it.
    pub(super) author: String,
    /// The first line of its message.
    pub(super) summary: String,
    /// The first digits of its id.
    pub(super) id: String,
}

/// Characters of a summary or name that are shown.
const LONGEST: usize = 120;

/// The newest commits from `tip` on along first parents, at most `count`.
pub(super) fn latest(objects: &dyn Objects, tip: ObjectId, count: usize) -> Result<Vec<Entry>, Error> {
    let mut entries = Vec::new();
    let mut next = Some(tip);
    while let Some(id) = next.filter(|_| entries.len() < count) {
        let object = match objects.object(&id) {
            Ok(object) if object.kind == Kind::Commit => object,
            // A shallow import ends here.
            Err(Error::NoObject(_)) => break,
            Ok(_) => return Err(Error::UnexpectedKind(id)),
            Err(error) => return Err(error),
        };
        let commit = CommitRef::from_bytes(&object.data, id.kind())
            .map_err(|error| Error::Malformed(format!("commit {id}: {error}")))?;
        let author = commit.author().ok();
        entries.push(Entry {
            time: author.and_then(|author| author.time().ok()).map(local_time).unwrap_or_default(),
            author: short(author.map(|author| author.name.to_string()).unwrap_or_default()),
            summary: short(commit.message_summary().to_string()),
            id: id.to_hex_with_len(10).to_string(),
        });
        next = commit.parents().next().filter(|_| !objects.is_shallow(&id));
    }
    Ok(entries)
}

fn short(text: String) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

fn local_time(time: gix_object::date::Time) -> String {
    let local = time.seconds.saturating_add(i64::from(time.offset));
    match chrono::DateTime::from_timestamp(local, 0) {
        Some(time) => time.format("%Y-%m-%d %H:%M").to_string(),
        None => String::new(),
    }
}
