//! The servers that are measured.

use kalends_interop_tests::{
    Response, Server, TemporaryDirectory, WorkingCopy,
    client::Connection,
    event,
    server::{PASSWORD, target_directory},
};
use std::{
    fs, io,
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// A server with a calendar of events, and a connection to it. Ended when dropped.
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    /// Path of the calendar's URL.
    pub(crate) calendar: String,
    process: u32,
    connect: Box<dyn Fn() -> io::Result<Connection>>,
    connection: Option<Connection>,
    _running: Box<dyn std::any::Any>,
}

/// A process that ends with its owner, and the directory it works in.
struct Running(Child, #[allow(dead_code, reason = "removed when dropped")] TemporaryDirectory);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Peer {
    /// Kalends; its events come by one push.
    pub(crate) fn kalends(size: u32) -> Self {
        let server = Server::start_with_device_of("2G");
        let directory = TemporaryDirectory::new();
        let copy = WorkingCopy::clone_of(&server, &directory, "copy");
        for event in (0..size).map(event::meeting) {
            copy.write(&format!("calendar/{}", event.name), &event.text);
        }
        copy.commit_all("Add events");
        copy.push();
        let (port, authority) = (server.port(), server.authority());
        let connect = move || Ok(Connection::secure(port, &authority)?.with_credentials("ada", PASSWORD));
        Self {
            name: "Kalends",
            calendar: server.calendar_path(),
            process: server.process(),
            connect: Box::new(connect),
            connection: None,
            _running: Box::new(server),
        }
    }

    /// Radicale; its events are files in its storage.
    pub(crate) fn radicale(size: u32) -> Self {
        let (directory, port) = (TemporaryDirectory::new(), free_port());
        let calendar = directory.join("data/collection-root/ada/calendar");
        fs::create_dir_all(&calendar).unwrap();
        fs::write(calendar.join(".Radicale.props"), "{\"tag\": \"VCALENDAR\"}").unwrap();
        write_events(&calendar, size);
        let configuration = directory.join("config");
        let text = format!(
            "[server]\nhosts = 127.0.0.1:{port}\n[auth]\ntype = none\n[storage]\nfilesystem_folder = {}\n",
            directory.join("data").display()
        );
        fs::write(&configuration, text).unwrap();
        let mut command = Command::new(program("radicale"));
        command.arg("--config").arg(configuration);
        Self::start("Radicale", command, directory, port, "/ada/calendar/")
    }

    /// Xandikos; its events come by a commit of stock git.
    pub(crate) fn xandikos(size: u32) -> Self {
        let (directory, port) = (TemporaryDirectory::new(), free_port());
        let command = |port: u16| {
            let mut command = Command::new(program("xandikos"));
            command
                .args(["serve", "--defaults", "--current-user-principal", "/ada/"])
                .args(["--listen-address", "127.0.0.1", "--port", &port.to_string()])
                .arg("--directory")
                .arg(directory.join("data"))
                .arg("--state-dir")
                .arg(directory.join("state"));
            command
        };
        // Its own first start makes the calendar.
        let mut first = spawn(&mut command(port));
        await_port(port);
        let calendar = directory.join("data/ada/calendars/calendar");
        let end = Instant::now() + Duration::from_secs(30);
        while !calendar.join(".git/refs/heads/master").exists() && Instant::now() < end {
            thread::sleep(Duration::from_millis(50));
        }
        let _ = first.kill();
        let _ = first.wait();
        write_events(&calendar, size);
        for arguments in [
            &["add", "--all"][..],
            &[
                "-c",
                "user.name=Ada",
                "-c",
                "user.email=ada@example.org",
                "commit",
                "--quiet",
                "--message=Add",
            ],
        ] {
            let status = Command::new("git").current_dir(&calendar).args(arguments).status().unwrap();
            assert!(status.success());
        }
        let port = free_port();
        let command = command(port);
        Self::start("Xandikos", command, directory, port, "/ada/calendars/calendar/")
    }

    fn start(
        name: &'static str,
        mut command: Command,
        directory: TemporaryDirectory,
        port: u16,
        calendar: &str,
    ) -> Self {
        let process = spawn(&mut command);
        await_port(port);
        Self {
            name,
            calendar: calendar.into(),
            process: process.id(),
            connect: Box::new(move || Ok(Connection::plain(port)?.with_credentials("ada", PASSWORD))),
            connection: None,
            _running: Box::new(Running(process, directory)),
        }
    }

    /// One request, on the open connection where there is one.
    pub(crate) fn request(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Response {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => (self.connect)().unwrap_or_else(|error| panic!("{}: {error}", self.name)),
        };
        let response = connection
            .request(method, path, headers, body)
            .unwrap_or_else(|error| panic!("{}: {method} {path}: {error}", self.name));
        if !connection.is_closed() {
            self.connection = Some(connection);
        }
        response
    }

    /// Bytes that the process has had written to the device so far, in whole pages (`write_bytes` of
    /// proc_pid_io(5)); `None` when the system does not tell.
    pub(crate) fn device_bytes(&self) -> Option<u64> {
        let text = fs::read_to_string(format!("/proc/{}/io", self.process)).ok()?;
        text.lines().find_map(|line| line.strip_prefix("write_bytes: "))?.parse().ok()
    }
}

fn program(name: &str) -> std::path::PathBuf {
    let path = target_directory().join("interop/peers/bin").join(name);
    assert!(path.exists(), "{} is missing: run interop-tests/install --peers first", path.display());
    path
}

fn spawn(command: &mut Command) -> Child {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn await_port(port: u16) {
    let end = Instant::now() + Duration::from_secs(60);
    while Connection::plain(port).is_err() {
        assert!(Instant::now() < end, "nothing listens on port {port}");
        thread::sleep(Duration::from_millis(50));
    }
}

fn write_events(directory: &Path, size: u32) {
    for event in (0..size).map(event::meeting) {
        fs::write(directory.join(event.name), event.text).unwrap();
    }
}
