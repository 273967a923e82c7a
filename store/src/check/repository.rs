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
    // The caches of the store, which are not used here.
    let resolver = Resolver::new(core, state, core.options.object_cache + core.options.tree_cache);
    let mut links = Links::new(shallow.clone());
    objects::check(core, state, &resolver, &mut links, findings);
    packs::check(state, &resolver, &mut links, findings);
    let tips = references::check(&name, &references, &resolver, findings);
    boundary::check(&name, &shallow, &resolver, findings);
    let mut history = Vec::new();
    let search = !links.affected.is_empty();
    commits::walk(&name, &tips, &shallow, &resolver, &mut links, findings, &mut |commit, tree| {
        if search {
            history.push((commit, tree));
        }
    });
    findings.end_repository(&name);
    links.tell_of_dependents(&name, findings);
    if search {
        PathFinder::new(&name, &resolver, history).report(&mut links, findings);
    }
    links.tell_of_the_rest(&name, findings);
}
