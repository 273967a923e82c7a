//! What must be there.

use crate::writers::{BRANCH, Change, Deeds};
use kalends_interop_tests::WorkingCopy;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

/// Remembers what was acknowledged.
#[derive(Default)]
pub(crate) struct Witness {
    events: BTreeMap<String, String>,
    in_doubt: Vec<Change>,
    tip: Option<String>,
    tip_in_doubt: Option<String>,
}

impl Witness {
    /// Takes down what a writer did.
    pub(crate) fn add(&mut self, deeds: Deeds<Change>) {
        deeds.acknowledged.into_iter().for_each(|change| self.apply(change));
        self.in_doubt.extend(deeds.in_doubt);
    }

    /// Takes down what was pushed.
    pub(crate) fn add_push(&mut self, deeds: Deeds<String>) {
        self.tip = deeds.acknowledged.into_iter().next_back().or(self.tip.take());
        self.tip_in_doubt = deeds.in_doubt;
    }

    fn apply(&mut self, (name, content): Change) {
        match content {
            Some(content) => self.events.insert(name, content),
            None => self.events.remove(&name),
        };
    }

    /// Compares with what the server has: what was in doubt is wholly there or not at all.
    pub(crate) fn examine(&mut self, copy: &WorkingCopy, round: usize) {
        let found: BTreeMap<String, String> = copy
            .files("calendar")
            .into_iter()
            .map(|path| {
                let content = fs::read_to_string(copy.path(&path)).unwrap();
                (path.trim_start_matches("calendar/").to_owned(), content)
            })
            .collect();
        for change in std::mem::take(&mut self.in_doubt) {
            if found.get(&change.0) == change.1.as_ref() {
                self.apply(change);
            }
        }
        let names: BTreeSet<_> = found.keys().chain(self.events.keys()).collect();
        for name in names {
            assert_eq!(found.get(name), self.events.get(name), "after kill {round}: {name}");
        }
    }

    /// Compares the pushed branch.
    pub(crate) fn examine_push(&mut self, copy: &WorkingCopy, round: usize) {
        let listed = copy.run(&["ls-remote", "origin", BRANCH]);
        let tip = listed.split_whitespace().next().map(str::to_owned);
        if tip.is_some() && tip == self.tip_in_doubt {
            self.tip = tip.clone();
        }
        assert_eq!(tip, self.tip, "after kill {round}: {BRANCH}");
        if tip.is_some() {
            copy.run(&["fetch", "--quiet", "origin", BRANCH]);
        }
    }
}
