//! What pushing, cloning and fetching a large repository costs: memory, and time beside stock git's
//! `receive-pack` and `upload-pack`, which get the same requests in the same run.
//!
//! `cargo bench -p kalends-store --bench clone -- [COMMITS [BYTES [FIRST]]]`: 100,000 commits, each with a file
//! of 9000 bytes of which half are left when it is compressed, if nothing is said. So many of the commits as
//! FIRST says, none if nothing is said, are there before the push that is measured. Takes four times the size of the
//! pack below `KALENDS_BENCH_DIR`, or the directory for temporary files. Prints a table in Markdown.

#[path = "../tests/large/child.rs"]
mod child;
#[path = "../tests/large/generator.rs"]
mod generator;

use child::{Cost, run, serve};
use generator::{clone_request, generate, git, push_commands};
use kalends_block_backend::FileDevice;
use kalends_store::{FormatOptions, Store};
use std::{
    env,
    fs::{self, File},
    io::Read,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    rc::Rc,
    time::{Duration, Instant},
};

/// A directory that is removed again.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn main() {
    if serve() {
        return;
    }
    let mut numbers = env::args().skip(1).filter_map(|argument| argument.parse::<usize>().ok());
    let (commits, size) = (numbers.next().unwrap_or(100_000), numbers.next().unwrap_or(9000));
    let directory = env::var_os("KALENDS_BENCH_DIR").map_or_else(env::temp_dir, PathBuf::from);
    let scratch = Scratch(directory.join(format!("kalends-bench-clone-{}", std::process::id())));
    let source = scratch.0.join("source.git");
    generate(&source, commits, size);
    let tip = git(&source, &["rev-parse", "main"]);
    let first = numbers.next().filter(|first| *first > 0).map(|first| {
        assert!(first < commits);
        git(&source, &["rev-parse", &format!("main~{}", commits - first)])
    });
    let request = scratch.0.join("request");
    write_push(&source, first.as_deref(), &tip, &request);
    let length = fs::metadata(&request).unwrap().len();
    let objects = git(&source, &["rev-list", "--objects", "--all", "--count"]);
    // From here on the source is what git serves.
    for (name, value) in [("uploadpack.allowFilter", "true"), ("uploadpack.allowAnySHA1InWant", "true")] {
        git(&source, &["config", name, value]);
    }
    println!("{commits} commits, {objects} objects, a pack of {} MB\n", length / 1_000_000);
    println!("| request | memory, MiB | first byte | time | time of git | ratio |");
    println!("| --- | --- | --- | --- | --- | --- |");

    let device =
        FileDevice::create(&scratch.0.join("device"), (2 * length).next_multiple_of(1 << 20) + (64 << 20));
    drop(Store::format(Rc::new(device.unwrap()), &FormatOptions::default()).unwrap());
    let theirs = scratch.0.join("theirs.git");
    fs::create_dir(&theirs).unwrap();
    git(&theirs, &["init", "-q", "--bare", "--initial-branch=main"]);
    git(&theirs, &["config", "receive.fsckObjects", "true"]);
    if let Some(first) = &first {
        write_push(&source, None, first, &request);
        run("receive-pack", &scratch.0, &[]);
        peer("receive-pack", &theirs, &request);
        write_push(&source, Some(first), &tip, &request);
    }
    let ours = run("receive-pack", &scratch.0, &[]);
    let report = String::from_utf8_lossy(&fs::read(scratch.0.join("answer")).unwrap()).into_owned();
    assert!(report.contains("ok refs/heads/main"), "{report}");
    let (time, answer) = peer("receive-pack", &theirs, &request);
    assert!(fs::read_to_string(answer).unwrap().contains("ok refs/heads/main"));
    row("push", ours, time);
    fs::remove_dir_all(&theirs).unwrap();

    let have = git(&source, &["rev-parse", "main~100"]);
    let filter = |filter: &str| format!("{:04x}filter {filter}\n", 4 + 8 + filter.len());
    for (name, request_lines) in [
        ("clone", clone_request(&tip, "")),
        ("clone --depth=1", clone_request(&tip, &format!("{:04x}deepen 1\n", 4 + 9))),
        ("clone --filter=blob:none", clone_request(&tip, &filter("blob:none"))),
        ("clone --filter=tree:0", clone_request(&tip, &filter("tree:0"))),
        ("clone of an older state", clone_request(&have, "")),
        ("fetch of 100 commits", fetch_request(&tip, &have)),
    ] {
        fs::write(&request, request_lines).unwrap();
        let ours = run("upload-pack", &scratch.0, &[]);
        let found = objects_of(&scratch.0.join("answer"));
        let (time, answer) = peer("upload-pack", &source, &request);
        // A shallow or partial answer of ours has no thin deltas either: the objects are the same.
        assert_eq!(found, objects_of(&answer), "{name}");
        row(name, ours, time);
    }

    let ids = git(&source, &["rev-list", "--objects", "--all"]);
    let ids: String = ids.lines().filter_map(|line| Some(line.get(..40)?.to_owned() + "\n")).collect();
    fs::write(&request, ids).unwrap();
    println!();
    for budget in ["262144", "16777216"] {
        let cost = run(&format!("lookups {budget}"), &scratch.0, &[]);
        let count = objects.parse::<f64>().unwrap();
        println!(
            "{:.0} objects a second are found by id in the index with {} KiB of pages.\n",
            count / cost.time.as_secs_f64(),
            budget.parse::<u64>().unwrap() >> 10,
        );
    }
}

