//! Repositories that are large for the memory at hand: each push and each fetch runs in a process of its own,
//! whose memory is measured.
//!
//! `KALENDS_LARGE_COMMITS` is the number of commits, 20,000 if nothing is said; the bench `clone` has 100,000
//! and half a gigabyte.

mod child;
mod generator;

use child::{Cost, MEMORY, run, serve};
use generator::{clone_request, generate, git, push_commands};
use kalends_block_backend::FileDevice;
use kalends_store::{FormatOptions, OpenOptions, Store, check_device};
use std::{
    env, fs,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    rc::Rc,
};

const COMMITS: usize = 20_000;
/// What makes this program a server: the test of this name, and no other.
const SERVER: [&str; 3] = ["--exact", "a_server_process", "--nocapture"];

/// A directory that is removed again.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        let path = env::temp_dir().join(format!("kalends-large-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Not a test: the other one starts this program again to run this alone.
#[test]
fn a_server_process() {
    serve();
}

/// Makes the request of a push of all that a repository has.
fn push_all(source: &Path, request: &Path) {
    let tip = git(source, &["rev-parse", "main"]);
    fs::write(request, push_commands(&tip)).unwrap();
    let pack = Command::new("git")
        .current_dir(source)
        .args(["pack-objects", "--all", "--stdout", "-q", "--delta-base-offset", "--threads=1"])
        .stdin(Stdio::null())
        .stdout(fs::OpenOptions::new().append(true).open(request).unwrap())
        .status();
    assert!(pack.unwrap().success());
}

/// Clones, and has git index what came. The number of objects of each kind.
fn clone(directory: &Path, tip: &str, more: &str) -> (Cost, [usize; 3]) {
    fs::write(directory.join("request"), clone_request(tip, more)).unwrap();
    let cost = run("upload-pack", directory, &SERVER);
    let answer = fs::read(directory.join("answer")).unwrap();
    let pack = answer.windows(4).position(|bytes| bytes == b"PACK").unwrap();
    assert!(pack < 1000, "the pack follows a few lines");
    let repository = directory.join("clone.git");
    let _ = fs::remove_dir_all(&repository);
    fs::create_dir(&repository).unwrap();
    git(&repository, &["init", "-q", "--bare"]);
    fs::write(repository.join("received.pack"), &answer[pack..]).unwrap();
    drop(answer);
    git(&repository, &["index-pack", "--threads=1", "received.pack"]);
    let list = git(&repository, &["verify-pack", "-v", "received.idx"]);
    let count = |kind: &str| list.lines().filter(|line| line.split_whitespace().nth(1) == Some(kind)).count();
    (cost, ["commit", "tree", "blob"].map(count))
}

/// Overwrites a block in each of some parts of the only pack of a device.
fn damage_the_pack(device: &Path) {
    let file = fs::OpenOptions::new().read(true).write(true).open(device).unwrap();
    let mut starts = (1..1024).map(|segment| segment << 20);
    let start = starts.find(|at| {
        let mut magic = [0; 8];
        file.read_exact_at(&mut magic, *at).is_ok() && magic == *b"PACK\0\0\0\x02"
    });
    let start = start.expect("a pack");
    for part in 1..4 {
        file.write_all_at(&[0x55; 512], start + part * (400 << 10)).unwrap();
    }
}

#[test]
fn a_large_repository_is_pushed_and_cloned_within_128_mebibytes() {
    let commits = env::var("KALENDS_LARGE_COMMITS").map_or(COMMITS, |commits| commits.parse().unwrap());
    let scratch = Scratch::new();
    let (source, directory) = (scratch.0.join("source.git"), scratch.0.clone());
    generate(&source, commits, 1000);
    let tip = git(&source, &["rev-parse", "main"]);
    let all = git(&source, &["rev-list", "--objects", "--all", "--count"]).parse::<usize>().unwrap();
    let device = FileDevice::create(&directory.join("device"), 1 << 30).unwrap();
    drop(Store::format(Rc::new(device), &FormatOptions::default()).unwrap());
    push_all(&source, &directory.join("request"));
    let pushed = run("receive-pack", &directory, &SERVER);
    let report = String::from_utf8_lossy(&fs::read(directory.join("answer")).unwrap()).into_owned();
    assert!(report.contains("unpack ok") && report.contains("ok refs/heads/main"), "{report}");
    println!("push: {pushed}");
    let (cloned, [all_commits, trees, blobs]) = clone(&directory, &tip, "");
    println!("clone: {cloned}");
    assert_eq!((all_commits, all_commits + trees + blobs), (commits, all));
    let deepen = format!("{:04x}deepen 1\n", 4 + 9);
    let filter = |filter: &str| format!("{:04x}filter {filter}\n", 4 + 8 + filter.len());
    let mut costs = vec![("push", pushed), ("clone", cloned)];
    for (name, more, expected) in [
        ("--depth=1", deepen, None),
        ("--filter=blob:none", filter("blob:none"), Some([commits, trees, 0])),
        ("--filter=tree:0", filter("tree:0"), Some([commits, 0, 0])),
        ("--filter=blob:limit=500", filter("blob:limit=500"), Some([commits, trees, 0])),
    ] {
        let (cost, found) = clone(&directory, &tip, &more);
        println!("{name}: {cost}");
        match expected {
            Some(expected) => assert_eq!(found, expected, "{name}"),
            None => {
                let files = git(&source, &["ls-tree", "-r", "main", "--name-only"]).lines().count();
                let directories = git(&source, &["ls-tree", "-d", "main", "--name-only"]).lines().count();
                assert_eq!(found, [1, directories + 1, files], "{name}");
            }
        }
        costs.push((name, cost));
    }
    damage_the_pack(&directory.join("device"));
    let repaired = run("repair", &directory, &SERVER);
    println!("repair: {repaired}");
    let steps = fs::read_to_string(directory.join("answer")).unwrap();
    assert!(steps.contains("was written anew with "), "{steps}");
    costs.push(("repair", repaired));
    for (name, cost) in costs {
        assert!(cost.memory <= MEMORY, "{name}: {cost}");
    }
    let device: Rc<dyn kalends_block_backend::BlockDevice> =
        Rc::new(FileDevice::open(&directory.join("device")).unwrap());
    let mut findings = Vec::new();
    let summary =
        check_device(&device, OpenOptions::default(), &mut |finding| findings.push(finding.to_string()));
    // A restored object is in the log too, beside its entry in the new pack.
    let objects = summary.unwrap().objects;
    assert_eq!(findings, Vec::<String>::new());
    assert!((all as u64..all as u64 + 100).contains(&objects), "{objects} of {all}");
}
