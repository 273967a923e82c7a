//! The two clocks that `std` and the C interface know.

use crate::platform::{Current, Platform};
use std::time::Duration;

/// Time since some start; never goes back. It is the time base of `std::time::Instant`.
pub fn monotonic() -> Duration {
    Current::monotonic()
}

/// Time since 1970-01-01 00:00 UTC, as the host tells it.
pub fn wall() -> Duration {
    Current::wall()
}
