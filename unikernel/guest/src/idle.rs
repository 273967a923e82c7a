//! Waiting.

use kalends_nolibc::{Current, Platform};
use kalends_tls_frontend::stack::Idle;
use std::time::{Duration, Instant};

/// Hands the processor back to the host until a frame or a deadline comes.
pub(crate) struct GuestIdle {
    /// One moment, as `std` and as the platform has it: both count from it at the same pace.
    instant: Instant,
    monotonic: Duration,
}

impl GuestIdle {
    pub(crate) fn new() -> Self {
        Self { instant: Instant::now(), monotonic: Current::monotonic() }
    }
}

impl Idle for GuestIdle {
    fn wait(&mut self, until: Option<Instant>) {
        let until =
            until.map(|until| self.monotonic.saturating_add(until.saturating_duration_since(self.instant)));
        Current::wait(until);
    }
}
