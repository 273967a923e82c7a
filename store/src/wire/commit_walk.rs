//! Walking history: commits by date, as git does without a commit graph.

use crate::{Error, Objects, Repository, pack::Pace};
use gix_hash::ObjectId;
use gix_object::{CommitRefIter, Kind, commit::ref_iter::Token};
use std::{
    collections::{BinaryHeap, HashMap, HashSet},
    rc::Rc,
};

/// The most commits that one walk looks at: about 200 bytes of memory each.
const MAX_COMMITS: usize = 5_000_000;

/// What a walk needs of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Commit {
    pub(crate) id: ObjectId,
    pub(crate) tree: ObjectId,
    pub(crate) parents: Vec<ObjectId>,
    /// Seconds since 1970, of the committer.
    pub(crate) time: i64,
}

impl Commit {
    /// Reads a commit.
    pub(crate) fn read(objects: &dyn Objects, id: &ObjectId) -> Result<Self, Error> {
        let object = objects.object(id)?;
        if object.kind != Kind::Commit {
            return Err(Error::UnexpectedKind(*id));
        }
        let mut commit =
            Self { id: *id, tree: ObjectId::null(gix_hash::Kind::Sha1), parents: Vec::new(), time: 0 };
        for token in CommitRefIter::from_bytes(&object.data, gix_hash::Kind::Sha1) {
            match token.map_err(|error| Error::Malformed(format!("commit {id}: {error}")))? {
                Token::Tree { id } => commit.tree = id,
                Token::Parent { id } => commit.parents.push(id),
                Token::Author { .. } => {}
                Token::Committer { signature } => {
                    commit.time = signature.seconds();
                    break;
                }
                _ => break,
            }
        }
        Ok(commit)
    }
}

/// The object behind a chain of annotated tags, and its kind.
pub(crate) fn peel(objects: &dyn Objects, id: &ObjectId) -> Result<(ObjectId, Kind), Error> {
    let mut id = *id;
    // Tags of tags are rare; a chain longer than this is an attack.
    for _ in 0..64 {
        let object = objects.object(&id)?;
        if object.kind != Kind::Tag {
            return Ok((id, object.kind));
        }
        id = gix_object::TagRefIter::from_bytes(&object.data, gix_hash::Kind::Sha1)
            .target_id()
            .map_err(|error| Error::Malformed(format!("tag {id}: {error}")))?;
    }
    Err(Error::Limit("tags that point to tags".into()))
}

const LEFT: u8 = 1;
const RIGHT: u8 = 2;
/// Reached from both sides: of no further interest.
const STALE: u8 = 4;

#[derive(Default)]
struct Mark {
    flags: u8,
    /// The flags that its parents have got.
    passed_on: u8,
    queued: bool,
}

/// Paints history from two sides, newest commits first.
struct Painter<'a> {
    objects: &'a dyn Objects,
    /// Commits whose parents are not followed.
    grafts: &'a HashSet<ObjectId>,
    marks: HashMap<ObjectId, Mark>,
    queue: BinaryHeap<(i64, ObjectId)>,
    commits: HashMap<ObjectId, Rc<Commit>>,
    /// Queued commits that only the left side has reached.
    live: usize,
}

impl<'a> Painter<'a> {
    fn new(objects: &'a dyn Objects, grafts: &'a HashSet<ObjectId>) -> Self {
        Self {
            objects,
            grafts,
            marks: HashMap::new(),
            queue: BinaryHeap::new(),
            commits: HashMap::new(),
            live: 0,
        }
    }

    fn paint(&mut self, id: ObjectId, flags: u8) -> Result<(), Error> {
        let mark = self.marks.entry(id).or_default();
        let was_live = mark.queued && mark.flags == LEFT;
        if mark.flags | flags == mark.flags {
            return Ok(());
        }
        mark.flags |= flags;
        if mark.flags & LEFT != 0 && mark.flags & RIGHT != 0 {
            mark.flags |= STALE;
        }
        let is_live = mark.flags == LEFT;
        if !mark.queued {
            mark.queued = true;
            let time = match self.commits.get(&id) {
                Some(commit) => commit.time,
                None => {
                    let mut commit = Commit::read(self.objects, &id)?;
                    if self.grafts.contains(&id) {
                        commit.parents.clear();
                    }
                    let time = commit.time;
                    self.commits.insert(id, Rc::new(commit));
                    time
                }
            };
            self.queue.push((time, id));
        }
        match (was_live, is_live) {
            (false, true) => self.live += 1,
            (true, false) => self.live -= 1,
            _ => {}
        }
        if self.marks.len() > MAX_COMMITS {
            return Err(Error::Limit(format!("a walk over more than {MAX_COMMITS} commits")));
        }
        Ok(())
    }

