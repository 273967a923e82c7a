//! Under Solo5's hvt interface, by the program's own tender, on a KVM that is emulated too.

use crate::{guest::HOSTNAME, linux::Linux};
use kalends_interop_tests::{
    Server,
    event::event,
    image::image,
    namespace::{GUEST, HOST},
    server::{PASSWORD, program},
};
use std::fs;

#[test]
fn an_hvt_guest_serves_the_device_and_keeps_what_it_acknowledged_when_killed() {
    let mut server = Server::start_with_device_of("64M");
    server.stop();
    let linux = Linux::new();
    linux.program("curl");
    linux.program(program().to_str().unwrap());
    linux.file(&image("hvt"), "image");
    linux.file(&server.device(), "device");
    linux.file(&server.authority(), "authority");
    let event = event(1);
    let file = server.device().with_file_name("event.ics");
    fs::write(&file, &event.text).unwrap();
    linux.file(&file, "event");
    let url = format!("https://{HOSTNAME}/dav/calendars/ada/calendar/{}", event.name);
    let curl = format!(
        "curl --silent --show-error --cacert /authority --resolve {HOSTNAME}:443:{GUEST} --user 'ada:{PASSWORD}' \
         --max-time 60 --retry 20 --retry-connrefused --retry-delay 1 --connect-timeout 5"
    );
    let guest = "kalends run hvt /image --block /tmp/device --net tap0 --memory 64 --";
    let said = linux.run(&format!(
        "tunctl -t tap0; ip address add {HOST} dev tap0; ip link set tap0 up\n\
         cp /device /tmp/device\n\
         {guest} --ipv4={GUEST}/24 --ipv6=off --hostname={HOSTNAME} & guest=$!\n\
         {curl} --upload-file /event --header 'Content-Type: text/calendar' --write-out 'put %{{http_code}}\\n' {url}\n\
         kill -9 $guest; wait $guest\n\
         kalends fsck /tmp/device; echo \"fsck $?\"\n\
         {guest} --ipv4={GUEST}/24 --ipv6=off --hostname={HOSTNAME} & guest=$!\n\
         {curl} --output /tmp/got --write-out 'get %{{http_code}}\\n' {url}\n\
         cmp /tmp/got /event && echo same\n\
         kill -9 $guest; wait $guest\n\
         {guest} --port=x; echo \"ended $?\""
    ));
    for line in ["put 201", "fsck 0", "get 200", "same", "ended 2"] {
        assert!(said.lines().any(|said| said.trim() == line), "no line {line:?} in:\n{said}");
    }
    assert!(said.contains("serves as a guest of hvt."), "{said}");
    assert!(said.contains("--port x: expected a number"), "{said}");
}
