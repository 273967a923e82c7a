//! What a push must satisfy beyond being sound git.

use crate::{Service, realm::User};
use kalends_store::{Error, Objects, PushPolicy, PushedUpdate, Refusal, Repository};
use std::rc::Rc;

/// The rules for a push by this user to this repository.
pub(crate) fn policy(_service: &Service, _user: &User, repository: &Repository) -> Rc<dyn PushPolicy> {
    Rc::new(MainOnlyGrows { head: repository.head() })
}

/// The branch that clients see moves forward only; others are their owner's to rewrite.
struct MainOnlyGrows {
    head: &'static str,
}

impl PushPolicy for MainOnlyGrows {
    fn check(&self, _objects: &dyn Objects, update: &PushedUpdate) -> Result<Result<(), Refusal>, Error> {
        if update.name == self.head && !update.fast_forward {
            return Ok(Err(Refusal { summary: "non-fast-forward".into(), details: Vec::new() }));
        }
        Ok(Ok(()))
    }
}
