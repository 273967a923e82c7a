//! Stock curl.

use crate::{Server, TemporaryDirectory, server::PASSWORD};
use std::{
    fs,
    process::{Command, Stdio},
};

/// Seconds that a request may take.
const TIMEOUT: &str = "120";

/// What the server answered.
#[derive(Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Header names in small letters, with their values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Response {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// The ETag, which must be there.
    pub fn etag(&self) -> &str {
        self.header("etag").unwrap_or_else(|| panic!("no ETag: {self:?}"))
    }

    /// The body as text, with U+FFFD for what is none.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// A request to be made by curl.
#[derive(Debug)]
pub struct Curl {
    command: Command,
    directory: TemporaryDirectory,
    what: String,
}

impl Curl {
    /// A request by the server's first user. The path is sent as it is, `..` and all.
    pub fn new(server: &Server, method: &str, path: &str) -> Self {
        Self::anonymous(server, method, path).user(server.user(), PASSWORD)
    }

    /// A request without credentials.
    pub fn anonymous(server: &Server, method: &str, path: &str) -> Self {
        let directory = TemporaryDirectory::new();
        let mut command = Command::new("curl");
        command
            // First: without the configuration of whoever runs the tests.
            .args([
                "--disable",
                "--silent",
                "--show-error",
                "--path-as-is",
                "--globoff",
                "--max-time",
                TIMEOUT,
            ])
            .arg("--cacert")
            .arg(server.authority())
            .arg("--output")
            .arg(directory.join("body"))
            .arg("--dump-header")
            .arg(directory.join("headers"))
            .stdin(Stdio::null());
        if method == "HEAD" {
            command.arg("--head");
        } else {
            command.args(["--request", method]);
        }
        command.arg(server.url(path));
        Self { command, directory, what: format!("{method} {path}") }
    }

    /// With Basic credentials.
    pub fn user(mut self, name: &str, password: &str) -> Self {
        self.command.args(["--user", &format!("{name}:{password}")]);
        self
    }

    /// With a header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.command.args(["--header", &format!("{name}: {value}")]);
        self
    }

    /// With a body.
    pub fn body(self, body: impl AsRef<[u8]>) -> Self {
        let path = self.directory.join("request");
        fs::write(&path, body).unwrap();
        let argument = format!("@{}", path.display());
        self.option(&["--data-binary", &argument])
    }

    /// With a body of this type.
    pub fn typed_body(self, content_type: &str, body: impl AsRef<[u8]>) -> Self {
        self.header("Content-Type", content_type).body(body)
    }

    /// With other options of curl.
    pub fn option(mut self, arguments: &[&str]) -> Self {
        self.command.args(arguments);
        self
    }

    /// Makes the request; the error is curl's own line.
    ///
    /// # Errors
    /// When no whole answer came.
    pub fn attempt(mut self) -> Result<Response, String> {
        let output = self.command.output().expect("curl is installed (interop-tests/install)");
        if !output.status.success() {
            return Err(format!("{}: {}", self.what, String::from_utf8_lossy(&output.stderr).trim()));
        }
        let headers = fs::read(self.directory.join("headers")).unwrap();
        let headers = String::from_utf8_lossy(&headers);
        // Before it may come other answers, such as 100 Continue.
        let last = headers.trim_end().rsplit("\r\n\r\n").next().unwrap_or_default();
        let mut lines = last.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok());
        let headers = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let body = fs::read(self.directory.join("body")).unwrap_or_default();
        Ok(Response { status: status.ok_or("no status")?, headers, body })
    }

    /// Makes the request, which must be answered.
    pub fn send(self) -> Response {
        self.attempt().unwrap_or_else(|error| panic!("{error}"))
    }

    /// Makes the request, whose status must be one of these.
    pub fn expect(self, statuses: &[u16]) -> Response {
        let what = self.what.clone();
        let response = self.send();
        assert!(
            statuses.contains(&response.status),
            "{what}: {} instead of {statuses:?}: {}",
            response.status,
            response.text().chars().take(2000).collect::<String>()
        );
        response
    }
}
