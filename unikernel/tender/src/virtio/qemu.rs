//! QEMU's command line.

use super::accelerator::Accelerator;
use crate::command_line::{Machine, Network, Options};
use std::{
    env,
    ffi::{OsStr, OsString},
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::{Path, PathBuf},
};

const PROGRAM: &str = "qemu-system-x86_64";

/// The port that the guest serves on, unless its options say otherwise.
const GUEST_PORT: u16 = 443;

/// Where QEMU is.
pub(super) fn find(directories: Option<&OsStr>) -> Result<PathBuf, String> {
    let directories = directories.map(env::split_paths).into_iter().flatten();
    let mut places = directories.map(|directory| directory.join(PROGRAM));
    places
        .find(|place| place.is_file())
        .ok_or_else(|| format!("{PROGRAM} is not on the PATH; Debian has it in the package qemu-system-x86"))
}

/// The arguments that make a machine for the guest.
pub(super) fn arguments(
    options: &Options,
    machine: Machine,
    network: &Network,
    accelerator: Accelerator,
    mac: [u8; 6],
    is_disk: bool,
) -> Vec<OsString> {
    let (name, bus) = match machine {
        Machine::Pc => ("pc", "pci"),
        Machine::Q35 => ("q35", "pci"),
        // Devices are told by the command line only where ACPI does not.
        Machine::Microvm => ("microvm,acpi=off", "device"),
    };
    let processor = match accelerator {
        Accelerator::Kvm => "host",
        Accelerator::Tcg => "max",
    };
    let mut arguments = Vec::<OsString>::new();
    let mut add = |option: &str, value: OsString| arguments.extend([option.into(), value]);
    add("-machine", name.into());
    add("-accel", accelerator.name().into());
    add("-cpu", processor.into());
    add("-m", format!("{}M", options.memory >> 20).into());
    add("-display", "none".into());
    add("-serial", "stdio".into());
    add("-monitor", "none".into());
    add("-device", "isa-debug-exit,iobase=0x501,iosize=2".into());
    add("-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny".into());
    add("-kernel", options.image.clone().into());
    add("-append", options.guest.clone().into());
    let driver = if is_disk { "host_device" } else { "file" };
    let mut disk = OsString::from(format!("driver=raw,node-name=disk,file.driver={driver},file.filename="));
    disk.push(escaped(&options.block));
    add("-blockdev", disk);
    // Without the write cache QEMU flushes after each write.
    let cache = if options.sync { ",write-cache=off" } else { "" };
    add("-device", format!("virtio-blk-{bus},drive=disk{cache}").into());
    let network = match network {
        Network::Tap(tap) => format!("tap,id=net,ifname={tap},script=no,downscript=no"),
        Network::Forward(port) => {
            let guest = guest_port(&options.guest).unwrap_or(GUEST_PORT);
            format!("user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:{port}-:{guest}")
        }
    };
    add("-netdev", network.into());
    let mac = mac.map(|byte| format!("{byte:02x}")).join(":");
    // A PCI card would bring firmware for starting from the network.
    let firmware = if machine == Machine::Microvm { "" } else { ",romfile=" };
    add("-device", format!("virtio-net-{bus},netdev=net,mac={mac}{firmware}").into());
    add("-device", format!("virtio-rng-{bus}").into());
    if machine == Machine::Microvm {
        add("-global", "virtio-mmio.force-legacy=false".into());
    }
    arguments.extend(["-nodefaults", "-no-user-config", "-no-reboot"].map(OsString::from));
    arguments
}

/// A path in a list of QEMU's, in which commas separate.
fn escaped(path: &Path) -> OsString {
    let path = path.as_os_str().as_bytes();
    OsString::from_vec(path.split(|byte| *byte == b',').collect::<Vec<_>>().join(&b",,"[..]))
}

/// The port that the guest's options name.
fn guest_port(options: &str) -> Option<u16> {
    let mut words = options.split_ascii_whitespace();
    let mut port = None;
    while let Some(word) = words.next() {
        match word.strip_prefix("--port") {
            Some("") => port = words.next().and_then(|value| value.parse().ok()),
            Some(value) => port = value.strip_prefix('=').and_then(|value| value.parse().ok()),
            None => {}
        }
    }
    port
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command_line::Target;

    fn options() -> Options {
        Options {
            target: Target::Spt { tap: String::new() },
            image: "a.virtio".into(),
            block: "d,1.img".into(),
            mac: None,
            memory: 128 << 20,
            sync: false,
            guest: "--hostname=cal.example --port 8444".into(),
        }
    }

    fn line(machine: Machine, network: &Network, accelerator: Accelerator, options: &Options) -> String {
        let mac = [2, 0, 0, 0, 10, 255];
        arguments(options, machine, network, accelerator, mac, false)
            .join(OsStr::new(" "))
            .into_string()
            .unwrap()
    }

    #[test]
    fn a_machine_has_what_the_guest_needs() {
        let line = line(Machine::Q35, &Network::Forward(8443), Accelerator::Kvm, &options());
        for part in [
            "-machine q35 -accel kvm -cpu host -m 128M",
            "-append --hostname=cal.example --port 8444",
            "file.driver=file,file.filename=d,,1.img ",
            "-device virtio-blk-pci,drive=disk ",
            "hostfwd=tcp:127.0.0.1:8443-:8444",
            "-device virtio-net-pci,netdev=net,mac=02:00:00:00:0a:ff",
        ] {
            assert!(line.contains(part), "{part} is not in {line}");
        }
    }

    #[test]
    fn a_machine_without_pci_has_other_devices() {
        let options = Options { sync: true, ..options() };
        let line = line(Machine::Microvm, &Network::Tap("tap0".into()), Accelerator::Tcg, &options);
        for part in [
            "-accel tcg -cpu max",
            "virtio-blk-device,drive=disk,write-cache=off",
            "-netdev tap,id=net,ifname=tap0,script=no,downscript=no",
        ] {
            assert!(line.contains(part), "{part} is not in {line}");
        }
        assert!(!line.contains("-pci"), "{line}");
    }

    #[test]
    fn the_guests_port_is_read_from_its_options() {
        for (options, port) in [
            ("", None),
            ("--hostname=a", None),
            ("--port=1", Some(1)),
            ("--log info --port 2", Some(2)),
            ("--port=1 --port=3", Some(3)),
            ("--port", None),
            ("--ports=1", None),
        ] {
            assert_eq!(guest_port(options), port, "{options}");
        }
    }

    #[test]
    fn a_missing_qemu_is_told_with_its_package() {
        for directories in [None, Some(OsStr::new("/nonexistent"))] {
            assert!(find(directories).unwrap_err().contains("qemu-system-x86"));
        }
    }
}
