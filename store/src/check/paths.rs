//! Where in the history damaged objects are: at which paths, and from which commit to which.

use super::{finding::Findings, links::Links, resolver::Resolver};
use crate::Tree;
use gix_hash::ObjectId;
use gix_object::Kind;
use std::collections::{BTreeMap, HashMap, hash_map::Entry};

/// Paths of one object that are told.
const PATHS_OF_OBJECT: usize = 8;
/// Paths of one repository that are told.
const PATHS: usize = 1000;

/// The commits that have something, in the order of the history.
#[derive(Clone, Copy)]
struct Commits {
    /// One that none of the others is before.
    first: u32,
    /// One that none of the others is after.
    last: u32,
    count: u32,
}

impl Commits {
    fn one(number: u32) -> Self {
        Self { first: number, last: number, count: 1 }
    }

    /// Adds commits of which none has been counted.
    fn add(&mut self, other: Self) {
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        self.count += other.count;
    }
}

/// A directory that is searched, by its number.
type Directory = usize;

/// A path where an affected object is.
struct Place {
    directory: Directory,
    name: Vec<u8>,
    commits: Commits,
}

/// Names paths and commits of affected objects.
///
/// Directories are searched level by level: a version of a directory is read once for each path that it is at,
/// however many commits have it. Memory: 60 bytes a commit, and as many for each version of the directories
/// of one level.
pub(super) struct PathFinder<'a> {
    repository: &'a str,
    resolver: &'a Resolver<'a>,
    /// Commits and their trees, each after its parents.
    history: Vec<(ObjectId, ObjectId)>,
    /// Parent and name of each directory; the first one is the root.
    directories: Vec<(Directory, Vec<u8>)>,
    numbers: HashMap<(Directory, Vec<u8>), Directory>,
    /// Places of each affected object that was found, at most [`PATHS_OF_OBJECT`] and one more.
    found: BTreeMap<ObjectId, Vec<Place>>,
}

const ROOT: Directory = 0;

impl<'a> PathFinder<'a> {
    pub(super) fn new(
        repository: &'a str,
        resolver: &'a Resolver<'a>,
        history: Vec<(ObjectId, ObjectId)>,
    ) -> Self {
        Self {
            repository,
            resolver,
            history,
            directories: vec![(ROOT, Vec::new())],
            numbers: HashMap::new(),
            found: BTreeMap::new(),
        }
    }

    /// Searches the whole history, and reports and forgets each affected object that it has.
    pub(super) fn report(mut self, links: &mut Links, findings: &mut Findings<'_>) {
        let mut level = HashMap::new();
        for (number, (_, tree)) in self.history.iter().enumerate() {
            join(level.entry((ROOT, *tree)), Commits::one(number as u32));
        }
        while !level.is_empty() {
            level = self.search(level, links);
        }
        for id in self.found.keys() {
            links.affected.remove(id);
        }
        self.tell(findings);
    }

    /// Searches versions of directories, and gives those of the directories in them.
    fn search(
        &mut self,
        level: HashMap<(Directory, ObjectId), Commits>,
        links: &Links,
    ) -> HashMap<(Directory, ObjectId), Commits> {
        // Versions that follow each other share bases of deltas.
        let mut versions: Vec<_> = level.into_iter().collect();
        versions.sort_unstable_by_key(|((directory, _), commits)| (*directory, commits.first));
        let mut below = HashMap::new();
        for ((directory, id), commits) in versions {
            if links.affected.contains(&id) {
                self.note(id, directory, &[], commits);
            }
            let Ok(object) = self.resolver.object(&id) else { continue };
            let Some(tree) = (object.kind == Kind::Tree).then(|| Tree::decode(object.data).ok()).flatten()
            else {
                continue;
            };
            for entry in tree.iter() {
                let id = entry.id.to_owned();
                if entry.mode.is_tree() {
                    join(below.entry((self.number(directory, entry.name), id)), commits);
                } else if links.affected.contains(&id) {
                    self.note(id, directory, entry.name, commits);
                }
            }
        }
        below
    }

    fn number(&mut self, parent: Directory, name: &[u8]) -> Directory {
        match self.numbers.entry((parent, name.to_vec())) {
            Entry::Occupied(number) => *number.get(),
            Entry::Vacant(number) => {
                self.directories.push((parent, name.to_vec()));
                *number.insert(self.directories.len() - 1)
            }
        }
    }

    /// An affected object is at a path. A directory itself has no name in it.
    fn note(&mut self, id: ObjectId, directory: Directory, name: &[u8], commits: Commits) {
        let places = self.found.entry(id).or_default();
        let known = places.iter_mut().find(|place| place.directory == directory && place.name == name);
        if let Some(place) = known {
            place.commits.add(commits);
        } else if places.len() <= PATHS_OF_OBJECT {
            places.push(Place { directory, name: name.to_vec(), commits });
        }
    }

    /// The path of what is in a directory, from the root.
    fn path(&self, directory: Directory, name: &[u8]) -> Vec<u8> {
        let mut parts = vec![name];
        let mut at = directory;
        while let Some((parent, name)) = self.directories.get(at).filter(|_| at != ROOT) {
            parts.push(name);
            at = *parent;
        }
        parts.reverse();
        if parts == [b""] { b"/".to_vec() } else { parts.join(&b'/') }
    }

    /// One line for each path.
    fn tell(&self, findings: &mut Findings<'_>) {
        let mut paths: BTreeMap<Vec<u8>, Vec<(ObjectId, Commits)>> = BTreeMap::new();
        let mut elsewhere = 0;
        for (id, places) in &self.found {
            elsewhere += usize::from(places.len() > PATHS_OF_OBJECT);
            for place in places.iter().take(PATHS_OF_OBJECT) {
                let path = self.path(place.directory, &place.name);
                paths.entry(path).or_default().push((*id, place.commits));
            }
        }
        for (path, objects) in paths.iter().take(PATHS) {
            let what = if path.ends_with(b"/") { "directory" } else { "file" };
            let path = path.escape_ascii();
            let Some(((id, first), others)) = objects.split_first() else { continue };
            let mut commits = *first;
            others.iter().for_each(|(_, other)| commits.add(*other));
            let commits = self.commits(commits);
            match others.len() {
                0 => findings.explain(self.repository, Some(*id), format!("is {what} {path} in {commits}")),
                more => {
                    let message = format!("{} versions of {what} {path} are damaged, in {commits}", more + 1);
                    findings.explain(self.repository, None, message);
                }
            }
        }
        if let Some(more) = paths.len().checked_sub(PATHS).filter(|more| *more > 0) {
            findings.explain(self.repository, None, format!("{more} more paths are damaged"));
        }
        if elsewhere > 0 {
            let message =
                format!("{elsewhere} of these objects are at more paths, {PATHS_OF_OBJECT} are told");
            findings.explain(self.repository, None, message);
        }
    }

    fn commits(&self, commits: Commits) -> String {
        let id =
            |number: u32| self.history.get(number as usize).map(|(id, _)| id.to_string()).unwrap_or_default();
        match commits.count {
            1 => format!("commit {}", id(commits.first)),
            count => format!("{count} commits, from {} to {}", id(commits.first), id(commits.last)),
        }
    }
}

fn join(entry: Entry<'_, (Directory, ObjectId), Commits>, commits: Commits) {
    entry.and_modify(|known| known.add(commits)).or_insert(commits);
}
