//! What ends a wait of one thread from another.

use rustix::{
    event::{EventfdFlags, eventfd},
    fd::{AsFd, BorrowedFd, OwnedFd},
};
use std::{io, sync::Arc, task::Wake};

/// A descriptor that becomes readable when it is woken.
pub(super) struct Interrupt(OwnedFd);

impl Interrupt {
    /// One that nobody has woken.
    ///
    /// # Errors
    /// When the process has no descriptors left.
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?))
    }

    /// Makes it unreadable until it is woken again.
    pub(super) fn reset(&self) {
        let _ = rustix::io::read(&self.0, &mut [0; 8]);
    }
}

impl AsFd for Interrupt {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Wake for Interrupt {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // It fails only when it is signalled 2^64 - 1 times over.
        let _ = rustix::io::write(&self.0, &1_u64.to_ne_bytes());
    }
}
