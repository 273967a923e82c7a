//! Large repositories, made by `git fast-import`.

use std::{
    io::{BufWriter, Write},
    path::Path,
    process::{Command, Stdio},
};

/// Calendars of a repository, and events of each.
const CALENDARS: usize = 50;
const EVENTS: usize = 400;

/// Runs git; its output.
pub(crate) fn git(directory: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git").current_dir(directory).args(arguments).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "git {arguments:?}: {errors}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Makes a bare repository of so many commits, each of which changes one event of about `size` bytes that
/// hardly compress: as many objects as three a commit and one for each directory at most.
pub(crate) fn generate(directory: &Path, commits: usize, size: usize) {
    std::fs::create_dir_all(directory).unwrap();
    git(directory, &["init", "-q", "--bare", "--initial-branch=main"]);
    let mut import = Command::new("git")
        .current_dir(directory)
        .args(["-c", "core.compression=1", "fast-import", "--quiet", "--depth=50"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufWriter::new(import.stdin.take().unwrap());
    let mut state = 0x1234_5678_9abc_def0_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state >> 33
    };
    for number in 0..commits {
        let (calendar, event) = (next() as usize % CALENDARS, next() as usize % EVENTS);
        let mut content =
            format!("BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:{calendar}-{event}\r\nSEQUENCE:{number}\r\n");
        content += "ATTACH;ENCODING=BASE64;VALUE=BINARY:";
        while content.len() < size {
            // Four bits a character are noise, so that half of it is left when it is compressed.
            content.extend(format!("{:08x}", next() as u32).chars());
        }
        content += "\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
        let time = 1_600_000_000 + number * 60;
        write!(
            out,
            "commit refs/heads/main\ncommitter Ada <ada@example.org> {time} +0000\ndata 9\nChange it\
             M 100644 inline calendar{calendar:02}/event{event:04}.ics\ndata {}\n{content}\n",
            content.len()
        )
        .unwrap();
    }
    out.flush().unwrap();
    drop(out);
    assert!(import.wait().unwrap().success());
}

/// The body of a push of all of a repository to an empty one, without `git push`: its commands, and where its
/// pack comes from.
pub(crate) fn push_commands(tip: &str) -> Vec<u8> {
    let line = format!("{} {tip} refs/heads/main\0 report-status side-band-64k", "0".repeat(40));
    format!("{:04x}{line}0000", line.len() + 4).into_bytes()
}

/// A fetch of a whole branch in protocol version 0, answered by `NAK` and a pack without side bands.
pub(crate) fn clone_request(tip: &str, more: &str) -> Vec<u8> {
    let capabilities = if more.contains("filter") { "ofs-delta filter" } else { "ofs-delta" };
    let line = format!("want {tip} {capabilities}\n");
    format!("{:04x}{line}{more}00000009done\n", line.len() + 4).into_bytes()
}
