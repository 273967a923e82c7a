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
pub(crate) const CLEAN: u8 = 0;
/// Something is.
pub(crate) const DAMAGED: u8 = 1;
/// There is nothing that can be checked.
pub(crate) const UNREADABLE: u8 = 2;

/// Checks a device without writing to it, and says on standard output what it finds.
pub(crate) fn fsck(path: &Path) -> ExitCode {
    // A reader that has seen enough is no reason to stop: the exit status counts.
    let mut print = |line: String| drop(writeln!(io::stdout(), "{line}"));
    let checked = open(path).and_then(|device| {
        let device: Rc<dyn BlockDevice> = Rc::new(device);
        check(path, &device, &mut print)
    });
    ExitCode::from(match checked {
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

/// Checks an open device.
pub(crate) fn check(
    path: &Path,
    device: &Rc<dyn BlockDevice>,
    print: &mut dyn FnMut(String),
) -> Result<CheckSummary, String> {
    check_device(device, OpenOptions::default(), &mut |finding| {
        let severity = match finding.class {
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
        return print(format!(
            "{path} is damaged, and cannot be opened; `kalends repair` saves what is whole"
        ));
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
            "{path} is damaged ({damage} found); `kalends repair` restores what it can, and `kalends export` saves the repositories that are whole"
        )),
    }
}

/// A number with its noun.
pub(crate) fn count(number: u64, one: &str, many: &str) -> String {
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
