//! Which rules hold for a push, by user and repository.

use crate::{
    Service,
    realm::{REALM_REPOSITORY, RealmRules, User},
};
use kalends_store::{Error, Objects, PushPolicy, PushedUpdate, Refusal, Repository};
use std::rc::Rc;

/// The rules for a push by this user to this repository. They do not decide who may push:
/// [`User::may_use`] does.
pub(crate) fn policy(_service: &Service, user: &User, repository: &Repository) -> Rc<dyn PushPolicy> {
    let head = repository.head();
    if repository.name() == REALM_REPOSITORY {
        Rc::new(HistoryRules { head, allow_force: false, content: RealmRules })
    } else {
        Rc::new(HistoryRules { head, allow_force: user.allow_force_push, content: NoRules })
    }
}

/// The branch that clients see moves forward only, and its content keeps rules; other branches are their
/// owner's to rewrite.
struct HistoryRules<P> {
    head: &'static str,
    allow_force: bool,
    content: P,
}

impl<P: PushPolicy> PushPolicy for HistoryRules<P> {
    fn check(&self, objects: &dyn Objects, update: &PushedUpdate) -> Result<Result<(), Refusal>, Error> {
        if update.name != self.head {
            return Ok(Ok(()));
        }
        if update.new.is_none() {
            return Ok(Err(Refusal {
                summary: "deletion prohibited".into(),
                details: vec![format!("{}: the server serves this branch; it cannot be deleted", self.head)],
            }));
        }
        if !update.fast_forward && !self.allow_force {
            return Ok(Err(Refusal {
                summary: "non-fast-forward".into(),
                details: vec![format!(
                    "{}: the push would drop commits that the server has; fetch, rebase or merge, and push \
                     without --force",
                    self.head
                )],
            }));
        }
        self.content.check(objects, update)
    }
}

/// Accepts everything.
struct NoRules;

impl PushPolicy for NoRules {
    fn check(&self, _objects: &dyn Objects, _update: &PushedUpdate) -> Result<Result<(), Refusal>, Error> {
        Ok(Ok(()))
    }
}
