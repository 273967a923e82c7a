//! Stock `git http-backend` behind a small CGI server (RFC 3875) of our own, so that nothing that is slower
//! than git is in the way: a thread for each connection, bodies handed through by the kernel.

use crate::{client::authorization, server::PASSWORD};
use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{ChildStdout, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

/// Longest line of a request or of the program's header.
const MAX_LINE: u64 = 64 << 10;

/// Serves the bare repositories of a directory over HTTP on loopback, with Basic authentication, for pushes
/// too. Ends when dropped.
#[derive(Debug)]
pub struct GitHttpBackend {
    port: u16,
    ended: Arc<AtomicBool>,
}

impl GitHttpBackend {
    /// Serves `directory/NAME.git` as `/NAME.git` to user `ada`, whose password is [`PASSWORD`].
    pub fn start(directory: &Path) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let ended = Arc::new(AtomicBool::new(false));
        let service = Arc::new(Service { program: program(), directory: directory.to_owned() });
        let stop = ended.clone();
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if stop.load(Ordering::SeqCst) {
                    break;
                }
                let service = service.clone();
                // A client that went away is the client's affair.
                thread::spawn(move || drop(service.answer(&client)));
            }
        });
        Self { port, ended }
    }

    /// The port of loopback.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The URL of a repository, with credentials.
    pub fn url(&self, repository: &str) -> String {
        let password = PASSWORD.replace(' ', "%20");
        format!("http://ada:{password}@127.0.0.1:{}/{repository}.git", self.port)
    }
}

impl Drop for GitHttpBackend {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

/// `git-http-backend` of the git that is found.
fn program() -> PathBuf {
    let output = Command::new("git").arg("--exec-path").output().expect("git runs");
    PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()).join("git-http-backend")
}

struct Service {
    program: PathBuf,
    directory: PathBuf,
}

