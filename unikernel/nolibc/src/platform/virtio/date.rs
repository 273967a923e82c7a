//! The date.

use super::{calendar_clock, kvm_clock};
use crate::exit;
use std::time::Duration;

/// Time since 1970-01-01 00:00 UTC, by KVM's clock or a PC's; what is known of it so far makes the latter finer.
/// Stops the guest where there is neither: certificates and calendars need it.
pub(super) fn read(estimate: Option<Duration>) -> Duration {
    if let Some(date) = kvm_clock::date() {
        return date;
    }
    let Some(clock) = calendar_clock::read() else {
        let why = "the machine has no clock that gives a date, neither KVM's nor a PC's (MC146818): QEMU has one \
                   with rtc=on";
        exit::stop(exit::FAILURE, format_args!("{why}"))
    };
    estimate.map_or(clock, |estimate| calendar_clock::correct(estimate, clock))
}
