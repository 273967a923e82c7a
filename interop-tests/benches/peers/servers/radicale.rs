//! Radicale, with its defaults over plain HTTP, and Basic credentials in a file that has them as they are:
//! the cheapest check that it offers. Its events are files in its storage.

use super::{Peer, Process, program, write_events};
use crate::load::Address;
use kalends_interop_tests::{TemporaryDirectory, server::PASSWORD, target::free_port};
use std::{fs, process::Command};

pub(super) fn start(events: u32) -> Peer {
    let (directory, port) = (TemporaryDirectory::new(), free_port());
    let calendar = directory.join("data/collection-root/ada/calendar");
    fs::create_dir_all(&calendar).unwrap();
    fs::write(calendar.join(".Radicale.props"), "{\"tag\": \"VCALENDAR\"}").unwrap();
    write_events(&calendar, events);
    fs::write(directory.join("users"), format!("ada:{PASSWORD}\n")).unwrap();
    let configuration = format!(
        "[server]\nhosts = 127.0.0.1:{port}\n[auth]\ntype = htpasswd\nhtpasswd_filename = {}\n\
         htpasswd_encryption = plain\n[storage]\nfilesystem_folder = {}\n",
        directory.join("users").display(),
        directory.join("data").display()
    );
    fs::write(directory.join("config"), configuration).unwrap();
    let mut command = Command::new(program("radicale"));
    command.arg("--config").arg(directory.join("config"));
    let process = Process::start(&mut command, port);
    Peer {
        calendar: "/ada/calendar/".into(),
        address: Address::plain(port),
        process: Some(process),
        command,
        storage: directory.join("data"),
        _directory: directory,
    }
}
