//! The Python clients that `interop-tests/install` puts into `target/interop/venv`.

use crate::{
    Server,
    server::{PASSWORD, target_directory},
};
use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// A program of the environment, such as `vdirsyncer` or `python`.
pub fn program(name: &str) -> PathBuf {
    let path = target_directory().join("interop/venv/bin").join(name);
    assert!(path.exists(), "{} is missing: run interop-tests/install first", path.display());
    path
}

/// A command of the environment that trusts this server.
pub fn command(server: &Server, name: &str) -> Command {
    let mut command = Command::new(program(name));
    command
        .stdin(Stdio::null())
        .env("SSL_CERT_FILE", server.authority())
        .env("REQUESTS_CA_BUNDLE", server.authority())
        .env("NO_PROXY", "*")
        .env("PYTHONUTF8", "1")
        .env("LC_ALL", "C.UTF-8")
        .env("TZ", "Europe/Prague");
    command
}

/// Runs a script of `tests/` that takes the server's URL, the user, the password, the certificate to trust
/// and further arguments. It must succeed; gives what it printed.
pub fn run_script(server: &Server, script: &str, arguments: &[&str]) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(script);
    let mut command = command(server, "python");
    command.arg(path).args([&server.url("/"), server.user(), PASSWORD]);
    command.arg(server.authority()).args(arguments);
    run(&mut command)
}

/// Runs a command, which must succeed; gives its standard output.
pub fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{command:?}: {}\n{printed}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    printed
}
