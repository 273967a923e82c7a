//! What a push to the realm repository must satisfy.

use super::configuration::Configuration;
use kalends_store::{Deciding, Objects, Pace, PushPolicy, PushedUpdate, Refusal, Verdict};
use std::future::ready;

/// Examines pushes to the realm: its files are correct, somebody stays administrator, history is kept.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealmRules;

impl PushPolicy for RealmRules {
    fn check<'a>(
        &'a self,
        objects: &'a dyn Objects,
        update: &'a PushedUpdate,
        _pace: &'a Pace,
    ) -> Deciding<'a> {
        Box::pin(ready(self.examine(objects, update)))
    }
}

impl RealmRules {
    /// Examines one update; the files are small enough to do so at once.
    pub(super) fn examine(&self, objects: &dyn Objects, update: &PushedUpdate) -> Verdict {
        if update.name != "refs/heads/main" {
            return Ok(Ok(()));
        }
        let Some(commit) = update.new else {
            return Ok(Err(refusal(vec![
                "main holds the server's configuration; it cannot be deleted".into(),
            ])));
        };
        let tree = objects.tree_of_commit(&commit)?;
        let configuration = match Configuration::read(objects, &tree)? {
            Ok(configuration) => configuration,
            Err(problems) => return Ok(Err(refusal(problems.iter().map(ToString::to_string).collect()))),
        };
        if !configuration.has_administrator() {
            let detail = "users.toml: nobody would be left to administer the server; at least one user must \
                          have administrator = true and not be disabled";
            return Ok(Err(refusal(vec![detail.into()])));
        }
        Ok(Ok(()))
    }
}

fn refusal(details: Vec<String>) -> Refusal {
    Refusal { summary: "realm rules".into(), details }
}
