//! The index of one calendar.

use crate::{collection::is_ics, stored_object};
use kalends_icalendar::{ComponentKind, Summary, TextMatch, TimeRange};
use kalends_store::{EntryKind, EntryMode, Error, ObjectId, Objects, Tree};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    hash::{BuildHasher, RandomState},
    rc::Rc,
};

/// Bytes that a member takes beside names: entries of two maps, half full at worst, and two allocations.
const MEMBER: usize = 2 * (size_of::<Rc<[u8]>>() + size_of::<Member>() + size_of::<(u64, Rc<[u8]>)>()) + 48;

/// What is known of the calendar objects in one tree.
#[derive(Clone, Default)]
pub(crate) struct CalendarIndex {
    tree: Rc<Tree>,
    /// By name.
    members: BTreeMap<Rc<[u8]>, Member>,
    /// Hashes of UIDs, and who has them.
    by_uid: BTreeSet<(u64, Rc<[u8]>)>,
    hasher: RandomState,
    /// Of the members, about.
    bytes: usize,
}

#[derive(Clone)]
struct Member {
    id: ObjectId,
    /// `None` for what is no calendar object; the rules keep such files out, old data may have them.
    summary: Option<Rc<Summary>>,
}

impl CalendarIndex {
    /// The tree that it tells of.
    pub(crate) fn tree(&self) -> &Tree {
        &self.tree
    }

    /// Bytes of memory that it takes, about.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes + self.tree.memory() + size_of::<Self>()
    }

    /// The objects in `tree` that are not in the index.
    pub(super) fn unknown_objects(&self, tree: &Tree) -> Vec<ObjectId> {
        let new = self.tree.changes(tree).filter_map(|change| Some((change.name, change.new?)));
        new.filter(|(name, (mode, _))| is_object(*mode, name)).map(|(_, (_, id))| id.to_owned()).collect()
    }

    /// Makes it tell of `tree`. `summaries` has all [`unknown_objects`](Self::unknown_objects).
    pub(super) fn update(&mut self, tree: Rc<Tree>, summaries: &mut HashMap<ObjectId, Option<Summary>>) {
        let old = std::mem::replace(&mut self.tree, tree.clone());
        // The same content may have several names, but seldom does.
        let mut shared: HashMap<ObjectId, Option<Rc<Summary>>> = HashMap::new();
        for change in old.changes(&tree) {
            if change.old.is_some_and(|(mode, _)| is_object(mode, change.name)) {
                self.remove(change.name);
            }
            if let Some((_, id)) = change.new.filter(|(mode, _)| is_object(*mode, change.name)) {
                let id = id.to_owned();
                let summary = match summaries.remove(&id) {
                    Some(summary) => {
                        let summary = summary.map(Rc::new);
                        shared.insert(id, summary.clone());
                        summary
                    }
                    None => shared.get(&id).cloned().flatten(),
                };
                self.insert(change.name, Member { id, summary });
            }
        }
    }

    fn insert(&mut self, name: &[u8], member: Member) {
        let name: Rc<[u8]> = name.into();
        if let Some(summary) = &member.summary {
            self.by_uid.insert((self.hasher.hash_one(&*summary.uid), name.clone()));
        }
        self.bytes += bytes_of(&name, &member);
        self.members.insert(name, member);
    }

    fn remove(&mut self, name: &[u8]) {
        let Some((name, member)) = self.members.remove_entry(name) else { return };
        self.bytes -= bytes_of(&name, &member);
        if let Some(summary) = &member.summary {
            self.by_uid.remove(&(self.hasher.hash_one(&*summary.uid), name));
        }
    }

    /// The names of the members with this UID.
    pub(crate) fn members_with_uid<'a>(&'a self, uid: &'a str) -> impl Iterator<Item = &'a [u8]> {
        let hash = self.hasher.hash_one(uid);
        let first: Rc<[u8]> = Rc::default();
        self.by_uid
            .range((hash, first)..)
            .take_while(move |(found, _)| *found == hash)
            .map(|(_, name)| &**name)
            .filter(move |name| self.summary(name).is_some_and(|summary| *summary.uid == *uid))
    }

    fn summary(&self, name: &[u8]) -> Option<&Summary> {
        self.members.get(name)?.summary.as_deref()
    }

    /// The members that may hold what is wanted, each with what is known of it. A member of which nothing is
    /// known holds no component of any kind with a UID.
    pub(crate) fn candidates<'a>(
        &'a self,
        wanted: Wanted<'a>,
    ) -> impl Iterator<Item = (&'a Rc<[u8]>, &'a ObjectId, Option<&'a Summary>)> {
        let Wanted { kind, range, uid } = wanted;
        self.members.iter().map(|(name, member)| (name, &member.id, member.summary.as_deref())).filter(
            move |(.., summary)| match summary {
                Some(summary) => {
                    kind.is_none_or(|kind| summary.kind == kind)
                        && range.is_none_or(|range| summary.may_overlap(&range))
                        && uid.is_none_or(|uid| uid.collation.contains(&summary.uid, &uid.text))
                }
                None => kind.is_none() && range.is_none() && uid.is_none(),
            },
        )
    }
}

/// What an object must have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wanted<'a> {
    /// A component of this kind.
    pub(crate) kind: Option<ComponentKind>,
    /// A component that overlaps this range.
    pub(crate) range: Option<TimeRange>,
    /// A UID with this text; the condition is not negated.
    pub(crate) uid: Option<&'a TextMatch>,
}

fn bytes_of(name: &[u8], member: &Member) -> usize {
    MEMBER + name.len() + member.summary.as_ref().map_or(0, |summary| summary.size())
}

fn is_object(mode: EntryMode, name: &[u8]) -> bool {
    matches!(mode.kind(), EntryKind::Blob | EntryKind::BlobExecutable) && is_ics(name)
}

/// What the index keeps of an object; `None` when the file is no calendar object.
pub(super) fn summarize(objects: &(impl Objects + ?Sized), id: &ObjectId) -> Result<Option<Summary>, Error> {
    let data = match objects.object(id) {
        Ok(object) => object.data,
        // Larger than the store reads: no calendar object.
        Err(Error::Limit(_)) => return Ok(None),
        Err(error) => return Err(error),
    };
    Ok(stored_object::parse(data).ok().and_then(|object| Summary::of(&object)))
}
