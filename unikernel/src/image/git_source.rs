//! Reading a git repository with stock git.

use std::{
    fs::{self, DirBuilder},
    io::{self, Read},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// The first bytes of a bundle (gitformat-bundle(5)), before its version.
const BUNDLE: &[u8] = b"# v";

/// A repository on the host.
pub(super) struct GitSource {
    directory: PathBuf,
    /// What a bundle was unpacked to; removed when dropped.
    _unpacked: Option<Unpacked>,
}

struct Unpacked(PathBuf);

impl Drop for Unpacked {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl GitSource {
    /// A directory, bare or with a working tree, or a bundle.
    pub(super) fn open(path: &Path) -> Result<Self, String> {
        let cannot = |error: io::Error| format!("cannot read {}: {error}", path.display());
        let path = path.canonicalize().map_err(cannot)?;
        if path.is_dir() {
            return Ok(Self { directory: path, _unpacked: None });
        }
        let mut start = [0; BUNDLE.len()];
        let read = fs::File::open(&path).map_err(cannot)?.read(&mut start).map_err(cannot)?;
        if start.get(..read) != Some(BUNDLE) {
            return Err(format!("{} is neither a git repository nor a bundle", path.display()));
        }
        let place = std::env::temp_dir().join(format!("kalends-import-{}", std::process::id()));
        DirBuilder::new()
            .mode(0o700)
            .create(&place)
            .map_err(|error| format!("cannot make {}: {error}", place.display()))?;
        let unpacked = Unpacked(place);
        let mut clone = Command::new("git");
        clone.args(["clone", "--mirror", "--quiet"]).arg(&path).arg(unpacked.0.join("bundle.git"));
        run(&mut clone)?;
        Ok(Self { directory: unpacked.0.join("bundle.git"), _unpacked: Some(unpacked) })
    }

    /// All references: name and object.
    pub(super) fn references(&self) -> Result<Vec<(String, String)>, String> {
        let output = run(self.git().args(["for-each-ref", "--format=%(objectname) %(refname)"]))?;
        let text = String::from_utf8(output).map_err(|_| "a reference has a name that is no UTF-8")?;
        let pair = |line: &str| {
            let (id, name) = line.split_once(' ').unwrap_or_default();
            if id.len() == 40 {
                Ok((name.to_owned(), id.to_owned()))
            } else {
                Err("the repository does not use SHA-1, which is what Kalends stores".to_owned())
            }
        };
        text.lines().map(pair).collect()
    }

    /// A pack of all that the references reach.
    pub(super) fn pack(&self) -> Result<Vec<u8>, String> {
        run(self.git().args(["pack-objects", "--all", "--stdout", "-q", "--delta-base-offset"]))
    }

    fn git(&self) -> Command {
        let mut command = Command::new("git");
        command.arg("-C").arg(&self.directory).env("GIT_NO_REPLACE_OBJECTS", "1");
        // The repository of a directory further up is not what was asked for.
        if let Some(parent) = self.directory.parent() {
            command.env("GIT_CEILING_DIRECTORIES", parent);
        }
        command
    }
}

/// Runs git; the error is one line.
fn run(command: &mut Command) -> Result<Vec<u8>, String> {
    for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY"] {
        command.env_remove(name);
    }
    let output = command.stdin(Stdio::null()).output().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => "importing needs git, which is not on the PATH".to_owned(),
        _ => format!("cannot run git: {error}"),
    })?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let message = String::from_utf8_lossy(&output.stderr);
    Err(format!("git: {}", message.lines().next().unwrap_or("it failed without a message")))
}
