//! What the guest waits on: frames, and a timer.

use std::{
    fs::File,
    io,
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
};

/// By this number the guest knows the timer.
const TIMER: u64 = 0xffff_fffe;

/// An epoll set with the network interface and a timer.
pub(super) struct Waits {
    epoll: OwnedFd,
    timer: OwnedFd,
}

impl Waits {
    /// A set with the interface under its number in the manifest.
    pub(super) fn new(interface: &File, number: u64) -> Result<Self, String> {
        let failed = |error: io::Error| format!("the host gives no timer: {error}");
        // SAFETY: a new descriptor, or -1, which is checked.
        let epoll = owned(unsafe { libc::epoll_create1(0) }).map_err(failed)?;
        // SAFETY: as above.
        let timer = unsafe { libc::timerfd_create(libc::CLOCK_MONOTONIC, libc::TFD_NONBLOCK) };
        let timer = owned(timer).map_err(failed)?;
        for (descriptor, number) in [(timer.as_raw_fd(), TIMER), (interface.as_raw_fd(), number)] {
            let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: number };
            // SAFETY: all descriptors are open, and the event is valid.
            let added = unsafe {
                libc::epoll_ctl(epoll.as_raw_fd(), libc::EPOLL_CTL_ADD, descriptor, &raw mut event)
            };
            if added != 0 {
                return Err(failed(io::Error::last_os_error()));
            }
        }
        Ok(Self { epoll, timer })
    }

    pub(super) fn epoll(&self) -> i32 {
        self.epoll.as_raw_fd()
    }

    pub(super) fn timer(&self) -> i32 {
        self.timer.as_raw_fd()
    }
}

fn owned(descriptor: i32) -> io::Result<OwnedFd> {
    match descriptor {
        -1 => Err(io::Error::last_os_error()),
        // SAFETY: the descriptor is new, and nobody else's.
        descriptor => Ok(unsafe { OwnedFd::from_raw_fd(descriptor) }),
    }
}
