//! Where the history of a shallow clone ends.

use crate::{
    Error, Objects, Repository,
    pack::Pace,
    wire::{
        commit_walk::{Commit, peel},
        fetch_request::FetchRequest,
    },
};
use gix_hash::ObjectId;
use gix_object::Kind;
use std::collections::{HashMap, HashSet, VecDeque};

/// git's depth for `--unshallow`.
const INFINITE: u32 = 0x7fff_ffff;

/// How the client's boundary moves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Boundary {
    /// Commits that lose their parents.
    pub(crate) shallow: Vec<ObjectId>,
    /// Commits that get their parents back.
    pub(crate) unshallow: Vec<ObjectId>,
    /// The parents of these, which are wanted too.
    pub(crate) wants: Vec<ObjectId>,
    /// All commits whose parents the client will not have, or had not before.
    pub(crate) grafts: HashSet<ObjectId>,
}

impl Boundary {
    /// Computes the boundary that a request asks for.
    pub(crate) async fn compute(
        repository: &Repository,
        request: &FetchRequest,
        pace: &Pace,
    ) -> Result<Self, Error> {
        let client: HashSet<ObjectId> =
            request.shallow.iter().filter(|id| repository.contains(id)).copied().collect();
        let mut boundary = Self { grafts: client.clone(), ..Self::default() };
        let own = repository.shallow_list();
        if !request.deepen.is_some() {
            // As in versions 0 and 1, where they are advertised, the client finds out which of them it gets.
            boundary.shallow = own.iter().filter(|id| !client.contains(id)).collect();
            return Ok(boundary);
        }
        let tips = tips(repository, &request.wants)?;
        let (inside, border) = match request.deepen.depth {
            Some(INFINITE) if own.is_empty() => (client.clone(), HashSet::new()),
            Some(depth) if request.deepen.relative => {
                let reached = reached(repository, &tips, &client, pace).await?;
                by_depth(repository, &reached, depth.saturating_add(1), pace).await?
            }
            Some(depth) => by_depth(repository, &tips, depth, pace).await?,
            None => by_reach(repository, &tips, request, pace).await?,
        };
        boundary.shallow = border.difference(&client).filter(|id| !inside.contains(*id)).copied().collect();
        boundary.unshallow = request.shallow.iter().filter(|id| client.contains(*id)).copied().collect();
        boundary.unshallow.retain(|id| inside.contains(id));
        boundary.shallow.sort_unstable();
        for id in &boundary.unshallow {
            boundary.wants.extend(Commit::read(repository, id)?.parents);
        }
        boundary.grafts.extend(&boundary.shallow);
        Ok(boundary)
    }
}

/// The commits behind what is wanted.
fn tips(repository: &Repository, wants: &[ObjectId]) -> Result<Vec<ObjectId>, Error> {
    let mut tips = Vec::new();
    for want in wants {
        let (id, kind) = peel(repository, want)?;
        if kind == Kind::Commit {
            tips.push(id);
        }
    }
    Ok(tips)
}

type InsideAndBorder = (HashSet<ObjectId>, HashSet<ObjectId>);

/// Breadth first: commits nearer than `depth` are inside, those at it with parents are the border.
async fn by_depth(
    repository: &Repository,
    tips: &[ObjectId],
    depth: u32,
    pace: &Pace,
) -> Result<InsideAndBorder, Error> {
    let mut queue: VecDeque<(ObjectId, u32)> = tips.iter().map(|id| (*id, 1)).collect();
    let mut seen: HashSet<ObjectId> = tips.iter().copied().collect();
    let (mut inside, mut border) = (HashSet::new(), HashSet::new());
    while let Some((id, at)) = queue.pop_front() {
        let commit = Commit::read(repository, &id)?;
        pace.spend(1000).await;
        if (at >= depth && !commit.parents.is_empty()) || repository.is_shallow(&id) {
            border.insert(id);
            continue;
        }
        inside.insert(id);
        for parent in commit.parents {
            if seen.insert(parent) {
                queue.push_back((parent, at + 1));
            }
        }
    }
    Ok((inside, border))
}

/// Those of `client`'s boundary commits that `tips` reach.
async fn reached(
    repository: &Repository,
    tips: &[ObjectId],
    client: &HashSet<ObjectId>,
    pace: &Pace,
) -> Result<Vec<ObjectId>, Error> {
    let mut seen: HashSet<ObjectId> = tips.iter().copied().collect();
    let mut todo = tips.to_vec();
    let mut found = Vec::new();
    while let Some(id) = todo.pop() {
        pace.spend(1000).await;
        if client.contains(&id) {
            found.push(id);
            continue;
        }
        let commit = Commit::read(repository, &id)?;
        todo.extend(commit.parents.into_iter().filter(|parent| seen.insert(*parent)));
    }
    Ok(found)
}

/// `deepen-since` and `deepen-not`: inside is what they leave, the border what has parents outside.
async fn by_reach(
    repository: &Repository,
    tips: &[ObjectId],
    request: &FetchRequest,
    pace: &Pace,
) -> Result<InsideAndBorder, Error> {
    let mut excluded = HashSet::new();
    let mut todo = Vec::new();
    for name in &request.deepen.not {
        let id = resolve(repository, name)
            .ok_or_else(|| Error::Malformed(format!("deepen-not {name} is not a reference")))?;
        let (id, kind) = peel(repository, &id)?;
        if kind == Kind::Commit && excluded.insert(id) {
            todo.push(id);
        }
    }
    while let Some(id) = todo.pop() {
        pace.spend(1000).await;
        let commit = Commit::read(repository, &id)?;
        todo.extend(commit.parents.into_iter().filter(|parent| excluded.insert(*parent)));
    }
    let since = request.deepen.since.unwrap_or(i64::MIN);
    let mut found: HashMap<ObjectId, Vec<ObjectId>> = HashMap::new();
    let mut todo = tips.to_vec();
    while let Some(id) = todo.pop() {
        pace.spend(1000).await;
        if found.contains_key(&id) || excluded.contains(&id) {
            continue;
        }
        let commit = Commit::read(repository, &id)?;
        if commit.time >= since {
            todo.extend(&commit.parents);
            found.insert(id, commit.parents);
        }
    }
    if found.is_empty() {
        return Err(Error::Malformed("no commits selected for shallow requests".into()));
    }
    let (mut inside, mut border) = (HashSet::new(), HashSet::new());
    for (id, parents) in &found {
        if parents.iter().all(|parent| found.contains_key(parent)) && !repository.is_shallow(id) {
            inside.insert(*id);
        } else {
            border.insert(*id);
        }
    }
    Ok((inside, border))
}

/// A reference by its full or short name, as git finds it.
fn resolve(repository: &Repository, name: &str) -> Option<ObjectId> {
    if name == "HEAD" {
        return repository.reference(repository.head());
    }
    ["", "refs/", "refs/tags/", "refs/heads/"]
        .iter()
        .find_map(|prefix| repository.reference(&format!("{prefix}{name}")))
}
