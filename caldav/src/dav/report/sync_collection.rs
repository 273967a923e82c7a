//! DAV:sync-collection (RFC 6578): what changed in a collection since a token, by comparing two trees.
//!
//! An answer that is cut off leads to the tree it began with, however often the collection changes
//! meanwhile: its token names that tree, the one before it and how many of the changes between them were
//! told. The changes of two trees are always the same, in the same order, so nothing is to be remembered.

use super::{Call, calendar_data::Reading, member_writer::MemberWriter, not_here, write_truncation};
use crate::{
    ResponseBody,
    dav::{
        DavError, Depth,
        home::Home,
        location::{HomePath, MAX_SEGMENTS, encode_into},
        multistatus,
        resource::Resource,
        sync_token::{Progress, SyncToken},
        xml::{DAV, Element},
        xml_writer::tagged,
    },
    snapshot::{Directory, Node, Snapshot, is_member_file},
};
use http::{Response, StatusCode};
use kalends_store::{EntryMode, Error, ObjectId, Tree, TreeEntry, oid};
use std::{
    ops::{ControlFlow, Range},
    rc::Rc,
};

/// Changes that one answer tells at most. Clients that pass over 507 learn of the rest the next time, as
/// their token is for what they were told.
const MAX_PER_ANSWER: usize = 20_000;
/// Changes that one synchronisation comes to at most, over all its answers.
const MAX_CHANGES: usize = 1_000_000;

/// Answers the report.
///
/// # Errors
/// 403 `DAV:valid-sync-token` for a token that is not of this collection or whose state is gone, 400 for a
/// malformed request, 507 when not even one change may be told.
pub(super) fn answer(call: Call) -> Result<Response<ResponseBody>, DavError> {
    let Resource::Node { home, path, node: Node::Directory(now) } = &call.resource else {
        return Err(not_here());
    };
    let request = SyncRequest::parse(&call.body, call.depth)?;
    let mut writer = MemberWriter::new(&call, home, &Reading::of(&call.body)?)?;
    let difference = Difference::find(home, path, now, &request)?;
    if difference.truncated && request.limit == 0 {
        let reason = "there are changes, and the request allows to tell none";
        let status = StatusCode::INSUFFICIENT_STORAGE;
        return Err(DavError::dav(status, "number-of-matches-within-limits", reason));
    }
    let mut end = String::new();
    if difference.truncated {
        write_truncation(&mut end, &path.href(), "more has changed: ask again with the new sync-token");
    }
    tagged(&mut end, "D:sync-token", &difference.token.to_text(path));
    end.push('\n');

    let home = home.clone();
    let names = difference.names;
    let mut changes = difference.changes.into_iter();
    let mut href = String::new();
    let next = move |out: &mut String| {
        let Some(Change { place, name, is_collection, now }) = changes.next() else { return false };
        let name = names.get(name).unwrap_or_default();
        href.clear();
        href.push_str(&place.href);
        encode_into(&mut href, name);
        if is_collection {
            href.push('/');
        }
        match now.as_ref().map(|(mode, id)| TreeEntry { mode: *mode, name: name.into(), id }) {
            None => multistatus::write_status(out, &href, StatusCode::NOT_FOUND),
            Some(entry) if is_member_file(&entry) => {
                writer.write_entry(out, &href, &place.directory, entry);
            }
            Some(entry) => match home.snapshot().node(&place.directory, entry) {
                Ok(Some(node)) => writer.write_node(out, &place.path.member(name, is_collection), &node),
                Ok(None) => multistatus::write_status(out, &href, StatusCode::NOT_FOUND),
                Err(error) => multistatus::write_error(out, &href, &error.into()),
            },
        }
        true
    };
    Ok(multistatus::response(next, end))
}

/// What is asked.
struct SyncRequest {
    /// `None` when the client knows nothing yet.
    token: Option<String>,
    /// Whether members of members count.
    infinite: bool,
    /// Changes to tell at most.
    limit: usize,
}

