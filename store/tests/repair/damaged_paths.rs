//! What the check says of damage in a compacted store: paths, and from which commit to which.

use crate::store::{MAIN, Original, check, noise, overwrite};
use futures_executor::block_on;
use kalends_store::{EntryKind, Kind, ObjectId, Objects, ReferenceUpdate, Repository, Store, TreeEdit};

const COMMITS: usize = 120;
const EVENTS: usize = 40;
const WHO: &str = "A <a@example.org> 1700000000 +0000";

/// Commits `calendar/<name>`.
fn put(repository: &Repository, name: &str, content: Vec<u8>) {
    let mut transaction = repository.transaction();
    let parent = repository.latest_reference(MAIN);
    let root = parent.map(|parent| repository.tree_of_commit(&parent).unwrap());
    let calendar = root.map(|root| repository.tree(&root).unwrap().find("calendar").unwrap().id.to_owned());
    let blob = transaction.insert(Kind::Blob, content).unwrap();
    let edit = |name: &str, kind, id| TreeEdit { name: name.into(), entry: Some((kind, id)) };
    let calendar = transaction.edit_tree(calendar.as_ref(), &[edit(name, EntryKind::Blob, blob)]).unwrap();
    let root = transaction.edit_tree(root.as_ref(), &[edit("calendar", EntryKind::Tree, calendar)]).unwrap();
    let line = parent.map(|parent| format!("parent {parent}\n")).unwrap_or_default();
    let text = format!("tree {root}\n{line}author {WHO}\ncommitter {WHO}\n\n{name}\n");
    let commit = transaction.insert(Kind::Commit, text).unwrap();
    transaction.update_reference(ReferenceUpdate { name: MAIN.into(), expected: parent, new: Some(commit) });
    block_on(transaction.submit().unwrap()).unwrap();
}

/// A compacted store of which each commit changes one of the events, and its commits, oldest first.
fn compacted() -> (Original, Vec<ObjectId>) {
    let original = Original::new(24, |store| {
        let ada = store.create_repository("ada").unwrap();
        for number in 0..COMMITS {
            put(&ada, &format!("{}.ics", number % EVENTS), noise(number as u64, 5000));
        }
        assert_eq!(block_on(store.compact()).unwrap().packs, 1);
    });
    let store = Store::open(original.device()).unwrap();
    let ada = store.repository("ada").unwrap();
    let mut commits = vec![ada.reference(MAIN).unwrap()];
    loop {
        let text = ada.object(commits.last().unwrap()).unwrap().data;
        let text = String::from_utf8(text.to_vec()).unwrap();
        let Some(parent) = text.lines().find_map(|line| line.strip_prefix("parent ")) else { break };
        commits.push(ObjectId::from_hex(parent.as_bytes()).unwrap());
    }
    commits.reverse();
    assert_eq!(commits.len(), COMMITS);
    (original, commits)
}

/// The lines of the check of a device on which a bit of an object is flipped.
fn findings_of(original: &Original, id: &ObjectId) -> Vec<String> {
    let store = Store::open(original.device()).unwrap();
    let entry = store.repository("ada").unwrap().encoded(id).unwrap();
    let device = original.device();
    // Copies of it that are in no use are damaged too.
    for place in original.places(&entry.zlib) {
        device.flip_bit((place + entry.zlib.len() / 2) as u64, 2);
    }
    let (summary, findings) = check(&device);
    assert!(!summary.is_clean());
    // The older checkpoint may need the log of before, which is damaged too.
    let lines = findings.iter().map(ToString::to_string);
    lines.filter(|line| line.starts_with("ada: ")).collect()
}

#[test]
fn a_damaged_file_is_named_with_its_path_and_the_first_and_last_commit_that_have_it() {
    let (original, commits) = compacted();
    let store = Store::open(original.device()).unwrap();
    let ada = store.repository("ada").unwrap();
    for (changed, path) in [(47, "calendar/7.ics"), (0, "calendar/0.ics"), (119, "calendar/39.ics")] {
        let root = ada.tree_of_commit(&commits[changed]).unwrap();
        let calendar = ada.tree(&root).unwrap().find("calendar").unwrap().id.to_owned();
        let name = path.rsplit('/').next().unwrap();
        let blob = ada.tree(&calendar).unwrap().find(name).unwrap().id.to_owned();
        let lines = findings_of(&original, &blob);
        let last = (changed + EVENTS - 1).min(COMMITS - 1);
        let place = match last - changed {
            0 => format!("commit {}", commits[changed]),
            more => format!("{} commits, from {} to {}", more + 1, commits[changed], commits[last]),
        };
        // The pack, the object, and where it is.
        assert_eq!(lines.len(), 3, "{lines:?}");
        assert_eq!(lines[2], format!("ada: object {blob}: is file {path} in {place}"));
    }
}

#[test]
fn versions_of_a_directory_that_are_damaged_together_are_one_line() {
    let (original, commits) = compacted();
    let store = Store::open(original.device()).unwrap();
    let ada = store.repository("ada").unwrap();
    let calendar = |commit: &ObjectId| {
        let root = ada.tree_of_commit(commit).unwrap();
        ada.tree(&root).unwrap().find("calendar").unwrap().id.to_owned()
    };
    // One that others are deltas against.
    let trees: Vec<ObjectId> = commits.iter().map(calendar).collect();
    let bases: Vec<Option<ObjectId>> = trees.iter().map(|id| ada.encoded(id).unwrap().delta_base).collect();
    let dependents = |tree: &ObjectId| -> Vec<usize> {
        let depends = |mut at: usize| loop {
            match bases[at].and_then(|base| trees.iter().position(|tree| *tree == base)) {
                Some(base) if trees[base] == *tree => return true,
                Some(base) => at = base,
                None => return false,
            }
        };
        (0..COMMITS).filter(|at| trees[*at] == *tree || depends(*at)).collect()
    };
    let base = trees.iter().max_by_key(|tree| dependents(tree).len()).unwrap();
    let damaged = dependents(base);
    assert!(damaged.len() > 20, "{}", damaged.len());
    let lines = findings_of(&original, base);
    let (first, last) = (commits[damaged[0]], commits[*damaged.last().unwrap()]);
    let expected = format!(
        "ada: {count} versions of directory calendar/ are damaged, in {count} commits, from {first} to {last}",
        count = damaged.len()
    );
    assert!(lines.contains(&expected), "{expected}: {lines:#?}");
    assert!(
        lines.iter().any(|line| line.contains(" deltas, on it or on one another, cannot be read")),
        "{lines:?}"
    );
    assert!(lines.len() < 40, "{lines:?}");
}

#[test]
fn much_damage_is_told_once_for_each_object_and_for_each_path() {
    let (original, _) = compacted();
    let pack = original.places(b"PACK\0\0\0\x02")[0];
    let device = original.device();
    overwrite(&device, pack + 1024, 1200);
    let (summary, findings) = check(&device);
    let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
    // Commit, two directories and a file of each change.
    let objects = 4 * COMMITS as u64;
    assert!((objects - 50..objects + 10).contains(&summary.damage), "{summary:?}");
    // Of what is reached by no whole object, a hundred.
    assert!(lines.len() as u64 <= summary.damage + 102, "{}", lines.len());
    // Commits lie first in a pack.
    assert!(lines.iter().any(|line| line.contains("refs/heads/main names it")), "{lines:?}");
    assert!(
        lines.iter().any(
            |line| line.ends_with("more objects are reached by no reference, or by damaged objects only")
        )
    );
}
