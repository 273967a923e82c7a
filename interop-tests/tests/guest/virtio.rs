//! As a virtual machine with virtio devices, under QEMU without acceleration.

use crate::guest::{Guest, HOSTNAME, Way, serves_and_keeps};
use kalends_interop_tests::{
    Server,
    event::event,
    target::{free_port, qemu},
};
use std::process::Command;

/// QEMU ends with this for a status that the guest tells its `isa-debug-exit` device.
const fn told(status: i32) -> i32 {
    2 * status + 1
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
