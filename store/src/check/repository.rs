//! One repository: its objects, references and history.

use super::{
    boundary, commits, finding::Findings, links::Links, objects, packs, paths::PathFinder, references,
    resolver::Resolver,
};
use crate::core::{Core, RepositoryState};
use std::cell::RefCell;

/// Checks a repository.
pub(super) fn check(core: &Core, state: &RefCell<RepositoryState>, findings: &mut Findings<'_>) {
    findings.summary.repositories += 1;
    let (name, references, shallow) = {
        let state = state.borrow();
        (state.name.clone(), state.latest_references(), state.shallow.clone())
    };
    let resolver = Resolver::new(core, state);
    let mut links = Links::new(shallow.clone());
    objects::check(core, state, &resolver, &mut links, findings);
    packs::check(state, &resolver, &mut links, findings);
    let tips = references::check(&name, &references, &resolver, findings);
    boundary::check(&name, &shallow, &resolver, findings);
    let mut trees = Vec::new();
    let search = !links.affected.is_empty();
    commits::walk(&name, &tips, &shallow, &resolver, &mut links, findings, &mut |commit, tree| {
        if search {
            trees.push((commit, tree));
        }
    });
    let mut finder = PathFinder::new(&name, &resolver);
    for (commit, tree) in trees {
        if links.affected.is_empty() {
            break;
        }
        finder.search(commit, tree, &mut links, findings);
    }
    for id in std::mem::take(&mut links.affected) {
        findings.locate(&name, id, "is reached by no reference, or by damaged objects only".into());
    }
}
