//! `kalends repair`.

use crate::{
    fsck,
    git_source::{GitObjects, GitSource},
};
use kalends_block_backend::{BlockDevice, FileDevice, OpenError, OverlayDevice};
use kalends_store::{
    CloneSource, Kind, Object, ObjectId, OpenOptions, Outcome, Reference, RepairSummary, repair_device,
};
use std::{
    ffi::{OsStr, OsString},
    fs,
    io::{self, Write},
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    process::ExitCode,
    rc::Rc,
};

/// Repairs a device, checks it again, and says on standard output what was done and what remains.
pub(crate) fn repair(path: &Path, from: &[OsString], dry_run: bool) -> ExitCode {
    let mut print = |line: String| drop(writeln!(io::stdout(), "{line}"));
    ExitCode::from(match try_repair(path, from, dry_run, &mut print) {
        Ok(true) => fsck::CLEAN,
        Ok(false) => fsck::DAMAGED,
        Err(error) => {
            eprintln!("kalends: {error}");
            fsck::UNREADABLE
        }
    })
}

/// Whether the device is clean afterwards.
fn try_repair(
    path: &Path,
    from: &[OsString],
    dry_run: bool,
    print: &mut dyn FnMut(String),
) -> Result<bool, String> {
    // The device first: who made a mistake there should not wait for clones.
    let device: Rc<dyn BlockDevice> = match dry_run {
        true => Rc::new(OverlayDevice::new(Rc::new(fsck::open(path)?))),
        false => Rc::new(FileDevice::open(path).map_err(|error| match error {
            OpenError::InUse(_) => {
                format!("{} is being served by another process; stop that one first", path.display())
            }
            other => other.to_string(),
        })?),
    };
    let mut clones = Clones::default();
    for source in from {
        clones.add(source)?;
    }
    let done = repair_device(&device, OpenOptions::default(), &mut clones, &mut |step| {
        let outcome = match step.class {
            Outcome::Restored => "restored",
            Outcome::Lost => "lost",
            Outcome::Notice => "note",
        };
        print(format!("{outcome}: {step}"));
    })
    .map_err(|error| format!("{}: {error}; nothing that was whole was changed", path.display()))?;
    let found = fsck::check(path, &device, print)?;
    print(conclusion(path, &done, dry_run, found.damage));
    Ok(found.is_clean())
}

fn conclusion(path: &Path, done: &RepairSummary, dry_run: bool, damage: u64) -> String {
    let path = path.display();
    let state = match damage {
        0 => "is clean".to_owned(),
        damage => format!("is still damaged ({damage} found)"),
    };
    if !done.written {
        return format!("{path} {state}; nothing was written");
    }
    let what = format!(
        "{}, {} and {}",
        fsck::count(done.objects, "object", "objects"),
        fsck::count(done.packs, "pack", "packs"),
        fsck::count(done.references, "reference", "references"),
    );
    match dry_run {
        true => format!("{path}: {what} would be restored; then it {state}. Nothing was written"),
        false => format!("{path} {state}; {what} restored"),
    }
}

/// Clones on the host, each of the repository whose name it has.
#[derive(Default)]
struct Clones(Vec<Clone>);

struct Clone {
    repository: String,
    source: GitSource,
    objects: GitObjects,
}

impl Clones {
    /// Adds `[NAME=]SOURCE`.
    fn add(&mut self, argument: &OsStr) -> Result<(), String> {
        let (name, source) = split(argument);
        if is_url(source) {
            let name = name.unwrap_or_else(|| base_name(source));
            return self.open(name, GitSource::mirror(source)?);
        }
        let path = Path::new(source);
        let below = repositories_in(path);
        if name.is_none() && !below.is_empty() {
            for path in below {
                self.open(base_name(path.as_os_str()), GitSource::open(&path)?)?;
            }
            return Ok(());
        }
        self.open(name.unwrap_or_else(|| base_name(source)), GitSource::open(path)?)
    }

