//! Kalends, over TLS, as it always is. Its events come by one push.

use super::{Peer, Process};
use crate::{
    git::Git,
    load::{Address, Failure},
};
use kalends_interop_tests::{
    TemporaryDirectory, history,
    server::{PASSWORD, program},
    target::free_port,
};
use std::{fs, process::Command};

/// The file beside the device that has the certificate to trust.
pub(crate) const AUTHORITY: &str = "kalends-ca.pem";

/// Starts it with a new device of 2 GiB, which takes no more than is written to it.
pub(super) fn start(events: u32) -> Result<Peer, Failure> {
    let (directory, port) = (TemporaryDirectory::new(), free_port());
    let (device, authority) = (directory.join("kalends.img"), directory.join(AUTHORITY));
    fs::write(directory.join("password"), PASSWORD).unwrap();
    let mut create = Command::new(program());
    create.args(["image", "create"]).arg(&device).args(["--size", "2G", "--user", "ada"]);
    let output = create.arg("--password-file").arg(directory.join("password")).output().unwrap();
    assert!(output.status.success(), "{create:?}: {}", String::from_utf8_lossy(&output.stderr));
    let mut command = Command::new(program());
    command.args(["serve", "--listen", &format!("127.0.0.1:{port}"), "--device"]).arg(&device);
    let process = Process::start(&mut command, port);
    let peer = Peer {
        calendar: "/dav/calendars/ada/calendar/".into(),
        address: Address::secure(port, &authority).unwrap(),
        process: Some(process),
        command,
        storage: device,
        _directory: directory,
    };
    if events > 0 {
        let copies = TemporaryDirectory::new();
        let git = Git::new(copies.path()).trusting(&authority);
        let url = git_url(port);
        git.run(&["clone", "--quiet", "--bare", &url, "copy"]).map_err(Failure::Refused)?;
        history::add_events(&copies.join("copy"), "calendar", events);
        git.run(&["-C", "copy", "push", "--quiet", &url, "main"]).map_err(Failure::Refused)?;
    }
    Ok(peer)
}

/// The URL of the first user's repository.
pub(crate) fn git_url(port: u16) -> String {
    format!("https://ada:{}@localhost:{port}/git/ada.git", PASSWORD.replace(' ', "%20"))
}
