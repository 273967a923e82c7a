//! Letting other requests run during long work: all share one thread.

use std::{future::poll_fn, task::Poll};

/// Lets other requests run before it resolves.
pub(crate) async fn give_way() {
    let mut gave = false;
    poll_fn(|context| {
        if gave {
            return Poll::Ready(());
        }
        gave = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
