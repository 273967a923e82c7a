//! Virtual machines that `kalends run virtio` has QEMU run.

use crate::guest::{Guest, HOSTNAME, Way, serves_and_keeps};
use kalends_interop_tests::{
    Server,
    event::event,
    image::image,
    namespace::{GUEST, Namespace},
    server::program,
    target::free_port,
};
use std::{
    net::{Ipv4Addr, TcpListener},
    path::Path,
    process::{Command, Stdio},
};

/// `kalends run virtio` on a device, with these options and, after `--`, those of the guest.
fn run(mut program: Command, device: &Path, options: &str) -> Command {
    program.args(["run", "virtio"]).arg(image("virtio")).arg("--block").arg(device);
    program.args(options.split_whitespace()).stdin(Stdio::null());
    program
}

#[test]
fn a_guest_is_reached_by_a_port_of_loopback_and_ends_with_the_program() {
    let mut server = Server::start_with_device_of("64M");
    let (device, port) = (server.device(), free_port());
    let start = || {
        let options = format!("--forward {port} --memory 128 -- --hostname={HOSTNAME}");
        Guest::start(run(Command::new(program()), &device, &options))
    };
    let way = Way { port, address: "127.0.0.1" };
    serves_and_keeps(&mut server, start, &way, |name: &str| Command::new(name), [&event(1), &event(2)]);
}

#[test]
fn a_guest_without_pci_serves_a_tap_device() {
    let namespace = Namespace::new();
    let mut server = Server::start_with_device_of("64M");
    let device = server.device();
    let start = || {
        let options = format!(
            "--net tap0 --machine microvm --accel tcg --sync --memory 128 -- --ipv4={GUEST}/24 --ipv6=off \
             --hostname={HOSTNAME}"
        );
        Guest::start(run(namespace.command(program().to_str().unwrap()), &device, &options))
    };
    let way = Way { port: 443, address: GUEST };
    serves_and_keeps(&mut server, start, &way, |name| namespace.command(name), [&event(1), &event(2)]);
}

#[test]
fn the_ends_of_guest_and_qemu_are_told_apart() {
    let mut server = Server::start_with_device_of("64M");
    server.stop();
    let guest = "--accel tcg --machine q35 --memory 128 -- --port=x";
    let (ended, said) = Guest::run(run(Command::new(program()), &server.device(), guest));
    assert_eq!(ended.code(), Some(2), "{said}");
    for part in ["--port x: expected a number", "kalends: the guest ended with status 2"] {
        assert!(said.contains(part), "{said}");
    }

    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let options = format!("--accel tcg --memory 128 --forward {}", taken.local_addr().unwrap().port());
    let (ended, said) = Guest::run(run(Command::new(program()), &server.device(), &options));
    assert_eq!(ended.code(), Some(1), "{said}");
    assert!(said.contains("kalends: QEMU failed with status 1; what it said is above"), "{said}");
}

#[test]
fn what_cannot_be_run_is_refused_in_a_line() {
    let mut server = Server::start_with_device_of("64M");
    let device = server.device();
    let refused = |command: Command, part: &str| {
        let (ended, said) = Guest::run(command);
        assert_eq!(ended.code(), Some(1), "{said}");
        assert!(said.contains(part) && said.lines().count() == 1, "{said}");
    };
    refused(run(Command::new(program()), &device, "--accel tcg"), "is in use by another process");
    server.stop();

    let mut without_qemu = Command::new(program());
    without_qemu.env("PATH", "/nonexistent");
    refused(run(without_qemu, &device, ""), "Debian has it in the package qemu-system-x86");

    let missing = run(Command::new(program()), &device, "--accel tcg --net kalends-none");
    refused(missing, "there is no network interface kalends-none");

    let mut other = Command::new(program());
    other.args(["run", "virtio"]).arg(image("spt")).arg("--block").arg(&device);
    refused(other, "built for another target than virtio");

    // A KVM that is none.
    let mut without_kvm = Command::new("unshare");
    let script = "if [ -e /dev/kvm ]; then mount --bind /dev/null /dev/kvm; fi; exec \"$0\" \"$@\"";
    without_kvm.args(["--mount", "sh", "-c", script]).arg(program());
    refused(run(without_kvm, &device, "--accel kvm"), "kalends: --accel kvm: ");
}
