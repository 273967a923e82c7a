//! Every fuzz target on stable: seeds, mutated at random, for a bounded time.
//!
//! `KALENDS_FUZZ_INPUTS=100000` sets how many inputs each target gets, and a failure prints the
//! `KALENDS_FUZZ_SEED` that replays it. No input may take more than a minute (a watchdog says which one) or
//! have more than a gibibyte of memory at once (the allocator says so).

mod memory;
mod mutation;

use kalends_fuzz_targets::{TARGETS, Target, target};
use mutation::Random;
use std::{
    io::{self, Write},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, mpsc},
    thread,
    time::{Duration, Instant},
};

/// Inputs of each target when nothing else is said.
const INPUTS: u64 = 400;
/// What a target may take when nothing else is said: a slow machine tries less.
const TIME: Duration = Duration::from_secs(10);
/// What an input may take.
const HANG: Duration = Duration::from_secs(60);

fn variable(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{name}={value}: expected a number")))
}

fn replay(target: &Target, seed: u64) -> String {
    let name = target.name;
    format!("replay: KALENDS_FUZZ_SEED={seed} cargo test -p kalends-fuzz-targets --test mutations {name}")
}

/// Ends the process when an input takes too long.
struct Watchdog {
    /// When the input at hand began, and how to replay it.
    current: Arc<Mutex<Option<(Instant, String)>>>,
    /// Dropped with the watchdog, which ends its thread.
    _end: mpsc::Sender<()>,
}

impl Watchdog {
    fn start() -> Self {
        let current: Arc<Mutex<Option<(Instant, String)>>> = Arc::default();
        let (end, ended) = mpsc::channel();
        let watched = current.clone();
        thread::spawn(move || {
            while ended.recv_timeout(Duration::from_secs(1)) == Err(mpsc::RecvTimeoutError::Timeout) {
                if let Some((since, what)) = &*watched.lock().unwrap()
                    && since.elapsed() > HANG
                {
                    eprintln!("an input takes more than {HANG:?}; {what}");
                    std::process::abort();
                }
            }
        });
        Self { current, _end: end }
    }

    fn watch(&self, what: String) {
        memory::begin(what.clone());
        *self.current.lock().unwrap() = Some((Instant::now(), what));
    }
}

/// Runs a target on its seeds and on mutations of them.
fn fuzz(name: &str) {
    let target = target(name);
    let seeds = (target.seeds)();
    assert!(!seeds.is_empty());
    let watchdog = Watchdog::start();
    let begin = Instant::now();
    let limit = variable("KALENDS_FUZZ_INPUTS");
    let first = variable("KALENDS_FUZZ_SEED");
    let last = first.map_or(limit.unwrap_or(INPUTS).max(seeds.len() as u64), |first| first + 1);
    let mut inputs = 0;
    for seed in first.unwrap_or(0)..last {
        // All seeds come first, as they are.
        let input = match seeds.get(seed as usize) {
            Some(input) => input.clone(),
            None => mutation::mutate(&seeds, &mut Random(seed)),
        };
        watchdog.watch(replay(&target, seed));
        if catch_unwind(AssertUnwindSafe(|| (target.run)(&input))).is_err() {
            panic!("{name}: an input of {} bytes panics; {}", input.len(), replay(&target, seed));
        }
        inputs += 1;
        if limit.is_none() && inputs >= seeds.len() && begin.elapsed() > TIME {
            break;
        }
    }
    let first = first.unwrap_or(0);
    // Shown also when the test harness captures what tests print: it is what the test's success is worth.
    let last = first + inputs as u64 - 1;
    let _ = writeln!(io::stderr(), "{name}: {inputs} inputs (seeds {first} to {last})");
}

macro_rules! tests {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            fuzz(stringify!($name));
        })*

        #[test]
        fn every_target_has_a_test_and_a_file_for_cargo_fuzz() {
            let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
            assert_eq!(names, [$(stringify!($name)),*]);
            let fuzz = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz");
            let manifest = std::fs::read_to_string(format!("{fuzz}/Cargo.toml")).unwrap();
            for name in names {
                let text = std::fs::read_to_string(format!("{fuzz}/fuzz_targets/{name}.rs")).unwrap();
                assert!(text.contains(&format!("target({name:?})")), "{name}");
                assert!(manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")), "{name}");
            }
        }
    };
}

tests! { superblock checkpoint log mount pack push fetch icalendar dav }
