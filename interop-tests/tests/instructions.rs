//! What five requests, and what is done ahead of one of them, cost in instructions, against what they may
//! cost: unlike times, these can be tested.
//!
//! `caldav/examples/measured_requests.rs` runs under valgrind's callgrind, which counts within its functions
//! `measured_*`. The counts hardly depend on the machine: valgrind tells programs the same about every
//! processor that has AVX2 (that it has no SHA extensions and no AVX-512), so that ring, memchr, SHA-1 and
//! the C library choose the same code everywhere. What is left is the random seed of hash maps.

use kalends_interop_tests::{TemporaryDirectory, server::target_directory};
use std::{
    collections::HashMap,
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

/// How often the example makes each request.
const REPETITIONS: u64 = 10;
/// By how many parts in a hundred a request may cost more, for other compilers and libraries.
const MARGIN: u64 = 10;

/// Instructions of one request among 10,000 events. To change them, take what the test prints.
const FIGURES: [(&str, u64); 6] = [
    ("put", 4378412),
    ("ahead", 12001606),
    ("get", 55786),
    ("propfind", 51810681),
    ("month", 2920925),
    ("sync", 120851),
];

#[test]
fn requests_cost_no_more_instructions_than_they_did() {
    let processors = fs::read_to_string("/proc/cpuinfo").unwrap();
    assert!(processors.contains("avx2"), "the figures are those of processors with AVX2, which this is not");
    let directory = TemporaryDirectory::new();
    let counted = count(&example(), &directory);
    println!("instructions of one request:");
    let mut excesses = Vec::new();
    for (name, figure) in FIGURES {
        let now = counted.get(&format!("measured_{name}")).copied().unwrap_or(0) / REPETITIONS;
        assert!(now > 1000, "callgrind has not counted {name}: {counted:?}");
        println!("    (\"{name}\", {now}),  // {:+.1} %", (now as f64 / figure as f64 - 1.0) * 100.0);
        if now > figure + figure * MARGIN / 100 {
            excesses.push(name);
        }
    }
    println!("If that is as it should be, put these lines into FIGURES in {}.", file!());
    assert!(excesses.is_empty(), "{excesses:?} cost more than {MARGIN} % above their figures");
}

/// The example, optimised as the program is.
fn example() -> PathBuf {
    let mut build = Command::new(env::var_os("CARGO").unwrap_or("cargo".into()));
    build.args([
        "build",
        "--quiet",
        "--release",
        "--package",
        "kalends-caldav",
        "--example",
        "measured_requests",
    ]);
    // What `cargo test` tells this process would make build scripts run again, and the next time too.
    for (name, _) in env::vars_os() {
        if ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|start| name.to_string_lossy().starts_with(start)) {
            build.env_remove(name);
        }
    }
    let status = build.current_dir(env!("CARGO_MANIFEST_DIR")).status().expect("cargo runs");
    assert!(status.success(), "the example does not build");
    target_directory().join("release/examples/measured_requests")
}

/// Instructions within each function `measured_*`, and all that it calls.
fn count(example: &Path, directory: &TemporaryDirectory) -> HashMap<String, u64> {
    let (device, profile) = (directory.join("device"), directory.join("profile"));
    let prepared = Command::new(example).arg("prepare").arg(&device).status().unwrap();
    assert!(prepared.success(), "{} prepare", example.display());
    let mut valgrind = Command::new("valgrind");
    valgrind
        .args(["--tool=callgrind", "--toggle-collect=measured_requests::measured_*"])
        .arg(format!("--callgrind-out-file={}", profile.display()))
        .arg(example)
        .arg("run")
        .arg(&device);
    let output = valgrind.output().expect("valgrind is installed (interop-tests/install)");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    costs(&fs::read_to_string(&profile).unwrap())
}

/// Reads a profile (callgrind's format, version 1): the cost of a function is that of its own lines and, with
/// the line after each `calls=`, of what it called.
fn costs(profile: &str) -> HashMap<String, u64> {
    // A name is written once, and then its number stands for it.
    let mut names: HashMap<&str, &str> = HashMap::new();
    let (mut costs, mut current) = (HashMap::new(), None);
    for line in profile.lines() {
        if let Some((kind @ ("fn" | "cfn"), function)) = line.split_once('=') {
            let (number, name) = function.split_once(' ').unwrap_or((function, ""));
            if !name.is_empty() {
                names.insert(number, name);
            }
            if kind == "fn" {
                let name = names.get(number).copied().unwrap_or_default();
                current =
                    name.strip_prefix("measured_requests::").filter(|name| name.starts_with("measured_"));
            }
        } else if let Some(name) = current
            && line.starts_with(|first: char| first.is_ascii_digit() || "+-*".contains(first))
        {
            let cost: u64 = line.split(' ').nth(1).and_then(|cost| cost.parse().ok()).unwrap_or(0);
            *costs.entry(name.to_owned()).or_default() += cost;
        }
    }
    costs
}