    fn open(&mut self, repository: String, source: GitSource) -> Result<(), String> {
        // It must be a repository: an error now, and not for each object.
        source.references().map_err(|error| format!("--from {repository}: {error}"))?;
        let objects = source.objects()?;
        self.0.push(Clone { repository, source, objects });
        Ok(())
    }
}

/// A name, if there is one before an equals sign, and the rest.
fn split(argument: &OsStr) -> (Option<String>, &OsStr) {
    let bytes = argument.as_bytes();
    let name = bytes.iter().position(|byte| *byte == b'=').and_then(|at| {
        let name = str::from_utf8(bytes.get(..at)?).ok()?;
        (!name.is_empty() && !name.contains(['/', ':'])).then_some((name, bytes.get(at + 1..)?))
    });
    match name {
        Some((name, rest)) => (Some(name.to_owned()), OsStr::from_bytes(rest)),
        None => (None, argument),
    }
}

/// Whether git would take it for a URL (git-clone(1)): a scheme, or `host:path`.
fn is_url(source: &OsStr) -> bool {
    let text = source.to_string_lossy();
    let before_colon = text.split_once(':').map(|(before, _)| before);
    !Path::new(source).exists() && before_colon.is_some_and(|before| !before.contains('/'))
}

/// The last part of a path or URL, without `.git` or `.bundle`.
fn base_name(source: &OsStr) -> String {
    let text = source.to_string_lossy();
    let text = text.trim_end_matches('/');
    let text = text.strip_suffix("/.git").unwrap_or(text);
    let name = text.rsplit(['/', ':']).next().unwrap_or(text);
    let name = name.strip_suffix(".git").or_else(|| name.strip_suffix(".bundle")).unwrap_or(name);
    name.to_owned()
}

/// The repositories `NAME.git` in a directory that is none itself.
fn repositories_in(path: &Path) -> Vec<PathBuf> {
    if path.join("HEAD").exists() || path.join(".git").exists() {
        return Vec::new();
    }
    let Ok(entries) = fs::read_dir(path) else { return Vec::new() };
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut found: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|ending| ending == "git") && path.join("HEAD").exists())
        .collect();
    found.sort();
    found
}

impl CloneSource for Clones {
    fn object(&mut self, id: &ObjectId) -> Result<Option<Object>, String> {
        for clone in &mut self.0 {
            if let Some((kind, data)) = clone.objects.object(&id.to_string())? {
                let kind = Kind::from_bytes(kind.as_bytes())
                    .map_err(|_| format!("{}: object {id} is a {kind}", clone.repository))?;
                return Ok(Some(Object { kind, data: data.into() }));
            }
        }
        Ok(None)
    }

    fn references(&mut self, repository: &str) -> Vec<Reference> {
        let clones = self.0.iter().filter(|clone| clone.repository == repository);
        let references = clones.filter_map(|clone| clone.source.references().ok()).flatten();
        references
            .filter_map(|(name, id)| Some(Reference { name, id: ObjectId::from_hex(id.as_bytes()).ok()? }))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_told_apart_and_named() {
        for (argument, name, source) in [
            ("ada.git", None, "ada.git"),
            ("ada=/backup/a.git", Some("ada"), "/backup/a.git"),
            ("/backup/a=b.git", None, "/backup/a=b.git"),
            ("https://cal.example/git/ada.git?x=y", None, "https://cal.example/git/ada.git?x=y"),
            ("ada=https://cal.example/a", Some("ada"), "https://cal.example/a"),
        ] {
            assert_eq!(split(OsStr::new(argument)), (name.map(str::to_owned), OsStr::new(source)));
        }
        for (source, url, name) in [
            ("https://ada@cal.example/git/ada.git", true, "ada"),
            ("backup.example:calendars/ada.git/", true, "ada"),
            ("/backup/ada.git", false, "ada"),
            ("clone/.git", false, "clone"),
            ("ada.bundle", false, "ada"),
            ("./a:b", false, "b"),
        ] {
            assert_eq!((is_url(OsStr::new(source)), base_name(OsStr::new(source)).as_str()), (url, name));
        }
    }
}
