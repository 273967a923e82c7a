//! The index against a look at every file.

use super::*;
use futures_util::FutureExt;
use kalends_block_backend::MemoryDevice;
use kalends_icalendar::{ComponentKind, TimeRange};
use kalends_store::{EntryKind, FormatOptions, Kind, Object, Repository, Store, TreeEdit};
use std::{cell::Cell, rc::Rc};

/// A repository that counts the objects read from it.
struct Counting {
    repository: Repository,
    read: Cell<usize>,
}

impl Counting {
    fn new() -> Self {
        let device = Rc::new(MemoryDevice::new(32 << 20));
        let store = Store::format(device, &FormatOptions::default()).unwrap();
        Self { repository: store.create_repository("ada").unwrap(), read: Cell::new(0) }
    }

    /// The tree that results from writing (or removing) these files.
    fn edit(&self, base: Option<&ObjectId>, files: &[(&str, Option<&str>)]) -> ObjectId {
        let mut transaction = self.repository.transaction();
        let edits: Vec<_> = files
            .iter()
            .map(|(name, content)| TreeEdit {
                name: name.as_bytes().to_vec(),
                entry: content.map(|content| {
                    let id = transaction.insert(Kind::Blob, content.to_string()).unwrap();
                    (EntryKind::Blob, id)
                }),
            })
            .collect();
        let tree = transaction.edit_tree(base, &edits).unwrap();
        drop(transaction.submit().unwrap());
        tree
    }

    fn reads_of<T>(&self, act: impl FnOnce() -> T) -> (usize, T) {
        let before = self.read.get();
        let result = act();
        (self.read.get() - before, result)
    }
}

impl Objects for Counting {
    fn object(&self, id: &ObjectId) -> Result<Object, Error> {
        self.read.set(self.read.get() + 1);
        self.repository.object(id)
    }

    fn tree(&self, id: &ObjectId) -> Result<Rc<Tree>, Error> {
        self.repository.tree(id)
    }
}

fn event(uid: &str, day: u32) -> String {
    format!(
        "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:x\nBEGIN:VEVENT\nUID:{uid}\nDTSTAMP:20260101T000000Z\n\
         DTSTART:202601{day:02}T100000Z\nEND:VEVENT\nEND:VCALENDAR\n"
    )
}

fn calendar(objects: &Counting, events: usize) -> ObjectId {
    let files: Vec<_> = (0..events)
        .map(|number| (format!("{number:04}.ics"), event(&format!("uid-{number}"), number as u32 % 28 + 1)))
        .collect();
    let files: Vec<_> = files.iter().map(|(name, text)| (name.as_str(), Some(text.as_str()))).collect();
    objects.edit(None, &files)
}

#[test]
fn a_change_reads_what_changed_and_nothing_else() {
    let objects = Counting::new();
    let index = Index::default();
    let tree = calendar(&objects, 300);
    let (read, found) = objects.reads_of(|| index.member_with_uid(&objects, &tree, "uid-7").unwrap());
    assert_eq!((read, found.as_deref()), (300, Some(&b"0007.ics"[..])));

    let changed = objects.edit(Some(&tree), &[("0007.ics", Some(&event("other", 1))), ("0009.ics", None)]);
    let (read, found) = objects.reads_of(|| index.member_with_uid(&objects, &changed, "other").unwrap());
    assert_eq!((read, found.as_deref()), (1, Some(&b"0007.ics"[..])));
    assert_eq!(index.member_with_uid(&objects, &changed, "uid-7").unwrap(), None);
    assert_eq!(index.member_with_uid(&objects, &changed, "uid-9").unwrap(), None);

    // The state before is at hand again at the same price: readers see it until the change is durable.
    let (read, found) = objects.reads_of(|| index.member_with_uid(&objects, &tree, "uid-7").unwrap());
    assert_eq!((read, found.as_deref()), (2, Some(&b"0007.ics"[..])));
}

#[test]
fn of_several_members_with_one_uid_the_first_is_found() {
    let objects = Counting::new();
    let index = Index::default();
    let tree = objects.edit(
        None,
        &[
            ("b.ics", Some(&event("same", 1))),
            ("a.ics", Some(&event("same", 1))),
            ("c.ics", Some(&event("own", 1))),
            ("d.ics", Some(&event("same", 2))),
            ("notes.txt", Some(&event("same", 3))),
        ],
    );
    assert_eq!(index.member_with_uid(&objects, &tree, "same").unwrap().as_deref(), Some(&b"a.ics"[..]));
    let one = objects.edit(Some(&tree), &[("a.ics", None), ("d.ics", None)]);
    assert_eq!(index.member_with_uid(&objects, &one, "same").unwrap().as_deref(), Some(&b"b.ics"[..]));
}

