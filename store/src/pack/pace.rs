//! Giving way to other requests during long work.

use std::{cell::Cell, future::poll_fn, task::Poll};

/// Work after which others get their turn: as much as takes a few milliseconds.
const QUANTUM: u64 = 1 << 20;

/// Counts work, and yields to the executor from time to time.
#[derive(Debug, Default)]
pub struct Pace {
    spent: Cell<u64>,
    never_yields: bool,
}

impl Pace {
    /// For a caller that has the thread for itself: futures that use it never wait for anything.
    pub(crate) fn unpaced() -> Self {
        Self { spent: Cell::default(), never_yields: true }
    }

    /// Accounts for `cost` where nothing can be waited for: who spends next may have to yield.
    pub fn owe(&self, cost: u64) {
        self.spent.set(self.spent.get().saturating_add(cost));
    }

    /// Accounts for `cost` (about one a byte that is hashed or inflated), and yields when it is time.
    /// Returns whether it did.
    pub async fn spend(&self, cost: u64) -> bool {
        let spent = self.spent.get().saturating_add(cost);
        if spent < QUANTUM || self.never_yields {
            self.spent.set(spent);
            return false;
        }
        self.spent.set(0);
        let mut yielded = false;
        poll_fn(|context| {
            if yielded {
                return Poll::Ready(());
            }
            yielded = true;
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
        true
    }
}
