//! A guest as a process, and stock clients that talk to it.

use kalends_interop_tests::{Server, event::Event, server::PASSWORD};
use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

/// The name that the guest is told and its certificate bears.
pub(crate) const HOSTNAME: &str = "cal.example";

/// Longest wait for a guest to get ready, or to end.
const PATIENCE: Duration = Duration::from_secs(120);

/// A running guest. Killed when dropped.
pub(crate) struct Guest {
    process: Child,
    /// What it said until it was ready.
    pub(crate) console: Vec<String>,
}

impl Guest {
    /// Starts a guest, and waits until it is ready.
    pub(crate) fn start(command: Command) -> Self {
        Self::start_until(command, "Ready.")
    }

    /// Starts it, and waits until it says this line.
    pub(crate) fn start_until(mut command: Command, awaited: &str) -> Self {
        let mut process = command.stdout(Stdio::piped()).spawn().expect("the guest's host runs");
        let output = process.stdout.take().unwrap();
        let (send, receive) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let _ = send.send(line);
            }
        });
        let mut guest = Self { process, console: Vec::new() };
        let end = Instant::now() + PATIENCE;
        while guest.console.last().is_none_or(|line| line.trim() != awaited) {
            match receive.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) => guest.console.push(line),
                Err(error) => panic!("the guest did not get ready ({error}): {:#?}", guest.console),
            }
        }
        guest
    }

    /// Runs a guest that ends by itself; gives its status and what it said.
    pub(crate) fn run(mut command: Command) -> (ExitStatus, String) {
        let process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs");
        let mut guest = Self { process, console: Vec::new() };
        let end = Instant::now() + PATIENCE;
        while guest.process.try_wait().unwrap().is_none() {
            assert!(Instant::now() < end, "the guest did not end by itself");
            thread::sleep(Duration::from_millis(10));
        }
        let status = guest.process.wait().unwrap();
        let mut said = String::new();
        for output in [
            guest.process.stdout.take().map(|output| std::io::read_to_string(output).unwrap()),
            guest.process.stderr.take().map(|output| std::io::read_to_string(output).unwrap()),
        ] {
            said.push_str(&output.unwrap_or_default());
        }
        (status, said)
    }

    /// The process id.
    pub(crate) fn process(&self) -> u32 {
        self.process.id()
    }

    /// Whether it still runs.
    pub(crate) fn is_running(&mut self) -> bool {
        self.process.try_wait().unwrap().is_none()
    }

    /// Ends it in the middle of whatever it does.
    pub(crate) fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Where a guest is reached: the port in its URLs, and the address and port that connections go to.
pub(crate) struct Way {
    pub(crate) port: u16,
    pub(crate) address: &'static str,
}

impl Way {
    fn url(&self, path: &str) -> String {
        format!("https://{HOSTNAME}:{}{path}", self.port)
    }

    /// Makes a request with curl; gives the body, and the status code behind it.
    pub(crate) fn curl(&self, mut curl: Command, authority: &Path, path: &str, arguments: &[&str]) -> String {
        curl.args(["--silent", "--show-error", "--max-time", "60", "--write-out", "%{http_code}"])
            .args(["--resolve", &format!("{HOSTNAME}:{}:{}", self.port, self.address)])
            .arg("--cacert")
            .arg(authority)
            .args(["--user", &format!("ada:{PASSWORD}")])
            .args(arguments)
            .arg(self.url(path));
        text(&curl.output().expect("curl runs"))
    }

    /// Clones the user's repository with stock git.
    pub(crate) fn clone(&self, mut git: Command, authority: &Path, into: &Path) {
        let password = PASSWORD.replace(' ', "%20");
        let url = self.url("/git/ada.git").replacen("https://", &format!("https://ada:{password}@"), 1);
        git.arg("-c")
            .arg(format!("http.curloptResolve={HOSTNAME}:{}:{}", self.port, self.address))
            .env("GIT_SSL_CAINFO", authority)
            .args(["clone", "--quiet", &url])
            .arg(into);
        text(&git.output().expect("git runs"));
    }
}

fn text(output: &Output) -> String {
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {complaint}", output.status);
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// What every kind of guest must do: hand out what the hosted program stored, take an event, and have it when
/// it is killed afterwards and the hosted program takes over.
pub(crate) fn serves_and_keeps(
    server: &mut Server,
    guest: impl FnOnce() -> Guest,
    way: &Way,
    client: impl Fn(&str) -> Command,
    [before, during]: [&Event; 2],
) {
    let path = |event: &Event| format!("/dav/calendars/ada/calendar/{}", event.name);
    let stored = kalends_interop_tests::Curl::new(server, "PUT", &path(before))
        .typed_body("text/calendar", &before.text)
        .send();
    assert_eq!(stored.status, 201, "{stored:?}");
    server.stop();

    let guest = guest();
    let authority = server.authority();
    let got = way.curl(client("curl"), &authority, &path(before), &[]);
    assert_eq!(got, format!("{}200", before.text), "the guest has what the hosted program stored");
    let file = authority.with_file_name("during.ics");
    std::fs::write(&file, &during.text).unwrap();
    let upload = ["--upload-file", file.to_str().unwrap(), "--header", "Content-Type: text/calendar"];
    let put = way.curl(client("curl"), &authority, &path(during), &upload);
    assert!(put.ends_with("201"), "{put}");
    guest.kill();

    let end = Instant::now() + PATIENCE;
    let mut checked = server.run_on_device("fsck");
    // Its monitor may need a moment to end after it, and has the device until then.
    while checked.status.code() == Some(2) && Instant::now() < end {
        thread::sleep(Duration::from_millis(10));
        checked = server.run_on_device("fsck");
    }
    assert!(checked.status.success(), "{checked:?}");
    server.start_again();
    let got = kalends_interop_tests::Curl::new(server, "GET", &path(during)).send();
    assert_eq!((got.status, got.text()), (200, during.text.clone()), "what the guest acknowledged is there");
}
