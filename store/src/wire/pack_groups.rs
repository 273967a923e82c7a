//! Packs that name their ends: from where all of them can be reached, and what that reaches beside them.
//!
//! A *group* is a pack, or several that a compaction wrote at once. All that its tips reach is in the group,
//! or is what its boundary reaches (`format/pack_index.rs`). So groups are sent as they lie, one on top of
//! the other, when all of their tips are wanted.

use crate::{
    Error, Repository, format::pack_index::Ends, objects::pack::AdoptedPack, pack::Pace,
    wire::commit_walk::commits_between,
};
use gix_hash::ObjectId;
use gix_object::Kind;
use std::{
    collections::{HashSet, VecDeque},
    rc::Rc,
};

/// Packs that belong together.
pub(crate) struct Group {
    pub(crate) packs: Vec<Rc<AdoptedPack>>,
    /// Tips that are commits.
    pub(crate) commits: Vec<ObjectId>,
    /// Other tips, such as tags: who gets the packs must want these themselves.
    pub(crate) others: Vec<ObjectId>,
    pub(crate) boundary: Vec<ObjectId>,
}

/// A group that is sent, after those that it rests on.
pub(crate) struct Layer {
    pub(crate) group: Group,
    /// What of its boundary is not in the groups before.
    pub(crate) uncovered: Vec<ObjectId>,
}

impl Group {
    fn new(packs: Vec<Rc<AdoptedPack>>, ends: &Ends) -> Result<Self, Error> {
        let mut group = Self { packs, commits: Vec::new(), others: Vec::new(), boundary: Vec::new() };
        for id in &ends.ids {
            match group.kind(id)? {
                Some(Kind::Commit) => group.commits.push(*id),
                Some(_) => group.others.push(*id),
                None => group.boundary.push(*id),
            }
        }
        Ok(group)
    }

    /// The kind of an object, if it is here.
    fn kind(&self, id: &ObjectId) -> Result<Option<Kind>, Error> {
        for pack in &self.packs {
            if let Some((_, kind)) = pack.find_with_kind(id)? {
                return Ok(Some(kind));
            }
        }
        Ok(None)
    }

    /// Bytes of the packs.
    fn length(&self) -> u64 {
        self.packs.iter().map(|pack| pack.pack_length()).sum()
    }

