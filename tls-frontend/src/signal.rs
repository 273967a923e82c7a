//! How futures tell the loop of their thread that they can go on.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Wake, Waker},
};

/// Made a waker, it tells a loop to poll its future again.
pub(crate) struct Signal {
    woken: AtomicBool,
    /// Whether the loop waits, or is about to.
    waiting: AtomicBool,
    /// Ends the wait.
    interrupt: Option<Waker>,
}

impl Signal {
    /// For a loop that has its future still to poll, and whose waits `interrupt` ends.
    pub(crate) fn new(interrupt: Option<Waker>) -> Self {
        Self { woken: AtomicBool::new(true), waiting: AtomicBool::new(false), interrupt }
    }

    /// Whether the future can go on; asked again, only if it was woken again.
    pub(crate) fn take(&self) -> bool {
        self.woken.swap(false, Ordering::SeqCst)
    }

    /// Runs `wait`, which is told whether the future can go on already. Whoever wakes meanwhile, from whatever
    /// thread, interrupts.
    pub(crate) fn wait<T>(&self, wait: impl FnOnce(bool) -> T) -> T {
        self.waiting.store(true, Ordering::SeqCst);
        let result = wait(self.woken.load(Ordering::SeqCst));
        self.waiting.store(false, Ordering::SeqCst);
        result
    }
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.store(true, Ordering::SeqCst);
        if self.waiting.load(Ordering::SeqCst)
            && let Some(interrupt) = &self.interrupt
        {
            interrupt.wake_by_ref();
        }
    }
}
