//! Clocks.

use super::{EINVAL, fail, system_call::TimeSpec};
use crate::clock;
use std::ffi::c_int;

const CLOCK_REALTIME: c_int = 0;
const CLOCK_MONOTONIC: c_int = 1;
const CLOCK_REALTIME_COARSE: c_int = 5;
const CLOCK_MONOTONIC_COARSE: c_int = 6;
const CLOCK_BOOTTIME: c_int = 7;

#[cfg_attr(any(feature = "spt", feature = "hvt", feature = "virtio"), unsafe(no_mangle))]
pub unsafe extern "C" fn clock_gettime(clock: c_int, result: *mut TimeSpec) -> c_int {
    let time = match clock {
        CLOCK_REALTIME | CLOCK_REALTIME_COARSE => clock::wall(),
        CLOCK_MONOTONIC | CLOCK_MONOTONIC_COARSE | CLOCK_BOOTTIME => clock::monotonic(),
        _ => return fail(EINVAL),
    };
    let time = TimeSpec { seconds: time.as_secs() as i64, nanoseconds: time.subsec_nanos().into() };
    // SAFETY: the caller promises that the result can be written.
    unsafe { result.write(time) };
    0
}
