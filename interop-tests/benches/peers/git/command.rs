//! The command `git`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// git in a directory, without the configuration of whoever runs the benchmark.
#[derive(Clone, Debug)]
pub(crate) struct Git {
    directory: PathBuf,
    authority: Option<PathBuf>,
}

impl Git {
    pub(crate) fn new(directory: &Path) -> Self {
        Self { directory: directory.to_owned(), authority: None }
    }

    /// Trusting the certificates of this file.
    pub(crate) fn trusting(self, authority: &Path) -> Self {
        Self { authority: Some(authority.to_owned()), ..self }
    }

    /// Runs it; gives what it printed. The error is what it said.
    pub(crate) fn run(&self, arguments: &[&str]) -> Result<String, String> {
        let mut command = Command::new("git");
        command.current_dir(&self.directory).stdin(Stdio::null());
        for option in [
            "gc.auto=0",
            "maintenance.auto=false",
            "init.defaultBranch=main",
            "http.proxy=",
            // It gives up on a server that sends nothing for two minutes.
            "http.lowSpeedLimit=1",
            "http.lowSpeedTime=120",
        ] {
            command.args(["-c", option]);
        }
        command
            .args(arguments)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_AUTHOR_NAME", "Ada Lovelace")
            .env("GIT_AUTHOR_EMAIL", "ada@example.org")
            .env("GIT_COMMITTER_NAME", "Ada Lovelace")
            .env("GIT_COMMITTER_EMAIL", "ada@example.org");
        if let Some(authority) = &self.authority {
            // git's curl reads the machine's own certificates too, whatever else it is to trust: as much work as
            // the rest of a fetch, which has nothing to do with the server. Here are none.
            let none = authority.with_file_name("no-certificates");
            fs::create_dir_all(&none).expect("a directory can be made");
            command.env("GIT_SSL_CAINFO", authority).env("GIT_SSL_CAPATH", none);
        }
        let output = command.output().expect("git runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        match output.status.success() {
            true => Ok(text(&output.stdout)),
            false => Err(format!("git {}: {}", arguments.join(" "), text(&output.stderr))),
        }
    }
}
