//! Long workloads drawn from seeds, with crashes at random moments; work goes on after some of them.

use crate::{
    budget::{self, Counts},
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
const HEAVY: usize = 16;
/// One state in so many is examined again with rot in it.
const ROTTEN: usize = 16;
/// Sessions one after another on one device.
const SESSIONS: usize = 5;

pub(crate) fn operation(random: &mut Random, heavy: bool) -> Operation {
    let repository = random.below(3);
    let size = |random: &mut Random| match random.below(160) {
        _ if heavy => random.below(700_000),
        0 => 1_050_000 + random.below(100_000),
        1..9 => random.below(40_000),
        _ => random.below(700),
    };
    match random.below(58) {
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
        57 => Operation::Retain(repository, random.below(8) as i64),
        _ => Operation::Delete(repository),
    }
}

/// Draws one thing to do; whether the device is to be filled.
pub(crate) type Draw = fn(&mut Random, bool) -> Operation;

/// Runs one seed; gives the first failure.
pub(crate) fn run(seed: u64, draw: Draw, counts: &mut Counts) -> Result<(), String> {
    let mut random = Random(seed);
    let heavy = random.once_in(HEAVY);
    let capacity = if heavy { 8 } else { [8, 12, 24][random.below(3)] };
    let states = if heavy { STATES / 10 } else { STATES };
    let checkpoint_after = |random: &mut Random| [600, 3000, 20_000, 1 << 20][random.below(4)];
    let mut session = Session::format(capacity, checkpoint_after(&mut random), random.next());
    for _ in 0..SESSIONS {
        for _ in 0..10 + random.below(40) {
            let operation = draw(&mut random, heavy);
            let fault = matches!(
                operation,
                Operation::Fault(..) | Operation::FaultAfter(..) | Operation::ReadFault(..)
            );
            counts.faults += usize::from(fault);
            session.run(&operation);
        }
        counts.workloads += 1;
        counts.full += session.full();
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
pub(crate) fn run_caught(seed: u64, draw: Draw, counts: &mut Counts) -> Result<(), String> {
    counts.seeds += 1;
    catch_unwind(AssertUnwindSafe(|| run(seed, draw, counts))).unwrap_or_else(|panic| {
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
            if let Err(error) = run_caught(seed, operation, &mut counts) {
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
    println!("random: {counts}");
    if budget::seed().is_none() {
        assert!(counts.states() >= budget::states() && counts.ahead > 0);
        assert!(counts.full > 0 || counts.workloads < 100, "no device was full");
        assert!(counts.faults > 10 && counts.rotten > 10 && counts.rot > counts.rotten);
    }
}
