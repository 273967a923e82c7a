//! spt: the guest is this process, after a seccomp filter has closed everything else.
//!
//! Version 2 of the interface in Solo5's `include/spt_abi.h`.

mod filter;
mod poll;

use crate::{block, command_line::Options, elf::Image, manifest::Manifest, memory::GuestMemory, tap};
use std::{arch::asm, convert::Infallible, os::fd::AsRawFd};

/// The kind and version that an image must name: target 2, version 2.
const INTERFACE: [u8; 8] = [2, 0, 0, 0, 2, 0, 0, 0];
const BOOT_INFO: u64 = 0x11000;
/// Bytes of `struct spt_boot_info`.
const BOOT_INFO_SIZE: u64 = 40;
/// The longest command line, with the zero at its end.
const COMMAND_LINE: usize = 8192;

/// Becomes the guest; the error is one line.
pub(crate) fn run(image: &Image<'_>, options: &Options, tap: &str) -> Result<Infallible, String> {
    let named = |error: String| format!("{}: {error}", options.image.display());
    match image.note(b"ABI1", 4) {
        Some(interface) if interface.starts_with(&INTERFACE) => {}
        Some(_) => return Err(named("it was built for another target than spt, or another version".into())),
        None => return Err(named("it is no Solo5 guest".into())),
    }
    let manifest = image.note(b"MFT1", 8).ok_or_else(|| named("it has no device manifest".into()))?;
    let mut manifest = Manifest::parse(manifest).map_err(named)?;
    let (disk, capacity) = block::open(&options.block, options.sync)?;
    manifest.attach_block(disk.as_raw_fd(), capacity, block::BLOCK_SIZE).map_err(named)?;
    let (interface, mtu) = tap::open(tap)?;
    let mac = options.mac.map_or_else(tap::random_mac, Ok)?;
    let number = manifest.attach_network(interface.as_raw_fd(), mac, mtu).map_err(named)?;
    let waits = poll::Waits::new(&interface, number)?;
    let manifest = manifest.finish().map_err(named)?;

    let mut memory = GuestMemory::at_its_addresses(options.memory)?;
    memory.load(image).map_err(named)?;
    let command_line = options.guest.as_bytes();
    if command_line.len() >= COMMAND_LINE || command_line.contains(&0) {
        return Err(format!("the guest's options are longer than {} bytes", COMMAND_LINE - 1));
    }
    let manifest_at = BOOT_INFO + BOOT_INFO_SIZE;
    let command_line_at = manifest_at + manifest.len() as u64;
    let mut info = Vec::new();
    for word in [options.memory as u64, image.end(), command_line_at, manifest_at] {
        info.extend(word.to_le_bytes());
    }
    for descriptor in [waits.epoll(), waits.timer()] {
        info.extend(descriptor.to_le_bytes());
    }
    for (at, bytes) in [(BOOT_INFO, &info[..]), (manifest_at, &manifest), (command_line_at, command_line)] {
        memory.write(at, bytes)?;
    }
    let rules = filter::Rules {
        epoll: waits.epoll(),
        timer: waits.timer(),
        disk: disk.as_raw_fd(),
        last_block: capacity - u64::from(block::BLOCK_SIZE),
        block_size: block::BLOCK_SIZE,
        interface: interface.as_raw_fd(),
    };
    let program = filter::program(&rules)?;
    // What handles faults in this program is of no use to the guest, and would run on its stack.
    // SAFETY: the default action is a valid handler.
    unsafe {
        for signal in [libc::SIGSEGV, libc::SIGBUS] {
            libc::signal(signal, libc::SIG_DFL);
        }
        libc::signal(libc::SIGPIPE, libc::SIG_IGN);
    }
    filter::confine(&program)?;
    // SAFETY: the image is loaded, its interface is ours, and nothing of this program runs any more: the
    // descriptors stay open, as nothing is dropped.
    unsafe { enter(image.entry, options.memory as u64 - 8, BOOT_INFO) }
}

/// # Safety
/// All three addresses must be those of a loaded guest.
unsafe fn enter(entry: u64, stack: u64, info: u64) -> ! {
    // SAFETY: as the caller promises.
    unsafe {
        asm!("mov rsp, {stack}", "jmp {entry}", entry = in(reg) entry, stack = in(reg) stack, in("rdi") info,
             options(noreturn))
    }
}
