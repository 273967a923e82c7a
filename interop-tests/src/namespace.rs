//! A network namespace with a tap device in it, so that guests of several tests do not meet.

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::{
    fs::File,
    os::fd::AsFd,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

/// The host's address in the namespace.
pub const HOST: &str = "10.0.0.1/24";
/// The guest's.
pub const GUEST: &str = "10.0.0.2";

/// A namespace that is removed when dropped.
#[derive(Debug)]
pub struct Namespace(String);

impl Default for Namespace {
    fn default() -> Self {
        Self::new()
    }
}

impl Namespace {
    /// A namespace with `tap0`, which is up and has the address [`HOST`].
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let namespace = Self(format!("kalends-{}-{number}", std::process::id()));
        ip(&["netns", "add", &namespace.0]);
        for arguments in [
            &["tuntap", "add", "tap0", "mode", "tap"][..],
            &["address", "add", HOST, "dev", "tap0"],
            &["link", "set", "tap0", "up"],
        ] {
            ip(&[&["-netns", &namespace.0], arguments].concat());
        }
        namespace
    }

    /// Its file, by which a thread enters it.
    pub fn file(&self) -> PathBuf {
        Path::new("/run/netns").join(&self.0)
    }

    /// Moves this thread into the namespace: what it connects to and the processes that it starts are there.
    pub fn enter(&self) {
        let namespace = File::open(self.file()).unwrap();
        move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
    }

    /// A program that will run in the namespace; the process is the program itself.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.0, program]).stdin(Stdio::null());
        command
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "delete", &self.0]).status();
    }
}

fn ip(arguments: &[&str]) {
    let output =
        Command::new("ip").args(arguments).output().expect("ip runs; interop-tests/install installs it");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ip {arguments:?}, which needs to be root: {complaint}");
}
