//! A long history of calendars, made by stock git's `fast-import`: the same at every run.

use crate::event;
use std::{
    fmt::Write as _,
    io::{self, BufWriter, Write},
    path::Path,
    process::{ChildStdin, Command, Stdio},
};

/// Calendars that the commits go round.
const CALENDARS: u32 = 10;
/// Events that a calendar has in the end, at most.
const EVENTS: u32 = 250;
/// Unix time of the first commit: 2016-01-01. The others follow every three quarters of an hour.
const START: u64 = 1_451_606_400;
/// Seconds between commits.
const STEP: u64 = 2700;

/// Adds so many commits on top of `main` in a bare repository. Each adds or changes one event in one of ten
/// calendars, and one in 41 removes one; numbers go on from `first`, the number of the first commit.
///
/// # Panics
/// When git does not take them.
pub fn add_commits(repository: &Path, first: u32, commits: u32) {
    fast_import(repository, |input, parent| write_commits(input, first, commits, parent));
}

/// Adds one commit on top of `main`, with so many events of a working calendar ([`event::meeting`]).
///
/// # Panics
/// When git does not take it.
pub fn add_events(repository: &Path, calendar: &str, events: u32) {
    fast_import(repository, |input, parent| {
        write!(
            input,
            "commit refs/heads/main\ncommitter Ada Lovelace <ada@example.org> {START} +0100\n\
             data 10\nAdd events\n{parent}"
        )?;
        for event in (0..events).map(event::meeting) {
            let (name, text) = (event.name, event.text);
            write!(input, "M 100644 inline {calendar}/{name}\ndata {}\n{text}\n", text.len())?;
        }
        Ok(())
    });
}

/// Gives git what `write` writes; it is told the line that names the parent of the first commit, if there is
/// one.
fn fast_import(repository: &Path, write: impl FnOnce(&mut BufWriter<ChildStdin>, &str) -> io::Result<()>) {
    let mut command = Command::new("git");
    command.arg("-C").arg(repository).args(["fast-import", "--quiet", "--date-format=raw"]);
    command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    let parent = if has_main(repository) { "from refs/heads/main^0\n" } else { "" };
    let mut process = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("git runs");
    let mut input = BufWriter::with_capacity(1 << 20, process.stdin.take().unwrap());
    let written = write(&mut input, parent).and_then(|()| input.flush());
    drop(input);
    let status = process.wait().unwrap();
    assert!(written.is_ok() && status.success(), "git fast-import: {status}, {written:?}");
}

/// Packs everything anew, as a repository is that has been served for long: one pack, with a bitmap, which is
/// how stock git clones it fastest.
///
/// # Panics
/// When git fails.
pub fn pack(repository: &Path) {
    let mut command = Command::new("git");
    command.args(["-C"]).arg(repository).args(["gc", "--quiet", "--prune=now"]);
    command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    assert!(command.status().expect("git runs").success(), "git gc");
}

/// Whether there is a branch `main`.
fn has_main(repository: &Path) -> bool {
    let mut command = Command::new("git");
    command.arg("-C").arg(repository).args(["rev-parse", "--quiet", "--verify", "refs/heads/main"]);
    command.stdout(Stdio::null()).status().expect("git runs").success()
}

fn write_commits(input: &mut impl Write, first: u32, commits: u32, mut parent: &str) -> io::Result<()> {
    let events: Vec<_> = (0..CALENDARS * EVENTS).map(event::event).collect();
    let (mut message, mut content) = (String::new(), String::new());
    for number in first..first + commits {
        let calendar = number % CALENDARS;
        // A fixed scramble, by which events are changed in no order.
        let mixed = u64::from(number).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33;
        let event = &events[(mixed as u32 % EVENTS * CALENDARS + calendar) as usize];
        let time = START + u64::from(number) * STEP;
        // By then nearly every event has been written once.
        let removes = number >= 4 * CALENDARS * EVENTS && number.is_multiple_of(41);
        message.clear();
        let verb = if removes { "Remove" } else { "Write" };
        writeln!(message, "{verb} work-{calendar}/{}: {}", event.name, event.summary)
            .map_err(io::Error::other)?;
        write!(
            input,
            "commit refs/heads/main\ncommitter Ada Lovelace <ada@example.org> {time} +0100\ndata {}\n{message}{parent}",
            message.len()
        )?;
        parent = "";
        if removes {
            write!(input, "D work-{calendar}/{}\n\n", event.name)?;
            continue;
        }
        content.clear();
        content.push_str(&event.text);
        // What a client changes with each edit; no two versions are alike.
        let edited = format!("\r\nSUMMARY:({number}) ");
        let at = content.find("\r\nSUMMARY:").ok_or(io::ErrorKind::InvalidData)?;
        content.replace_range(at..at + "\r\nSUMMARY:".len(), &edited);
        write!(input, "M 100644 inline work-{calendar}/{}\ndata {}\n{content}\n", event.name, content.len())?;
    }
    Ok(())
}
