//! The system calls that the tender's filter allows, and no others.

use std::{arch::asm, ffi::c_int, time::Duration};

pub(super) const STANDARD_OUTPUT: c_int = 1;
pub(super) const CLOCK_REALTIME: usize = 0;
pub(super) const CLOCK_MONOTONIC: usize = 1;

const READ: usize = 0;
const WRITE: usize = 1;
const PREAD: usize = 17;
const PWRITE: usize = 18;
const ARCH_PRCTL: usize = 158;
const CLOCK_GETTIME: usize = 228;
const EXIT_GROUP: usize = 231;
const EPOLL_PWAIT: usize = 281;
const TIMERFD_SETTIME: usize = 286;

const ARCH_SET_FS: usize = 0x1002;
const TFD_TIMER_ABSTIME: usize = 1;
const INTERRUPTED: isize = -4;

#[repr(C)]
struct TimeSpec {
    seconds: i64,
    nanoseconds: i64,
}

impl From<Duration> for TimeSpec {
    fn from(time: Duration) -> Self {
        Self {
            seconds: i64::try_from(time.as_secs()).unwrap_or(i64::MAX),
            nanoseconds: time.subsec_nanos().into(),
        }
    }
}

/// # Safety
/// As the system call.
unsafe fn call(number: usize, arguments: [usize; 6]) -> isize {
    let [a, b, c, d, e, f] = arguments;
    let result;
    // SAFETY: the kernel changes RAX, RCX and R11 only, and memory that the caller names.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number => result,
            in("rdi") a, in("rsi") b, in("rdx") c, in("r10") d, in("r8") e, in("r9") f,
            lateout("rcx") _, lateout("r11") _,
            options(nostack),
        );
    }
    result
}

pub(super) fn read(descriptor: c_int, buffer: &mut [u8]) -> isize {
    // SAFETY: the kernel writes to the buffer at most.
    unsafe { call(READ, [descriptor as usize, buffer.as_mut_ptr() as usize, buffer.len(), 0, 0, 0]) }
}

pub(super) fn write(descriptor: c_int, data: &[u8]) -> isize {
    // SAFETY: the kernel reads the data only.
    unsafe { call(WRITE, [descriptor as usize, data.as_ptr() as usize, data.len(), 0, 0, 0]) }
}

pub(super) fn read_at(descriptor: c_int, buffer: &mut [u8], offset: u64) -> isize {
    let arguments = [descriptor as usize, buffer.as_mut_ptr() as usize, buffer.len(), offset as usize, 0, 0];
    // SAFETY: the kernel writes to the buffer at most.
    unsafe { call(PREAD, arguments) }
}

pub(super) fn write_at(descriptor: c_int, data: &[u8], offset: u64) -> isize {
    let arguments = [descriptor as usize, data.as_ptr() as usize, data.len(), offset as usize, 0, 0];
    // SAFETY: the kernel reads the data only.
    unsafe { call(PWRITE, arguments) }
}

pub(super) fn set_fs_base(address: usize) -> isize {
    // SAFETY: only the thread pointer changes, which is what the caller wants.
    unsafe { call(ARCH_PRCTL, [ARCH_SET_FS, address, 0, 0, 0, 0]) }
}

pub(super) fn clock(clock: usize) -> Duration {
    let mut time = TimeSpec { seconds: 0, nanoseconds: 0 };
    // SAFETY: the kernel writes the two numbers. It cannot fail for the two clocks that exist.
    unsafe { call(CLOCK_GETTIME, [clock, (&raw mut time) as usize, 0, 0, 0, 0]) };
    Duration::new(time.seconds as u64, time.nanoseconds as u32)
}

/// Arms the timer for a time of the monotonic clock; zero disarms it.
pub(super) fn set_timer(descriptor: c_int, until: Duration) {
    let timer = [TimeSpec { seconds: 0, nanoseconds: 0 }, until.into()];
    // SAFETY: the kernel reads the two times.
    unsafe {
        call(TIMERFD_SETTIME, [descriptor as usize, TFD_TIMER_ABSTIME, (&raw const timer) as usize, 0, 0, 0])
    };
}

/// Waits until something in the epoll set is ready; says whether the timer is.
pub(super) fn wait(poll: c_int) -> bool {
    /// `struct epoll_event` is packed on x86-64.
    #[derive(Clone, Copy)]
    #[repr(C, packed)]
    struct Event {
        events: u32,
        data: u64,
    }
    /// By this number the tender has put the timer into the set.
    const TIMER: u64 = 0xffff_fffe;
    const EVENTS: usize = 4;
    let mut events = [Event { events: 0, data: 0 }; EVENTS];
    loop {
        let arguments = [poll as usize, (&raw mut events) as usize, EVENTS, usize::MAX, 0, 0];
        // SAFETY: the kernel writes at most so many events.
        let result = unsafe { call(EPOLL_PWAIT, arguments) };
        if result != INTERRUPTED {
            let ready = usize::try_from(result).unwrap_or(0).min(EVENTS);
            return events.iter().take(ready).any(|event| event.data == TIMER);
        }
    }
}

pub(super) fn exit(status: u8) -> ! {
    // SAFETY: the process ends.
    unsafe { call(EXIT_GROUP, [status.into(), 0, 0, 0, 0, 0]) };
    loop {
        std::hint::spin_loop();
    }
}
