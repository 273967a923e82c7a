//! Stock git.

use crate::{Server, TemporaryDirectory};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// What git said.
#[derive(Debug)]
pub struct Output {
    /// Whether it exited with 0.
    pub success: bool,
    /// Standard output and standard error, carriage returns as newlines.
    pub text: String,
}

/// A git working copy, or the directory in which one is to be made.
#[derive(Clone, Debug)]
pub struct WorkingCopy {
    /// Where it is.
    pub directory: PathBuf,
    authority: PathBuf,
    protocol: Option<u8>,
}

impl WorkingCopy {
    /// git in this directory, trusting this server.
    pub fn at(server: &Server, directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into(), authority: server.authority(), protocol: None }
    }

    /// Speaks this version of git's protocol (0, 1 or 2).
    pub fn with_protocol(mut self, version: u8) -> Self {
        self.protocol = Some(version);
        self
    }

    /// A clone of the first user's repository in `parent/name`.
    pub fn clone_of(server: &Server, parent: &TemporaryDirectory, name: &str) -> Self {
        let url = server.git_url(server.user(), server.user());
        Self::at(server, parent.path()).clone_into(name, &url, &[])
    }

    /// Clones into the directory `name` here.
    pub fn clone_into(&self, name: &str, url: &str, arguments: &[&str]) -> Self {
        let mut command = vec!["clone", "--quiet"];
        command.extend(arguments);
        command.extend([url, name]);
        self.run(&command);
        Self { directory: self.directory.join(name), ..self.clone() }
    }

    /// git with these arguments, without the configuration of whoever runs the tests.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("git");
        command.current_dir(&self.directory).stdin(Stdio::null());
        for option in [
            "gc.auto=0",
            "maintenance.auto=false",
            "init.defaultBranch=main",
            "core.autocrlf=false",
            "http.proxy=",
        ] {
            command.args(["-c", option]);
        }
        if arguments.first() == Some(&"push") {
            // libcurl 7.84 to 8.4 may read on after the end of a large push over HTTP/2, and git then waits for
            // ever (github.com/curl/curl/pull/12363).
            command.args(["-c", "http.version=HTTP/1.1"]);
        }
        if let Some(version) = self.protocol {
            command.args(["-c", &format!("protocol.version={version}")]);
        }
        command
            .args(arguments)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_SSL_CAINFO", &self.authority)
            .env("LC_ALL", "C")
            .env("GIT_AUTHOR_NAME", "Ada Lovelace")
            .env("GIT_AUTHOR_EMAIL", "ada@example.org")
            .env("GIT_COMMITTER_NAME", "Ada Lovelace")
            .env("GIT_COMMITTER_EMAIL", "ada@example.org");
        command
    }

    /// Runs git, whatever comes of it.
    pub fn attempt(&self, arguments: &[&str]) -> Output {
        let output = self.command(arguments).output().unwrap();
        let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
        text += &String::from_utf8_lossy(&output.stderr).replace('\r', "\n");
        Output { success: output.status.success(), text }
    }

    /// Runs git, which must succeed, and gives what it said.
    pub fn run(&self, arguments: &[&str]) -> String {
        let output = self.attempt(arguments);
        assert!(output.success, "git {arguments:?}: {}", output.text);
        output.text.trim_end().to_owned()
    }

    /// Runs git, which must fail, and gives what it said.
    pub fn fail(&self, arguments: &[&str]) -> String {
        let output = self.attempt(arguments);
        assert!(!output.success, "git {arguments:?} succeeded: {}", output.text);
        output.text
    }

    /// The bytes of a file as committed, such as `main:calendar/a.ics`.
    pub fn show(&self, object: &str) -> Vec<u8> {
        let output = self.command(&["cat-file", "blob", object]).output().unwrap();
        assert!(output.status.success(), "{object}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    /// Writes a file, with the directories above it.
    pub fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.directory.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// Writes a file and commits it. Gives the commit.
    pub fn commit(&self, path: &str, content: impl AsRef<[u8]>) -> String {
        self.write(path, content);
        self.commit_all(&format!("Write {path}"))
    }

    /// Commits whatever changed. Gives the commit.
    pub fn commit_all(&self, message: &str) -> String {
        self.run(&["add", "--all"]);
        self.run(&["commit", "--quiet", "--message", message]);
        self.tip()
    }

    /// The current commit.
    pub fn tip(&self) -> String {
        self.run(&["rev-parse", "HEAD"])
    }

    /// Pushes `main`.
    pub fn push(&self) {
        self.run(&["push", "--quiet", "origin", "main"]);
    }

    /// Takes over what the server has.
    pub fn pull(&self) {
        self.run(&["pull", "--quiet", "--ff-only", "origin", "main"]);
    }

    /// Whether every object is what git demands, strictly.
    pub fn fsck(&self) {
        let output = self.run(&["fsck", "--strict", "--full", "--no-dangling", "--no-progress"]);
        assert_eq!(output, "", "git fsck");
    }

    /// The paths below a directory in the current commit, without `.collection.toml`.
    pub fn files(&self, directory: &str) -> Vec<String> {
        let listed =
            self.run(&["-c", "core.quotePath=false", "ls-tree", "-r", "--name-only", "HEAD", directory]);
        listed.lines().filter(|path| !path.ends_with(".collection.toml")).map(str::to_owned).collect()
    }

    /// A path in the working tree.
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.directory.join(name)
    }
}