/// Writes the request of a push of what `tip` reaches to one who has what `old` reaches.
fn write_push(source: &Path, old: Option<&str>, tip: &str, request: &Path) {
    let mut commands = push_commands(tip);
    if let Some(old) = old {
        commands.splice(4..44, old.bytes());
    }
    fs::write(request, commands).unwrap();
    let revisions = request.with_file_name("revisions");
    fs::write(&revisions, format!("{tip}\n{}", old.map_or(String::new(), |old| format!("^{old}\n"))))
        .unwrap();
    let pack = Command::new("git")
        .current_dir(source)
        .args(["pack-objects", "--revs", "--thin", "--stdout", "-q", "--delta-base-offset"])
        .stdin(File::open(revisions).unwrap())
        .stdout(File::options().append(true).open(request).unwrap())
        .status();
    assert!(pack.unwrap().success());
}

fn row(name: &str, ours: Cost, theirs: Duration) {
    let Cost { memory, time, first } = ours;
    let ratio = time.as_secs_f64() / theirs.as_secs_f64();
    println!("| {name} | {} | {first:.2?} | {time:.2?} | {theirs:.2?} | {ratio:.2} |", memory >> 20);
}

/// A fetch by one that has what a commit reaches.
fn fetch_request(tip: &str, have: &str) -> Vec<u8> {
    let line = format!("want {tip} ofs-delta\n");
    format!("{:04x}{line}0000{:04x}have {have}\n0009done\n", line.len() + 4, 4 + 46).into_bytes()
}

/// How long stock git takes, and the file of its answer.
fn peer(service: &str, repository: &Path, request: &Path) -> (Duration, PathBuf) {
    let answer = request.with_file_name("their-answer");
    let start = Instant::now();
    let output = Command::new("git")
        .args([service, "--stateless-rpc"])
        .arg(repository)
        .stdin(File::open(request).unwrap())
        .stdout(File::create(&answer).unwrap())
        .stderr(Stdio::piped())
        .spawn()
        .and_then(|peer| peer.wait_with_output())
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    (start.elapsed(), answer)
}

/// The number of objects of the pack in an answer.
fn objects_of(answer: &Path) -> u32 {
    let mut start = Vec::new();
    File::open(answer).unwrap().take(64 << 10).read_to_end(&mut start).unwrap();
    let pack = start.windows(8).position(|bytes| bytes == b"PACK\0\0\0\x02").unwrap();
    u32::from_be_bytes(start[pack + 8..pack + 12].try_into().unwrap())
}
