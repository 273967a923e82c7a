//! Rules that a push must satisfy before its objects are adopted.

use crate::{Error, Kind, ObjectId, Objects, Pace};
use std::{future::Future, pin::Pin};

/// One reference that a push wants to move.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushedUpdate {
    /// Full name, such as `refs/heads/main`.
    pub name: String,
    /// The value that the server has now; `None` when it does not exist.
    pub old: Option<ObjectId>,
    /// The value asked for; `None` deletes the reference.
    pub new: Option<ObjectId>,
    /// Whether `old` is an ancestor of `new` (true for creations, false for deletions).
    pub fast_forward: bool,
    /// Whether the push brings commits without their parents, from a shallow clone: the history of the repository
    /// ends there.
    pub shallow: bool,
}

/// Why a reference may not move.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// A few words that git prints beside the reference: `(calendar rules)`.
    pub summary: String,
    /// Lines for the user's terminal, each naming file, line and rule.
    pub details: Vec<String>,
}

/// The inner result is the decision over an update; the outer error means that it could not be made.
pub type Verdict = Result<Result<(), Refusal>, Error>;

/// A decision in the making.
pub type Deciding<'a> = Pin<Box<dyn Future<Output = Verdict> + 'a>>;

/// Decides over a push, before anything of it is visible.
pub trait PushPolicy {
    /// Whether updates of this reference are decided by the contents of objects, so that those of a push to it
    /// should be [seen](Self::see).
    fn watches(&self, _name: &str) -> bool {
        false
    }

    /// Sees an object of the push, verified, while the push is received: what is found out now need not be read
    /// again for [`check`](Self::check). Objects come in any order, and not all of them are shown. Nothing is
    /// decided yet, nor is it known whether a reference is going to reach the object.
    ///
    /// Work is accounted for by [`Pace::owe`].
    fn see(&self, _id: &ObjectId, _kind: Kind, _data: &[u8], _pace: &Pace) {}

    /// Examines one update. `objects` sees the pushed objects and those of the repository; long
    /// examinations give way to other requests by `pace`. Should the reference move meanwhile, the push
    /// fails whatever the decision.
    fn check<'a>(
        &'a self,
        objects: &'a dyn Objects,
        update: &'a PushedUpdate,
        pace: &'a Pace,
    ) -> Deciding<'a>;
}

/// No rules: takes whatever git takes.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoRules;

impl PushPolicy for NoRules {
    fn check<'a>(&'a self, _: &'a dyn Objects, _: &'a PushedUpdate, _: &'a Pace) -> Deciding<'a> {
        Box::pin(std::future::ready(Ok(Ok(()))))
    }
}
