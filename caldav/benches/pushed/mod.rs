//! A push of one commit that adds many events, by stock git.

use std::{
    env,
    fmt::Write as _,
    fs,
    io::{BufWriter, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// A directory that is removed again.
pub(crate) struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What is pushed.
pub(crate) struct Push {
    directory: Scratch,
    /// The request, as it is when the repository of the server is empty.
    pub(crate) request: Vec<u8>,
    /// Where the pack begins in it.
    pack_at: usize,
}

/// An event with the time zone that clients put into every one.
fn event(number: usize) -> String {
    let mixed = (number as u64).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let (month, day, hour) = ((mixed >> 32) % 12 + 1, (mixed >> 40) % 28 + 1, (mixed >> 20) % 14 + 6);
    let mut text = format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Example Corp.//CalDAV Client {}//EN\r\n\
         CALSCALE:GREGORIAN\r\nBEGIN:VTIMEZONE\r\nTZID:Europe/Prague\r\nX-LIC-LOCATION:Europe/Prague\r\n\
         BEGIN:DAYLIGHT\r\nTZOFFSETFROM:+0100\r\nTZOFFSETTO:+0200\r\nTZNAME:CEST\r\n\
         DTSTART:19700329T020000\r\nRRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU\r\nEND:DAYLIGHT\r\n\
         BEGIN:STANDARD\r\nTZOFFSETFROM:+0200\r\nTZOFFSETTO:+0100\r\nTZNAME:CET\r\n\
         DTSTART:19701025T030000\r\nRRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU\r\nEND:STANDARD\r\n\
         END:VTIMEZONE\r\nBEGIN:VEVENT\r\nUID:{mixed:016x}-{number}@example.org\r\n\
         DTSTAMP:20260102T030405Z\r\nCREATED:20260101T000000Z\r\nLAST-MODIFIED:20260102T030405Z\r\n\
         SUMMARY:Review {}: budget\\, travel\\, and the rest\r\n\
         DTSTART;TZID=Europe/Prague:2026{month:02}{day:02}T{hour:02}0000\r\n\
         DTEND;TZID=Europe/Prague:2026{month:02}{day:02}T{hour:02}4500\r\n\
         LOCATION:Café Größenwahn\\, Lenaustraße {}\\, Frankfurt am Main\r\n",
        number % 5,
        number % 12,
        number % 97,
    );
    if number.is_multiple_of(20) {
        text += "RRULE:FREQ=WEEKLY;COUNT=40\r\n";
    }
    write!(text, "END:VEVENT\r\nEND:VCALENDAR\r\n").unwrap();
    text
}

/// Runs git with this input; its output.
fn git(directory: &Path, arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut command = Command::new("git");
    command.current_dir(directory).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
    command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    let mut process = command.spawn().expect("git runs");
    process.stdin.take().unwrap().write_all(input).unwrap();
    let output = process.wait_with_output().unwrap();
    assert!(output.status.success(), "git {arguments:?}");
    output.stdout
}

impl Push {
    /// One commit with so many events.
    pub(crate) fn new(events: usize) -> Self {
        let name = format!("kalends-bench-push-{}", std::process::id());
        let directory = Scratch(env::temp_dir().join(name));
        fs::create_dir_all(&directory.0).unwrap();
        git(&directory.0, &["init", "-q", "--bare", "--initial-branch=main", "source.git"], b"");
        let source = directory.0.join("source.git");
        let mut script = BufWriter::new(Vec::new());
        write!(
            script,
            "commit refs/heads/main\ncommitter Ada Lovelace <ada@example.org> 1767225600 +0100\n\
             data 10\nAdd events\nM 100644 inline calendar/.collection.toml\ndata 18\ntype = \"calendar\"\n\n"
        )
        .unwrap();
        for number in 0..events {
            let (text, mixed) = (event(number), number as u64 * 0x9e37_79b9_7f4a_7c15 % (1 << 48));
            let name = format!("{mixed:012x}-{number}@example.org.ics");
            write!(script, "M 100644 inline calendar/{name}\ndata {}\n{text}\n", text.len()).unwrap();
        }
        git(&source, &["fast-import", "--quiet", "--date-format=raw"], &script.into_inner().unwrap());
        let tip = String::from_utf8(git(&source, &["rev-parse", "main"], b"")).unwrap();
        let tip = tip.trim_end();
        let line = format!("{} {tip} refs/heads/main\0 report-status side-band-64k", "0".repeat(40));
        let mut request = format!("{:04x}{line}0000", line.len() + 4).into_bytes();
        let pack_at = request.len();
        // As send-pack does it.
        let pack = ["pack-objects", "--revs", "--thin", "--stdout", "-q", "--delta-base-offset"];
        request.extend(git(&source, &pack, format!("{tip}\n").as_bytes()));
        Self { directory, request, pack_at }
    }

    /// A repository of git's without objects.
    pub(crate) fn empty_repository(&self) -> Scratch {
        let path = self.directory.0.join("theirs.git");
        let _ = fs::remove_dir_all(&path);
        git(&self.directory.0, &["init", "-q", "--bare", "theirs.git"], b"");
        Scratch(path)
    }

    /// Has git index the pack, with all checks of `receive.fsckObjects`.
    pub(crate) fn index_pack(&self, repository: &Scratch, threads: usize) {
        let threads = format!("--threads={threads}");
        git(&repository.0, &["index-pack", "--stdin", "--strict", &threads], &self.request[self.pack_at..]);
    }
}
