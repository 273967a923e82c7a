//! Walking history: commits by date, as git does without a commit graph.

use crate::{Error, Objects, Repository, objects::id_table::IdTable, pack::Pace};
use gix_hash::ObjectId;
use gix_object::{CommitRefIter, Kind, commit::ref_iter::Token};
use std::collections::{BinaryHeap, HashMap, HashSet};

/// The most commits that one walk looks at: about 80 bytes of memory each.
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
    /// Reads a commit. At the shallow boundary it has no parents.
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
        if objects.is_shallow(id) {
            commit.parents.clear();
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

/// The commits among these objects, behind tags too.
pub(crate) fn commits_of(objects: &dyn Objects, ids: &[ObjectId]) -> Result<Vec<ObjectId>, Error> {
    let mut commits = Vec::with_capacity(ids.len());
    for id in ids {
        let (id, kind) = peel(objects, id)?;
        if kind == Kind::Commit {
            commits.push(id);
        }
    }
    Ok(commits)
}

const LEFT: u8 = 1;
const RIGHT: u8 = 2;
/// Reached from both sides: of no further interest.
const STALE: u8 = 4;

/// What is known of a commit; its id is in the table.
#[derive(Clone, Copy)]
struct Known {
    /// Seconds since 1970, of the committer.
    time: i64,
    tree: ObjectId,
    /// Where its parents are in the list of all parents.
    parents: u32,
    parent_count: u16,
    flags: u8,
    /// The flags that its parents have got.
    passed_on: u8,
    queued: bool,
    read: bool,
}

const UNKNOWN: Known = Known {
    time: 0,
    tree: ObjectId::null(gix_hash::Kind::Sha1),
    parents: 0,
    parent_count: 0,
    flags: 0,
    passed_on: 0,
    queued: false,
    read: false,
};

/// Commits and their parents, by numbers.
#[derive(Default)]
struct History {
    ids: IdTable,
    commits: Vec<Known>,
    parents: Vec<u32>,
}

impl History {
    fn number(&mut self, id: &ObjectId) -> u32 {
        let (number, new) = self.ids.insert(id);
        if new {
            self.commits.push(UNKNOWN);
        }
        number
    }

    fn known(&self, number: u32) -> &Known {
        self.commits.get(number as usize).unwrap_or(&UNKNOWN)
    }

    fn parents(&self, number: u32) -> &[u32] {
        let known = self.known(number);
        let start = known.parents as usize;
        self.parents.get(start..start + usize::from(known.parent_count)).unwrap_or_default()
    }
}

/// Paints history from two sides, newest commits first.
struct Painter<'a> {
    objects: &'a dyn Objects,
    /// Commits whose parents are not followed.
    grafts: &'a HashSet<ObjectId>,
    history: History,
    queue: BinaryHeap<(i64, u32)>,
    /// Queued commits that only the left side has reached.
    live: usize,
}

impl<'a> Painter<'a> {
    fn new(objects: &'a dyn Objects, grafts: &'a HashSet<ObjectId>) -> Self {
        Self { objects, grafts, history: History::default(), queue: BinaryHeap::new(), live: 0 }
    }

    /// Paints a commit, and gives its number.
    fn paint_id(&mut self, id: &ObjectId, flags: u8) -> Result<u32, Error> {
        let number = self.history.number(id);
        self.paint(number, flags).map(|()| number)
    }

    fn paint(&mut self, number: u32, flags: u8) -> Result<(), Error> {
        let before = *self.history.known(number);
        if before.flags | flags == before.flags {
            return Ok(());
        }
        if !before.read {
            self.read(number)?;
        }
        let Some(known) = self.history.commits.get_mut(number as usize) else { return Ok(()) };
        known.flags |= flags;
        if known.flags & LEFT != 0 && known.flags & RIGHT != 0 {
            known.flags |= STALE;
        }
        if !known.queued {
            known.queued = true;
            self.queue.push((known.time, number));
        }
        match (before.queued && before.flags == LEFT, known.flags == LEFT) {
            (false, true) => self.live += 1,
            (true, false) => self.live -= 1,
            _ => {}
        }
        if self.history.commits.len() > MAX_COMMITS {
            return Err(Error::Limit(format!("a walk over more than {MAX_COMMITS} commits")));
        }
        Ok(())
    }

    fn read(&mut self, number: u32) -> Result<(), Error> {
        let Some(id) = self.history.ids.id(number) else { return Ok(()) };
        let commit = Commit::read(self.objects, &id)?;
        let parents = if self.grafts.contains(&id) { &[][..] } else { &commit.parents };
        let start = self.history.parents.len() as u32;
        let parent_count =
            u16::try_from(parents.len()).map_err(|_| Error::Limit(format!("the parents of commit {id}")))?;
        for parent in parents {
            let parent = self.history.number(parent);
            self.history.parents.push(parent);
        }
        if let Some(known) = self.history.commits.get_mut(number as usize) {
            let Commit { time, tree, .. } = commit;
            *known = Known { time, tree, parents: start, parent_count, read: true, ..*known };
        }
        Ok(())
    }

