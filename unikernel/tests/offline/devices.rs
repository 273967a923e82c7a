//! Devices to check and export, and running the program on them.

use futures_util::StreamExt;
use kalends_block_backend::FileDevice;
use kalends_store::{
    EntryKind, FormatOptions, Kind, NoRules, ObjectId, Objects, ReferenceUpdate, Repository, Store, TreeEdit,
    wire::{ReceiveOptions, receive_pack},
};
use std::{
    fmt::Write,
    fs,
    future::Future,
    path::{Path, PathBuf},
    process::{Command, Output},
    rc::Rc,
    task::{Context, Poll, Waker},
};

pub(crate) const MAIN: &str = "refs/heads/main";

/// A directory of its own for one test, removed when dropped.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("kalends-offline-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A new store in a file.
pub(crate) fn format(path: &Path) -> Store {
    let device = FileDevice::create(path, 64 << 20).unwrap();
    Store::format(Rc::new(device), &FormatOptions::default()).unwrap()
}

/// Runs a future that waits for the device only.
fn drive<F: Future>(future: F) -> F::Output {
    let mut future = std::pin::pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
        std::thread::yield_now();
    }
}

/// Commits one file of a calendar; gives commit and blob.
pub(crate) fn put(repository: &Repository, name: &str, content: &str) -> (ObjectId, ObjectId) {
    let mut transaction = repository.transaction();
    let parent = repository.latest_reference(MAIN);
    let root = parent.map(|parent| repository.tree_of_commit(&parent).unwrap());
    let calendar = root.and_then(|root| Some(repository.tree(&root).unwrap().find("work")?.id.to_owned()));
    let blob = transaction.insert(Kind::Blob, content.as_bytes().to_vec()).unwrap();
    let edit = TreeEdit { name: name.into(), entry: Some((EntryKind::Blob, blob)) };
    let calendar = transaction.edit_tree(calendar.as_ref(), &[edit]).unwrap();
    let edit = TreeEdit { name: "work".into(), entry: Some((EntryKind::Tree, calendar)) };
    let tree = transaction.edit_tree(root.as_ref(), &[edit]).unwrap();
    let mut text = format!("tree {tree}\n");
    if let Some(parent) = parent {
        writeln!(text, "parent {parent}").unwrap();
    }
    let who = "Ada <ada@example.org> 1700000000 +0000";
    write!(text, "author {who}\ncommitter {who}\n\nAdd work/{name}\n").unwrap();
    let commit = transaction.insert(Kind::Commit, text).unwrap();
    transaction.update_reference(ReferenceUpdate { name: MAIN.into(), expected: parent, new: Some(commit) });
    drive(transaction.submit().unwrap()).unwrap();
    (commit, blob)
}

/// Adds an annotated tag of main.
pub(crate) fn tag(repository: &Repository, name: &str) {
    let main = repository.reference(MAIN).unwrap();
    let text =
        format!("object {main}\ntype commit\ntag {name}\ntagger Ada <a@example.org> 1700000000 +0000\n\nx\n");
    let mut transaction = repository.transaction();
    let id = transaction.insert(Kind::Tag, text).unwrap();
    let name = format!("refs/tags/{name}");
    transaction.update_reference(ReferenceUpdate { name, expected: None, new: Some(id) });
    drive(transaction.submit().unwrap()).unwrap();
}

/// Text that hardly compresses.
pub(crate) fn noise(seed: u64, length: usize) -> String {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b' ' + ((state >> 40) % 90) as u8)
    };
    (0..length).map(|_| next()).collect()
}

/// Pushes a repository that stock git made, 40 commits with files that grow, so that the store keeps
/// it as a pack with deltas.
pub(crate) fn push_with_git(repository: &Repository, scratch: &Scratch) -> ObjectId {
    git(&scratch.0, &["init", "--bare", "-b", "main", "origin.git"]);
    let mut stream = String::new();
    let (big, mut text) = (noise(7, 700_000), noise(8, 5000));
    for number in 0..40 {
        write!(text, "line {number}\n{}\n", noise(number, 200)).unwrap();
        write!(
            stream,
            "commit refs/heads/main\ncommitter Ada <ada@example.org> {} +0000\ndata 7\nCommit\n\nM 100644 inline \
             notes/{}.txt\ndata {}\n{text}\n",
            1_700_000_000 + number,
            number % 3,
            text.len()
        )
        .unwrap();
        if number == 0 {
            write!(stream, "M 100644 inline notes/big.txt\ndata {}\n{big}\n", big.len()).unwrap();
        }
    }
    fs::write(scratch.path("stream"), stream).unwrap();
    let shell = "git --git-dir=origin.git fast-import --quiet < stream \
                 && git --git-dir=origin.git rev-parse main > tip \
                 && git --git-dir=origin.git pack-objects --all --delta-base-offset --stdout < /dev/null > pack";
    assert!(Command::new("sh").current_dir(&scratch.0).args(["-c", shell]).status().unwrap().success());
    let tip = fs::read_to_string(scratch.path("tip")).unwrap();
    let line = format!("{:040} {} refs/heads/main\0 report-status", 0, tip.trim());
    let mut body = format!("{:04x}{line}0000", line.len() + 4).into_bytes();
    body.extend_from_slice(&fs::read(scratch.path("pack")).unwrap());
    let mut reply =
        receive_pack(repository, body.into(), Rc::new(NoRules), ReceiveOptions::default()).unwrap();
    let report = drive(async {
        let mut report = Vec::new();
        while let Some(bytes) = reply.next().await {
            report.extend_from_slice(&bytes);
        }
        report
    });
    let report = String::from_utf8_lossy(&report).into_owned();
    assert!(report.contains("ok refs/heads/main"), "{report}");
    repository.reference(MAIN).unwrap()
}

/// Runs stock git; gives what it prints.
pub(crate) fn git(directory: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .current_dir(directory)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null")
        .args(arguments)
        .output()
        .unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "git {arguments:?}: {stdout}{stderr}");
    format!("{stdout}{stderr}")
}

/// Runs the program.
pub(crate) fn kalends(arguments: &[&Path]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_kalends")).args(arguments).output().unwrap()
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
