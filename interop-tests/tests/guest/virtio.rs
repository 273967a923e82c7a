//! As a virtual machine with virtio devices, under QEMU without acceleration.

use crate::{
    guest::{Guest, HOSTNAME, Way, serves_and_keeps},
    image::image,
};
use kalends_interop_tests::{Server, event::event};
use std::{
    net::{Ipv4Addr, TcpListener},
    path::Path,
    process::{Command, Stdio},
};

/// QEMU ends with this for a status that the guest tells its `isa-debug-exit` device.
const fn told(status: i32) -> i32 {
    2 * status + 1
}

/// A port of loopback that is free now.
fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

fn qemu(device: &Path, port: u16, processor: &str, options: &str) -> Command {
    let mut command = Command::new("qemu-system-x86_64");
    command
        .args(["-accel", "tcg", "-cpu", processor, "-m", "128", "-display", "none", "-serial", "stdio"])
        .args(["-no-reboot", "-nodefaults", "-device", "isa-debug-exit,iobase=0x501,iosize=2"])
        .arg("-kernel")
        .arg(image("virtio"))
        .args(["-append", options])
        .args(["-netdev", &format!("user,id=net,hostfwd=tcp:127.0.0.1:{port}-:443")])
        .args(["-device", "virtio-net-pci,netdev=net", "-device", "virtio-blk-pci,drive=disk"])
        .args(["-drive", &format!("file={},if=none,id=disk,format=raw", device.display())])
        .stdin(Stdio::null());
    command
}

#[test]
fn a_virtio_guest_serves_the_device_and_keeps_what_it_acknowledged_when_killed() {
    let mut server = Server::start_with_device_of("64M");
    let (device, port) = (server.device(), free_port());
    let start = || {
        // The address comes from QEMU's DHCP server.
        let guest = Guest::start(qemu(&device, port, "max", &format!("--hostname={HOSTNAME}")));
        let console = guest.console.join("\n");
        assert!(console.contains("acknowledged changes survive a loss of power"), "{console}");
        guest
    };
    let way = Way { port, address: "127.0.0.1" };
    serves_and_keeps(&mut server, start, &way, |name: &str| Command::new(name), [&event(1), &event(2)]);
}

#[test]
fn a_virtio_guest_without_entropy_makes_no_keys() {
    let mut server = Server::start_with_device_of("64M");
    server.stop();
    // This processor has neither RDRAND nor RDSEED.
    let (ended, said) = Guest::run(qemu(&server.device(), free_port(), "qemu64", ""));
    assert_eq!(ended.code(), Some(told(104)), "{said}");
    assert!(said.contains("no entropy"), "{said}");

    let mut command = qemu(&server.device(), free_port(), "qemu64", "");
    command.args(["-device", "virtio-rng-pci"]);
    Guest::start(command).kill();
}

#[test]
fn a_virtio_guest_says_what_is_wrong_and_powers_off() {
    let mut server = Server::start_with_device_of("64M");
    server.stop();
    let (ended, said) = Guest::run(qemu(&server.device(), free_port(), "max", "--port=x"));
    assert_eq!(ended.code(), Some(told(2)), "{said}");
    assert!(said.contains("--port x: expected a number"), "{said}");
}
