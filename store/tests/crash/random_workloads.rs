//! Long workloads drawn from seeds, of everything that a store does, with crashes at random moments; work goes on
//! after some of them.

use crate::{
    budget::{self, Counts},
    git_check,
    random::Random,
    rotten,
    session::{Operation, Session},
    verify::verify,
};
use kalends_block_backend::{CrashPoint, SimulatedDevice};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
    sync::{
        Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    thread,
};

/// Crash states of one session.
const STATES: usize = 100;
/// One seed in so many fills its device; a state of it takes ten times as long.
const FULL: usize = 16;
/// Of the others, one in so many has enough in it for packs of compaction; a state of it takes three times as
/// long.
const PACKS: usize = 8;
/// One state in so many is exported and checked by stock git.
const GIT: usize = 500;
/// One state in so many is examined again with rot in it.
const ROTTEN: usize = 16;
/// Sessions one after another on one device.
const SESSIONS: usize = 5;

/// What a seed's workload is about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Weight {
    /// Many small changes.
    Ordinary,
    /// Enough for packs.
    Packs,
    /// More than the device has room for.
    Full,
}

impl Weight {
    fn draw(random: &mut Random) -> Self {
        match (random.once_in(FULL), random.once_in(PACKS)) {
            (true, _) => Self::Full,
            (_, true) => Self::Packs,
            _ => Self::Ordinary,
        }
    }

    /// Crash states of one session.
    fn states(self) -> usize {
        match self {
            Self::Ordinary => STATES,
            Self::Packs => STATES / 2,
            Self::Full => STATES / 10,
        }
    }
}

/// Draws one thing to do.
fn operation(random: &mut Random, weight: Weight) -> Operation {
    let repository = random.below(3);
    match random.below(if weight == Weight::Packs { 20 } else { 100 }) {
        0 => Operation::Compact(meanwhile(random, weight, &|operation| {
            !matches!(operation, Operation::Meanwhile(..) | Operation::Fault(..) | Operation::Close)
        })),
        1 => Operation::CloneMeanwhile(repository, meanwhile(random, weight, &is_of_one_program)),
        2 if weight == Weight::Packs => Operation::Strand(repository, random.below(5)),
        3 | 4 if weight == Weight::Packs => Operation::Put(repository, 100_000 + random.below(300_000)),
        _ => simple_operation(random, weight),
    }
}

/// What can be done while something else is under way in the same program.
fn is_of_one_program(operation: &Operation) -> bool {
    !matches!(
        operation,
        Operation::Meanwhile(..)
            | Operation::Fault(..)
            | Operation::FaultAfter(..)
            | Operation::ReadFault(..)
            | Operation::Restart
    )
}

/// Things to do while something else is under way.
fn meanwhile(random: &mut Random, weight: Weight, allowed: &dyn Fn(&Operation) -> bool) -> Vec<Operation> {
    let count = random.below(5);
    let mut drawn = Vec::new();
    while drawn.len() < count {
        let operation = simple_operation(random, weight);
        if allowed(&operation) {
            drawn.push(operation);
        }
    }
    drawn
}

/// Draws one thing to do that is not itself made of others.
fn simple_operation(random: &mut Random, weight: Weight) -> Operation {
    let repository = random.below(3);
    let size = |random: &mut Random| match random.below(160) {
        _ if weight == Weight::Full => random.below(700_000),
        0 => 1_050_000 + random.below(100_000),
        1..9 => random.below(40_000),
        _ => random.below(700),
    };
    match random.below(60) {
        0..3 => Operation::Create(repository),
        3 => Operation::Remove(repository),
        4..16 => Operation::Put(repository, size(random)),
        16..24 => {
            let count = 2 + random.below(4);
            Operation::Together((0..count).map(|_| (random.below(3), size(random))).collect())
        }
        24..27 => Operation::Dropped(repository),
        27..31 => Operation::Tags(repository),
        31..33 => Operation::Adopt(repository, if random.once_in(10) { 540_000 } else { random.below(3000) }),
        33..35 => Operation::Secret(random.below(5000)),
        35..38 => Operation::Close,
        38..44 => {
            let meanwhile = match random.below(4) {
                0 => Operation::Create(random.below(3)),
                1 => Operation::Remove(random.below(3)),
                2 => Operation::Secret(random.below(3000)),
                _ => Operation::Close,
            };
            Operation::Meanwhile(repository, Box::new(meanwhile))
        }
        44..46 => Operation::Fault(repository, random.once_in(2)),
        46..48 => Operation::Restart,
        48 => Operation::FaultAfter(repository, random.once_in(2), 1 + random.below(3) as u64),
        49 => Operation::ReadFault(repository, random.below(4) as u64),
        50 => Operation::Push(repository, if random.once_in(10) { 540_000 } else { random.below(3000) }),
        51 => Operation::Clone(repository),
        52 => Operation::DeleteBranch(repository),
        53 => Operation::Strand(repository, random.below(3)),
        54 => Operation::Retain(repository, random.below(8) as i64),
        _ => Operation::Delete(repository),
    }
}

