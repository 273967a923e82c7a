//! Packs whose objects need not be enumerated: all of a pack can be reached from its tips, and they reach
//! nothing outside but what a few commits reach, its *boundary*. Clones of a repository most of which was
//! pushed at once are made of these.

use crate::{
    Error, Objects, Repository,
    format::pack_index::MAX_TIPS,
    objects::{id_table::IdTable, pack::AdoptedPack},
    pack::{Pace, ReceivedPack},
    wire::{
        enumeration::{Enumeration, Selection, enumerate},
        filter::Filter,
    },
};
use gix_hash::ObjectId;
use gix_object::{CommitRefIter, Kind};
use std::rc::Rc;

/// What a clone consists of.
pub(crate) struct WithPack {
    /// The pack that goes along whole.
    pub(crate) pack: Rc<AdoptedPack>,
    /// What else is sent.
    pub(crate) rest: Enumeration,
}

/// The tips that the index of a received pack is to name, and after them its boundary: commits outside it that
/// reach each of the `outside` objects that it refers to, and the bases that it is completed with. Nothing
/// where the boundary is not found, or where the repository had more before than the pack brings.
pub(crate) async fn ends(
    repository: &Repository,
    received: &ReceivedPack,
    mut tips: Vec<ObjectId>,
    outside: &[ObjectId],
    pace: &Pace,
) -> Result<Vec<ObjectId>, Error> {
    let bases = &received.thin_bases;
    if outside.is_empty() && bases.is_empty() {
        return Ok(tips);
    }
    // So the walk costs less than what the push has cost already.
    if repository.object_count()? > received.records.len() {
        return Ok(Vec::new());
    }
    let mut boundary = Vec::new();
    for id in outside {
        if repository.kind(id)? == Kind::Commit {
            boundary.push(*id);
        }
        pace.spend(1000).await;
    }
    // A commit that the pack is completed with would pass for one of its tips.
    let too_many = tips.len() + boundary.len() > MAX_TIPS;
    if too_many || boundary.is_empty() || boundary.iter().any(|id| bases.contains(id)) {
        return Ok(Vec::new());
    }
    let selection = Selection { wants: boundary.clone(), ..Selection::default() };
    let reached = enumerate(repository, &selection, pace, &mut |_| {}).await?.objects;
    if outside.iter().chain(bases).any(|id| !reached.contains(id)) {
        return Ok(Vec::new());
    }
    tips.append(&mut boundary);
    Ok(tips)
}

/// Finds a pack all of whose objects are wanted, and what is wanted beside it; `None` where there is none.
pub(crate) async fn find(
    repository: &Repository,
    selection: &Selection,
    pace: &Pace,
    progress: &mut dyn FnMut(u64),
) -> Result<Option<WithPack>, Error> {
    if !selection.filter.is_none() {
        return Ok(None);
    }
    let Some((pack, rest)) = closed(repository, selection, pace, progress).await? else { return Ok(None) };
    // What is no commit may come again: an old tree or file that a new commit returns to.
    let mut objects = IdTable::default();
    for id in rest.objects.iter() {
        if pack.find(&id)?.is_none() {
            objects.insert(&id);
        }
        pace.spend(100).await;
    }
    Ok(Some(WithPack { pack, rest: Enumeration { objects, ..rest } }))
}

/// The objects of a clone without files, or without directories, where a pack tells their kinds; `None` where
/// trees must be read.
pub(crate) async fn of_kinds(
    repository: &Repository,
    selection: &Selection,
    pace: &Pace,
    progress: &mut dyn FnMut(u64),
) -> Result<Option<Enumeration>, Error> {
    let without: &[Kind] = match selection.filter {
        Filter { blob_limit: Some(0), tree_depth: None } => &[Kind::Blob],
        Filter { blob_limit: None, tree_depth: Some(0) } => &[Kind::Blob, Kind::Tree],
        _ => return Ok(None),
    };
    let Some((pack, rest)) = closed(repository, selection, pace, progress).await? else { return Ok(None) };
    let mut objects = IdTable::default();
    for position in pack.positions()? {
        let (id, kind) = pack.id_and_kind(position?)?;
        if !without.contains(&kind) {
            objects.insert(&id);
            progress(objects.len() as u64);
        }
        pace.spend(300).await;
    }
    for id in rest.objects.iter() {
        objects.insert(&id);
    }
    Ok(Some(Enumeration { objects, ..rest }))
}

/// The largest closed pack that what is wanted reaches, and what is wanted of the rest.
async fn closed(
    repository: &Repository,
    selection: &Selection,
    pace: &Pace,
    progress: &mut dyn FnMut(u64),
) -> Result<Option<(Rc<AdoptedPack>, Enumeration)>, Error> {
    if !selection.haves.is_empty() || !selection.grafts.is_empty() {
        return Ok(None);
    }
    let Some(Candidate { pack, commits, boundary }) = candidate(repository, selection)? else {
        return Ok(None);
    };
    let beyond = Selection { haves: commits, ..selection.clone() };
    let mut rest = enumerate(repository, &beyond, pace, progress).await?;
    if !rest.reaches_all {
        return Ok(None);
    }
    if !boundary.is_empty() {
        let below = Selection { wants: boundary, ..selection.clone() };
        for id in enumerate(repository, &below, pace, progress).await?.objects.iter() {
            rest.objects.insert(&id);
        }
    }
    Ok(Some((pack, rest)))
}

/// A closed pack, the commits among its tips, and its boundary.
struct Candidate {
    pack: Rc<AdoptedPack>,
    commits: Vec<ObjectId>,
    boundary: Vec<ObjectId>,
}

/// Whether the shallow boundary may cut history off within a pack, or below it: then not all of it is wanted, or
/// its own boundary no longer reaches all that it refers to.
fn is_cut(repository: &Repository, pack: &AdoptedPack) -> Result<bool, Error> {
    let shallow = repository.shallow_list();
    if shallow.is_empty() {
        return Ok(false);
    }
    for tip in pack.tips()? {
        if pack.find(tip)?.is_none() {
            return Ok(true);
        }
    }
    for id in shallow.iter() {
        if pack.find(&id)?.is_none() {
            continue;
        }
        let commit = repository.object(&id)?;
        for parent in CommitRefIter::from_bytes(&commit.data, gix_hash::Kind::Sha1).parent_ids() {
            if pack.find(&parent)?.is_some() {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// The largest closed pack. Tips that are no commits, such as tags, must be wanted themselves.
fn candidate(repository: &Repository, selection: &Selection) -> Result<Option<Candidate>, Error> {
    let packs = repository.state().borrow().packs.clone();
    let mut largest: Option<Rc<AdoptedPack>> = None;
    for pack in packs {
        let larger = largest.as_ref().is_none_or(|largest| largest.pack_length() < pack.pack_length());
        if larger && !pack.tips()?.is_empty() && !is_cut(repository, &pack)? {
            largest = Some(pack);
        }
    }
    let Some(pack) = largest else { return Ok(None) };
    let (mut commits, mut boundary) = (Vec::new(), Vec::new());
    for tip in pack.tips()? {
        match pack.find_with_kind(tip)? {
            Some((_, Kind::Commit)) => commits.push(*tip),
            Some(_) if selection.wants.contains(tip) => {}
            Some(_) => return Ok(None),
            None => boundary.push(*tip),
        }
    }
    Ok((!commits.is_empty()).then_some(Candidate { pack, commits, boundary }))
}
