//! `kalends fsck`.

use kalends_block_backend::{BlockDevice, FileDevice, OpenError};
use kalends_store::{CheckSummary, Error, OpenOptions, Severity, check_device};
use std::{
    io::{self, Write},
    path::Path,
    process::ExitCode,
    rc::Rc,
};

/// Nothing is damaged.
const CLEAN: u8 = 0;
/// Something is.
const DAMAGED: u8 = 1;
/// There is nothing that can be checked.
const UNREADABLE: u8 = 2;

/// Checks a device without writing to it, and says on standard output what it finds.
pub(crate) fn fsck(path: &Path) -> ExitCode {
    // A reader that has seen enough is no reason to stop: the exit status counts.
    let mut print = |line: String| drop(writeln!(io::stdout(), "{line}"));
    ExitCode::from(match check(path, &mut print) {
        Ok(summary) => {
            conclude(path, &summary, &mut print);
            if summary.is_clean() { CLEAN } else { DAMAGED }
        }
        Err(error) => {
            eprintln!("kalends: {error}");
            UNREADABLE
        }
    })
}

fn check(path: &Path, print: &mut dyn FnMut(String)) -> Result<CheckSummary, String> {
    let device: Rc<dyn BlockDevice> = Rc::new(open(path)?);
    check_device(&device, OpenOptions::default(), &mut |finding| {
        let severity = match finding.severity {
            Severity::Notice => "note",
            Severity::Damage => "damage",
        };
        print(format!("{severity}: {finding}"));
    })
    .map_err(|error: Error| format!("{}: {error}", path.display()))
}

fn conclude(path: &Path, summary: &CheckSummary, print: &mut dyn FnMut(String)) {
    let path = path.display();
    let checkpoint = summary.checkpoint;
    if checkpoint == 0 {
        return print(format!("{path} is damaged, and cannot be opened"));
    }
    print(format!(
        "checkpoint {checkpoint}, and {} ({}) of log after it",
        count(summary.log_frames, "frame", "frames"),
        count(summary.log_bytes, "byte", "bytes"),
    ));
    print(format!(
        "{}, {}, {}, {}, {}",
        count(summary.repositories, "repository", "repositories"),
        count(summary.references, "reference", "references"),
        count(summary.commits, "commit", "commits"),
        count(summary.objects, "object", "objects"),
        count(summary.packs, "pack", "packs"),
    ));
    match summary.damage {
        0 => print(format!("{path} is clean")),
        damage => print(format!(
            "{path} is damaged ({damage} found); `kalends export` saves the repositories that are whole"
        )),
    }
}

fn count(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// Opens a device that no server writes to.
pub(crate) fn open(path: &Path) -> Result<FileDevice, String> {
    FileDevice::open_read_only(path).map_err(|error| match error {
        OpenError::InUse(_) => {
            format!("{} is being served by another process; stop that one first", path.display())
        }
        other => other.to_string(),
    })
}
