//! As a virtual machine with virtio devices, under QEMU without acceleration.

use crate::guest::{Guest, HOSTNAME, Way, serves_and_keeps};
use kalends_interop_tests::{
    Server, TemporaryDirectory,
    event::event,
    image::image,
    qemu::{Machine, qemu, without_kernel},
    target::free_port,
};
use std::{
    fs,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

/// QEMU ends with this for a status that the guest tells its `isa-debug-exit` device.
const fn told(status: i32) -> i32 {
    2 * status + 1
}

fn serves_on(machine: Machine, more: &[&str]) {
    let mut server = Server::start_with_device_of("64M");
    let (device, port) = (server.device(), free_port());
    let start = || {
        // The address comes from QEMU's DHCP server.
        let mut command = qemu(machine, &device, port, "max", &format!("--hostname={HOSTNAME}"));
        let guest = Guest::start({
            command.args(more);
            command
        });
        let console = guest.console.join("\n");
        assert!(console.contains("acknowledged changes survive a loss of power"), "{console}");
        guest
    };
    let way = Way { port, address: "127.0.0.1" };
    serves_and_keeps(&mut server, start, &way, |name: &str| Command::new(name), [&event(1), &event(2)]);
}

#[test]
fn a_virtio_guest_serves_the_device_and_keeps_what_it_acknowledged_when_killed() {
    serves_on(Machine::Pc, &[]);
}

#[test]
fn a_virtio_guest_does_so_on_pci_express() {
    serves_on(Machine::Q35, &[]);
}

#[test]
fn a_virtio_guest_does_so_by_interrupt_lines_where_devices_send_no_messages() {
    serves_on(Machine::Q35, &["-global", "virtio-net-pci.vectors=0"]);
}

#[test]
fn a_virtio_guest_does_so_with_registers_above_4_gib() {
    // A device so large that firmware moves what it can to above it.
    let large = "memory-backend-ram,id=large,size=4G";
    serves_on(Machine::Q35, &["-object", large, "-device", "ivshmem-plain,memdev=large"]);
}

#[test]
fn a_virtio_guest_does_so_without_pci() {
    serves_on(Machine::Microvm, &[]);
}

#[test]
fn a_virtio_guest_does_so_without_pci_timer_and_older_controllers() {
    let modern = ["-global", "virtio-mmio.force-legacy=false"];
    serves_on(Machine::Microvm, &[&["-machine", "pit=off,pic=off"][..], &modern].concat());
}

#[test]
fn a_virtio_guest_starts_by_multiboot() {
    let mut server = Server::start_with_device_of("64M");
    server.stop();
    for machine in [Machine::Pc, Machine::Q35] {
        let options = format!("--hostname={HOSTNAME}");
        let mut command = qemu(machine, &server.device(), free_port(), "max", &options);
        // Of two, QEMU takes the last.
        command.arg("-kernel").arg(image("multiboot"));
        let guest = Guest::start(command);
        assert!(guest.console.iter().any(|line| line.contains(HOSTNAME)), "{:?}", guest.console);
    }
}

#[test]
fn a_virtio_guest_is_started_by_grub() {
    let mut server = Server::start_with_device_of("64M");
    server.stop();
    let directory = TemporaryDirectory::new();
    let (root, disc) = (directory.join("root"), directory.join("disc.iso"));
    fs::create_dir_all(root.join("boot/grub")).unwrap();
    fs::copy(image("multiboot"), root.join("boot/kalends.multiboot")).unwrap();
    let menu = format!(
        "set timeout=0\nmenuentry kalends {{ multiboot /boot/kalends.multiboot --hostname={HOSTNAME}\nboot\n}}\n"
    );
    fs::write(root.join("boot/grub/grub.cfg"), menu).unwrap();
    let made = Command::new("grub-mkrescue").arg("-o").arg(&disc).arg(&root).output();
    let made = made.expect("grub-mkrescue runs; interop-tests/install installs it");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));

    let mut command = without_kernel(Machine::Q35, &server.device(), free_port(), "max");
    command.arg("-cdrom").arg(&disc);
    let guest = Guest::start(command);
    assert!(guest.console.iter().any(|line| line.contains(HOSTNAME)), "{:?}", guest.console);
}

/// Hundredths of a second that a process has had a processor for.
fn processor_time(process: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let fields: Vec<_> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    [11, 12].map(|field: usize| fields[field].parse::<u64>().unwrap()).iter().sum()
}

#[test]
fn an_idle_virtio_guest_leaves_the_processor_to_others() {
    let mut server = Server::start_with_device_of("64M");
    server.stop();
    for machine in [Machine::Pc, Machine::Microvm] {
        let guest = Guest::start(qemu(machine, &server.device(), free_port(), "max", ""));
        // What follows the start: addresses, router solicitations.
        thread::sleep(Duration::from_secs(2));
        let before = processor_time(guest.process());
        thread::sleep(Duration::from_secs(5));
        let used = processor_time(guest.process()) - before;
        // One that polls uses 500, and one that wakes every millisecond some 25.
        assert!(used < 10, "{machine:?}: {used} hundredths of a second in 5 s");
    }
}

#[test]
fn a_virtio_guest_without_entropy_makes_no_keys() {
    let mut server = Server::start_with_device_of("64M");
    server.stop();
    // This processor has neither RDRAND nor RDSEED.
    let (ended, said) = Guest::run(qemu(Machine::Pc, &server.device(), free_port(), "qemu64", ""));
    assert_eq!(ended.code(), Some(told(104)), "{said}");
    assert!(said.contains("no entropy"), "{said}");

    for machine in [Machine::Pc, Machine::Microvm] {
        let mut command = qemu(machine, &server.device(), free_port(), "qemu64", "");
        command.args(["-device", &format!("virtio-rng-{}", machine.bus())]);
        Guest::start(command).kill();
    }
}

#[test]
fn a_virtio_guest_says_what_is_wrong_and_powers_off() {
    let mut server = Server::start_with_device_of("64M");
    server.stop();
    for machine in Machine::ALL {
        let (ended, said) = Guest::run(qemu(machine, &server.device(), free_port(), "max", "--port=x"));
        assert_eq!(ended.code(), Some(told(2)), "{said}");
        assert!(said.contains("--port x: expected a number"), "{said}");
    }
    // By its power management, as it would be reset otherwise, and start again.
    for machine in ["pc", "q35", "microvm"] {
        let mut command = Command::new("qemu-system-x86_64");
        command.args(["-machine", machine, "-accel", "tcg", "-cpu", "max", "-m", "128", "-nodefaults"]);
        command.args(["-display", "none", "-serial", "stdio", "-append", "--port=x", "-kernel"]);
        let (ended, said) = Guest::run({
            command.arg(image("virtio")).stdin(Stdio::null());
            command
        });
        assert!(ended.success() && said.matches("--port x").count() == 1, "{machine}: {ended}: {said}");
    }
}

#[test]
fn a_virtio_guest_says_what_the_machine_lacks() {
    let mut server = Server::start_with_device_of("64M");
    server.stop();
    for (options, part) in [("acpi=off,rtc=off", "no clock that gives a date"), ("acpi=on", "acpi=off")] {
        let mut command = qemu(Machine::Microvm, &server.device(), free_port(), "max", "");
        command.args(["-machine", options]);
        let (ended, said) = Guest::run(command);
        assert_eq!(ended.code(), Some(told(1)), "{said}");
        assert!(said.contains(part), "{said}");
    }
}
