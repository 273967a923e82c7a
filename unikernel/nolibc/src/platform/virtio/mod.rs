//! A virtual machine with virtio devices over PCI: QEMU, and others that start by PVH.
//!
//! Virtio 1.2, by the `virtio-drivers` crate. The processor, its clocks and its interrupts are those of a PC:
//! serial console (16550), timer (8254), interrupt controllers (8259), clock (MC146818).

mod block;
mod boot;
mod calendar_clock;
mod devices;
mod dma;
mod entropy;
mod frames;
mod interrupts;
mod pci;
mod power;
mod serial;
mod timer;

pub use block::VirtioBlock;
pub use frames::VirtioFrames;

use super::{
    Attached, Platform,
    x86::{self, clock::CycleClock},
};
use crate::one_thread::OneThread;
use devices::Kind;
use std::{ops::Range, time::Duration};

/// The platform.
pub struct Virtio;

static CLOCK: OneThread<CycleClock> = OneThread::new(CycleClock::new());

impl Platform for Virtio {
    type Block = VirtioBlock;
    type Frames = VirtioFrames;

    const NAME: &str = "virtio";
    const ENTROPY_ADVICE: &str = ", and there is no virtio-rng device: add one";

    unsafe fn set_thread_pointer(pointer: usize) {
        // SAFETY: as the caller promises.
        unsafe { x86::set_thread_pointer(pointer) }
    }

    fn memory() -> Range<usize> {
        boot::memory()
    }

    fn command_line() -> &'static [u8] {
        boot::command_line()
    }

    fn console(bytes: &[u8]) {
        serial::write(bytes);
    }

    fn monotonic() -> Duration {
        CLOCK.monotonic()
    }

    fn wall() -> Duration {
        CLOCK.wall(|estimate| calendar_clock::correct(estimate, calendar_clock::read()))
    }

    fn host_entropy(bytes: &mut [u8]) -> bool {
        entropy::fill(bytes)
    }

    fn wait(until: Option<Duration>) {
        interrupts::wait(until);
    }

    fn block(_name: &str) -> Option<Attached<VirtioBlock>> {
        Some(devices::only(Kind::Block)?.and_then(VirtioBlock::new))
    }

    fn frames(_name: &str) -> Option<Attached<VirtioFrames>> {
        Some(devices::only(Kind::Network)?.and_then(VirtioFrames::new))
    }

    fn exit(status: u8) -> ! {
        power::off(status)
    }
}
