//! Guests of QEMU without acceleration.

use crate::image::image;
use std::{
    path::Path,
    process::{Command, Stdio},
};

/// The kinds of machine that QEMU has for the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Machine {
    /// A PC of 1996, with PCI.
    Pc,
    /// A PC of 2009, with PCI Express.
    Q35,
    /// A machine without PCI, whose devices the command line names.
    Microvm,
}

impl Machine {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Pc, Self::Q35, Self::Microvm];

    /// QEMU's name, with what makes it tell of its devices.
    fn name(self) -> &'static str {
        match self {
            Self::Pc => "pc",
            Self::Q35 => "q35",
            Self::Microvm => "microvm,acpi=off",
        }
    }

    /// The end of the names of virtio devices for it.
    pub fn bus(self) -> &'static str {
        match self {
            Self::Pc | Self::Q35 => "pci",
            Self::Microvm => "device",
        }
    }
}

/// QEMU with 128 MiB, whose guest has these options; `port` of loopback leads to its port 443.
pub fn qemu(machine: Machine, device: &Path, port: u16, processor: &str, options: &str) -> Command {
    let mut command = without_kernel(machine, device, port, processor);
    command.arg("-kernel").arg(image("virtio")).args(["-append", options]);
    command
}

/// Likewise, without anything to start.
pub fn without_kernel(machine: Machine, device: &Path, port: u16, processor: &str) -> Command {
    let mut command = Command::new("qemu-system-x86_64");
    let bus = machine.bus();
    command
        .args(["-machine", machine.name(), "-accel", "tcg", "-cpu", processor, "-m", "128"])
        .args(["-display", "none", "-serial", "stdio", "-no-reboot", "-nodefaults"])
        .args(["-device", "isa-debug-exit,iobase=0x501,iosize=2"])
        .args(["-netdev", &format!("user,id=net,hostfwd=tcp:127.0.0.1:{port}-:443")])
        .args(["-device", &format!("virtio-net-{bus},netdev=net")])
        .args(["-device", &format!("virtio-blk-{bus},drive=disk")])
        .args(["-drive", &format!("file={},if=none,id=disk,format=raw", device.display())])
        .stdin(Stdio::null());
    command
}
