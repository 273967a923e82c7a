//! Solo5 hvt: a virtual machine under Solo5's own monitor, with hypercalls for devices.
//!
//! Version 2 of the interface in Solo5's `include/hvt_abi.h`. The tender loads the image into a machine in
//! 64-bit mode and enters it with the boot information in RDI.

mod block;
mod boot;
mod frames;
mod hypercall;

pub use block::HvtBlock;
pub use frames::HvtFrames;

use super::{
    Attached, Platform,
    x86::{self, clock::CycleClock},
};
use crate::one_thread::OneThread;
use crate::solo5::manifest::{Entry, Kind, Manifest};
use std::{ops::Range, time::Duration};

/// The platform.
pub struct Hvt;

static CLOCK: OneThread<CycleClock> = OneThread::new(CycleClock::new());

/// Without a deadline the tender still wants one.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

impl Platform for Hvt {
    type Block = HvtBlock;
    type Frames = HvtFrames;

    const NAME: &str = "hvt";
    const ENTROPY_ADVICE: &str = "";
    const DEVICE_ADVICE: &str = "";

    unsafe fn set_thread_pointer(pointer: usize) {
        // SAFETY: as the caller promises.
        unsafe { x86::set_thread_pointer(pointer) }
    }

    fn memory() -> Range<usize> {
        boot::info().free_memory()
    }

    fn command_line() -> &'static [u8] {
        boot::info().command_line()
    }

    fn console(bytes: &[u8]) {
        hypercall::write_console(bytes);
    }

    fn monotonic() -> Duration {
        CLOCK.monotonic()
    }

    fn wall() -> Duration {
        CLOCK.wall(|_| hypercall::wall_time())
    }

    fn host_entropy(_bytes: &mut [u8]) -> bool {
        false
    }

    fn wait(until: Option<Duration>) {
        let left = until.map_or(LONGEST_WAIT, |until| until.saturating_sub(CLOCK.monotonic()));
        hypercall::poll(left.min(LONGEST_WAIT));
    }

    fn block(name: &str) -> Option<Attached<HvtBlock>> {
        let (handle, entry) = manifest(name, Kind::Block)?;
        Some(Ok(HvtBlock::new(handle, entry)))
    }

    fn frames(name: &str) -> Option<Attached<HvtFrames>> {
        let (handle, entry) = manifest(name, Kind::Network)?;
        Some(Ok(HvtFrames::new(handle, entry)))
    }

    fn exit(status: u8) -> ! {
        hypercall::halt(status)
    }
}

fn manifest(name: &str, kind: Kind) -> Option<(u64, Entry)> {
    let manifest: *const Manifest = boot::info().manifest;
    // SAFETY: the tender hands over the whole manifest and keeps it unchanged.
    unsafe { (*manifest).find(name, kind) }
}
