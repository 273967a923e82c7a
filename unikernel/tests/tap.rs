//! The program on a tap interface, with the network stack of a unikernel, against Linux's own stack and curl,
//! in a network namespace of the test's own.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
};

/// A network namespace with a tap interface, and a directory for files; both are removed when dropped.
struct Namespace {
    name: String,
    directory: PathBuf,
}

impl Namespace {
    /// The reason, when there cannot be one here.
    fn new(test: &str) -> Result<Self, String> {
        let name = format!("kalends-{test}-{}", std::process::id());
        let directory = std::env::temp_dir().join(&name);
        run(Command::new("curl").arg("--version"))?;
        run(Command::new("ip").args(["netns", "add", &name]))?;
        fs::create_dir_all(&directory).map_err(|error| error.to_string())?;
        let namespace = Self { name, directory };
        for arguments in [
            "link set lo up",
            "tuntap add tap0 mode tap",
            "address add 10.77.0.1/24 dev tap0",
            "address add fd77::1/64 dev tap0 nodad",
            "link set tap0 up",
        ] {
            let ip = ["-n", &namespace.name].into_iter().chain(arguments.split(' '));
            run(Command::new("ip").args(ip))?;
        }
        Ok(namespace)
    }

    /// A program to run in it.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name, program]).current_dir(&self.directory);
        command
    }

    fn curl(&self, arguments: &[&str]) -> Output {
        let common = ["--silent", "--show-error", "--max-time", "20", "--cacert", "kalends-ca.pem"];
        self.command("curl").args(common).args(arguments).output().unwrap()
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "delete", &self.name]).status();
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// Runs a command; what it says when it fails.
fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr).trim())),
    }
}

/// The program, killed when dropped.
struct Serving(Child);

impl Serving {
    fn start(namespace: &Namespace) -> Self {
        let mut serving = Self(
            namespace
                .command(env!("CARGO_BIN_EXE_kalends"))
                .args(["serve", "--tap", "tap0", "--size", "64M"])
                .args(["--ipv4", "10.77.0.2/24", "--ipv4-gateway", "10.77.0.1", "--ipv6", "fd77::2/64"])
                .stdout(Stdio::piped())
                .spawn()
                .unwrap(),
        );
        let output = BufReader::new(serving.0.stdout.take().unwrap());
        assert!(output.lines().map_while(Result::ok).any(|line| line.starts_with("Ready")), "it has ended");
        serving
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The namespace, or why the test cannot be run.
fn namespace(test: &str) -> Option<Namespace> {
    match Namespace::new(test) {
        Ok(namespace) => Some(namespace),
        Err(reason) => {
            println!("not tested: a tap interface in a network namespace needs root, ip and curl ({reason})");
            None
        }
    }
}

#[test]
fn curl_is_served_over_ipv4_and_ipv6_and_a_signal_ends_it() {
    let Some(namespace) = namespace("serve") else { return };
    let mut serving = Serving::start(&namespace);
    for url in ["https://10.77.0.2:8443/", "https://[fd77::2]:8443/"] {
        let output = namespace.curl(&["--globoff", "--fail", url]);
        assert!(output.status.success(), "{url}: {}", String::from_utf8_lossy(&output.stderr));
        assert!(!output.stdout.is_empty());
    }
    // Fifty connections at once.
    let output = namespace.curl(&[
        "--parallel",
        "--parallel-max",
        "50",
        "--http1.1",
        "--fail",
        "--output",
        "/dev/null",
        "https://10.77.0.2:8443/?[1-500]",
    ]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let refused = namespace.curl(&["https://10.77.0.2:8444/"]);
    assert_eq!(refused.status.code(), Some(7), "curl says that the connection was refused");
    run(Command::new("kill").args(["-TERM", &serving.0.id().to_string()])).unwrap();
    assert!(serving.0.wait().unwrap().success());
}

#[test]
fn a_tap_interface_in_use_is_named() {
    let Some(namespace) = namespace("in-use") else { return };
    let _serving = Serving::start(&namespace);
    let output = namespace
        .command(env!("CARGO_BIN_EXE_kalends"))
        .args(["serve", "--tap", "tap0", "--device", "other.img"])
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(error.contains("cannot use tap interface tap0"), "{error}");
    assert!(!namespace.directory.join("other.img").exists(), "it failed before it made a device");
}
