//! From where new packs can be reached, so that clones get them as they lie.

use super::plan::Plan;
use crate::{
    Error, Pace, Repository,
    format::pack_index::{Ends, MAX_TIPS},
    objects::pack::AdoptedPack,
    wire::{
        commit_walk::Commit,
        enumeration::{Selection, enumerate},
        pack_groups::{beyond, groups},
    },
};
use gix_hash::ObjectId;
use gix_object::Kind;
use std::{collections::BTreeSet, rc::Rc};

/// The ends of a pack of these objects, which takes the place of `dropped` packs and of part of the log; none
/// where a few objects do not reach all of it, or lead to too much outside.
///
/// History is walked from the commits that none in the pack comes from, to those that the pack lacks. That costs
/// what cloning the pack's objects once would cost. What cannot be read is found by others.
pub(super) async fn of_plan(
    repository: &Repository,
    plan: &Plan,
    dropped: &[Rc<AdoptedPack>],
    pace: &Pace,
) -> Result<Ends, Error> {
    match find(repository, plan, dropped, pace).await {
        Err(error @ Error::Device(_)) => Err(error),
        found => Ok(found.unwrap_or_default()),
    }
}

async fn find(
    repository: &Repository,
    plan: &Plan,
    dropped: &[Rc<AdoptedPack>],
    pace: &Pace,
) -> Result<Ends, Error> {
    let (mut heads, mut tags) = (BTreeSet::new(), Vec::new());
    for place in 0..plan.len() {
        let Some(handle) = plan.at(place) else { break };
        let planned = plan.get(handle)?;
        match planned.kind {
            Kind::Commit => drop(heads.insert(planned.id)),
            Kind::Tag => tags.push(planned.id),
            Kind::Tree | Kind::Blob => {}
        }
        pace.spend(100).await;
    }
    let commits: Vec<ObjectId> = heads.iter().copied().collect();
    let mut outside = BTreeSet::new();
    for id in commits {
        for parent in Commit::read(repository, &id)?.parents {
            heads.remove(&parent);
            if plan.find(&parent).is_none() {
                outside.insert(parent);
            }
        }
        pace.spend(1000).await;
    }
    if heads.len() + tags.len() + outside.len() > MAX_TIPS || heads.is_empty() {
        return Ok(Ends::default());
    }
    let mut ends: Vec<ObjectId> = heads.into_iter().chain(tags).collect();
    let boundary: Vec<ObjectId> = outside.into_iter().collect();
    let (mut inside, mut others) = (0, Vec::new());
    let selection = Selection { wants: ends.clone(), haves: boundary.clone(), ..Selection::default() };
    for id in enumerate(repository, &selection, pace, &mut |_| {}).await?.objects.iter() {
        match plan.find(&id) {
            Some(_) => inside += 1,
            None => others.push(id),
        }
        pace.spend(100).await;
    }
    if inside < plan.len() {
        return Ok(Ends::default());
    }
    // What returns to what it was before is found there, where that is known to be reached.
    let mut packs = repository.state().borrow().packs.clone();
    packs.retain(|pack| !dropped.iter().any(|dropped| Rc::ptr_eq(pack, dropped)));
    let mut others = beyond(&groups(&packs)?, &boundary, others)?;
    ends.extend(boundary);
    ends.append(&mut others);
    Ok(Ends::of_one(ends))
}
