//! Virtual machines of QEMU's with KVM, which is emulated too.

use crate::guest::HOSTNAME;
use kalends_interop_tests::{
    Server,
    event::event,
    image::image,
    linux::Linux,
    server::{PASSWORD, program},
};
use std::{fs, path::Path};

/// Firmware that QEMU wants for the machines, and where Debian has it. A QEMU in `/bin` looks for it in `/share`.
const FIRMWARE: [&str; 4] = [
    "/usr/share/seabios/bios-256k.bin",
    "/usr/share/qemu/qboot.rom",
    "/usr/share/qemu/kvmvapic.bin",
    "/usr/share/qemu/pvh.bin",
];

#[test]
fn a_virtio_guest_serves_on_kvm_by_its_clock() {
    let mut server = Server::start_with_device_of("64M");
    server.stop();
    let linux = Linux::new(&[]);
    for name in ["curl", "qemu-system-x86_64", program().to_str().unwrap()] {
        linux.program(name);
    }
    for firmware in FIRMWARE.map(Path::new) {
        linux.file(firmware, &format!("tmp/{}", firmware.file_name().unwrap().to_str().unwrap()));
    }
    linux.file(&image("virtio"), "image");
    linux.file(&server.device(), "device");
    linux.file(&server.authority(), "authority");
    let event = event(1);
    let file = server.device().with_file_name("event.ics");
    fs::write(&file, &event.text).unwrap();
    linux.file(&file, "event");
    let url = format!("https://{HOSTNAME}:8443/dav/calendars/ada/calendar/{}", event.name);
    let curl = format!(
        "curl --silent --show-error --cacert /authority --resolve {HOSTNAME}:8443:127.0.0.1 \
         --user 'ada:{PASSWORD}' --max-time 60 --retry 20 --retry-all-errors --retry-delay 1"
    );
    // With KVM the microvm has no PC's clock: the date can only be KVM's, and with a wrong one there is no valid
    // certificate.
    let guest = "kalends run virtio /image --block /device --accel kvm --memory 128 --machine";
    let said = linux.run(&[format!(
        "ip link set lo up; mkdir /share; mv /tmp /share/qemu; mkdir /tmp\n\
         for machine in q35 microvm; do\n\
         {guest} $machine -- --hostname={HOSTNAME} & guest=$!\n\
         {curl} --upload-file /event --header 'Content-Type: text/calendar' --write-out \"$machine %{{http_code}}\\n\" {url}\n\
         kill $guest; wait $guest; sleep 1\n\
         done\n\
         {guest} pc -- --port=x; echo \"ended $?\""
    )]);
    for line in ["q35 201", "microvm 204", "ended 2"] {
        assert!(said.lines().any(|said| said.trim() == line), "no line {line:?} in:\n{said}");
    }
    assert!(said.contains("QEMU runs the guest with KVM"), "{said}");
}
