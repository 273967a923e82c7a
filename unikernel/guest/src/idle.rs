//! Waiting.

use kalends_nolibc::{Current, Platform};
use kalends_tls_frontend::stack::Idle;
use std::time::Instant;

/// Hands the processor back to the host until a frame or a deadline comes.
pub(crate) struct GuestIdle;

impl Idle for GuestIdle {
    fn wait(&mut self, until: Option<Instant>) {
        let until = until.map(|until| {
            Current::monotonic().saturating_add(until.saturating_duration_since(Instant::now()))
        });
        Current::wait(until);
    }
}
