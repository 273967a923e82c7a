//! Retention: history that is old enough is given back.
//!
//! A commit names its parents, so history cannot be thinned without giving all later commits new ids. It can be
//! cut off: the boundary moves, and the commits at it lose their parents, as in a shallow clone of git's. Of
//! each branch `refs/heads/X`, what was cut off is left as one commit a day in a history of its own,
//! `refs/days/X`. Both happen in one transaction. Compaction then drops what nothing reaches any more.

mod dated_history;
mod day;
mod shallow_list;
#[cfg(test)]
mod tests;

pub(crate) use shallow_list::ShallowList;

use crate::{
    Error, Kind, Objects, Pace, ReferenceUpdate, Repository,
    wire::{Commit, peel},
};
use dated_history::DatedHistory;
use day::{Day, LastOfDay};
use gix_hash::ObjectId;
use std::collections::BTreeSet;

/// Where the days of branches are; what is here is never cut off.
const DAYS: &str = "refs/days/";
const BRANCHES: &str = "refs/heads/";

/// What [`Repository::retain`] has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retained {
    /// Commits that are no longer reachable.
    pub given_back: u64,
    /// Commits that were made to stand for a day.
    pub days: u64,
    /// Commits that are at the boundary now, or were before and are not collected yet.
    pub boundary: u64,
}

impl Repository {
    /// Cuts off history that is older than `since`, in seconds since 1970, rounded down to the begin of a day in
    /// UTC: the youngest commits before it, and older ones that references name, lose their parents. For each
    /// day of a branch that is cut off, `committer` (such as `Kalends <kalends@localhost>`) makes a commit with
    /// the state at its end.
    ///
    /// A commit is never taken for older than those that it was made upon. Durable when it resolves; nothing
    /// has changed when it fails, or is dropped before it submits. Gives way to others while it works.
    ///
    /// # Errors
    /// [`Error::Limit`] when more than 10,000 commits would be at the boundary; [`Error::NameConflict`] when the
    /// days of a branch cannot have their name; those of reading and submitting.
    pub async fn retain(&self, since: i64, committer: &str) -> Result<Retained, Error> {
        let pace = Pace::default();
        // What is read goes on to exist, whatever is moved or cut meanwhile.
        let _pin = self.pin();
        let repository = self.held();
        let since = Day::of(since).start();
        let references = repository.state().borrow().latest_references();
        let mut history = DatedHistory::default();
        let mut tips = BTreeSet::new();
        for (name, id) in &references {
            let (commit, kind) = peel(&repository, id)?;
            match kind {
                Kind::Commit if name.starts_with(DAYS) => {
                    history.protect(&repository, &commit, &pace).await?
                }
                Kind::Commit => drop(tips.insert(commit)),
                _ => {}
            }
        }
        for tip in &tips {
            history.add(&repository, tip, &pace).await?;
        }
        let (cut, given_back) = cut(&history, &tips, since, &pace).await;
        if cut.is_empty() {
            return Ok(Retained { boundary: repository.shallow_list().len() as u64, ..Retained::default() });
        }
        let mut transaction = repository.transaction();
        let mut days = 0;
        for (name, tip) in &references {
            let Some(branch) = name.strip_prefix(BRANCHES) else { continue };
            let name = format!("{DAYS}{branch}");
            let before = references.get(&name).copied();
            let lost = days_of(&repository, &history, tip, &cut, since, before, &pace).await?;
            let mut last = before;
            for day in lost.iter().rev() {
                last = Some(transaction.insert(Kind::Commit, day.encode(last, committer))?);
                days += 1;
                pace.spend(20_000).await;
            }
            if last != before {
                transaction.update_reference(ReferenceUpdate { name, expected: before, new: last });
            }
        }
        let parents = cut.iter().flat_map(|number| history.parents(*number));
        let parents: BTreeSet<ObjectId> = parents.filter_map(|number| history.id(*number)).collect();
        transaction.cut(cut.iter().filter_map(|number| history.id(*number)), parents);
        drop(history);
        transaction.submit()?.await?;
        self.note_cut(given_back);
        Ok(Retained { given_back, days, boundary: self.shallow_list().len() as u64 })
    }

    /// The commits whose parents it does without, sorted: where its history was cut off, or where that of a
    /// clone ended from which it was restored.
    pub fn shallow(&self) -> Vec<ObjectId> {
        self.shallow_list().iter().collect()
    }

    /// Why an object may not be here: to be said after that it is not.
    pub(crate) fn why_missing(&self) -> &'static str {
        match self.shallow_list().is_empty() {
            true => "",
            false => {
                "; this repository is shallow: history before its boundary has been given back, and of each day \
                 one commit is left in refs/days"
            }
        }
    }
}

/// The commits that are to lose their parents, and how many commits nothing reaches then.
async fn cut(
    history: &DatedHistory,
    tips: &BTreeSet<ObjectId>,
    since: i64,
    pace: &Pace,
) -> (BTreeSet<u32>, u64) {
    let mut old: BTreeSet<u32> = tips.iter().filter_map(|tip| history.find(tip)).collect();
    old.retain(|number| history.date(*number) < since);
    let mut given_back = 0;
    for number in history.numbers() {
        if history.date(number) >= since {
            old.extend(history.parents(number).iter().filter(|parent| history.date(**parent) < since));
        } else if !history.is_protected(number) {
            given_back += 1;
        }
        pace.spend(100).await;
    }
    given_back -= old.iter().filter(|number| !history.is_protected(**number)).count() as u64;
    old.retain(|number| !history.is_protected(*number) && !history.parents(*number).is_empty());
    (old, given_back)
}

/// The days of a branch that are cut off and not kept yet, newest first.
async fn days_of(
    repository: &Repository,
    history: &DatedHistory,
    tip: &ObjectId,
    cut: &BTreeSet<u32>,
    since: i64,
    kept: Option<ObjectId>,
    pace: &Pace,
) -> Result<Vec<LastOfDay>, Error> {
    let kept = match kept {
        Some(id) => Some(Day::of(Commit::read(repository, &id)?.time)),
        None => None,
    };
    let (tip, _) = peel(repository, tip)?;
    let mut next = history.find(&tip);
    while let Some(number) = next.filter(|number| history.date(*number) >= since) {
        next = history.parents(number).first().copied();
        pace.spend(100).await;
    }
    // Where the branch as such is not cut, its days stay with it.
    next = next.filter(|number| cut.contains(number));
    let mut days: Vec<LastOfDay> = Vec::new();
    while let Some((number, id)) = next.and_then(|number| Some((number, history.id(number)?))) {
        let day = Day::of(history.date(number));
        if kept.is_some_and(|kept| day <= kept) {
            break;
        }
        match days.last_mut() {
            Some(last) if last.day == day => last.commits += 1,
            _ => {
                let (time, tree) = (history.date(number), repository.tree_of_commit(&id)?);
                days.push(LastOfDay { day, commit: id, time, tree, commits: 1 });
            }
        }
        next = history.parents(number).first().copied();
        pace.spend(1000).await;
    }
    Ok(days)
}
