//! litmus, the WebDAV test suite. It does not look at certificates.

use kalends_interop_tests::{Server, TemporaryDirectory, server::PASSWORD};
use std::process::{Command, Stdio};

/// Warnings of litmus that are no matter: there are no locks to announce, and a fragment in a request's URL
/// (which RFC 9110 §4.2.5 has no place for) is gone before the server's WebDAV sees it.
const WARNINGS: [&str; 2] = [
    "server does not claim Class 2 compliance",
    "DELETE removed collection resource with Request-URI including fragment",
];

/// Runs one suite; every test of it must pass, without another warning.
fn run(suite: &str) {
    let (directory, server) = (TemporaryDirectory::new(), Server::start());
    let url = server.url(&format!("/dav/calendars/{}/", server.user()));
    let output = Command::new("litmus")
        .args([&url, server.user(), PASSWORD])
        .env("TESTS", suite)
        // Debian's script looks below a path that does not exist.
        .env("HTDOCS", "/usr/share/litmus/htdocs")
        .env_remove("https_proxy")
        .current_dir(directory.path())
        .stdin(Stdio::null())
        .output()
        .expect("litmus is installed (interop-tests/install)");
    let said = String::from_utf8_lossy(&output.stdout).replace('\r', "\n");
    let summary = said.lines().find(|line| line.starts_with("<- summary")).unwrap_or_default();
    assert!(output.status.success() && summary.ends_with(" 0 failed. 100.0%"), "{said}");
    for warning in said.lines().filter_map(|line| line.split_once("WARNING: ")) {
        assert!(WARNINGS.iter().any(|known| warning.1.starts_with(known)), "{said}");
    }
    println!("{summary}");
}

#[test]
fn basic() {
    run("basic");
}

#[test]
fn copymove() {
    run("copymove");
}

#[test]
fn props() {
    run("props");
}

#[test]
fn http() {
    run("http");
}

/// Kalends is a class 1 and 3 server (RFC 4918 §18): litmus finds no locks to test, and says so.
#[test]
fn locks_are_not_announced() {
    let server = Server::start();
    let path = format!("/dav/calendars/{}/", server.user());
    let options = kalends_interop_tests::Curl::new(&server, "OPTIONS", &path).expect(&[200, 204]);
    let classes: Vec<_> = options.header("dav").unwrap().split(',').map(str::trim).collect();
    assert!(classes.contains(&"1") && !classes.contains(&"2"), "{classes:?}");
    run("locks");
}
