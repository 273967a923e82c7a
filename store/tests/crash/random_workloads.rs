//! Long workloads drawn from seeds, with crashes at random moments; work goes on after some of them.

use crate::{
    budget::{self, Counts},
    random::Random,
    session::{Operation, Session},
    timeline::Timeline,
    verify::verify,
};
use std::rc::Rc;

/// Crash states of one session.
const STATES: usize = 100;
/// One seed in so many fills its device; a state of it takes ten times as long.
const HEAVY: usize = 16;
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
    match random.below(48) {
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
        _ => Operation::Restart,
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
            session.run(&draw(&mut random, heavy));
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
            if number == go_on {
                next = Some((device, found));
            }
        }
        if let Some((device, found)) = next {
            counts.continued += 1;
            let timeline = Timeline::new(found.world, found.secret);
            session = Session::open(device, timeline, checkpoint_after(&mut random), random.next())
                .map_err(|error| format!("cannot be opened again: {error}"))?;
        }
    }
    Ok(())
}

#[test]
fn long_workloads_survive_crashes_at_random_moments() {
    let mut counts = Counts::default();
    let seeds = budget::seed().map_or(1..u64::MAX, |seed| seed..seed + 1);
    for seed in seeds {
        if counts.states() >= budget::states() {
            break;
        }
        if let Err(error) = run(seed, operation, &mut counts) {
            panic!(
                "seed {seed}: {error}\nreplay: KALENDS_CRASH_SEED={seed} cargo test -p kalends-store --test crash long"
            );
        }
    }
    println!("random: {counts}");
    assert!(counts.ahead > 0);
    assert!(counts.full > 0 || counts.workloads < 100, "no device was full");
}
