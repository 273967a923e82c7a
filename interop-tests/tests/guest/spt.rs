//! Under Solo5's spt interface, by the program's own tender.

use crate::guest::{Guest, HOSTNAME, Way, serves_and_keeps};
use kalends_interop_tests::{
    Server, TemporaryDirectory,
    event::event,
    namespace::{GUEST, Namespace},
    target,
};
use std::{fs, path::Path, process::Command};

pub(crate) const WAY: Way = Way { port: 443, address: GUEST };

pub(crate) fn tender(namespace: &Namespace, device: &Path, options: &str) -> Command {
    tender_with(64, namespace, device, options)
}

/// With so many MiB of memory.
pub(crate) fn tender_with(memory: u32, namespace: &Namespace, device: &Path, options: &str) -> Command {
    let mut command = target::tender("spt", namespace, device, memory);
    command.args(options.split_whitespace());
    command
}

pub(crate) fn options() -> String {
    format!("--ipv4={GUEST}/24 --ipv6=off --hostname={HOSTNAME}")
}

#[test]
fn an_spt_guest_serves_the_device_and_keeps_what_it_acknowledged_when_killed() {
    let namespace = Namespace::new();
    let mut server = Server::start_with_device_of("64M");
    let device = server.device();
    let start = || {
        let guest = Guest::start(tender(&namespace, &device, &options()));
        assert!(guest.console[0].ends_with("serves as a guest of spt."), "{:?}", guest.console);
        guest
    };
    let client = |name: &str| namespace.command(name);
    serves_and_keeps(&mut server, start, &WAY, client, [&event(1), &event(2)]);
}

#[test]
fn stock_git_clones_from_an_spt_guest() {
    let namespace = Namespace::new();
    let mut server = Server::start_with_device_of("64M");
    server.stop();
    let _guest = Guest::start(tender(&namespace, &server.device(), &options()));
    let directory = TemporaryDirectory::new();
    let copy = directory.join("copy");
    WAY.clone(namespace.command("git"), &server.authority(), &copy);
    assert!(copy.join("calendar/.collection.toml").is_file(), "the calendar's settings are there");
}

#[test]
fn an_spt_guest_says_what_is_wrong_and_ends() {
    let namespace = Namespace::new();
    let directory = TemporaryDirectory::new();
    let blank = directory.join("blank.img");
    fs::write(&blank, vec![0; 16 << 20]).unwrap();
    for (options, status, part) in
        [("--ipv4=10.0.0.2", 2, "--ipv4 10.0.0.2: expected"), ("--no-such-option", 2, "--no-such-option")]
    {
        let (ended, said) = Guest::run(tender(&namespace, &blank, options));
        assert_eq!(ended.code(), Some(status), "{options}: {said}");
        assert!(said.contains(part), "{options}: {said}");
    }
}

#[test]
fn a_device_that_is_being_served_is_not_given_to_a_guest() {
    let namespace = Namespace::new();
    let server = Server::start_with_device_of("64M");
    let (ended, said) = Guest::run(tender(&namespace, &server.device(), ""));
    assert_eq!(ended.code(), Some(1), "{said}");
    assert!(said.contains("is in use by another process"), "{said}");
}
