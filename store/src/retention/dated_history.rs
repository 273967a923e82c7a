//! History with dates that never go back: each commit is as old as it says, but never older than what it was
//! made upon ("corrected commit date" of git's commit-graph). So a wrong clock can keep history, and cannot
//! have any given back that is younger.

use crate::{Error, Objects, Pace, objects::id_table::IdTable, wire::Commit};
use gix_hash::ObjectId;

/// The most commits that are looked at: about 60 bytes of memory each.
const MAX_COMMITS: usize = 5_000_000;

/// A commit that was read; its id is in the table.
#[derive(Clone, Copy)]
struct Dated {
    /// Seconds since 1970; `None` while those of its parents are not known.
    date: Option<i64>,
    /// Where its parents are in the list of all parents.
    parents: u32,
    parent_count: u16,
    read: bool,
    protected: bool,
}

/// Commits by numbers.
#[derive(Default)]
pub(super) struct DatedHistory {
    ids: IdTable,
    commits: Vec<Dated>,
    parents: Vec<u32>,
}

impl DatedHistory {
    fn number(&mut self, id: &ObjectId) -> u32 {
        let (number, new) = self.ids.insert(id);
        if new {
            let unread = Dated { date: None, parents: 0, parent_count: 0, read: false, protected: false };
            self.commits.push(unread);
        }
        number
    }

    fn get(&self, number: u32) -> Option<&Dated> {
        self.commits.get(number as usize)
    }

    /// All numbers.
    pub(super) fn numbers(&self) -> std::ops::Range<u32> {
        0..self.commits.len() as u32
    }

    /// The id of a commit.
    pub(super) fn id(&self, number: u32) -> Option<ObjectId> {
        self.ids.id(number)
    }

    /// The number of a commit that was read.
    pub(super) fn find(&self, id: &ObjectId) -> Option<u32> {
        self.ids.get(id)
    }

    /// Its date, in seconds since 1970.
    pub(super) fn date(&self, number: u32) -> i64 {
        self.get(number).and_then(|commit| commit.date).unwrap_or(i64::MAX)
    }

    /// Its parents, none where history ends already.
    pub(super) fn parents(&self, number: u32) -> &[u32] {
        let Some(commit) = self.get(number) else { return &[] };
        let start = commit.parents as usize;
        self.parents.get(start..start + usize::from(commit.parent_count)).unwrap_or_default()
    }

    /// Whether it is kept whatever its age.
    pub(super) fn is_protected(&self, number: u32) -> bool {
        self.get(number).is_some_and(|commit| commit.protected)
    }

    fn read(&mut self, objects: &dyn Objects, number: u32) -> Result<i64, Error> {
        let Some(id) = self.ids.id(number) else { return Ok(i64::MAX) };
        let commit = Commit::read(objects, &id)?;
        let start = self.parents.len() as u32;
        let parent_count = u16::try_from(commit.parents.len())
            .map_err(|_| Error::Limit(format!("the parents of commit {id}")))?;
        for parent in &commit.parents {
            let parent = self.number(parent);
            self.parents.push(parent);
        }
        if self.commits.len() > MAX_COMMITS {
            return Err(Error::Limit(format!("a walk over more than {MAX_COMMITS} commits")));
        }
        if let Some(known) = self.commits.get_mut(number as usize) {
            (known.parents, known.parent_count, known.read) = (start, parent_count, true);
        }
        Ok(commit.time)
    }

    /// Reads all that a commit reaches, up to where history ends already.
    pub(super) async fn add(
        &mut self,
        objects: &dyn Objects,
        tip: &ObjectId,
        pace: &Pace,
    ) -> Result<(), Error> {
        let tip = self.number(tip);
        // Depth first: commit, its own time, and which of its parents is next.
        let mut path: Vec<(u32, i64, usize)> = Vec::new();
        if !self.get(tip).is_some_and(|commit| commit.read) {
            path.push((tip, self.read(objects, tip)?, 0));
        }
        while let Some((number, time, next)) = path.last_mut() {
            let (number, parent) = (*number, self.parents(*number).get(*next).copied());
            *next += 1;
            let Some(parent) = parent else {
                let parents = self.parents(number).iter();
                let date = parents.map(|parent| self.date(*parent)).fold(*time, i64::max);
                if let Some(commit) = self.commits.get_mut(number as usize) {
                    commit.date = Some(date);
                }
                path.pop();
                continue;
            };
            if !self.get(parent).is_some_and(|commit| commit.read) {
                path.push((parent, self.read(objects, parent)?, 0));
            }
            pace.spend(1000).await;
        }
        Ok(())
    }

    /// Reads all that a commit reaches, and has it kept.
    pub(super) async fn protect(
        &mut self,
        objects: &dyn Objects,
        tip: &ObjectId,
        pace: &Pace,
    ) -> Result<(), Error> {
        self.add(objects, tip, pace).await?;
        let mut todo: Vec<u32> = self.find(tip).into_iter().collect();
        while let Some(number) = todo.pop() {
            if let Some(commit) = self.commits.get_mut(number as usize)
                && !std::mem::replace(&mut commit.protected, true)
            {
                todo.extend(self.parents(number));
            }
            pace.spend(100).await;
        }
        Ok(())
    }
}