impl SyncRequest {
    /// Reads the body. RFC 6578 §3.2 has `Depth: 0` only, but drafts of it had no `DAV:sync-level`, and
    /// clients send both for old servers: without a level, the depth is the level; with one, it is ignored.
    fn parse(body: &Element, depth: Option<Depth>) -> Result<Self, DavError> {
        let bad = |reason: String| DavError::new(StatusCode::BAD_REQUEST, reason);
        let token = body
            .element(DAV, "sync-token")
            .ok_or_else(|| bad("a sync-collection has a sync-token, empty at first".into()))?;
        let token = token.text().trim().to_owned();
        let infinite = match (body.element(DAV, "sync-level"), depth) {
            (Some(level), _) => match level.text().trim() {
                "1" => false,
                "infinite" | "infinity" => true,
                other => return Err(bad(format!("sync-level is 1 or infinite, not {other:?}"))),
            },
            (None, Some(Depth::Infinity)) => true,
            (None, Some(Depth::Zero | Depth::One) | None) => false,
        };
        let limit = match body.element(DAV, "limit") {
            None => MAX_PER_ANSWER,
            Some(limit) => {
                let text = limit.element(DAV, "nresults").map(|number| number.text().trim().to_owned());
                let text = text.unwrap_or_default();
                if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
                    return Err(bad(format!("nresults is a number, not {text:?}")));
                }
                // More digits than a usize has is as good as no limit.
                text.parse().map_or(MAX_PER_ANSWER, |number: usize| number.min(MAX_PER_ANSWER))
            }
        };
        Ok(Self { token: (!token.is_empty()).then_some(token), infinite, limit })
    }
}

/// One member that changed.
struct Change {
    place: Rc<Place>,
    /// Where its name is among the names.
    name: Range<usize>,
    is_collection: bool,
    /// Its mode and object, unless it was removed.
    now: Option<(EntryMode, ObjectId)>,
}

/// A collection in the state that the answer leads to.
struct Place {
    path: HomePath,
    /// The URL of the path.
    href: String,
    directory: Rc<Directory>,
}

impl Place {
    fn new(path: HomePath, directory: Rc<Directory>) -> Rc<Self> {
        Rc::new(Self { href: path.href(), path, directory })
    }
}

/// What an answer tells.
struct Difference {
    changes: Vec<Change>,
    /// The names of what changed, one after the other.
    names: Vec<u8>,
    /// What the client knows with these changes.
    token: SyncToken,
    /// Whether the collection has changed beyond that.
    truncated: bool,
}

impl Difference {
    fn find(
        home: &Home,
        path: &HomePath,
        now: &Rc<Directory>,
        request: &SyncRequest,
    ) -> Result<Self, DavError> {
        let invalid = |reason: &str| {
            let reason = format!("{reason}; begin again without a token");
            DavError::dav(StatusCode::FORBIDDEN, "valid-sync-token", reason)
        };
        let snapshot = home.snapshot();
        let known = |id: ObjectId| match snapshot.directory(id) {
            Ok(directory) => Ok(Some(directory)),
            Err(Error::NoObject(_)) if Tree::default().id()? == id => Ok(None),
            // A rewritten history, or a token made up.
            Err(Error::NoObject(_) | Error::UnexpectedKind(_)) => {
                Err(invalid("the state that the sync-token names is gone"))
            }
            Err(error) => Err(error.into()),
        };
        let (from, target, told) = match &request.token {
            None => (None, now.clone(), 0),
            Some(text) => {
                let token = SyncToken::parse(path, text)
                    .ok_or_else(|| invalid("the sync-token is not one of this collection"))?;
                match token.progress {
                    None => (Some(token.tree), now.clone(), 0),
                    Some(progress) if progress.infinite != request.infinite => {
                        return Err(invalid("the sync-token is for another sync-level"));
                    }
                    Some(progress) => {
                        let target = known(token.tree)?
                            .ok_or_else(|| invalid("the sync-token names no state on the way to another"))?;
                        (progress.from, target, progress.count as usize)
                    }
                }
            }
        };
        let before = match from {
            Some(id) => known(id)?,
            None => None,
        };
        let mut walk = Walk {
            snapshot: &snapshot,
            infinite: request.infinite,
            skip: told,
            limit: request.limit,
            changes: Vec::new(),
            names: Vec::new(),
            truncated: false,
        };
        if told.saturating_add(request.limit) > MAX_CHANGES {
            let reason = format!("the collection has more than {MAX_CHANGES} members");
            let status = StatusCode::INSUFFICIENT_STORAGE;
            return Err(DavError::dav(status, "number-of-matches-within-limits", reason));
        }
        let place = Place::new(path.clone(), target.clone());
        let _ = walk.compare(before.as_deref(), &place)?;
        let Walk { changes, names, truncated, .. } = walk;
        let progress = truncated.then(|| Progress {
            from,
            count: (told + changes.len()) as u32,
            infinite: request.infinite,
        });
        let token = SyncToken { tree: target.id, progress };
        Ok(Self { changes, names, token, truncated: truncated || target.id != now.id })
    }
}

