//! What a push may do to history.

use kalends_store::{Deciding, Kind, ObjectId, Objects, Pace, PushPolicy, PushedUpdate, Refusal};

/// The branch that clients see moves forward only, and its content keeps rules; other branches are their
/// owner's to rewrite.
pub(super) struct HistoryRules<P> {
    /// The branch that clients see.
    pub(super) head: &'static str,
    /// Whether it may be rewritten after all.
    pub(super) allow_force: bool,
    /// The rules for its content.
    pub(super) content: P,
}

impl<P> HistoryRules<P> {
    fn history(&self, update: &PushedUpdate) -> Result<(), Refusal> {
        if update.new.is_none() {
            return Err(Refusal {
                summary: "deletion prohibited".into(),
                details: vec![format!("{}: the server serves this branch; it cannot be deleted", self.head)],
            });
        }
        if !update.fast_forward && !self.allow_force {
            return Err(Refusal {
                summary: "non-fast-forward".into(),
                details: vec![format!(
                    "{}: the push would drop commits that the server has; fetch, rebase or merge, and push \
                     without --force",
                    self.head
                )],
            });
        }
        Ok(())
    }
}

impl<P: PushPolicy> PushPolicy for HistoryRules<P> {
    fn watches(&self, name: &str) -> bool {
        name == self.head && self.content.watches(name)
    }

    fn see(&self, id: &ObjectId, kind: Kind, data: &[u8], pace: &Pace) {
        self.content.see(id, kind, data, pace);
    }

    fn check<'a>(
        &'a self,
        objects: &'a dyn Objects,
        update: &'a PushedUpdate,
        pace: &'a Pace,
    ) -> Deciding<'a> {
        Box::pin(async move {
            if update.shallow && !self.allow_force {
                return Ok(Err(Refusal {
                    summary: "shallow update not allowed".into(),
                    details: vec![format!(
                        "{}: the push begins in the middle of a history, of which the server lacks what is \
                         before; fetch with --unshallow, and push again",
                        update.name
                    )],
                }));
            }
            if update.name != self.head {
                return Ok(Ok(()));
            }
            if let Err(refusal) = self.history(update) {
                return Ok(Err(refusal));
            }
            self.content.check(objects, update, pace).await
        })
    }
}
