//! vdirsyncer, which keeps a directory of files and a server in step.

use crate::{Server, TemporaryDirectory, python, server::PASSWORD};
use std::{
    fs,
    io::Write,
    path::PathBuf,
    process::{Command, Output, Stdio},
};

/// A directory of calendars in step with a server. Of a conflict the directory's side wins.
#[derive(Debug)]
pub struct Replica {
    directory: PathBuf,
    configuration: PathBuf,
    authority: PathBuf,
}

impl Replica {
    /// A new replica of all calendars of the server's first user, in `parent/name`; discovers them.
    pub fn new(server: &Server, parent: &TemporaryDirectory, name: &str) -> Self {
        let directory = parent.join(name);
        fs::create_dir_all(&directory).unwrap();
        let configuration = parent.join(format!("{name}.conf"));
        let text = format!(
            "[general]\n\
             status_path = \"{status}\"\n\
             [pair calendars]\n\
             a = \"here\"\n\
             b = \"kalends\"\n\
             collections = [\"from a\", \"from b\"]\n\
             conflict_resolution = \"a wins\"\n\
             metadata = [\"displayname\", \"color\"]\n\
             [storage here]\n\
             type = \"filesystem\"\n\
             path = \"{path}\"\n\
             fileext = \".ics\"\n\
             [storage kalends]\n\
             type = \"caldav\"\n\
             url = \"{url}\"\n\
             username = \"{user}\"\n\
             password = \"{PASSWORD}\"\n\
             verify = \"{authority}\"\n",
            status = parent.join(format!("{name}.status")).display(),
            path = directory.display(),
            url = server.url("/"),
            user = server.user(),
            authority = server.authority().display(),
        );
        fs::write(&configuration, text).unwrap();
        let replica = Self { directory, configuration, authority: server.authority() };
        replica.run("discover");
        replica
    }

    /// Brings both sides in step.
    pub fn sync(&self) {
        self.run("sync");
    }

    /// Brings names and colours in step.
    pub fn sync_metadata(&self) {
        self.run("metasync");
    }

    /// Discovers calendars, and makes those of one side on the other.
    pub fn discover(&self) {
        self.run("discover");
    }

    /// A path in the replica.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// The files of a calendar, with their content, in the order of their names.
    pub fn files(&self, calendar: &str) -> Vec<(String, Vec<u8>)> {
        let mut files: Vec<_> = fs::read_dir(self.path(calendar))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "ics"))
            .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(&path).unwrap()))
            .collect();
        files.sort();
        files
    }

    /// Runs a command, whatever comes of it, and agrees to whatever is asked.
    pub fn attempt(&self, command: &str) -> Output {
        let mut process = Command::new(python::program("vdirsyncer"));
        let mut process = process
            .arg("--config")
            .arg(&self.configuration)
            .arg(command)
            .env("SSL_CERT_FILE", &self.authority)
            .env("NO_PROXY", "*")
            .env("LC_ALL", "C.UTF-8")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let _ = process.stdin.take().unwrap().write_all("y\n".repeat(20).as_bytes());
        process.wait_with_output().unwrap()
    }

    fn run(&self, command: &str) {
        let output = self.attempt(command);
        assert!(
            output.status.success(),
            "vdirsyncer {command}: {}\n{}\n{}",
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
}