/// A walk over the changes between two trees.
struct Walk<'a> {
    snapshot: &'a Snapshot<'a>,
    infinite: bool,
    /// Changes still to pass over.
    skip: usize,
    limit: usize,
    changes: Vec<Change>,
    names: Vec<u8>,
    /// Whether there are more changes than the limit.
    truncated: bool,
}

impl Walk<'_> {
    /// Adds the changes from `old` to the collection at `place`; breaks when there are too many.
    fn compare(&mut self, old: Option<&Directory>, place: &Rc<Place>) -> Result<ControlFlow<()>, Error> {
        let nothing = Tree::default();
        let new = &place.directory;
        if old.is_some_and(|old| old.id == new.id) {
            return Ok(ControlFlow::Continue(()));
        }
        let old_tree = old.map_or(&nothing, |old| &*old.tree);
        for change in old_tree.changes(&new.tree) {
            let before = change.old.filter(|(mode, id)| is_member(*mode, change.name, id));
            let after = change.new.filter(|(mode, id)| is_member(*mode, change.name, id));
            let Some((mode, _)) = after.or(before) else { continue };
            let told = self.tell(place, change.name, mode.is_tree(), after);
            if told.is_break() {
                return Ok(told);
            }
            // A collection that is gone takes its members along; deeper ones have no URL.
            if self.infinite
                && let Some((_, id)) = after.filter(|(mode, _)| mode.is_tree())
                && place.path.segments.len() + 1 < MAX_SEGMENTS
            {
                let old = before.filter(|(mode, _)| mode.is_tree()).map(|(_, id)| id.to_owned());
                let old = old.map(|id| self.snapshot.directory(id)).transpose()?;
                let directory = self.snapshot.directory(id.to_owned())?;
                let path = place.path.member(change.name, true);
                let below = self.compare(old.as_deref(), &Place::new(path, directory))?;
                if below.is_break() {
                    return Ok(below);
                }
            }
        }
        match old {
            Some(old) => self.compare_properties(old, place),
            None => Ok(ControlFlow::Continue(())),
        }
    }

    /// Adds the members that are the same files as before but have other dead properties, which are kept
    /// in the file of the collection.
    fn compare_properties(&mut self, old: &Directory, place: &Rc<Place>) -> Result<ControlFlow<()>, Error> {
        let new = &place.directory;
        let (before, after) = (&old.collection.members, &new.collection.members);
        if Rc::ptr_eq(&old.collection, &new.collection) || before == after {
            return Ok(ControlFlow::Continue(()));
        }
        let names = after.keys().chain(before.keys().filter(|name| !after.contains_key(*name)));
        for name in names.filter(|name| before.get(*name) != after.get(*name)) {
            let entry = new.tree.find(name).filter(|entry| is_member(entry.mode, entry.name, entry.id));
            let unchanged = entry.filter(|entry| old.tree.find(name).as_ref() == Some(entry));
            if let Some(entry) = unchanged {
                let now = Some((entry.mode, entry.id));
                let told = self.tell(place, name.as_bytes(), entry.mode.is_tree(), now);
                if told.is_break() {
                    return Ok(told);
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn tell(
        &mut self,
        place: &Rc<Place>,
        name: &[u8],
        is_collection: bool,
        now: Option<(EntryMode, &oid)>,
    ) -> ControlFlow<()> {
        if self.skip > 0 {
            self.skip -= 1;
            return ControlFlow::Continue(());
        }
        if self.changes.len() >= self.limit {
            self.truncated = true;
            return ControlFlow::Break(());
        }
        let start = self.names.len();
        self.names.extend_from_slice(name);
        let name = start..self.names.len();
        let now = now.map(|(mode, id)| (mode, id.to_owned()));
        self.changes.push(Change { place: place.clone(), name, is_collection, now });
        ControlFlow::Continue(())
    }
}

/// Whether an entry of a directory is a member of the collection.
fn is_member(mode: EntryMode, name: &[u8], id: &oid) -> bool {
    mode.is_tree() || is_member_file(&TreeEntry { mode, name: name.into(), id })
}
