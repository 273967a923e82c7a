//! Under Solo5's hvt interface, by the program's own tender, on a KVM that is emulated too.

use crate::guest::{Guest, HOSTNAME};
use kalends_interop_tests::{
    Curl, Server,
    event::{Event, event},
    image::image,
    linux::Linux,
    namespace::{GUEST, HOST},
    server::{PASSWORD, program},
};
use std::fs;

/// Makes the tap device for the guest; in Linux's shell, like all of these.
fn tap() -> String {
    format!("tunctl -t tap0; ip address add {HOST} dev tap0; ip link set tap0 up")
}

/// The guest's options.
fn options() -> String {
    format!("--net tap0 --memory 64 -- --ipv4={GUEST}/24 --ipv6=off --hostname={HOSTNAME}")
}

/// A Linux with what it takes to run a guest on the server's device, and to put an event there: `/event`.
fn linux(server: &Server, event: &Event) -> Linux {
    let linux = Linux::new(&["virtio_pci", "virtio_blk"]);
    linux.program("curl");
    linux.program(program().to_str().unwrap());
    linux.file(&image("hvt"), "image");
    linux.file(&server.authority(), "authority");
    let file = server.device().with_file_name("event.ics");
    fs::write(&file, &event.text).unwrap();
    linux.file(&file, "event");
    linux
}

/// A request about the event, as soon as the guest answers.
fn curl(event: &Event, arguments: &str) -> String {
    format!(
        "curl --silent --show-error --cacert /authority --resolve {HOSTNAME}:443:{GUEST} --user 'ada:{PASSWORD}' \
         --max-time 60 --retry 20 --retry-connrefused --retry-delay 1 --connect-timeout 5 {arguments} \
         https://{HOSTNAME}/dav/calendars/ada/calendar/{}",
        event.name
    )
}

/// Puts the event; prints `put` with the status.
fn put(event: &Event) -> String {
    let header = "--header 'Content-Type: text/calendar'";
    curl(event, &format!("--upload-file /event {header} --write-out 'put %{{http_code}}\\n'"))
}

#[test]
fn an_hvt_guest_serves_the_device_and_keeps_what_it_acknowledged_when_killed() {
    let mut server = Server::start_with_device_of("64M");
    server.stop();
    let event = event(1);
    let linux = linux(&server, &event);
    linux.file(&server.device(), "device");
    let guest = format!("kalends run hvt /image --block /tmp/device {} & guest=$!", options());
    let said = linux.run(&[
        tap(),
        "cp /device /tmp/device".into(),
        guest.clone(),
        put(&event),
        "kill -9 $guest; wait $guest".into(),
        "kalends fsck /tmp/device; echo \"fsck $?\"".into(),
        guest,
        curl(&event, "--output /tmp/got --write-out 'get %{http_code}\\n'"),
        "cmp /tmp/got /event && echo same".into(),
        "kill -9 $guest; wait $guest".into(),
        "kalends run hvt /image --block /tmp/device --net tap0 -- --port=x; echo \"ended $?\"".into(),
    ]);
    for line in ["put 201", "fsck 0", "get 200", "same", "ended 2"] {
        assert!(said.lines().any(|said| said.trim() == line), "no line {line:?} in:\n{said}");
    }
    assert!(said.contains("serves as a guest of hvt."), "{said}");
    assert!(said.contains("--port x: expected a number"), "{said}");
}

/// The end of the emulated machine takes what its Linux has in memory along.
#[test]
fn with_sync_a_change_that_an_hvt_guest_acknowledged_survives_a_loss_of_power() {
    let mut server = Server::start_with_device_of("64M");
    server.stop();
    let event = event(1);
    let linux = linux(&server, &event);
    let (mut machine, _packed) = linux.qemu(&[
        tap(),
        format!("kalends run hvt /image --block /dev/vda --sync {} &", options()),
        put(&event),
        "sleep 600".into(),
    ]);
    machine.args(["-m", "1024", "-serial", "stdio", "-nic", "none"]);
    machine.args(["-drive", &format!("file={},if=virtio,format=raw", server.device().display())]);
    Guest::start_until(machine, "put 201").kill();

    let checked = server.run_on_device("fsck");
    assert!(checked.status.success(), "{checked:?}");
    server.start_again();
    let got = Curl::new(&server, "GET", &format!("{}{}", server.calendar_path(), event.name)).send();
    assert_eq!((got.status, got.text()), (200, event.text));
}
