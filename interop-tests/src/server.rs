//! The program `kalends` on loopback: as a process, or as a guest.

use crate::{TemporaryDirectory, WorkingCopy, event::Event, process, target::Target};
use rustix::process::{Pid, Signal, kill_process};
use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{OnceLock, mpsc::Receiver},
    thread,
    time::{Duration, Instant},
};

/// Longest wait for the ready line, and for the end after SIGTERM.
const PATIENCE: Duration = Duration::from_secs(60);

/// The password of every test user.
pub const PASSWORD: &str = "correct horse 9";

/// The workspace's directory for what is built: `CARGO_TARGET_DIR`, or `target`.
pub fn target_directory() -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate is in the workspace");
    match env::var_os("CARGO_TARGET_DIR") {
        Some(directory) => workspace.join(directory),
        None => workspace.join("target"),
    }
}

/// The release program: `KALENDS_BIN`, or built by cargo once a test process (a moment when it is fresh).
pub fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        if let Some(path) = env::var_os("KALENDS_BIN") {
            return path.into();
        }
        let mut build = Command::new(env::var_os("CARGO").unwrap_or("cargo".into()));
        build.args(["build", "--quiet", "--release", "--package", "kalends"]);
        // What `cargo test` tells this process would make build scripts run again, and the next time too.
        for (name, _) in env::vars_os() {
            if ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|start| name.to_string_lossy().starts_with(start))
            {
                build.env_remove(name);
            }
        }
        let build = build.current_dir(env!("CARGO_MANIFEST_DIR")).stdin(Stdio::null());
        let status = build.status().expect("cargo runs");
        assert!(status.success(), "kalends does not build");
        target_directory().join("release/kalends")
    })
}

/// A running server with a device of its own. Killed when dropped.
#[derive(Debug)]
pub struct Server {
    target: Target,
    /// None while the guest runs in a machine that is emulated.
    process: Option<Child>,
    port: u16,
    user: String,
    size: &'static str,
    directory: TemporaryDirectory,
}

impl Server {
    /// A server on a new device of 512 MiB, with user `ada`, an administrator.
    pub fn start() -> Self {
        Self::start_with_device_of("512M")
    }

    /// Likewise, on a device of this size.
    pub fn start_with_device_of(size: &'static str) -> Self {
        let directory = TemporaryDirectory::new();
        fs::write(directory.join("password"), PASSWORD).unwrap();
        let target = Target::chosen();
        let (process, port) = launch(&directory, "ada", size, 0);
        let process = Some(process);
        let mut server = Self { target, process, port, user: "ada".into(), size, directory };
        if server.is_guest() {
            // The hosted program makes the device.
            terminate(server.hosted());
            server.start_again();
        }
        server
    }

