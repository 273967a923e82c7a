//! Solo5 spt: a Linux process under a seccomp filter that allows nine system calls.
//!
//! Version 2 of the interface in Solo5's `include/spt_abi.h`. The tender maps the image and enters it with
//! the boot information in RDI.

mod block;
mod boot;
mod frames;
mod system_call;

pub use block::SptBlock;
pub use frames::SptFrames;

use super::{
    Attached, Platform,
    x86::followed_clock::{FollowedClock, Source},
};
use crate::{
    one_thread::OneThread,
    solo5::manifest::{Kind, Manifest},
};
use boot::BootInfo;
use std::{cell::Cell, ops::Range, time::Duration};

/// The platform.
pub struct Spt;

/// What the timer is set for.
static ARMED: OneThread<Cell<Option<Duration>>> = OneThread::new(Cell::new(None));

static CLOCK: OneThread<FollowedClock> = OneThread::new(FollowedClock::new());

/// The host's clocks, a system call each.
struct HostClocks;

impl Source for HostClocks {
    fn monotonic(&self) -> Duration {
        system_call::clock(system_call::CLOCK_MONOTONIC)
    }

    fn wall(&self) -> Duration {
        system_call::clock(system_call::CLOCK_REALTIME)
    }
}

impl Platform for Spt {
    type Block = SptBlock;
    type Frames = SptFrames;

    const NAME: &str = "spt";
    const ENTROPY_ADVICE: &str = "";
    const DEVICE_ADVICE: &str = "";

    unsafe fn set_thread_pointer(pointer: usize) {
        let result = system_call::set_fs_base(pointer);
        assert!(result == 0, "the tender refused to set the thread pointer: error {result}");
    }

    fn memory() -> Range<usize> {
        boot::info().free_memory()
    }

    fn command_line() -> &'static [u8] {
        boot::info().command_line()
    }

    fn console(bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            match usize::try_from(system_call::write(system_call::STANDARD_OUTPUT, rest)) {
                Ok(written) if written > 0 => rest = rest.get(written..).unwrap_or_default(),
                // The console is gone; there is no one to tell.
                _ => return,
            }
        }
    }

    fn monotonic() -> Duration {
        CLOCK.monotonic(&HostClocks)
    }

    fn wall() -> Duration {
        CLOCK.wall(&HostClocks)
    }

    fn host_entropy(_bytes: &mut [u8]) -> bool {
        false
    }

    fn wait(until: Option<Duration>) {
        let BootInfo { poll, timer, .. } = *boot::info();
        // A timer that is set for earlier is left alone: most waits end by a frame, and deadlines move on.
        if let Some(until) = until
            && ARMED.get().is_none_or(|armed| until < armed)
        {
            // A zero time would disarm it.
            system_call::set_timer(timer, until.max(Duration::from_nanos(1)));
            ARMED.set(Some(until));
        }
        if system_call::wait(poll) {
            // It stays ready until it is set again.
            system_call::set_timer(timer, Duration::ZERO);
            ARMED.set(None);
        }
    }

    fn block(name: &str) -> Option<Attached<SptBlock>> {
        let (_, entry) = manifest(name, Kind::Block)?;
        Some(Ok(SptBlock::new(entry)))
    }

    fn frames(name: &str) -> Option<Attached<SptFrames>> {
        let (_, entry) = manifest(name, Kind::Network)?;
        Some(Ok(SptFrames::new(entry)))
    }

    fn exit(status: u8) -> ! {
        system_call::exit(status)
    }
}

fn manifest(name: &str, kind: Kind) -> Option<(u64, crate::solo5::manifest::Entry)> {
    let manifest: *const Manifest = boot::info().manifest;
    // SAFETY: the tender hands over the whole manifest and keeps it unchanged.
    unsafe { (*manifest).find(name, kind) }
}
