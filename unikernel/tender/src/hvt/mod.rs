//! hvt: the guest is a virtual machine on KVM with one processor, and this process serves its hypercalls.
//!
//! Version 2 of the interface in Solo5's `include/hvt_abi.h`.

mod filter;
mod hypercalls;
mod machine;

use crate::{block, command_line::Options, elf::Image, manifest::Manifest, memory::GuestMemory, tap};
use hypercalls::Devices;
use machine::Machine;
use std::{convert::Infallible, os::fd::AsRawFd};

/// The kind and version that an image must name: target 1, version 2.
const INTERFACE: [u8; 8] = [1, 0, 0, 0, 2, 0, 0, 0];
const BOOT_INFO: u64 = 0x10000;
/// Bytes of `struct hvt_boot_info`.
const BOOT_INFO_SIZE: u64 = 56;
/// The longest command line, with the zero at its end.
const COMMAND_LINE: usize = 8192;
/// The machine's pages.
const LARGE_PAGE: usize = 2 << 20;

/// Runs the guest, whose end is that of this process; the error is one line.
pub(crate) fn run(image: &Image<'_>, options: &Options, tap: &str) -> Result<Infallible, String> {
    let named = |error: String| format!("{}: {error}", options.image.display());
    match image.note(b"ABI1", 4) {
        Some(interface) if interface.starts_with(&INTERFACE) => {}
        Some(_) => return Err(named("it was built for another target than hvt, or another version".into())),
        None => return Err(named("it is no Solo5 guest".into())),
    }
    let manifest = image.note(b"MFT1", 8).ok_or_else(|| named("it has no device manifest".into()))?;
    let mut manifest = Manifest::parse(manifest).map_err(named)?;
    let (disk, capacity) = block::open(&options.block, options.sync)?;
    let disk_handle = manifest.attach_block(disk.as_raw_fd(), capacity, block::BLOCK_SIZE).map_err(named)?;
    let (interface, mtu) = tap::open(tap)?;
    let mac = options.mac.map_or_else(tap::random_mac, Ok)?;
    let interface_handle = manifest.attach_network(interface.as_raw_fd(), mac, mtu).map_err(named)?;
    let manifest = manifest.finish().map_err(named)?;

    let size = options.memory.next_multiple_of(LARGE_PAGE);
    let mut memory = GuestMemory::for_machine(size)?;
    memory.load(image).map_err(named)?;
    let mut machine = Machine::new(&mut memory, size, image.entry, BOOT_INFO)?;
    let command_line = options.guest.as_bytes();
    if command_line.len() >= COMMAND_LINE || command_line.contains(&0) {
        return Err(format!("the guest's options are longer than {} bytes", COMMAND_LINE - 1));
    }
    let manifest_at = BOOT_INFO + BOOT_INFO_SIZE;
    let command_line_at = manifest_at + manifest.len() as u64;
    let mut info = Vec::new();
    // No features, no ring for the network.
    for word in [size as u64, image.end(), machine.cycles_per_second()?, command_line_at, manifest_at, 0, 0] {
        info.extend(word.to_le_bytes());
    }
    for (at, bytes) in [(BOOT_INFO, &info[..]), (manifest_at, &manifest), (command_line_at, command_line)] {
        memory.write(at, bytes)?;
    }
    filter::confine(machine.descriptor(), disk.as_raw_fd(), interface.as_raw_fd())?;
    let mut devices = Devices { memory, disk, disk_handle, capacity, interface, interface_handle };
    let status = machine.run(&mut devices)?;
    // SAFETY: the process ends. What has to be durable is with the host; nothing is buffered here.
    unsafe { libc::_exit(status) }
}
