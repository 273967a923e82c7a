//! What a policy is shown of a push while it arrives.

use crate::repositories::{empty, grow, pack, push_body, whole};
use bytes::Bytes;
use kalends_store::{
    Deciding, Kind, ObjectId, Objects, Pace, PushPolicy, PushedUpdate, Repository,
    wire::{ReceiveOptions, receive_pack},
};
use std::{cell::RefCell, collections::BTreeSet, future, rc::Rc};

/// Notes what it sees, if it is a push to `main`.
struct Watches {
    seen: RefCell<BTreeSet<(Kind, ObjectId)>>,
    /// Tells ids.
    repository: Repository,
}

impl PushPolicy for Watches {
    fn watches(&self, name: &str) -> bool {
        name == "refs/heads/main"
    }

    fn see(&self, id: &ObjectId, kind: Kind, data: &[u8], pace: &Pace) {
        pace.owe(1 << 20);
        assert_eq!(self.repository.transaction().insert(kind, data.to_vec()).unwrap(), *id);
        assert!(self.seen.borrow_mut().insert((kind, *id)), "each object once");
    }

    fn check<'a>(&'a self, _: &'a dyn Objects, _: &'a PushedUpdate, _: &'a Pace) -> Deciding<'a> {
        Box::pin(future::ready(Ok(Ok(()))))
    }
}

/// What a policy saw of a push of so many commits to a branch, and how many objects there were.
fn seen(commits: u32, name: &str) -> (BTreeSet<(Kind, ObjectId)>, usize) {
    let source = empty();
    let tip = grow(&source, "refs/heads/main", commits);
    let body = Bytes::from(push_body(name, None, Some(tip), &pack(&source)));
    let policy = Rc::new(Watches { seen: RefCell::default(), repository: empty() });
    let report = whole(receive_pack(&empty(), body, policy.clone(), ReceiveOptions::default()).unwrap());
    assert!(String::from_utf8_lossy(&report).contains(&format!("ok {name}")));
    (policy.seen.take(), source.object_count().unwrap())
}

#[test]
fn a_policy_sees_every_object_of_a_push_to_what_it_watches() {
    let (objects, count) = seen(12, "refs/heads/main");
    assert_eq!(objects.len(), count);
    assert_eq!(objects.iter().filter(|(kind, _)| *kind == Kind::Blob).count(), 12);
    assert!(seen(12, "refs/heads/other").0.is_empty());
}

#[test]
fn of_a_long_history_it_sees_little() {
    let (objects, count) = seen(400, "refs/heads/main");
    assert!(objects.len() < count / 3, "{} of {count}", objects.len());
}
