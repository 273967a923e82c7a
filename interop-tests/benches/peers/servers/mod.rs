//! The calendar servers that are measured, each as a process on loopback with a directory of its own.

mod kalends;
mod radicale;
mod xandikos;

pub(crate) use kalends::{AUTHORITY as KALENDS_AUTHORITY, git_url as kalends_git_url};

use crate::load::{Address, Client, Failure};
use kalends_interop_tests::{TemporaryDirectory, event, process, server::target_directory};
use std::{
    fs,
    net::{Ipv4Addr, TcpStream},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// Longest wait until a server accepts connections.
const PATIENCE: Duration = Duration::from_secs(60);

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Kalends,
    Xandikos,
    Radicale,
}

impl Kind {
    /// In the order in which they are measured and shown.
    pub(crate) const ALL: [Self; 3] = [Self::Kalends, Self::Xandikos, Self::Radicale];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Kalends => "Kalends",
            Self::Xandikos => "Xandikos",
            Self::Radicale => "Radicale",
        }
    }

    /// A server with a calendar of so many events, which none of them had to take one by one.
    pub(crate) fn start(self, events: u32) -> Result<Peer, Failure> {
        match self {
            Self::Kalends => kalends::start(events),
            Self::Xandikos => Ok(xandikos::start(events)),
            Self::Radicale => Ok(radicale::start(events)),
        }
    }
}

/// A server with a calendar. Ended when dropped.
pub(crate) struct Peer {
    /// Path of the calendar's URL.
    pub(crate) calendar: String,
    pub(crate) address: Address,
    process: Option<Process>,
    command: Command,
    /// The file or directory in which it keeps calendars.
    pub(crate) storage: PathBuf,
    _directory: TemporaryDirectory,
}

impl Peer {
    /// A client, each of whose requests may take as long as `limit`.
    pub(crate) fn client(&self, limit: Duration) -> Client {
        Client::new(self.address.clone(), limit)
    }

    /// Ends it with SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.process = None;
    }

    /// Starts it again, after it was killed.
    pub(crate) fn start_again(&mut self) {
        self.process = Some(Process::start(&mut self.command, self.address.port));
    }

    /// Memory in RAM now, in bytes (`VmRSS`).
    pub(crate) fn resident_bytes(&self) -> Option<u64> {
        let text = fs::read_to_string(format!("/proc/{}/status", self.id()?)).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
    }

    /// Processor time of all its threads so far, in steps of 10 ms.
    pub(crate) fn processor_time(&self) -> Option<Duration> {
        self.id().map(process::processor_time)
    }

    /// Bytes that the process has had written to the device since its start, in whole pages (`write_bytes`
    /// of proc_pid_io(5)).
    pub(crate) fn written_bytes(&self) -> Option<u64> {
        let text = fs::read_to_string(format!("/proc/{}/io", self.id()?)).ok()?;
        text.lines().find_map(|line| line.strip_prefix("write_bytes: "))?.parse().ok()
    }

    /// Bytes that what it keeps takes on the device now: allocated blocks, as `du` counts them.
    pub(crate) fn kept_bytes(&self) -> u64 {
        // Sizes are settled when everything is on the device.
        let _ = Command::new("sync").arg("-f").arg(&self.storage).status();
        allocated(&self.storage)
    }

    fn id(&self) -> Option<u32> {
        self.process.as_ref().map(|process| process.0.id())
    }
}

fn allocated(path: &Path) -> u64 {
    let Ok(metadata) = fs::symlink_metadata(path) else { return 0 };
    let within = fs::read_dir(path).into_iter().flatten().flatten();
    metadata.blocks() * 512 + within.map(|entry| allocated(&entry.path())).sum::<u64>()
}

/// A process that listens on loopback. Killed when dropped.
pub(crate) struct Process(Child);

impl Process {
    /// Starts it, and waits until it accepts connections on the port.
    pub(crate) fn start(command: &mut Command, port: u16) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut process =
            Self(command.spawn().unwrap_or_else(|error| panic!("cannot run {command:?}: {error}")));
        let end = Instant::now() + PATIENCE;
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            let ended = process.0.try_wait().unwrap();
            assert!(ended.is_none(), "{command:?} ended: {ended:?}");
            assert!(Instant::now() < end, "{command:?} does not listen on port {port}");
            thread::sleep(Duration::from_millis(1));
        }
        process
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A program of the environment of peers.
fn program(name: &str) -> PathBuf {
    let path = target_directory().join("interop/peers/bin").join(name);
    assert!(path.exists(), "{} is missing: run interop-tests/install --peers first", path.display());
    path
}

/// Writes the events of a calendar as files.
fn write_events(directory: &Path, events: u32) {
    for event in (0..events).map(event::meeting) {
        fs::write(directory.join(event.name), event.text).unwrap();
    }
}