    /// Takes the newest commit and paints its parents as itself.
    fn step(&mut self) -> Result<Option<(Rc<Commit>, u8)>, Error> {
        let Some((_, id)) = self.queue.pop() else { return Ok(None) };
        let Some(mark) = self.marks.get_mut(&id) else { return Ok(None) };
        mark.queued = false;
        if mark.flags == LEFT {
            self.live -= 1;
        }
        let flags = mark.flags;
        let new = mark.flags & !mark.passed_on;
        mark.passed_on = mark.flags;
        let Some(commit) = self.commits.get(&id).cloned() else { return Ok(None) };
        if new != 0 {
            for parent in &commit.parents {
                self.paint(*parent, flags & (LEFT | RIGHT))?;
            }
        }
        Ok(Some((commit, flags)))
    }
}

/// The commits that `wanted` reach and `had` do not, newest first.
pub(crate) async fn commits_between(
    repository: &Repository,
    wanted: &[ObjectId],
    had: &[ObjectId],
    grafts: &HashSet<ObjectId>,
    pace: &Pace,
    progress: &mut dyn FnMut(u64),
) -> Result<Vec<Rc<Commit>>, Error> {
    let mut painter = Painter::new(repository, grafts);
    for id in wanted {
        painter.paint(*id, LEFT)?;
    }
    for id in had {
        painter.paint(*id, RIGHT)?;
        pace.spend(1000).await;
    }
    let mut order = Vec::new();
    let mut oldest = i64::MAX;
    // Commits of the other side that claim to be newer than what we found may still reach it.
    while painter.live > 0 || painter.queue.peek().is_some_and(|(time, _)| *time >= oldest) {
        let Some((commit, flags)) = painter.step()? else { break };
        if flags == LEFT {
            oldest = oldest.min(commit.time);
            order.push(commit);
            progress(order.len() as u64);
        }
        pace.spend(1000).await;
    }
    order.retain(|commit| painter.marks.get(&commit.id).is_some_and(|mark| mark.flags == LEFT));
    Ok(order)
}

/// Whether `ancestor` is reachable from `descendant`.
pub(crate) async fn is_ancestor(
    objects: &dyn Objects,
    ancestor: &ObjectId,
    descendant: &ObjectId,
    pace: &Pace,
) -> Result<bool, Error> {
    if ancestor == descendant {
        return Ok(true);
    }
    let grafts = HashSet::new();
    let mut painter = Painter::new(objects, &grafts);
    painter.paint(*descendant, LEFT)?;
    painter.paint(*ancestor, RIGHT)?;
    while painter.live > 0 {
        if painter.marks.get(ancestor).is_some_and(|mark| mark.flags & LEFT != 0) {
            return Ok(true);
        }
        if painter.step()?.is_none() {
            break;
        }
        pace.spend(1000).await;
    }
    Ok(painter.marks.get(ancestor).is_some_and(|mark| mark.flags & LEFT != 0))
}

