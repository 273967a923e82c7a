//! What calendars in a pushed tree must satisfy: the same as after a PUT (RFC 4791 §4.1, §5.3.2.1).
//!
//! Only what the push changes is examined, so a push costs by its size. Files outside calendars, and files
//! in calendars whose names do not end in `.ics`, are nobody's business but their owner's.
//!
//! Calendar objects are examined while they are received, when they are at hand. Which of them are new in a
//! calendar, and what it takes, is known in the end; those that are wrong are then read again, to say why.

use crate::{
    Service,
    collection::{COLLECTION_FILE, Collection, is_ics},
    collection_cache::CollectionCache,
    index::Index,
    push_policy::seen::Seen,
};
use bytes::Bytes;
use kalends_icalendar::{CalendarObject, ComponentKind, Identity, KnownZones, Limits, Violation};
use kalends_store::{
    Deciding, EntryKind, EntryMode, Error, Kind, ObjectId, Objects, Pace, PushPolicy, PushedUpdate, Refusal,
    Tree,
};
use std::{
    cell::RefCell,
    collections::{BTreeMap, HashMap, HashSet},
    rc::Rc,
};

/// Mistakes that are listed; after these the rest is not looked at.
const MOST_PROBLEMS: usize = 20;
/// What a byte of a calendar object costs to examine, in units of [`Pace`].
const COST: u64 = 8;
/// What a file costs whose object was examined before.
const COST_OF_FILE: u64 = 1000;

/// Examines pushes to a user's repository.
pub(super) struct CalendarRules {
    collections: Rc<CollectionCache>,
    index: Rc<Index>,
    limits: Limits,
    seen: Seen,
    zones: RefCell<KnownZones>,
}

impl CalendarRules {
    /// The rules as the server's settings have them now.
    pub(super) fn new(service: &Service) -> Self {
        let most = service.realm.server().max_resource_size;
        Self {
            collections: service.collections.clone(),
            index: service.index.clone(),
            limits: Limits { bytes: usize::try_from(most).unwrap_or(usize::MAX), ..Limits::default() },
            seen: Seen::within(service.options.push_memory),
            zones: RefCell::default(),
        }
    }

    fn examine(
        &self,
        data: impl Into<Bytes>,
        supported: &[ComponentKind],
    ) -> Result<Identity, Vec<Violation>> {
        match CalendarObject::parse(data, &self.limits) {
            Ok(object) => object.check_known(supported, &mut self.zones.borrow_mut()),
            Err(violation) => Err(vec![violation]),
        }
    }
}

impl PushPolicy for CalendarRules {
    fn watches(&self, _name: &str) -> bool {
        true
    }

    fn see(&self, id: &ObjectId, kind: Kind, data: &[u8], pace: &Pace) {
        const START: &[u8] = b"BEGIN:VCALENDAR";
        if kind == Kind::Blob
            && data.get(..START.len()).is_some_and(|start| start.eq_ignore_ascii_case(START))
            && data.len() <= self.limits.bytes
            && self.seen.has_room()
        {
            pace.owe(COST * data.len() as u64);
            if let Ok(identity) = self.examine(Bytes::copy_from_slice(data), &ComponentKind::ALL) {
                self.seen.add(*id, &identity);
            }
        }
    }

    fn check<'a>(
        &'a self,
        objects: &'a dyn Objects,
        update: &'a PushedUpdate,
        pace: &'a Pace,
    ) -> Deciding<'a> {
        Box::pin(async move {
            let Some(new) = update.new else { return Ok(Ok(())) };
            let new = objects.tree_of_commit(&new)?;
            let old = match update.old {
                Some(old) => Some(objects.tree_of_commit(&old)?),
                None => None,
            };
            let mut examination = Examination { rules: self, objects, pace, problems: Vec::new() };
            examination.home(old, new).await?;
            let mut details = examination.problems;
            if details.is_empty() {
                return Ok(Ok(()));
            }
            if details.len() >= MOST_PROBLEMS {
                details.push("there may be more; the rest was not examined".into());
            }
            Ok(Err(Refusal { summary: "calendar rules".into(), details }))
        })
    }
}

/// A directory to look at.
struct Visit {
    /// From the root, with a final slash unless it is the root.
    path: String,
    old: Option<ObjectId>,
    new: ObjectId,
    in_calendar: bool,
}

struct Examination<'a> {
    rules: &'a CalendarRules,
    objects: &'a dyn Objects,
    pace: &'a Pace,
    problems: Vec<String>,
}