/// Runs one seed; gives the first failure.
fn run(seed: u64, counts: &mut Counts) -> Result<(), String> {
    let mut random = Random(seed);
    let weight = Weight::draw(&mut random);
    let capacity = if weight == Weight::Full { 8 } else { [8, 12, 24][random.below(3)] };
    let states = weight.states();
    let checkpoint_after = |random: &mut Random| [600, 3000, 20_000, 1 << 20][random.below(4)];
    let mut session = Session::format(capacity, checkpoint_after(&mut random), random.next());
    for _ in 0..SESSIONS {
        for _ in 0..10 + random.below(40) {
            let operation = operation(&mut random, weight);
            let fault = matches!(
                operation,
                Operation::Fault(..) | Operation::FaultAfter(..) | Operation::ReadFault(..)
            );
            counts.faults += usize::from(fault);
            session.run(&operation);
        }
        counts.workloads += 1;
        counts.full += session.full();
        counts.packs += session.compacted.packs as usize;
        counts.unreachable += session.compacted.unreachable as usize;
        counts.steps += session.device.steps();
        let mut steps: Vec<usize> = (0..states)
            .map(|_| session.opened() + random.below(session.device.steps() - session.opened() + 1))
            .collect();
        steps.sort_unstable();
        let mut point = session.device.crash_point(0);
        let go_on = random.below(states);
        let mut next = None;
        for (number, step) in steps.into_iter().enumerate() {
            point.advance(step);
            let kill = random.once_in(6);
            let device = Rc::new(match kill {
                true => point.kill(),
                false => point.lose_power_at_random(random.next()),
            });
            if kill {
                counts.killed += 1;
            } else {
                counts.lost += 1;
                counts.doubtful += point.doubtful_blocks();
            }
            let what = if kill { "kill" } else { "loss of power" };
            let found = verify(&device, &session.timeline, step)
                .map_err(|error| format!("{what} before step {step}: {error}"))?;
            counts.ahead += usize::from(found.ahead);
            if random.once_in(GIT) {
                counts.exported += git_check::examine(&device)
                    .map_err(|error| format!("{what} before step {step}: {error}"))?;
            }
            if random.once_in(ROTTEN) {
                rotten::examine(
                    lose_power(&point, &mut random),
                    &session.timeline,
                    step,
                    &mut random,
                    counts,
                )
                .map_err(|error| format!("{what} before step {step}, and rot: {error}"))?;
            }
            if number == go_on {
                next = Some((device, found));
            }
        }
        if let Some((device, found)) = next {
            counts.continued += 1;
            let timeline = session.timeline.go_on(found.world, found.secret);
            session = Session::open(device, timeline, checkpoint_after(&mut random), random.next())
                .map_err(|error| format!("cannot be opened again: {error}"))?;
        }
    }
    Ok(())
}

/// One more state of a moment.
fn lose_power(point: &CrashPoint, random: &mut Random) -> SimulatedDevice {
    point.lose_power_at_random(random.next())
}

/// As [`run`], with panics as failures.
fn run_caught(seed: u64, counts: &mut Counts) -> Result<(), String> {
    counts.seeds += 1;
    catch_unwind(AssertUnwindSafe(|| run(seed, counts))).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        Err(text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string)).unwrap_or_default())
    })
}

#[test]
fn long_workloads_survive_crashes_at_random_moments() {
    let total = Mutex::new(Counts::default());
    let (first, last) = budget::seed().map_or((1, u64::MAX), |seed| (seed, seed));
    let (next, states) = (AtomicU64::new(first), AtomicUsize::new(0));
    // Which seeds are run depends on nothing but their number; each is alone in its thread.
    let worker = || {
        let mut counts = Counts::default();
        while states.load(Relaxed) < budget::states() {
            let seed = next.fetch_add(1, Relaxed);
            if seed > last {
                break;
            }
            let before = counts.states();
            if let Err(error) = run_caught(seed, &mut counts) {
                panic!("seed {seed}: {error}\n{}", budget::replay(seed, "long"));
            }
            states.fetch_add(counts.states() - before, Relaxed);
        }
        *total.lock().unwrap() += counts;
    };
    let workers = thread::available_parallelism().map_or(1, |count| count.get().min(8));
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(worker);
        }
    });
    let counts = *total.lock().unwrap();
    budget::report("random", &counts);
    if budget::seed().is_none() {
        assert!(counts.states() >= budget::states() && counts.ahead > 0);
        assert!(counts.full > 0 || counts.workloads < 100, "no device was full");
        assert!(counts.faults > 10 && counts.rotten > 10 && counts.rot > counts.rotten);
        assert!(counts.exported > 0 || counts.states() < 10 * GIT, "git has checked nothing");
        assert!((counts.packs > 0 && counts.unreachable > 0) || counts.seeds < 50, "nothing was compacted");
    }
}
