//! Which rules hold for a push, by user and repository.

mod calendar_rules;
mod history_rules;
mod seen;

use crate::{
    Service,
    realm::{REALM_REPOSITORY, RealmRules, User},
};
use calendar_rules::CalendarRules;
use history_rules::HistoryRules;
use kalends_store::{PushPolicy, Repository};
use std::rc::Rc;

impl Service {
    /// The rules for a push by this user to this repository, for a program that has the objects at hand.
    pub fn push_policy(&self, user: &User, repository: &Repository) -> Rc<dyn PushPolicy> {
        policy(self, user, repository)
    }

    /// The rules for an import by whoever holds the device: those of a push for the content, and none for the
    /// history, which may be replaced.
    pub fn import_policy(&self, repository: &Repository) -> Rc<dyn PushPolicy> {
        let head = repository.head();
        match repository.name() {
            REALM_REPOSITORY => Rc::new(HistoryRules { head, allow_force: true, content: RealmRules }),
            _ => Rc::new(HistoryRules { head, allow_force: true, content: CalendarRules::new(self) }),
        }
    }
}

/// The rules for a push by this user to this repository. They do not decide who may push:
/// [`User::may_use`] does.
pub(crate) fn policy(service: &Service, user: &User, repository: &Repository) -> Rc<dyn PushPolicy> {
    let head = repository.head();
    if repository.name() == REALM_REPOSITORY {
        Rc::new(HistoryRules { head, allow_force: false, content: RealmRules })
    } else {
        let content = CalendarRules::new(service);
        Rc::new(HistoryRules { head, allow_force: user.allow_force_push, content })
    }
}