    /// What it runs on, as `KALENDS_TARGET` says: `hosted`, `spt`, `hvt` or `virtio`.
    pub fn target(&self) -> &'static str {
        match &self.target {
            Target::Hosted => "hosted",
            Target::Tender { target, .. } => target,
            Target::Nested { .. } => "hvt",
            Target::Virtio { .. } => "virtio",
        }
    }

    fn is_guest(&self) -> bool {
        !matches!(self.target, Target::Hosted)
    }

    fn hosted(&mut self) -> &mut Child {
        self.process.as_mut().expect("the guest has no process on this machine")
    }

    /// Has the first user push events to the first calendar, in one commit.
    pub fn push_events(&self, events: impl IntoIterator<Item = Event>) {
        let directory = TemporaryDirectory::new();
        let copy = WorkingCopy::clone_of(self, &directory, "copy");
        for event in events {
            copy.write(&format!("calendar/{}", event.name), &event.text);
        }
        copy.commit_all("Add events");
        copy.push();
    }

    /// Makes another user, whose password is [`PASSWORD`], by a restart with `--user`.
    pub fn add_user(&mut self, name: &str) {
        self.stop();
        let (mut process, _) = launch(&self.directory, name, self.size, 0);
        terminate(&mut process);
        self.start_again();
    }

    /// Ends it with SIGTERM; it must end well. A guest is just ended: none has a way to be asked.
    pub fn stop(&mut self) {
        if self.is_guest() {
            return self.kill();
        }
        let status = terminate(self.hosted());
        assert!(status.success(), "the server ended with {status}: {}", self.complaints());
    }

    /// Ends it with SIGKILL, in the middle of whatever it does.
    pub fn kill(&mut self) {
        self.end().unwrap();
    }

    fn end(&mut self) -> io::Result<()> {
        if let Target::Nested { guest, .. } = &mut self.target {
            guest.kill()?;
        }
        if let Some(process) = &mut self.process {
            process.kill()?;
            process.wait()?;
        }
        // Connections end with the process that has them; a guest has them in its memory.
        if let Some(relay) = self.target.relay() {
            relay.close();
        }
        Ok(())
    }

    /// Starts it again after [`Self::stop`] or [`Self::kill`], on the same device and port.
    pub fn start_again(&mut self) {
        let device = self.device();
        if let Some(command) = self.target.command(&device) {
            self.process = Some(start(&self.directory, command).0);
        } else if let Target::Nested { guest, .. } = &mut self.target {
            self.process = None;
            await_ready(guest.boot(&device).unwrap())
                .unwrap_or_else(|said| panic!("the guest did not get ready: {said:#?}"));
        } else {
            let (process, port) = launch(&self.directory, &self.user, self.size, self.port);
            (self.process, self.port) = (Some(process), port);
        }
        if let Some(relay) = self.target.relay() {
            relay.open();
        }
        self.port = self.target.port().unwrap_or(self.port);
    }

    /// Whether the process still runs.
    pub fn is_running(&mut self) -> bool {
        match &mut self.target {
            Target::Nested { guest, .. } => guest.is_running().unwrap(),
            _ => self.hosted().try_wait().unwrap().is_none(),
        }
    }

    /// Runs another command of the program on the stopped server's device.
    pub fn run_on_device(&self, command: &str) -> std::process::Output {
        Command::new(program())
            .arg(command)
            .arg(self.device())
            .stdin(Stdio::null())
            .output()
            .expect("the program runs")
    }

    /// The device file.
    pub fn device(&self) -> PathBuf {
        self.directory.join("kalends.img")
    }

    /// The certificate that clients must trust (PEM).
    pub fn authority(&self) -> PathBuf {
        self.directory.join("kalends-ca.pem")
    }

    /// The TCP port it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The process id.
    ///
    /// # Panics
    /// When it runs in a machine that is emulated.
    pub fn process(&self) -> u32 {
        self.process.as_ref().expect("the guest has no process on this machine").id()
    }

    /// The first user's name.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// A URL without credentials; the path begins with `/`.
    pub fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.port)
    }

    /// The URL of a repository, with a user's credentials.
    pub fn git_url(&self, user: &str, repository: &str) -> String {
        let password = PASSWORD.replace(' ', "%20");
        format!("https://{user}:{password}@localhost:{}/git/{repository}.git", self.port)
    }

    /// Path of the first user's first calendar.
    pub fn calendar_path(&self) -> String {
        format!("/dav/calendars/{}/calendar/", self.user)
    }

    /// Memory in RAM now, in bytes (`VmRSS`).
    pub fn resident_bytes(&self) -> u64 {
        process::resident_bytes(self.process())
    }

    /// The most memory it ever had in RAM, in bytes (`VmHWM`).
    pub fn peak_resident_bytes(&self) -> u64 {
        process::peak_resident_bytes(self.process())
    }

    /// What it wrote to standard error; an hvt guest, whatever it said once it was ready.
    pub fn complaints(&self) -> String {
        let said = fs::read_to_string(self.directory.join("stderr")).unwrap_or_default();
        match &self.target {
            Target::Nested { guest, .. } => said + &guest.said(),
            _ => said,
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let ended = self.process.as_mut().map(Child::try_wait);
        if thread::panicking() {
            eprintln!("the server (before the test ended it: {ended:?}) wrote:\n{}", self.complaints());
        }
        let _ = self.end();
    }
}

fn launch(directory: &TemporaryDirectory, user: &str, size: &str, port: u16) -> (Child, u16) {
    let mut command = Command::new(program());
    command
        .args(["serve", "--listen", &format!("127.0.0.1:{port}"), "--size", size, "--user", user])
        .arg("--device")
        .arg(directory.join("kalends.img"))
        .arg("--password-file")
        .arg(directory.join("password"));
    start(directory, command)
}

/// Starts it, and waits until it is ready; gives the port of its URL.
fn start(directory: &TemporaryDirectory, mut command: Command) -> (Child, u16) {
    let errors = fs::OpenOptions::new().create(true).append(true).open(directory.join("stderr")).unwrap();
    let mut process = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(errors)
        .spawn()
        .unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
    match await_ready(&process::lines(process.stdout.take().unwrap())) {
        Ok(port) => (process, port.unwrap_or(443)),
        Err(said) => {
            let _ = process.kill();
            let status = process.wait();
            let complaints = fs::read_to_string(directory.join("stderr")).unwrap_or_default();
            panic!("the server did not get ready ({status:?}): {said:#?}: {complaints}");
        }
    }
}

/// Reads lines up to the ready line; gives the port of the URL, if that names one, or what was said instead.
fn await_ready(lines: &Receiver<String>) -> Result<Option<u16>, Vec<String>> {
    let (end, mut port, mut said) = (Instant::now() + PATIENCE, None, Vec::new());
    loop {
        let Ok(line) = lines.recv_timeout(end.saturating_duration_since(Instant::now())) else {
            return Err(said);
        };
        if let Some(url) = line.trim().strip_prefix("URL ") {
            port = url.trim().trim_end_matches('/').rsplit(':').next().and_then(|port| port.parse().ok());
        }
        if line.starts_with("Ready.") {
            return Ok(port);
        }
        said.push(line);
    }
}

fn terminate(process: &mut Child) -> ExitStatus {
    let pid = Pid::from_child(process);
    kill_process(pid, Signal::TERM).unwrap();
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = process.try_wait().unwrap() {
            return status;
        }
        if Instant::now() > end {
            let _ = process.kill();
            panic!("the server did not end within {PATIENCE:?} after SIGTERM");
        }
        thread::sleep(Duration::from_millis(5));
    }
}
