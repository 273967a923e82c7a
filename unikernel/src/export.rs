//! `kalends export`: bare git repositories from a device.

use crate::fsck;
use kalends_store::{
    Repository, Store,
    wire::{packed_refs, write_full_pack},
};
use rustix::{
    fs::{CWD, RenameFlags, renameat_with},
    io::Errno,
};
use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, BufWriter, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    rc::Rc,
};

const CONFIG: &str = "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = true\n";

/// Writes each repository of a device to `directory/<name>.git`; the error is one line.
///
/// Nothing that exists is touched. A repository appears under its name when all of it is on disk.
pub(crate) fn export(device: &Path, directory: &Path) -> Result<(), String> {
    let store = Store::open(Rc::new(fsck::open(device)?))
        .map_err(|error| format!("{}: {error}", device.display()))?;
    for notice in store.notices() {
        eprintln!("kalends: {}: {notice}", device.display());
    }
    let names = store.repositories();
    let target = |name: &str| directory.join(format!("{name}.git"));
    if let Some(taken) = names.iter().map(|name| target(name)).find(|path| path.symlink_metadata().is_ok()) {
        return Err(format!("{} exists already; nothing was exported", taken.display()));
    }
    fs::create_dir_all(directory).map_err(|error| format!("cannot make {}: {error}", directory.display()))?;
    let mut failed = 0;
    for name in &names {
        let path = target(name);
        let exported = store
            .repository(name)
            .map_err(|error| error.to_string())
            .and_then(|repository| export_repository(&repository, directory, &path));
        match exported {
            Ok(objects) => println!("{}: {objects} objects", path.display()),
            Err(error) => {
                eprintln!("kalends: {}: {error}", path.display());
                failed += 1;
            }
        }
    }
    match failed {
        0 => Ok(()),
        _ => Err(format!(
            "{failed} of {} repositories could not be exported; `kalends fsck {}` tells what is damaged",
            names.len(),
            device.display()
        )),
    }
}

/// A directory that is removed again unless it gets its name.
struct Unfinished(PathBuf);

impl Drop for Unfinished {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn export_repository(repository: &Repository, directory: &Path, path: &Path) -> Result<u32, String> {
    let unfinished = directory.join(format!(".kalends-export-{}", std::process::id()));
    let cannot = |error: io::Error| format!("cannot be written: {error}");
    // Calendars are private until their owner decides otherwise.
    DirBuilder::new().mode(0o700).create(&unfinished).map_err(cannot)?;
    let unfinished = Unfinished(unfinished);
    let objects = write_repository(repository, &unfinished.0)?;
    rename(&unfinished.0, path).map_err(cannot)?;
    std::mem::forget(unfinished);
    sync_directory(directory).map_err(cannot)?;
    Ok(objects)
}

/// Writes the files of a bare repository (gitrepository-layout(5)) and makes them durable.
fn write_repository(repository: &Repository, root: &Path) -> Result<u32, String> {
    let cannot = |error: io::Error| format!("cannot be written: {error}");
    let damaged = |error: kalends_store::Error| format!("cannot be read: {error}");
    let packs = root.join("objects/pack");
    for directory in ["objects", "objects/info", "objects/pack", "refs", "refs/heads", "refs/tags"] {
        fs::create_dir(root.join(directory)).map_err(cannot)?;
    }
    write_file(&root.join("HEAD"), 0o644, format!("ref: {}\n", repository.head()).as_bytes())
        .map_err(cannot)?;
    write_file(&root.join("config"), 0o644, CONFIG.as_bytes()).map_err(cannot)?;
    let references = packed_refs(repository).map_err(damaged)?;
    write_file(&root.join("packed-refs"), 0o644, references.as_bytes()).map_err(cannot)?;
    let mut objects = 0;
    if !repository.references().is_empty() {
        let unnamed = packs.join("tmp_pack");
        let mut file = BufWriter::new(create(&unnamed, 0o444).map_err(cannot)?);
        let pack = write_full_pack(repository, &mut file).map_err(damaged)?.map_err(cannot)?;
        let file = file.into_inner().map_err(|error| cannot(error.into_error()))?;
        file.sync_all().map_err(cannot)?;
        let name = |ending: &str| packs.join(format!("pack-{}.{ending}", pack.checksum));
        fs::rename(&unnamed, name("pack")).map_err(cannot)?;
        write_file(&name("idx"), 0o444, &pack.index).map_err(cannot)?;
        objects = pack.objects;
        if !pack.shallow.is_empty() {
            let shallow: String = pack.shallow.iter().map(|id| format!("{id}\n")).collect();
            write_file(&root.join("shallow"), 0o644, shallow.as_bytes()).map_err(cannot)?;
        }
    }
    for directory in ["objects/pack", "objects", "refs", ""] {
        sync_directory(&root.join(directory)).map_err(cannot)?;
    }
    Ok(objects)
}

fn create(path: &Path, mode: u32) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(mode).open(path)
}

fn write_file(path: &Path, mode: u32, content: &[u8]) -> io::Result<()> {
    let mut file = create(path, mode)?;
    file.write_all(content)?;
    file.sync_all()
}

fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Gives a directory its name, if nothing has that name.
fn rename(from: &Path, to: &Path) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // The file system cannot: a rename replaces no more than an empty directory.
        Err(Errno::INVAL | Errno::NOSYS) if to.symlink_metadata().is_err() => fs::rename(from, to),
        other => other.map_err(io::Error::from),
    }
}
