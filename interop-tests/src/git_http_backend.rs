//! Stock `git http-backend` behind a small CGI server (RFC 3875) of our own, so that nothing that is slower
//! than git is in the way: a thread for each connection, which stays open, with or without TLS; answers are sent
//! on as they come, in full records.

mod connection;
mod http;

use crate::{client::authorization, server::PASSWORD};
use connection::Sender;
use http::Request;
use rustls::ServerConfig;
use std::{
    io::{self, BufRead, BufReader, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{ChildStdin, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

/// Bytes of a request that are read at once.
const PIECE: usize = 64 << 10;

/// Serves the bare repositories of a directory over HTTP on loopback, with Basic authentication, for pushes
/// too. Ends when dropped.
#[derive(Debug)]
pub struct GitHttpBackend {
    port: u16,
    secure: bool,
    ended: Arc<AtomicBool>,
}

impl GitHttpBackend {
    /// Serves `directory/NAME.git` as `/NAME.git` to user `ada`, whose password is [`PASSWORD`]. With a
    /// configuration it speaks TLS, without one plain HTTP.
    pub fn start(directory: &Path, tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (ended, secure) = (Arc::new(AtomicBool::new(false)), tls.is_some());
        let service = Arc::new(Service { program: program(), directory: directory.to_owned(), tls });
        let stop = ended.clone();
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if stop.load(Ordering::SeqCst) {
                    break;
                }
                let service = service.clone();
                // A client that went away is the client's affair.
                thread::spawn(move || drop(service.serve(client)));
            }
        });
        Self { port, secure, ended }
    }

    /// The port of loopback.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The URL of a repository, with credentials. With TLS the name is `localhost`.
    pub fn url(&self, repository: &str) -> String {
        let password = PASSWORD.replace(' ', "%20");
        let (scheme, host) = if self.secure { ("https", "localhost") } else { ("http", "127.0.0.1") };
        format!("{scheme}://ada:{password}@{host}:{}/{repository}.git", self.port)
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
    tls: Option<Arc<ServerConfig>>,
}

impl Service {
    /// Answers requests until the client ends the connection.
    fn serve(&self, socket: TcpStream) -> io::Result<()> {
        let (receiver, mut sender) = connection::open(socket, self.tls.as_ref())?;
        let mut input = BufReader::with_capacity(PIECE, receiver);
        while let Some(request) = Request::read(&mut input)? {
            self.answer(&request, &mut input, &mut sender)?;
        }
        sender.end()
    }

    /// One request, of which all is read, and its answer.
    fn answer(
        &self,
        request: &Request,
        input: &mut (impl BufRead + Send),
        client: &mut Sender,
    ) -> io::Result<()> {
        if request.header("authorization") != Some(&authorization("ada", PASSWORD)) {
            request.copy_body(input, &mut io::sink())?;
            return client.write_all(
                b"HTTP/1.1 401 Unauthorized\r\nwww-authenticate: Basic realm=\"git\"\r\n\
                  content-length: 0\r\n\r\n",
            );
        }
        let mut process = self.command(request).spawn()?;
        let (body, answer) = (process.stdin.take(), process.stdout.take());
        let answered = thread::scope(|scope| {
            // git may answer before it has read everything.
            let body = scope.spawn(move || request.copy_body(input, &mut UntilClosed(body)));
            answer.map_or(Ok(()), |answer| http::relay(answer, client))?;
            body.join().unwrap_or_else(|_| Err(io::Error::other("the body was not read")))
        });
        process.wait()?;
        answered
    }

    /// The program that answers a request.
    fn command(&self, request: &Request) -> Command {
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
            .env("REQUEST_METHOD", &request.method)
            .env("PATH_INFO", &request.path)
            .env("QUERY_STRING", &request.query)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        for (name, variable) in [
            ("content-type", "CONTENT_TYPE"),
            ("content-length", "CONTENT_LENGTH"),
            ("content-encoding", "HTTP_CONTENT_ENCODING"),
            ("git-protocol", "GIT_PROTOCOL"),
        ] {
            if let Some(value) = request.header(name) {
                command.env(variable, value);
            }
        }
        command
    }
}

/// The input of a program, which may end before it has read all of it: the rest is passed over, since the next
/// request comes after it.
struct UntilClosed(Option<ChildStdin>);

impl Write for UntilClosed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.0.as_mut().map(|program| program.write(bytes)) {
            Some(Err(error)) if error.kind() == io::ErrorKind::BrokenPipe => self.0 = None,
            Some(result) => return result,
            None => {}
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{TemporaryDirectory, client::Connection, history};
    use rcgen::{CertifiedKey, generate_simple_self_signed};
    use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
    use std::fs;

    fn git(directory: &TemporaryDirectory, arguments: &[&str]) -> (bool, String) {
        let mut command = Command::new("git");
        command.current_dir(directory.path()).args(arguments).stdin(Stdio::null());
        command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_TERMINAL_PROMPT", "0");
        command.env("GIT_SSL_CAINFO", directory.join(CERTIFICATE));
        let output = command.output().unwrap();
        let text = [&output.stdout[..], &output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&text).trim().to_owned())
    }

    const CERTIFICATE: &str = "certificate.pem";

    /// With a certificate of its own, which it writes into the directory.
    fn tls(directory: &TemporaryDirectory) -> Option<Arc<ServerConfig>> {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        fs::write(directory.join(CERTIFICATE), cert.pem()).unwrap();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        Some(Arc::new(config))
    }

    #[test]
    fn a_long_history_is_cloned_and_grows_by_a_push() {
        clone_and_push(&TemporaryDirectory::new(), None);
    }

    #[test]
    fn so_it_is_over_tls() {
        let directory = TemporaryDirectory::new();
        let tls = tls(&directory);
        clone_and_push(&directory, tls);
    }

    fn clone_and_push(directory: &TemporaryDirectory, tls: Option<Arc<ServerConfig>>) {
        let succeed = |arguments: &[&str]| {
            let (success, text) = git(directory, arguments);
            assert!(success, "git {arguments:?}: {text}");
            text
        };
        succeed(&["init", "--quiet", "--bare", "--initial-branch=main", "served.git"]);
        let served = directory.join("served.git");
        history::add_commits(&served, 0, 300);
        history::pack(&served);
        let server = GitHttpBackend::start(directory.path(), tls);
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
        let server = GitHttpBackend::start(directory.path(), None);
        let url = server.url("served").replace("correct", "wrong");
        let (success, text) = git(&directory, &["ls-remote", &url]);
        assert!(!success && text.contains("Authentication failed"), "{text}");
    }

    #[test]
    fn connections_stay_open_whatever_is_refused() {
        let directory = TemporaryDirectory::new();
        assert!(git(&directory, &["init", "--quiet", "--bare", "--initial-branch=main", "served.git"]).0);
        history::add_commits(&directory.join("served.git"), 0, 1);
        let tls = tls(&directory);
        let server = GitHttpBackend::start(directory.path(), tls);
        let connect = || Connection::secure(server.port(), &directory.join(CERTIFICATE)).unwrap();
        let mut connection = connect();
        let body = vec![b'x'; 300_000];
        let refused = connection.request("POST", "/served.git/git-upload-pack", &[], &body).unwrap();
        assert_eq!(refused.status, 401);
        let mut connection = connection.with_credentials("ada", PASSWORD);
        // git does not read the body of what it refuses.
        let refused = connection.request("POST", "/served.git/git-upload-pack", &[], &body).unwrap();
        assert_eq!(refused.status, 415);
        assert_eq!(connection.request("GET", "/none.git/HEAD", &[], b"").unwrap().status, 404);
        // The one answer whose length git tells.
        let head = connection.request("GET", "/served.git/HEAD", &[], b"").unwrap();
        assert_eq!(
            (head.header("content-length"), &head.body[..]),
            (Some("21"), &b"ref: refs/heads/main\n"[..])
        );
        let references = "/served.git/info/refs?service=git-upload-pack";
        let references = connection.request("GET", references, &[], b"").unwrap();
        assert!(references.status == 200 && references.body.starts_with(b"001e# service=git-upload-pack"));
        assert!(!connection.is_closed());
    }
}
