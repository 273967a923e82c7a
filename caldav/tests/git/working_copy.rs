//! Stock git in directories that vanish.

use std::{
    env,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

/// A directory that is removed when dropped.
pub(crate) struct TempDir(PathBuf);

impl TempDir {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = env::temp_dir().join(format!("kalends-git-test-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What git said.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) success: bool,
    /// Standard output and standard error, carriage returns as newlines.
    pub(crate) text: String,
}

/// git in a directory.
pub(crate) struct Git {
    pub(crate) directory: PathBuf,
    options: Vec<String>,
    date: std::cell::Cell<u64>,
}

impl Git {
    /// git in this directory.
    pub(crate) fn at(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into(), options: Vec::new(), date: std::cell::Cell::new(1_700_000_000) }
    }

    /// With `-c` options for every command.
    pub(crate) fn with(mut self, options: &[&str]) -> Self {
        self.options.extend(options.iter().map(|option| (*option).to_owned()));
        self
    }

    /// A clone in `parent/name`.
    pub(crate) fn clone(parent: &TempDir, name: &str, url: &str, arguments: &[&str]) -> Self {
        let mut command = vec!["clone"];
        command.extend(arguments);
        command.extend([url, name]);
        Self::at(parent.path()).run(&command);
        Self::at(parent.path().join(name))
    }

    /// A new repository in `parent/name` with this remote.
    pub(crate) fn init(parent: &TempDir, name: &str, url: &str) -> Self {
        Self::at(parent.path()).run(&["init", "-q", "-b", "main", name]);
        let git = Self::at(parent.path().join(name));
        git.run(&["remote", "add", "origin", url]);
        git
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("git");
        command.current_dir(&self.directory).stdin(Stdio::null());
        for option in &self.options {
            command.args(["-c", option]);
        }
        self.date.set(self.date.get() + 10);
        let date = format!("{} +0000", self.date.get());
        command
            .args(["-c", "gc.auto=0", "-c", "maintenance.auto=false", "-c", "init.defaultBranch=main"])
            .args(arguments)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("LC_ALL", "C")
            .env("GIT_AUTHOR_NAME", "Ada Lovelace")
            .env("GIT_AUTHOR_EMAIL", "ada@example.org")
            .env("GIT_COMMITTER_NAME", "Ada Lovelace")
            .env("GIT_COMMITTER_EMAIL", "ada@example.org")
            .env("GIT_AUTHOR_DATE", &date)
            .env("GIT_COMMITTER_DATE", &date);
        command
    }

    /// Runs git, whatever comes of it.
    pub(crate) fn attempt(&self, arguments: &[&str]) -> Output {
        let output = self.command(arguments).output().unwrap();
        let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
        text += &String::from_utf8_lossy(&output.stderr).replace('\r', "\n");
        Output { success: output.status.success(), text }
    }

    /// Runs git, which must succeed, and gives what it said.
    pub(crate) fn run(&self, arguments: &[&str]) -> String {
        let output = self.attempt(arguments);
        assert!(output.success, "git {arguments:?}: {}", output.text);
        output.text.trim_end().to_owned()
    }

    /// Runs git, which must fail, and gives what it said.
    pub(crate) fn fail(&self, arguments: &[&str]) -> String {
        let output = self.attempt(arguments);
        assert!(!output.success, "git {arguments:?} succeeded: {}", output.text);
        output.text
    }

    pub(crate) fn write(&self, path: &str, content: &str) {
        let path = self.directory.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// Writes a file and commits it. Gives the commit.
    pub(crate) fn commit(&self, path: &str, content: &str) -> String {
        self.write(path, content);
        self.run(&["add", "-A"]);
        self.run(&["commit", "-q", "-m", &format!("Write {path}")]);
        self.run(&["rev-parse", "HEAD"])
    }

    /// Commits `count` times, by fast-import: quicker than `commit`.
    pub(crate) fn grow(&self, branch: &str, count: u32, seed: &str) {
        let mut script = String::new();
        for number in 0..count {
            let date = 1_700_000_000 + u64::from(number) * 10;
            let message = format!("Commit {number}");
            let content = format!("{seed} {number}\n");
            write!(script, "commit refs/heads/{branch}\ncommitter A <a@example.org> {date} +0000\n").unwrap();
            write!(script, "data {}\n{message}\n", message.len()).unwrap();
            if number == 0 {
                let tip = self.attempt(&["rev-parse", "-q", "--verify", &format!("refs/heads/{branch}")]);
                if tip.success {
                    writeln!(script, "from {}", tip.text.trim()).unwrap();
                }
            }
            write!(script, "M 100644 inline {seed}/{}\ndata {}\n{content}\n", number % 50, content.len())
                .unwrap();
        }
        self.import(&script);
    }

    /// Runs `git fast-import` on a script.
    pub(crate) fn import(&self, script: &str) {
        use std::io::Write as _;
        let mut command = self.command(&["fast-import", "--quiet"]);
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success());
    }

    /// The strictest check of everything here.
    pub(crate) fn fsck(&self) {
        self.run(&["fsck", "--strict", "--full", "--no-dangling"]);
    }

    /// All objects here, sorted.
    pub(crate) fn objects(&self) -> Vec<String> {
        let all =
            self.run(&["cat-file", "--batch-all-objects", "--batch-check=%(objectname)", "--unordered"]);
        let mut all: Vec<String> = all.lines().map(str::to_owned).collect();
        all.sort();
        all
    }
}
