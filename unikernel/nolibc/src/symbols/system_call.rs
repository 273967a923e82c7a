//! `syscall`: how `std` and `getrandom` reach what has no function in C.

use super::{EINVAL, ENOSYS, ETIMEDOUT, fail};
use crate::{
    exit,
    platform::{Current, Platform},
    random,
};
use std::{
    ffi::{c_int, c_long, c_uint, c_void},
    slice,
    time::Duration,
};

const SYS_FUTEX: c_long = 202;
const SYS_GETRANDOM: c_long = 318;

const FUTEX_WAIT: usize = 0;
const FUTEX_WAKE: usize = 1;
const FUTEX_WAIT_BITSET: usize = 9;
const FUTEX_WAKE_BITSET: usize = 10;
/// Without the flags for private futexes and the realtime clock.
const FUTEX_COMMAND: usize = 0x7f;

/// `struct timespec`.
#[repr(C)]
pub struct TimeSpec {
    pub(super) seconds: i64,
    pub(super) nanoseconds: i64,
}

#[cfg_attr(any(feature = "spt", feature = "hvt", feature = "virtio"), unsafe(no_mangle))]
pub unsafe extern "C" fn getrandom(buffer: *mut c_void, size: usize, _flags: c_uint) -> isize {
    // SAFETY: the caller promises `size` writable bytes.
    random::fill(unsafe { slice::from_raw_parts_mut(buffer.cast(), size) });
    size as isize
}

/// The C function takes any number of arguments; on x86-64 those not given are registers whose content is
/// not looked at.
#[cfg_attr(any(feature = "spt", feature = "hvt", feature = "virtio"), unsafe(no_mangle))]
pub unsafe extern "C" fn syscall(number: c_long, a: usize, b: usize, c: usize, d: usize) -> c_long {
    match number {
        // SAFETY: as for `getrandom`.
        SYS_GETRANDOM => unsafe { getrandom(a as *mut c_void, b, 0) as c_long },
        // SAFETY: the caller promises a futex word, and a time or null.
        SYS_FUTEX => unsafe { futex(a as *const u32, b & FUTEX_COMMAND, c as u32, d as *const TimeSpec) },
        _ => fail(ENOSYS).into(),
    }
}

/// With one thread nobody else can wake: a wait ends at its deadline or never.
unsafe fn futex(word: *const u32, command: usize, expected: u32, time: *const TimeSpec) -> c_long {
    match command {
        FUTEX_WAKE | FUTEX_WAKE_BITSET => 0,
        FUTEX_WAIT | FUTEX_WAIT_BITSET => {
            // SAFETY: the caller promises that the word can be read.
            if unsafe { word.read_volatile() } != expected {
                return fail(super::EAGAIN).into();
            }
            // SAFETY: the caller promises a time or null.
            let Some(time) = (unsafe { time.as_ref() }) else {
                exit::stop(exit::DEADLOCK, format_args!("bug: the only thread waits for another"));
            };
            let time = Duration::new(time.seconds as u64, time.nanoseconds as u32);
            // FUTEX_WAIT_BITSET names a time of the monotonic clock, FUTEX_WAIT one from now.
            let until = if command == FUTEX_WAIT { Current::monotonic() + time } else { time };
            while Current::monotonic() < until {
                Current::wait(Some(until));
            }
            fail(ETIMEDOUT).into()
        }
        _ => c_long::from(fail(EINVAL) as c_int),
    }
}
