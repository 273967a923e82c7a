//! Packs whose objects need not be enumerated: all of a pack can be reached from its tips, and they reach
//! nothing outside but what a few objects reach, its *boundary*. Clones are made of these, with what was
//! written since.

use crate::{
    Error, Repository,
    format::pack_index::{Ends, MAX_TIPS},
    objects::{id_table::IdTable, pack::AdoptedPack},
    pack::{Pace, ReceivedPack},
    wire::{
        commit_walk::commits_of,
        enumeration::{Enumeration, Selection, enumerate},
        filter::Filter,
        pack_groups::{Layer, beyond, groups, layers},
    },
};
use gix_hash::ObjectId;
use gix_object::Kind;
use std::rc::Rc;

/// What a clone consists of.
pub(crate) struct WithPacks {
    /// The packs that go along whole; no object is in two of them.
    pub(crate) packs: Vec<Rc<AdoptedPack>>,
    /// What else is sent.
    pub(crate) rest: Enumeration,
}

/// The ends that the index of a received pack is to name: its tips, and commits outside it that reach each of the
/// `outside` objects that it refers to, and the bases that it is completed with. None where such commits are not
/// found, or where only a walk through more than the pack brings could tell.
pub(crate) async fn ends(
    repository: &Repository,
    received: &ReceivedPack,
    mut tips: Vec<ObjectId>,
    outside: &[ObjectId],
    pace: &Pace,
) -> Result<Ends, Error> {
    let bases = &received.thin_bases;
    if outside.is_empty() && bases.is_empty() {
        return Ok(Ends::of_one(tips));
    }
    let (mut boundary, mut others) = (Vec::new(), bases.clone());
    for id in outside {
        match repository.kind(id)? {
            Kind::Commit => boundary.push(*id),
            _ => others.push(*id),
        }
        pace.spend(1000).await;
    }
    // A commit that the pack is completed with would pass for one of its tips.
    let too_many = tips.len() + boundary.len() > MAX_TIPS;
    if too_many || boundary.is_empty() || boundary.iter().any(|id| bases.contains(id)) {
        return Ok(Ends::default());
    }
    let packs = repository.state().borrow().packs.clone();
    let others = beyond(&groups(&packs)?, &boundary, others)?;
    if !others.is_empty() {
        // So the walk costs less than what the push has cost already.
        if repository.object_count()? > received.records.len() {
            return Ok(Ends::default());
        }
        let selection = Selection { wants: boundary.clone(), ..Selection::default() };
        let reached = enumerate(repository, &selection, pace, &mut |_| {}).await?.objects;
        if others.iter().any(|id| !reached.contains(id)) {
            return Ok(Ends::default());
        }
    }
    tips.append(&mut boundary);
    Ok(Ends::of_one(tips))
}

/// Finds packs all of whose objects are wanted, and what is wanted beside them; `None` where there is none.
pub(crate) async fn find(
    repository: &Repository,
    selection: &Selection,
    pace: &Pace,
    progress: &mut dyn FnMut(u64),
) -> Result<Option<WithPacks>, Error> {
    if !selection.filter.is_none() {
        return Ok(None);
    }
    let Some(WithPacks { packs, rest }) = closed(repository, selection, &[], pace, progress).await? else {
        return Ok(None);
    };
    // What is no commit may come again: an old tree or file that a new commit returns to.
    let mut objects = IdTable::default();
    'objects: for id in rest.objects.iter() {
        pace.spend(100).await;
        for pack in &packs {
            if pack.find(&id)?.is_some() {
                continue 'objects;
            }
        }
        objects.insert(&id);
    }
    Ok(Some(WithPacks { packs, rest: Enumeration { objects, ..rest } }))
}

/// The objects of a clone without files, or without directories, where packs tell their kinds; `None` where
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
    let Some(WithPacks { packs, rest }) = closed(repository, selection, without, pace, progress).await?
    else {
        return Ok(None);
    };
    let mut objects = IdTable::default();
    for pack in packs {
        for position in pack.positions()? {
            let (id, kind) = pack.id_and_kind(position?)?;
            if !without.contains(&kind) {
                objects.insert(&id);
                progress(objects.len() as u64);
            }
            pace.spend(300).await;
        }
    }
    for id in rest.objects.iter() {
        objects.insert(&id);
    }
    Ok(Some(Enumeration { objects, ..rest }))
}

/// The packs that may be sent whole, and what else is wanted. This decides what is sent unread: packs all of
/// whose objects are wanted, by one who has nothing and wants all of history.
async fn closed(
    repository: &Repository,
    selection: &Selection,
    without: &[Kind],
    pace: &Pace,
    progress: &mut dyn FnMut(u64),
) -> Result<Option<WithPacks>, Error> {
    if !selection.haves.is_empty() || !selection.grafts.is_empty() {
        return Ok(None);
    }
    // The boundary may cut through a pack, or below it: then not all of it is wanted, or its own boundary no longer
    // reaches all that it refers to.
    if !repository.shallow_list().is_empty() {
        return Ok(None);
    }
    let wanted = commits_of(repository, &selection.wants)?;
    let layers = layers(repository, &selection.wants, &wanted, pace, progress).await?;
    if layers.is_empty() {
        return Ok(None);
    }
    let haves = layers.iter().flat_map(|layer| &layer.group.commits).copied().collect();
    let rest = Selection { haves, ..selection.clone() };
    let mut rest = enumerate(repository, &rest, pace, progress).await?;
    let mut haves = Vec::new();
    let mut packs = Vec::new();
    for Layer { group, mut uncovered } in layers {
        for at in (0..uncovered.len()).rev() {
            let kind = uncovered.get(at).map(|id| repository.kind(id)).transpose()?;
            if kind.is_some_and(|kind| without.contains(&kind)) {
                uncovered.remove(at);
            }
        }
        if !uncovered.is_empty() {
            let below = Selection { wants: uncovered, haves: haves.clone(), ..selection.clone() };
            for id in enumerate(repository, &below, pace, progress).await?.objects.iter() {
                rest.objects.insert(&id);
            }
        }
        haves.extend(group.commits);
        packs.extend(group.packs);
    }
    Ok(Some(WithPacks { packs, rest }))
}
