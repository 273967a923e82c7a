//! A virtual machine with virtio devices over PCI or at fixed addresses (MMIO): QEMU, and others that start by
//! PVH or multiboot.
//!
//! Virtio 1.2, by the `virtio-drivers` crate. The rest is of a PC: serial console (16550), local APIC, and where
//! KVM's clock is not offered, a clock (MC146818) and a timer (8254) to measure by.

mod acpi;
mod block;
mod boot;
mod calendar_clock;
mod command_line;
mod date;
mod devices;
mod dma;
mod entropy;
mod frames;
mod frequency;
mod interrupts;
mod interval_timer;
mod io_apic;
mod kvm_clock;
mod loader;
mod local_apic;
mod mmio;
mod multiboot;
mod pci;
mod power;
mod pvh;
mod serial;
mod transport;

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
    const DEVICE_ADVICE: &str = " (QEMU's microvm tells of devices with acpi=off only)";

    unsafe fn set_thread_pointer(pointer: usize) {
        // SAFETY: as the caller promises.
        unsafe { x86::set_thread_pointer(pointer) }
    }

    fn memory() -> Range<usize> {
        boot::memory()
    }

    fn command_line() -> &'static [u8] {
        command_line::options()
    }

    fn console(bytes: &[u8]) {
        serial::write(bytes);
    }

    fn monotonic() -> Duration {
        CLOCK.monotonic()
    }

    fn wall() -> Duration {
        CLOCK.wall(|estimate| date::read(Some(estimate)))
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