/// Whether each of `wanted` reaches one of `had`: then the peer need not name more of what it has.
pub(crate) async fn all_reach(
    repository: &Repository,
    wanted: &[ObjectId],
    had: &HashSet<ObjectId>,
    pace: &Pace,
) -> Result<bool, Error> {
    let mut oldest = i64::MAX;
    for id in had {
        oldest = oldest.min(Commit::read(repository, id)?.time);
        pace.spend(1000).await;
    }
    // Depth first, each commit once for all of `wanted`: whether it reaches one of `had`.
    let mut reaches: HashMap<ObjectId, bool> = had.iter().map(|id| (*id, true)).collect();
    for want in wanted {
        if repository.kind(want)? != Kind::Commit {
            continue;
        }
        let mut path: Vec<(ObjectId, Vec<ObjectId>)> = vec![(*want, vec![*want])];
        // The first element only leads to `want`.
        while let Some((_, todo)) = path.last_mut() {
            let Some(id) = todo.pop() else {
                path.pop();
                continue;
            };
            match reaches.get(&id) {
                Some(true) => {
                    reaches.extend(path.drain(..).map(|(id, _)| (id, true)));
                    break;
                }
                Some(false) => {}
                None => {
                    let commit = Commit::read(repository, &id)?;
                    reaches.insert(id, false);
                    if commit.time >= oldest {
                        path.push((id, commit.parents));
                    }
                }
            }
            pace.spend(1000).await;
        }
        if reaches.get(want) != Some(&true) {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FormatOptions, Store, TreeEdit};
    use futures_util::FutureExt;
    use gix_object::tree::EntryKind;
    use kalends_block_backend::MemoryDevice;
    use proptest::prelude::*;

    /// Commits with these parents (by position) and dates.
    fn history(commits: &[(Vec<usize>, i64)]) -> (Repository, Vec<ObjectId>) {
        let store = Store::format(Rc::new(MemoryDevice::new(64 << 20)), &FormatOptions::default()).unwrap();
        let repository = store.create_repository("test").unwrap();
        let mut transaction = repository.transaction();
        let blob = transaction.insert(Kind::Blob, &b"x"[..]).unwrap();
        let edit = TreeEdit { name: b"f".into(), entry: Some((EntryKind::Blob, blob)) };
        let tree = transaction.edit_tree(None, &[edit]).unwrap();
        let mut ids: Vec<ObjectId> = Vec::new();
        for (number, (parents, time)) in commits.iter().enumerate() {
            let mut text = format!("tree {tree}\n");
            for parent in parents {
                text += &format!("parent {}\n", ids[*parent]);
            }
            text += &format!("author A <a@b> {time} +0000\ncommitter A <a@b> {time} +0000\n\n{number}\n");
            ids.push(transaction.insert(Kind::Commit, text.into_bytes()).unwrap());
        }
        futures_executor::block_on(transaction.submit().unwrap()).unwrap();
        (repository, ids)
    }

    fn ancestors(commits: &[(Vec<usize>, i64)], of: usize) -> HashSet<usize> {
        let mut found = HashSet::new();
        let mut todo = vec![of];
        while let Some(at) = todo.pop() {
            if found.insert(at) {
                todo.extend(&commits[at].0);
            }
        }
        found
    }

    fn histories(dates: std::ops::Range<i64>) -> impl Strategy<Value = Vec<(Vec<usize>, i64)>> {
        let commit = (proptest::collection::vec(any::<proptest::sample::Index>(), 0..3), dates);
        proptest::collection::vec(commit, 1..14).prop_map(|commits| {
            let parents = |number: usize, parents: Vec<proptest::sample::Index>| {
                let mut parents: Vec<_> = match number {
                    0 => Vec::new(),
                    _ => parents.iter().map(|parent| parent.index(number)).collect(),
                };
                parents.dedup();
                parents
            };
            commits.into_iter().enumerate().map(|(n, (p, time))| (parents(n, p), time)).collect()
        })
    }

    proptest! {
        #[test]
        fn ancestry_is_exact_whatever_the_clocks_say(
            commits in histories(0..20), a in any::<proptest::sample::Index>(), b in any::<proptest::sample::Index>(),
        ) {
            let (repository, ids) = history(&commits);
            let (a, b) = (a.index(commits.len()), b.index(commits.len()));
            let found = is_ancestor(&repository, &ids[a], &ids[b], &Pace::unpaced()).now_or_never().unwrap().unwrap();
            prop_assert_eq!(found, ancestors(&commits, b).contains(&a));
        }

        #[test]
        fn nothing_wanted_is_left_out_and_with_true_clocks_nothing_is_sent_twice(
            mut commits in histories(0..20), want in any::<proptest::sample::Index>(),
            have in any::<proptest::sample::Index>(), true_clocks in any::<bool>(),
        ) {
            if true_clocks {
                for (number, commit) in commits.iter_mut().enumerate() {
                    commit.1 = number as i64 / 2;
                }
            }
            let (repository, ids) = history(&commits);
            let (want, have) = (want.index(commits.len()), have.index(commits.len()));
            let pace = Pace::unpaced();
            let grafts = HashSet::new();
            let (wants, haves) = ([ids[want]], [ids[have]]);
            let mut progress = |_| {};
            let walk = commits_between(&repository, &wants, &haves, &grafts, &pace, &mut progress);
            let found: HashSet<_> = walk.now_or_never().unwrap().unwrap().iter().map(|c| c.id).collect();
            let had = ancestors(&commits, have);
            let exact: HashSet<_> =
                ancestors(&commits, want).difference(&had).map(|at| ids[*at]).collect();
            prop_assert!(found.is_superset(&exact));
            if true_clocks {
                prop_assert_eq!(found, exact);
            }
        }
    }
}