#[test]
fn files_that_are_no_calendar_objects_are_passed_over() {
    let objects = Counting::new();
    let index = Index::default();
    let tree = objects.edit(
        None,
        &[
            ("broken.ics", Some("BEGIN:VCALENDAR\n")),
            ("empty.ics", Some("")),
            ("nouid.ics", Some("BEGIN:VCALENDAR\nBEGIN:VEVENT\nEND:VEVENT\nEND:VCALENDAR\n")),
            ("whole.ics", Some(&event("whole", 1))),
        ],
    );
    assert_eq!(index.member_with_uid(&objects, &tree, "whole").unwrap().as_deref(), Some(&b"whole.ics"[..]));
    let count = |wanted| index.with(&objects, &tree, |calendar| calendar.candidates(wanted).count()).unwrap();
    assert_eq!(count(Wanted { kind: Some(ComponentKind::Event), ..Wanted::default() }), 1);
    assert_eq!(count(Wanted::default()), 4);
}

#[test]
fn a_range_leaves_few_candidates() {
    let objects = Counting::new();
    let index = Index::default();
    let tree = calendar(&objects, 280);
    let day = |day: i64| 1_767_225_600 + day * 86_400;
    let range = TimeRange { start: Some(day(4)), end: Some(day(5)) };
    let count = |kind| {
        let wanted = Wanted { kind: Some(kind), range: Some(range), uid: None };
        index.with(&objects, &tree, |calendar| calendar.candidates(wanted).count()).unwrap()
    };
    assert_eq!(count(ComponentKind::Event), 10);
    assert_eq!(count(ComponentKind::Todo), 0);
}

#[test]
fn memory_is_bounded_and_what_was_dropped_is_made_again() {
    let objects = Counting::new();
    let trees: Vec<_> = (0..20)
        .map(|number| {
            let files: Vec<_> = (0..40)
                .map(|file| (format!("{number}-{file}.ics"), event(&format!("{number}-{file}"), 1)))
                .collect();
            let files: Vec<_> =
                files.iter().map(|(name, text)| (name.as_str(), Some(text.as_str()))).collect();
            objects.edit(None, &files)
        })
        .collect();
    let memory = 100 << 10;
    let index = Index::with_memory(memory);
    for round in 0..2 {
        for (number, tree) in trees.iter().enumerate() {
            let (read, found) = objects.reads_of(|| {
                index.member_with_uid(&objects, tree, &format!("{number}-39")).unwrap().is_some()
            });
            assert_eq!((read, found), (40, true), "round {round}");
            let state = index.state.borrow();
            let bytes: usize = state.calendars.values().map(|kept| kept.index.bytes()).sum();
            assert_eq!(state.bytes, bytes);
            assert!(bytes <= memory && !state.calendars.is_empty(), "{bytes}");
        }
    }
    // The last one used is still there.
    assert_eq!(objects.reads_of(|| index.member_with_uid(&objects, &trees[19], "x").unwrap()), (0, None));
}

#[test]
fn making_a_large_index_gives_way_to_other_requests() {
    let objects = Counting::new();
    let index = Index::default();
    let tree = calendar(&objects, 200);
    let mut prepare = Box::pin(index.prepare(&objects, &tree));
    let mut turns = 0;
    while prepare.as_mut().now_or_never().is_none() {
        turns += 1;
        assert!(turns < 100);
    }
    assert!(turns >= 200 / PAUSE, "{turns}");
    assert_eq!(objects.read.get(), 200);
    assert!(index.member_with_uid(&objects, &tree, "uid-199").unwrap().is_some());
    assert_eq!(objects.read.get(), 200);
}

#[test]
fn any_series_of_changes_gives_what_reading_everything_gives() {
    use proptest::{collection, prelude::*, test_runner::TestRunner};
    let edit = ("[ab][0-3]\\.(ics|txt)", prop::option::of((0_u32..4, 1_u32..28)));
    let steps = collection::vec(collection::btree_map(edit.0, edit.1, 1..6), 1..8);
    let objects = Counting::new();
    TestRunner::new(ProptestConfig::with_cases(64))
        .run(&steps, |steps| {
            let index = Index::default();
            let mut tree = None;
            let mut trees = Vec::new();
            for step in steps {
                let texts: Vec<_> = step
                    .iter()
                    .map(|(name, content)| (name, content.map(|(uid, day)| event(&uid.to_string(), day))))
                    .collect();
                let files: Vec<_> =
                    texts.iter().map(|(name, text)| (name.as_str(), text.as_deref())).collect();
                tree = Some(objects.edit(tree.as_ref(), &files));
                trees.extend(tree);
            }
            for tree in trees.iter().chain(trees.iter().rev()) {
                let fresh = Index::default();
                for uid in ["0", "1", "2", "3", "4"] {
                    prop_assert_eq!(
                        index.member_with_uid(&objects, tree, uid).unwrap(),
                        fresh.member_with_uid(&objects, tree, uid).unwrap()
                    );
                }
                let list = |index: &Index| {
                    index
                        .with(&objects, tree, |calendar| {
                            let all = calendar.candidates(Wanted::default());
                            let all: Vec<_> = all.map(|(name, id, _)| (name.to_vec(), *id)).collect();
                            (all, calendar.bytes())
                        })
                        .unwrap()
                };
                prop_assert_eq!(list(&index), list(&fresh));
            }
            Ok(())
        })
        .unwrap();
}
