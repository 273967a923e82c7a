//! What stock git says of the repositories of a crash state.

use crate::verify::options;
use kalends_block_backend::SimulatedDevice;
use kalends_store::{
    Repository, Store,
    wire::{packed_refs, write_full_pack},
};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    rc::Rc,
    thread,
};

/// A directory that is removed again.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        let thread = format!("{:?}", thread::current().id()).replace(|c: char| !c.is_ascii_digit(), "");
        let path = std::env::temp_dir().join(format!("kalends-crash-{}-{thread}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Exports the repositories of a device and runs `git fsck --strict` on each; gives their number.
pub(crate) fn examine(device: &SimulatedDevice) -> Result<usize, String> {
    let device = Rc::new(device.crash_point(device.steps()).kill());
    let store = Store::open_with(device, options()).map_err(|error| format!("cannot be opened: {error}"))?;
    let names = store.repositories();
    for name in &names {
        let scratch = Scratch::new();
        let repository = store.repository(name).map_err(|error| error.to_string())?;
        export(&repository, &scratch.0).map_err(|error| format!("{name} cannot be exported: {error}"))?;
        let git = Command::new("git")
            .current_dir(&scratch.0)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_DIR", &scratch.0)
            .args(["fsck", "--strict", "--full", "--no-dangling", "--no-progress"])
            .output()
            .map_err(|error| format!("git: {error}"))?;
        let said = [git.stdout, git.stderr].concat();
        // Of a repository without branches it says that HEAD points to none.
        let lines = String::from_utf8_lossy(&said);
        let lines: Vec<&str> = lines.lines().filter(|line| !line.starts_with("notice: ")).collect();
        if !git.status.success() || !lines.is_empty() {
            return Err(format!("git fsck of {name}: {lines:?}"));
        }
    }
    Ok(names.len())
}

/// Makes a bare repository (gitrepository-layout(5)).
fn export(repository: &Repository, directory: &Path) -> Result<(), String> {
    let packs = directory.join("objects/pack");
    let write = || {
        fs::create_dir_all(&packs)?;
        fs::create_dir_all(directory.join("refs"))?;
        fs::write(directory.join("HEAD"), format!("ref: {}\n", repository.head()))?;
        fs::write(directory.join("config"), "[core]\n\trepositoryformatversion = 0\n\tbare = true\n")
    };
    write().map_err(|error: std::io::Error| error.to_string())?;
    let references = packed_refs(repository).map_err(|error| error.to_string())?;
    fs::write(directory.join("packed-refs"), references).map_err(|error| error.to_string())?;
    let mut pack = Vec::new();
    let full = write_full_pack(repository, &mut pack).map_err(|error| error.to_string())?;
    let full = full.map_err(|error| error.to_string())?;
    if !full.shallow.is_empty() {
        let shallow: String = full.shallow.iter().map(|id| format!("{id}\n")).collect();
        fs::write(directory.join("shallow"), shallow).map_err(|error| error.to_string())?;
    }
    if full.objects > 0 {
        let path = |ending: &str| packs.join(format!("pack-{}.{ending}", full.checksum));
        fs::write(path("pack"), pack).map_err(|error| error.to_string())?;
        fs::write(path("idx"), full.index).map_err(|error| error.to_string())?;
    }
    Ok(())
}
