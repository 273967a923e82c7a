//! Xandikos, with its defaults over TLS, without which it takes no Basic credentials; these are in a file as
//! SHA-1, the cheapest check that it offers. Its events come by one commit of stock git.

use super::{Peer, Process, program, write_events};
use crate::{certificate, git::Git, load::Address};
use base64::{Engine, prelude::BASE64_STANDARD};
use kalends_interop_tests::{TemporaryDirectory, server::PASSWORD, target::free_port};
use sha1::{Digest, Sha1};
use std::{
    fs,
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};

pub(super) fn start(events: u32) -> Peer {
    let (directory, port) = (TemporaryDirectory::new(), free_port());
    let certificates = directory.join("state/certs");
    fs::create_dir_all(&certificates).unwrap();
    certificate::make(&certificates);
    fs::write(directory.join("users"), format!("ada:{{SHA}}{}\n", sha1(PASSWORD))).unwrap();
    let mut command = Command::new(program("xandikos"));
    command
        .args(["serve", "--defaults", "--current-user-principal", "/ada/", "--autocert"])
        .args(["--listen-address", "127.0.0.1", "--port", &port.to_string(), "--htpasswd"])
        .arg(directory.join("users"))
        .arg("--directory")
        .arg(directory.join("data"))
        .arg("--state-dir")
        .arg(directory.join("state"));
    let calendar = directory.join("data/ada/calendars/calendar");
    // Its own first start makes the calendar.
    let first = Process::start(&mut command, port);
    await_calendar(&calendar);
    drop(first);
    if events > 0 {
        write_events(&calendar, events);
        let git = Git::new(&calendar);
        git.run(&["add", "--all"]).unwrap();
        git.run(&["commit", "--quiet", "--message=Add events"]).unwrap();
    }
    let process = Process::start(&mut command, port);
    Peer {
        calendar: "/ada/calendars/calendar/".into(),
        address: Address::secure(port, &certificates.join(certificate::CERTIFICATE)).unwrap(),
        process: Some(process),
        command,
        storage: directory.join("data"),
        _directory: directory,
    }
}

fn await_calendar(calendar: &Path) {
    let end = Instant::now() + Duration::from_secs(30);
    while !calendar.join(".git/refs/heads/master").exists() && Instant::now() < end {
        thread::sleep(Duration::from_millis(50));
    }
}

/// SHA-1 in base64, as htpasswd has it.
fn sha1(text: &str) -> String {
    BASE64_STANDARD.encode(Sha1::digest(text))
}
