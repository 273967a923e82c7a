//! State of a program with one thread.

use std::ops::Deref;

/// A static value that is used from the only thread. Interrupt handlers touch none of them.
pub(crate) struct OneThread<T>(T);

// SAFETY: a guest has one thread.
unsafe impl<T> Sync for OneThread<T> {}

impl<T> OneThread<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(value)
    }
}

impl<T> Deref for OneThread<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}
