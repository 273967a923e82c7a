//! virtio: the guest is a virtual machine of QEMU's, which this process starts and waits for.

pub(crate) mod accelerator;
mod qemu;

use crate::{
    block,
    command_line::{Network, Options, VirtualMachine},
    elf::Image,
    tap,
};
use accelerator::Accelerator;
use std::{
    env, io,
    os::{
        fd::AsRawFd,
        unix::{
            fs::FileTypeExt,
            process::{CommandExt, ExitStatusExt},
        },
    },
    process::{Command, ExitStatus, Stdio},
};

/// QEMU ends with 2N + 1 when the guest tells it that it ends with N, and with this when it fails itself: guests
/// that end with 0 switch the machine off.
const QEMU_FAILED: i32 = 1;

/// Runs the guest to its end; gives its status. The error is one line.
pub(crate) fn run(image: &Image<'_>, options: &Options, machine: &VirtualMachine) -> Result<u8, String> {
    if !image.starts_by_pvh() {
        return Err(format!(
            "{}: it was built for another target than virtio; `cargo guest virtio` builds one for it",
            options.image.display()
        ));
    }
    let program = qemu::find(env::var_os("PATH").as_deref())?;
    let accelerator = choose(machine.accelerator)?;
    // Locked as long as QEMU has the descriptor, which it inherits: QEMU's own locks are of another kind.
    let (disk, _) = block::open(&options.block, false)?;
    let is_disk = disk.metadata().is_ok_and(|metadata| metadata.file_type().is_block_device());
    if let Network::Tap(name) = &machine.network {
        // Of another name, QEMU would make a device that nothing is connected to.
        tap::mtu(name)?;
    }
    let mac = options.mac.map_or_else(tap::random_mac, Ok)?;
    let arguments = qemu::arguments(options, machine.kind, &machine.network, accelerator, mac, is_disk);
    let mut command = Command::new(&program);
    command.args(arguments).stdin(Stdio::null());
    let (this, lock) = (std::process::id(), disk.as_raw_fd());
    // SAFETY: only system calls are made, which is allowed between fork and exec.
    unsafe { command.pre_exec(move || before_exec(this, lock)) };
    let status = command.status().map_err(|error| format!("{}: {error}", program.display()))?;
    judge(status)
}

/// What the operator wants, or KVM if it works.
fn choose(wanted: Option<Accelerator>) -> Result<Accelerator, String> {
    let usable = match wanted {
        Some(Accelerator::Tcg) => return Ok(Accelerator::Tcg),
        _ => accelerator::try_kvm(),
    };
    match (usable, wanted) {
        (Ok(()), _) => {
            eprintln!("kalends: QEMU runs the guest with KVM");
            Ok(Accelerator::Kvm)
        }
        (Err(why), Some(_)) => Err(format!("--accel kvm: {why}")),
        (Err(why), None) => {
            eprintln!("kalends: QEMU runs the guest without KVM, many times slower: {why}");
            Ok(Accelerator::Tcg)
        }
    }
}

/// Lets QEMU end with this process, and keep the lock.
fn before_exec(parent: u32, lock: i32) -> io::Result<()> {
    // SAFETY: none of these calls touches memory.
    unsafe {
        if libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM) != 0 || libc::fcntl(lock, libc::F_SETFD, 0) != 0
        {
            return Err(io::Error::last_os_error());
        }
        // It may have ended before.
        if libc::getppid() as u32 != parent {
            libc::_exit(QEMU_FAILED);
        }
    }
    Ok(())
}

/// The guest's status from QEMU's.
fn judge(status: ExitStatus) -> Result<u8, String> {
    match (status.code(), status.signal()) {
        (Some(0), _) => Ok(0),
        (Some(code), _) if code > QEMU_FAILED && code % 2 == 1 => {
            // Of 2N + 1 a process can only tell the lower eight bits; the guest's only status above 127 is 255.
            let guest = match code / 2 {
                127 => 255,
                guest => guest as u8,
            };
            eprintln!("kalends: the guest ended with status {guest}");
            Ok(guest)
        }
        (Some(code), _) => Err(format!("QEMU failed with status {code}; what it said is above")),
        (None, signal) => Err(format!("QEMU was ended by signal {}", signal.unwrap_or_default())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_of_guest_and_qemu_are_told_apart() {
        let exited = |code: i32| judge(ExitStatus::from_raw(code << 8));
        for (code, guest) in [(0, 0), (3, 1), (5, 2), (203, 101), (211, 105), (255, 255)] {
            assert_eq!(exited(code), Ok(guest), "{code}");
        }
        for code in [1, 2, 126] {
            assert!(exited(code).unwrap_err().contains(&format!("QEMU failed with status {code}")));
        }
        assert!(judge(ExitStatus::from_raw(9)).unwrap_err().contains("signal 9"));
    }

    #[test]
    fn a_wanted_accelerator_is_not_replaced() {
        assert_eq!(choose(Some(Accelerator::Tcg)), Ok(Accelerator::Tcg));
        match accelerator::try_kvm() {
            Ok(()) => assert_eq!(choose(Some(Accelerator::Kvm)), Ok(Accelerator::Kvm)),
            Err(why) => {
                assert_eq!(choose(Some(Accelerator::Kvm)), Err(format!("--accel kvm: {why}")));
                assert_eq!(choose(None), Ok(Accelerator::Tcg));
            }
        }
    }
}