impl Service {
    /// One request, one answer, and the end of the connection.
    fn answer(&self, client: &TcpStream) -> io::Result<()> {
        client.set_nodelay(true)?;
        let mut input = BufReader::new(client);
        let first = line(&mut input)?;
        let mut words = first.split(' ');
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut headers = Vec::new();
        loop {
            let line = line(&mut input)?;
            let Some((name, value)) = line.split_once(':') else { break };
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let header =
            |name: &str| headers.iter().find(|(other, _)| other == name).map(|(_, value)| &value[..]);
        let mut output = client;
        if header("authorization") != Some(&authorization("ada", PASSWORD)) {
            return output.write_all(
                b"HTTP/1.1 401 Unauthorized\r\nwww-authenticate: Basic realm=\"git\"\r\n\
                  content-length: 0\r\nconnection: close\r\n\r\n",
            );
        }
        let mut command = Command::new(&self.program);
        command
            .env("GIT_PROJECT_ROOT", &self.directory)
            .env("GIT_HTTP_EXPORT_ALL", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GATEWAY_INTERFACE", "CGI/1.1")
            .env("SERVER_PROTOCOL", "HTTP/1.1")
            .env("REMOTE_USER", "ada")
            .env("REMOTE_ADDR", "127.0.0.1")
            .env("REQUEST_METHOD", method)
            .env("PATH_INFO", path)
            .env("QUERY_STRING", query)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        for (name, variable) in [
            ("content-type", "CONTENT_TYPE"),
            ("content-length", "CONTENT_LENGTH"),
            ("content-encoding", "HTTP_CONTENT_ENCODING"),
            ("git-protocol", "GIT_PROTOCOL"),
        ] {
            if let Some(value) = header(name) {
                command.env(variable, value);
            }
        }
        let chunked = header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked"));
        let length = header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        let mut process = command.spawn()?;
        let (mut body, answer) = (process.stdin.take(), process.stdout.take());
        let received = thread::scope(|scope| {
            // git may answer before it has read everything.
            scope.spawn(move || {
                let Some(body) = &mut body else { return Ok(()) };
                if chunked { copy_chunks(&mut input, body) } else { copy(&mut input, length, body) }
            });
            relay(answer, client)
        });
        process.wait()?;
        received
    }
}

/// Hands what the program answers to the client: the header translated, the body as it is.
fn relay(answer: Option<ChildStdout>, client: &TcpStream) -> io::Result<()> {
    let Some(mut answer) = answer else { return Ok(()) };
    let (mut status, mut header) = ("200 OK".to_owned(), String::new());
    loop {
        let line = unbuffered_line(&mut answer)?;
        match line.split_once(':') {
            Some((name, value)) if name.eq_ignore_ascii_case("status") => status = value.trim().to_owned(),
            Some(_) => header += &format!("{line}\r\n"),
            None => break,
        }
    }
    let mut output = client;
    write!(output, "HTTP/1.1 {status}\r\n{header}connection: close\r\n\r\n")?;
    // By `splice`, since it comes from a pipe.
    io::copy(&mut answer, &mut output)?;
    client.shutdown(Shutdown::Write)
}

/// A line of a source that must not be read beyond it.
fn unbuffered_line(source: &mut impl Read) -> io::Result<String> {
    let (mut line, mut byte) = (Vec::new(), [0]);
    while line.len() < MAX_LINE as usize && source.read(&mut byte)? == 1 && byte != *b"\n" {
        line.push(byte[0]);
    }
    Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
}

fn line(input: &mut impl BufRead) -> io::Result<String> {
    let mut line = Vec::new();
    if input.take(MAX_LINE).read_until(b'\n', &mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
}

fn copy(input: &mut impl Read, length: u64, output: &mut impl Write) -> io::Result<()> {
    io::copy(&mut input.take(length), output)?;
    output.flush()
}

fn copy_chunks(input: &mut impl BufRead, output: &mut impl Write) -> io::Result<()> {
    loop {
        let size = u64::from_str_radix(&line(input)?, 16).map_err(io::Error::other)?;
        copy(input, size, output)?;
        line(input)?;
        if size == 0 {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{TemporaryDirectory, history};

    fn git(directory: &TemporaryDirectory, arguments: &[&str]) -> (bool, String) {
        let mut command = Command::new("git");
        command.current_dir(directory.path()).args(arguments).stdin(Stdio::null());
        command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_TERMINAL_PROMPT", "0");
        let output = command.output().unwrap();
        let text = [&output.stdout[..], &output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&text).trim().to_owned())
    }

    #[test]
    fn a_long_history_is_cloned_and_grows_by_a_push() {
        let directory = TemporaryDirectory::new();
        let succeed = |arguments: &[&str]| {
            let (success, text) = git(&directory, arguments);
            assert!(success, "git {arguments:?}: {text}");
            text
        };
        succeed(&["init", "--quiet", "--bare", "--initial-branch=main", "served.git"]);
        let served = directory.join("served.git");
        history::add_commits(&served, 0, 300);
        history::pack(&served);
        let server = GitHttpBackend::start(directory.path());
        succeed(&["clone", "--quiet", "--bare", &server.url("served"), "copy"]);
        assert_eq!(succeed(&["-C", "copy", "rev-list", "--count", "main"]), "300");
        // Large enough that git sends it in chunks.
        history::add_commits(&directory.join("copy"), 300, 3000);
        succeed(&["-C", "copy", "push", "--quiet", &server.url("served"), "main"]);
        assert_eq!(succeed(&["-C", "served.git", "rev-list", "--count", "main"]), "3300");
        succeed(&["-C", "served.git", "fsck", "--strict", "--no-progress", "--no-dangling"]);
    }

    #[test]
    fn nobody_gets_in_without_the_password() {
        let directory = TemporaryDirectory::new();
        assert!(git(&directory, &["init", "--quiet", "--bare", "served.git"]).0);
        let server = GitHttpBackend::start(directory.path());
        let url = server.url("served").replace("correct", "wrong");
        let (success, text) = git(&directory, &["ls-remote", &url]);
        assert!(!success && text.contains("Authentication failed"), "{text}");
    }
}