impl Examination<'_> {
    fn problem(&mut self, problem: String) {
        if self.problems.len() < MOST_PROBLEMS {
            self.problems.push(problem);
        }
    }

    /// Looks at everything that differs.
    async fn home(&mut self, old: Option<ObjectId>, new: ObjectId) -> Result<(), Error> {
        // A few trees can name each other in a great many paths; the same contents are the same mistakes.
        let mut seen = HashSet::new();
        let mut visits = vec![Visit { path: String::new(), old, new, in_calendar: false }];
        while let Some(visit) = visits.pop() {
            if self.problems.len() >= MOST_PROBLEMS {
                break;
            }
            if visit.old == Some(visit.new) || !seen.insert((visit.old, visit.new, visit.in_calendar)) {
                continue;
            }
            self.directory(visit, &mut visits).await?;
        }
        Ok(())
    }

    async fn directory(&mut self, visit: Visit, visits: &mut Vec<Visit>) -> Result<(), Error> {
        let new = self.objects.tree(&visit.new)?;
        let old = match &visit.old {
            Some(old) => self.objects.tree(old)?,
            None => Rc::default(),
        };
        self.pace.spend(new.byte_len() as u64).await;
        let is_home = visit.path.is_empty();
        let collection = match self.described(&visit.path, &old, &new)? {
            Some(collection) => collection,
            None => return Ok(()),
        };
        let is_calendar = collection.is_calendar() && !is_home;
        if is_calendar && visit.in_calendar {
            self.problem(format!("{}: a calendar cannot be inside another (RFC 4791 §4.2)", visit.path));
            return Ok(());
        }
        let mut files = BTreeMap::new();
        for change in old.changes(&new) {
            let Some((mode, id)) = change.new else {
                // A name that went may give its UID to another.
                files.entry(change.name.to_vec()).or_insert(None);
                continue;
            };
            if mode.is_tree() {
                visits.push(Visit {
                    path: format!("{}{}/", visit.path, change.name),
                    old: change.old.filter(|(mode, _)| mode.is_tree()).map(|(_, id)| id.to_owned()),
                    new: id.to_owned(),
                    in_calendar: visit.in_calendar || is_calendar,
                });
            } else {
                files.insert(change.name.to_vec(), Some((mode, id.to_owned())));
            }
        }
        if !is_calendar {
            return Ok(());
        }
        let mut before = visit.old;
        if self.other_rules_before(&old, &collection)? {
            // What was there was not examined by these rules.
            files = new
                .iter()
                .filter(|entry| !entry.mode.is_tree())
                .map(|entry| (entry.name.to_vec(), Some((entry.mode, entry.id.to_owned()))))
                .collect();
            before = None;
        }
        self.files(&visit.path, before, &collection, files).await
    }

    /// The collection that a directory is; `None` when its description cannot be read, which is a problem.
    fn described(&mut self, path: &str, old: &Tree, new: &Tree) -> Result<Option<Rc<Collection>>, Error> {
        let id = Collection::stored_id(new);
        let stored = match id {
            Some(id) if Collection::stored_id(old) != Some(id) => Collection::stored(self.objects, new)?,
            _ => None,
        };
        match stored {
            Some(Err(reason)) => {
                self.problem(format!("{path}{COLLECTION_FILE}: {}", reason.trim_end()));
                Ok(None)
            }
            Some(Ok(collection)) if path.is_empty() && collection.is_calendar() => {
                self.problem(format!(
                    "{COLLECTION_FILE}: the top of the repository is the calendar home; calendars are \
                     directories in it"
                ));
                Ok(None)
            }
            _ => self.rules.collections.of_tree(self.objects, new).map(Some),
        }
    }

    /// Whether files that were in the directory before were not held to the same rules.
    fn other_rules_before(&self, old: &Tree, collection: &Collection) -> Result<bool, Error> {
        if old.is_empty() {
            return Ok(false);
        }
        let before = self.rules.collections.of_tree(self.objects, old)?;
        Ok(!before.is_calendar() || before.components != collection.components)
    }

    /// Examines files of a calendar; `None` for those that are gone.
    async fn files(
        &mut self,
        path: &str,
        before: Option<ObjectId>,
        collection: &Collection,
        files: BTreeMap<Vec<u8>, Option<(EntryMode, ObjectId)>>,
    ) -> Result<(), Error> {
        let supported = collection.supported_kinds();
        let mut uids: HashMap<String, &[u8]> = HashMap::new();
        for (name, entry) in &files {
            let Some((mode, id)) = entry else { continue };
            if !is_ics(name) {
                continue;
            }
            if self.problems.len() >= MOST_PROBLEMS {
                break;
            }
            let file = || format!("{path}{}", String::from_utf8_lossy(name));
            if !matches!(mode.kind(), EntryKind::Blob | EntryKind::BlobExecutable) {
                let file = file();
                self.problem(format!("{file}: a calendar object must be a file, not a link or submodule"));
                continue;
            }
            let checked = match self.rules.seen.get(id) {
                Some(identity) if supported.contains(&identity.kind) => {
                    self.pace.spend(COST_OF_FILE).await;
                    Ok(identity)
                }
                _ => {
                    let data = self.objects.object(id)?.data;
                    self.pace.spend(COST * data.len() as u64).await;
                    self.rules.examine(data, &supported)
                }
            };
            let identity = match checked {
                Ok(identity) => identity,
                Err(violations) => {
                    let file = file();
                    for violation in violations {
                        self.problem(format!("{file}:{violation}"));
                    }
                    continue;
                }
            };
            let holder = match uids.get(&identity.uid) {
                Some(other) => Some(other.to_vec()),
                None => match &before {
                    Some(before) => {
                        self.rules.index.member_with_uid(self.objects, before, &identity.uid)?.filter(
                            // Of those that change, what they were before does not count.
                            |holder| !files.contains_key(holder),
                        )
                    }
                    None => None,
                },
            };
            if let Some(holder) = holder {
                let (file, holder) = (file(), String::from_utf8_lossy(&holder).into_owned());
                self.problem(format!(
                    "{file}: UID {:?} is that of {path}{holder} already (RFC 4791 §4.1)",
                    identity.uid
                ));
            }
            uids.insert(identity.uid, name);
        }
        Ok(())
    }
}