    async fn is_disjoint(&self, other: &Self, pace: &Pace) -> Result<bool, Error> {
        for pack in &self.packs {
            for other in &other.packs {
                if !pack.is_disjoint(other, pace).await? {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }
}

/// The groups all packs of which are there.
pub(crate) fn groups(packs: &[Rc<AdoptedPack>]) -> Result<Vec<Group>, Error> {
    let mut found: Vec<(&Ends, Vec<Rc<AdoptedPack>>)> = Vec::new();
    for pack in packs {
        let ends = pack.ends()?;
        let belongs = |packs: &[_]| ends.packs > 1 && packs.len() < ends.packs as usize;
        match found.iter_mut().find(|(others, packs)| *others == ends && belongs(packs)) {
            _ if ends.ids.is_empty() => {}
            Some((_, packs)) => packs.push(pack.clone()),
            None => found.push((ends, vec![pack.clone()])),
        }
    }
    let whole = found.into_iter().filter(|(ends, packs)| packs.len() == ends.packs as usize);
    whole.map(|(ends, packs)| Group::new(packs, ends)).collect()
}

/// Those of `objects` of which the groups do not tell that these commits reach them.
pub(crate) fn beyond(
    groups: &[Group],
    commits: &[ObjectId],
    mut objects: Vec<ObjectId>,
) -> Result<Vec<ObjectId>, Error> {
    let mut known: HashSet<ObjectId> = commits.iter().copied().collect();
    let mut rest: Vec<&Group> = groups.iter().filter(|group| group.others.is_empty()).collect();
    while let Some(at) = rest.iter().position(|group| group.commits.iter().all(|tip| known.contains(tip))) {
        let group = rest.swap_remove(at);
        known.extend(&group.boundary);
        let mut kept = Vec::new();
        for id in objects {
            if group.kind(&id)?.is_none() {
                kept.push(id);
            }
        }
        objects = kept;
    }
    Ok(objects)
}

/// The groups that are sent to one who wants `wants`, among them the commits `wanted`: all of whose objects are
/// wanted, and none of which has an object of another.
pub(crate) async fn layers(
    repository: &Repository,
    wants: &[ObjectId],
    wanted: &[ObjectId],
    pace: &Pace,
    progress: &mut dyn FnMut(u64),
) -> Result<Vec<Layer>, Error> {
    let packs = repository.state().borrow().packs.clone();
    let mut groups = groups(&packs)?;
    groups.retain(|group| !group.commits.is_empty() && group.others.iter().all(|tip| wants.contains(tip)));
    retain_reached(repository, &mut groups, wanted, pace, progress).await?;
    groups.sort_by_key(|group| std::cmp::Reverse(group.length()));
    let mut disjoint: Vec<Group> = Vec::new();
    'groups: for group in groups {
        for larger in &disjoint {
            if !group.is_disjoint(larger, pace).await? {
                continue 'groups;
            }
        }
        disjoint.push(group);
    }
    in_order(disjoint)
}

/// Keeps the groups all of whose tips the wanted commits reach.
async fn retain_reached(
    repository: &Repository,
    groups: &mut Vec<Group>,
    wanted: &[ObjectId],
    pace: &Pace,
    progress: &mut dyn FnMut(u64),
) -> Result<(), Error> {
    let no_grafts = HashSet::new();
    while !groups.is_empty() {
        let tips: Vec<ObjectId> = groups.iter().flat_map(|group| &group.commits).copied().collect();
        let found = commits_between(repository, wanted, &tips, &no_grafts, pace, progress).await?;
        let mut known: HashSet<ObjectId> =
            tips.iter().zip(&found.had).filter(|(_, had)| had.reached).map(|(tip, _)| *tip).collect();
        // The walk ends at the newest tips: what these reach is known from the groups.
        let mut unreached: Vec<&Group> = groups.iter().collect();
        let mut news = true;
        while std::mem::take(&mut news) {
            for group in std::mem::take(&mut unreached) {
                if !group.commits.iter().all(|tip| known.contains(tip)) {
                    unreached.push(group);
                    continue;
                }
                news |= group.boundary.iter().fold(false, |news, id| known.insert(*id) | news);
                for tip in &tips {
                    news |= !known.contains(tip) && group.kind(tip)?.is_some() && known.insert(*tip);
                }
            }
        }
        // Of the others the newest is not reached; those below it, the walk may not have come to.
        let newest = |group: &&Group| {
            let times = tips.iter().zip(&found.had).filter(|(tip, _)| group.commits.contains(tip));
            times.map(|(_, had)| had.time).max()
        };
        let Some(gone) = unreached.into_iter().max_by_key(newest).map(|group| group.commits.clone()) else {
            return Ok(());
        };
        groups.retain(|group| group.commits != gone);
    }
    Ok(())
}

/// Each group after those that have some of its boundary.
fn in_order(groups: Vec<Group>) -> Result<Vec<Layer>, Error> {
    let mut rest: VecDeque<Group> = groups.into();
    let mut layers: Vec<Layer> = Vec::new();
    let mut passed = 0;
    while let Some(group) = rest.pop_front() {
        let mut uncovered = Vec::new();
        let mut waits = false;
        for id in &group.boundary {
            let has = |group: &Group| Ok::<_, Error>(group.kind(id)?.is_some());
            let mut covered = false;
            for layer in &layers {
                covered |= has(&layer.group)?;
            }
            if !covered {
                for other in &rest {
                    waits |= has(other)?;
                }
                uncovered.push(*id);
            }
        }
        if !waits {
            layers.push(Layer { group, uncovered });
            passed = 0;
        } else if passed <= rest.len() {
            rest.push_back(group);
            passed += 1;
        } else {
            // Each rests on another: this one is not sent whole.
            passed = 0;
        }
    }
    Ok(layers)
}
