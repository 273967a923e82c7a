//! Reading a git repository with stock git.

use std::{
    ffi::OsStr,
    fs::{self, DirBuilder},
    io::{self, BufRead, BufReader, Read, Write},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering::Relaxed},
};

/// Clones made so far, each in a place of its own.
static COUNT: AtomicU32 = AtomicU32::new(0);

/// The first bytes of a bundle (gitformat-bundle(5)), before its version.
const BUNDLE: &[u8] = b"# v";

/// A repository on the host.
pub(crate) struct GitSource {
    directory: PathBuf,
    /// Where a bundle or a URL was cloned to; removed when dropped.
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
    pub(crate) fn open(path: &Path) -> Result<Self, String> {
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
        Self::mirror(path.as_os_str())
    }

    /// Clones a repository by its URL, or a bundle, to a place that goes with this value.
    pub(crate) fn mirror(source: &OsStr) -> Result<Self, String> {
        let place = std::env::temp_dir();
        let place = place.join(format!("kalends-{}-{}", std::process::id(), COUNT.fetch_add(1, Relaxed)));
        DirBuilder::new()
            .mode(0o700)
            .create(&place)
            .map_err(|error| format!("cannot make {}: {error}", place.display()))?;
        let unpacked = Unpacked(place);
        let mut clone = Command::new("git");
        clone.args(["clone", "--mirror", "--quiet", "--"]).arg(source).arg(unpacked.0.join("mirror.git"));
        // Nobody is there to answer a question.
        clone.env("GIT_TERMINAL_PROMPT", "0");
        run(&mut clone)?;
        Ok(Self { directory: unpacked.0.join("mirror.git"), _unpacked: Some(unpacked) })
    }

    /// All references: name and object.
    pub(crate) fn references(&self) -> Result<Vec<(String, String)>, String> {
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

    /// The commits whose parents the repository does without, where it is shallow (git-rev-parse(1)).
    pub(crate) fn shallow(&self) -> Result<Vec<String>, String> {
        let path = run(self.git().args(["rev-parse", "--git-path", "shallow"]))?;
        let path = self.directory.join(String::from_utf8_lossy(&path).trim_end());
        match fs::read_to_string(&path) {
            Ok(text) => Ok(text.lines().map(str::to_owned).collect()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(format!("cannot read {}: {error}", path.display())),
        }
    }

    /// Starts giving a pack of all that the references reach.
    pub(crate) fn pack(&self) -> Result<GitPack, String> {
        let mut command = self.git();
        without_surroundings(&mut command);
        command.args(["pack-objects", "--all", "--stdout", "-q", "--delta-base-offset"]).stdin(Stdio::null());
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(cannot_run)?;
        Ok(GitPack { child })
    }

    /// Starts giving single objects.
    pub(crate) fn objects(&self) -> Result<GitObjects, String> {
        let mut command = self.git();
        without_surroundings(&mut command);
        let child = command.args(["cat-file", "--batch"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = child.stderr(Stdio::null()).spawn().map_err(cannot_run)?;
        match (child.stdin.take(), child.stdout.take()) {
            (Some(requests), Some(answers)) => {
                Ok(GitObjects { child, requests: Some(requests), answers: BufReader::new(answers) })
            }
            _ => Err("git has no standard input and output".into()),
        }
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

/// Gives a pack in pieces (git-pack-objects(1)).
pub(crate) struct GitPack {
    child: Child,
}

impl GitPack {
    /// The next bytes; `None` when the pack is whole.
    pub(crate) fn next(&mut self) -> Option<Result<Vec<u8>, String>> {
        const PIECE: u64 = 64 << 10;
        let failed = |error: io::Error| format!("git pack-objects: {error}");
        let mut piece = Vec::new();
        let read = self.child.stdout.as_mut().map(|pack| pack.take(PIECE).read_to_end(&mut piece));
        match read {
            Some(Err(error)) => return Some(Err(failed(error))),
            Some(Ok(1..)) => return Some(Ok(piece)),
            Some(Ok(0)) | None => {}
        }
        let mut message = String::new();
        if let Some(errors) = &mut self.child.stderr {
            let _ = errors.take(PIECE).read_to_string(&mut message);
        }
        match self.child.wait() {
            Ok(status) if status.success() => None,
            Ok(_) => Some(Err(said(&message))),
            Err(error) => Some(Err(failed(error))),
        }
    }
}

impl Drop for GitPack {
    fn drop(&mut self) {
        // It may still want to write, and nobody reads.
        drop(self.child.stdout.take());
        let _ = self.child.wait();
    }
}

/// Gives objects of a repository by their ids (git-cat-file(1), `--batch`).
pub(crate) struct GitObjects {
    child: Child,
    /// `None` while it ends.
    requests: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl GitObjects {
    /// The type and content of an object, if it is there.
    pub(crate) fn object(&mut self, id: &str) -> Result<Option<(String, Vec<u8>)>, String> {
        let failed = |error: io::Error| format!("git cat-file: {error}");
        let requests = self.requests.as_mut().ok_or("git cat-file has ended")?;
        writeln!(requests, "{id}").and_then(|()| requests.flush()).map_err(failed)?;
        let mut line = String::new();
        self.answers.read_line(&mut line).map_err(failed)?;
        let mut words = line.split_whitespace();
        let (Some(_), Some(kind), size) = (words.next(), words.next(), words.next()) else {
            return Err("git cat-file has ended".into());
        };
        let Some(size) = size else {
            return Ok(None); // `<id> missing`
        };
        let size: u64 = size.parse().map_err(|_| format!("git cat-file: {}", line.trim_end()))?;
        let mut content = Vec::new();
        self.answers.by_ref().take(size).read_to_end(&mut content).map_err(failed)?;
        self.answers.read_exact(&mut [0]).map_err(failed)?;
        Ok(Some((kind.to_owned(), content)))
    }
}

impl Drop for GitObjects {
    fn drop(&mut self) {
        drop(self.requests.take());
        let _ = self.child.wait();
    }
}

/// Takes from the environment what would lead git elsewhere.
fn without_surroundings(command: &mut Command) {
    for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY"] {
        command.env_remove(name);
    }
}

fn cannot_run(error: io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "this needs git, which is not on the PATH".to_owned(),
        _ => format!("cannot run git: {error}"),
    }
}

/// Runs git; the error is one line.
fn run(command: &mut Command) -> Result<Vec<u8>, String> {
    without_surroundings(command);
    let output = command.stdin(Stdio::null()).output().map_err(cannot_run)?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    Err(said(&String::from_utf8_lossy(&output.stderr)))
}

/// What git said, in one line.
fn said(message: &str) -> String {
    format!("git: {}", message.lines().next().unwrap_or("it failed without a message"))
}
