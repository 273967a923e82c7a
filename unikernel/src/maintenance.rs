//! Maintenance of the store, beside the service.

use futures_util::task::AtomicWaker;
use kalends_store::Store;
use std::{
    future::poll_fn,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

/// Runs the service to its end, and beside it whatever the store has to do: it compacts itself. When the
/// service has nothing to do, the store works ahead, a step at a time.
pub async fn maintained<T>(store: &Store, service: impl Future<Output = T>) -> T {
    let mut service = pin!(service);
    let mut maintenance = pin!(async {
        let error = store.maintain().await;
        log::error!("the device has failed, and takes no more changes: {error}");
    });
    let call = Arc::new(Call { pending: AtomicBool::new(true), outer: AtomicWaker::new() });
    let service_waker = Waker::from(call.clone());
    let mut failed = false;
    poll_fn(|context| {
        call.outer.register(context.waker());
        let called = call.pending.swap(false, Ordering::SeqCst);
        if called && let Poll::Ready(output) = service.as_mut().poll(&mut Context::from_waker(&service_waker))
        {
            return Poll::Ready(output);
        }
        failed = failed || maintenance.as_mut().poll(context).is_ready();
        // Between two calls from outside, whatever the service may wait for was looked at.
        if !called && store.has_work_ahead() {
            store.work_ahead();
        }
        if store.has_work_ahead() {
            context.waker().wake_by_ref();
        }
        Poll::Pending
    })
    .await
}

/// Tells whether the service can go on, and wakes the loop for it.
struct Call {
    pending: AtomicBool,
    outer: AtomicWaker,
}

impl Wake for Call {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.pending.store(true, Ordering::SeqCst);
        self.outer.wake();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kalends_block_backend::MemoryDevice;
    use kalends_store::{EntryKind, FormatOptions, ObjectId, ReferenceUpdate, TreeEdit};
    use std::{cell::Cell, future::pending, rc::Rc};

    /// A store with a directory of so many files, the last of which has just come.
    fn store(files: u32) -> Store {
        let device = Rc::new(MemoryDevice::new(16 << 20));
        let store = Store::format(device, &FormatOptions::default()).unwrap();
        let repository = store.create_repository("ada").unwrap();
        let mut transaction = repository.transaction();
        let edit = |number: u32| TreeEdit {
            name: format!("{number:05}.ics").into(),
            entry: Some((EntryKind::Blob, ObjectId::Sha1([7; 20]))),
        };
        let tree = transaction.edit_tree(None, &(1..files).map(edit).collect::<Vec<_>>()).unwrap();
        let tree = transaction.edit_tree(Some(&tree), &[edit(files)]).unwrap();
        let name = "refs/heads/main".into();
        transaction.update_reference(ReferenceUpdate { name, expected: None, new: Some(tree) });
        drop(transaction.submit().unwrap());
        store
    }

    #[test]
    fn the_store_works_ahead_while_the_service_has_nothing_to_do_and_only_then() {
        let store = store(5000);
        assert!(store.has_work_ahead());
        let busy = Cell::new(true);
        let service = async {
            for _ in 0..100 {
                let mut yielded = false;
                poll_fn(|context| {
                    context.waker().wake_by_ref();
                    if std::mem::replace(&mut yielded, true) { Poll::Ready(()) } else { Poll::Pending }
                })
                .await;
                assert!(store.has_work_ahead(), "the service could go on");
            }
            busy.set(false);
            pending::<()>().await;
        };
        let mut maintained = pin!(maintained(&store, service));
        let mut polls = 0;
        while busy.get() || store.has_work_ahead() {
            assert!(maintained.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
            polls += 1;
            assert!(polls < 120, "the work ahead is small, and ends");
        }
    }
}