    /// Takes the newest commit and paints its parents as itself. Gives its number and its flags.
    fn step(&mut self) -> Result<Option<(u32, u8)>, Error> {
        let Some((_, number)) = self.queue.pop() else { return Ok(None) };
        let Some(known) = self.history.commits.get_mut(number as usize) else { return Ok(None) };
        known.queued = false;
        let flags = known.flags;
        if flags == LEFT {
            self.live -= 1;
        }
        let new = flags & !known.passed_on;
        known.passed_on = flags;
        if new != 0 {
            for at in 0..self.history.parents(number).len() {
                if let Some(parent) = self.history.parents(number).get(at).copied() {
                    self.paint(parent, flags & (LEFT | RIGHT))?;
                }
            }
        }
        Ok(Some((number, flags)))
    }
}

/// The commits that a walk has found.
pub(crate) struct Found {
    history: History,
    order: Vec<u32>,
    /// What is known of what was had, in its order.
    pub(crate) had: Vec<Had>,
}

/// A commit that was had.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Had {
    /// Whether the walk came to it from what was wanted. It ends when there is nothing more to find, so it may not
    /// come to what others of these reach.
    pub(crate) reached: bool,
    /// Seconds since 1970, of the committer.
    pub(crate) time: i64,
}

/// A parent of a commit that was found.
pub(crate) struct Parent {
    /// Its number.
    pub(crate) number: u32,
    /// Its id.
    pub(crate) id: ObjectId,
    /// Whether it was found too.
    pub(crate) found: bool,
}

impl Found {
    /// Numbers of the commits, newest first; those of all commits of the walk are below [`bound`](Self::bound).
    pub(crate) fn numbers(&self) -> &[u32] {
        &self.order
    }

    /// A number that no commit has, nor any above.
    pub(crate) fn bound(&self) -> usize {
        self.history.commits.len()
    }

    /// The id of a commit.
    pub(crate) fn id(&self, number: u32) -> Option<ObjectId> {
        self.history.ids.id(number)
    }

    /// The tree of a commit that was found.
    pub(crate) fn tree(&self, number: u32) -> ObjectId {
        self.history.known(number).tree
    }

    /// The parents of a commit, but for those that are left out.
    pub(crate) fn parents(&self, number: u32) -> impl Iterator<Item = Parent> {
        self.history.parents(number).iter().filter_map(|number| {
            let known = self.history.known(*number);
            let id = self.history.ids.id(*number)?;
            Some(Parent { number: *number, id, found: known.read && known.flags == LEFT })
        })
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
) -> Result<Found, Error> {
    let mut painter = Painter::new(repository, grafts);
    for id in wanted {
        painter.paint_id(id, LEFT)?;
    }
    let mut ends = Vec::with_capacity(had.len());
    for id in had {
        ends.push(painter.paint_id(id, RIGHT)?);
        pace.spend(1000).await;
    }
    let mut order = Vec::new();
    let mut oldest = i64::MAX;
    // Commits of the other side that claim to be newer than what we found may still reach it.
    while painter.live > 0 || painter.queue.peek().is_some_and(|(time, _)| *time >= oldest) {
        let Some((number, flags)) = painter.step()? else { break };
        if flags == LEFT {
            oldest = oldest.min(painter.history.known(number).time);
            order.push(number);
            progress(order.len() as u64);
        }
        pace.spend(1000).await;
    }
    let history = painter.history;
    order.retain(|number| history.known(*number).flags == LEFT);
    let had = ends.iter().map(|number| history.known(*number));
    let had = had.map(|known| Had { reached: known.flags & LEFT != 0, time: known.time }).collect();
    Ok(Found { history, order, had })
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
    painter.paint_id(descendant, LEFT)?;
    let ancestor = painter.paint_id(ancestor, RIGHT)?;
    while painter.live > 0 && painter.history.known(ancestor).flags & LEFT == 0 {
        if painter.step()?.is_none() {
            break;
        }
        pace.spend(1000).await;
    }
    Ok(painter.history.known(ancestor).flags & LEFT != 0)
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
    use std::rc::Rc;

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
            let walk = walk.now_or_never().unwrap().unwrap();
            let found: HashSet<_> = walk.numbers().iter().map(|number| walk.id(*number).unwrap()).collect();
            let had = ancestors(&commits, have);
            let exact: HashSet<_> =
                ancestors(&commits, want).difference(&had).map(|at| ids[*at]).collect();
            prop_assert!(found.is_superset(&exact));
            if walk.had[0].reached {
                prop_assert!(ancestors(&commits, want).contains(&have));
            }
            if true_clocks {
                prop_assert_eq!(found, exact);
                prop_assert_eq!(walk.had[0].reached, ancestors(&commits, want).contains(&have));
            }
        }
    }
}
