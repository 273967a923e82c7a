//! cadaver, a WebDAV shell: files and directories beside calendars.

use kalends_interop_tests::{Server, TemporaryDirectory, WorkingCopy, server::PASSWORD};
use std::{
    fs,
    io::Write,
    os::unix::fs::PermissionsExt,
    process::{Command, Stdio},
};

/// Runs commands in the user's home, at a terminal (script(1)), where the certificate is accepted by hand.
fn cadaver(server: &Server, home: &TemporaryDirectory, commands: &str) -> String {
    let netrc = home.join(".netrc");
    fs::write(&netrc, format!("machine localhost\nlogin {}\npassword \"{PASSWORD}\"\n", server.user()))
        .unwrap();
    fs::set_permissions(&netrc, fs::Permissions::from_mode(0o600)).unwrap();
    let url = server.url(&format!("/dav/calendars/{}/", server.user()));
    let mut process = Command::new("script")
        .args(["--quiet", "--return", "--command", &format!("cadaver {url}"), "/dev/null"])
        .env("HOME", home.path())
        .current_dir(home.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("script, of util-linux, is installed");
    process.stdin.take().unwrap().write_all(format!("y\n{commands}quit\n").as_bytes()).unwrap();
    let output = process.wait_with_output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn files_beside_calendars_are_put_moved_copied_and_deleted() {
    let (home, server) = (TemporaryDirectory::new(), Server::start());
    fs::write(home.join("notes.txt"), "What to bring\n").unwrap();
    let said = cadaver(
        &server,
        &home,
        "mkcol trip\ncd trip\nput notes.txt\ncopy notes.txt copy.txt\nmove notes.txt moved.txt\n\
         get moved.txt got.txt\ndelete copy.txt\ncd ..\nls\n",
    );
    assert!(!said.contains("failed") && !said.contains("Error"), "{said}");
    assert!(said.contains("Coll:   trip"), "{said}");
    assert_eq!(fs::read_to_string(home.join("got.txt")).unwrap(), "What to bring\n");
    let copy = WorkingCopy::clone_of(&server, &home, "copy");
    assert_eq!(copy.files("trip"), ["trip/moved.txt"]);
    assert_eq!(copy.show("HEAD:trip/moved.txt"), b"What to bring\n");
    copy.fsck();
}
