//! Small workloads with a crash at every write and every flush, and every possible loss at each.

use crate::{
    budget::{self, Counts},
    random::Random,
    session::{Operation, Operation::*, Session},
    timeline::Timeline,
    verify::verify,
};
use kalends_block_backend::{CrashPoint, SimulatedDevice};
use std::rc::Rc;

/// Up to so many combinations of losses all are tried; of more, a choice.
const ALL: usize = 64;
/// How many blocks are lost alone, and kept alone, when there are too many for all combinations.
const SINGLES: usize = 12;

/// A small workload: its name, the bytes of log after which a checkpoint is made, and what is done.
pub(crate) type Workload = (&'static str, u64, Vec<Operation>);

fn workloads() -> Vec<Workload> {
    vec![
        ("puts", 1 << 20, vec![Create(0), Put(0, 50), Put(0, 900), Tags(0), Put(0, 50)]),
        (
            "deltas",
            1500,
            vec![Create(0), Put(0, 400), Put(0, 400), Put(0, 400), Tags(0), Put(0, 400), Put(0, 400)],
        ),
        ("checkpoints", 1500, vec![Create(0), Put(0, 50), Put(0, 50), Put(0, 900), Put(0, 50), Put(0, 50)]),
        ("close", 1 << 20, vec![Create(0), Put(0, 50), Close, Put(0, 50), Close, Put(0, 50), Close, Close]),
        (
            "group",
            3000,
            vec![
                Create(0),
                Create(1),
                Together(vec![(0, 50), (1, 600), (0, 50)]),
                Together(vec![(1, 50), (0, 50)]),
                Put(1, 50),
            ],
        ),
        ("tags", 2000, vec![Create(0), Tags(0), Tags(0), Tags(0), Dropped(0), Tags(0)]),
        (
            "repositories",
            1000,
            vec![
                Create(0),
                Put(0, 50),
                Create(1),
                Remove(0),
                Put(1, 50),
                Create(0),
                Put(0, 50),
                Remove(1),
                Close,
                Put(0, 50),
            ],
        ),
        (
            "meanwhile",
            1500,
            vec![
                Create(0),
                Meanwhile(0, Box::new(Create(1))),
                Meanwhile(0, Box::new(Close)),
                Meanwhile(1, Box::new(Secret(700))),
                Put(1, 50),
                Meanwhile(1, Box::new(Remove(1))),
                Meanwhile(0, Box::new(Close)),
            ],
        ),
        (
            "faults",
            1500,
            vec![Create(0), Put(0, 50), Fault(0, false), Put(0, 50), Fault(0, true), Dropped(0), Put(0, 50)],
        ),
        (
            "faults midway",
            1500,
            vec![
                Create(0),
                Put(0, 900),
                FaultAfter(0, true, 1),
                Put(0, 900),
                FaultAfter(0, false, 1),
                ReadFault(0, 0),
                ReadFault(0, 2),
            ],
        ),
        (
            "deletions",
            2000,
            vec![Create(0), Put(0, 50), Put(0, 50), Delete(0), Clone(0), Delete(0), Close, Put(0, 50)],
        ),
        ("push", 4000, vec![Create(0), Put(0, 50), Push(0, 900), Put(0, 50), Close, Clone(0), Put(0, 50)]),
        ("secrets", 1 << 20, vec![Create(0), Secret(40), Put(0, 50), Secret(1500), Restart, Secret(600)]),
        (
            "restarts",
            1200,
            vec![
                Create(0),
                Put(0, 50),
                Dropped(0),
                Restart,
                Put(0, 50),
                Put(0, 50),
                Dropped(0),
                Restart,
                Dropped(0),
                Close,
            ],
        ),
        ("small pack", 4000, vec![Create(0), Put(0, 50), Adopt(0, 900), Put(0, 50), Close, Put(0, 50)]),
        ("pack", 4000, vec![Create(0), Put(0, 50), Adopt(0, 530_000), Put(0, 50), Remove(0), Close, Close]),
        (
            "large object",
            2000,
            vec![Create(0), Put(0, 1_100_000), Together(vec![(0, 50), (0, 1_060_000), (0, 50)]), Close],
        ),
    ]
}

/// Calls with each state that a loss of power at this moment can leave, or with a choice of them.
fn losses(point: &CrashPoint, seed: u64, mut call: impl FnMut(SimulatedDevice)) {
    let mut versions = Vec::new();
    let count = point.doubtful_blocks();
    point.lose_power(|_, count| {
        versions.push(count);
        None
    });
    let combinations = versions.iter().try_fold(1_usize, |product, count| product.checked_mul(count + 1));
    let mut lose = |pick: &dyn Fn(usize, usize) -> Option<usize>| call(point.lose_power(pick));
    if let Some(combinations) = combinations.filter(|combinations| *combinations <= ALL) {
        for combination in 0..combinations {
            lose(&|number, count| {
                let below: usize = versions[..number].iter().map(|count| count + 1).product();
                (combination / below % (count + 1)).checked_sub(1)
            });
        }
        return;
    }
    lose(&|_, _| None);
    lose(&|_, versions| Some(versions - 1));
    for single in (0..count).step_by(count.div_ceil(SINGLES)).chain([count - 1]) {
        lose(&|number, versions| (number != single).then_some(versions - 1));
        lose(&|number, versions| (number == single).then_some(versions - 1));
        // Writes that came in order, up to one of them.
        lose(&|number, versions| (number < single).then_some(versions - 1));
    }
    let mut random = Random(seed);
    for _ in 0..4 {
        let state = random.next();
        lose(&|number, versions| {
            let mut random = Random(state ^ number as u64);
            (!random.once_in(3)).then(|| random.below(versions))
        });
    }
}

/// Crashes a finished session at every step. Gives the first failure.
pub(crate) fn crash_everywhere(session: &Session, counts: &mut Counts) -> Result<(), String> {
    let mut point = session.device.crash_point(0);
    counts.workloads += 1;
    counts.steps += session.device.steps();
    for step in 0..=session.device.steps() {
        point.advance(step);
        let mut result = Ok(());
        losses(&point, step as u64, |device| {
            if result.is_ok() {
                counts.lost += 1;
                counts.doubtful += point.doubtful_blocks();
                result = examine(session, device, step, counts);
            }
        });
        result.map_err(|error| format!("loss of power before step {step}: {error}"))?;
        counts.killed += 1;
        examine(session, point.kill(), step, counts)
            .map_err(|error| format!("kill before step {step}: {error}"))?;
    }
    Ok(())
}

/// Crashes workloads at every step. `check` sees each when it has run.
pub(crate) fn crash_all(workloads: Vec<Workload>, check: impl Fn(&str, &Session)) -> Counts {
    let mut counts = Counts::default();
    for (name, checkpoint_after, operations) in workloads {
        let mut session = Session::format(16, checkpoint_after, 1);
        for operation in &operations {
            session.run(operation);
        }
        assert_eq!(session.full(), 0, "{name}");
        check(name, &session);
        let before = counts.states();
        if let Err(error) = crash_everywhere(&session, &mut counts) {
            panic!("workload {name:?}, {operations:?}: {error}");
        }
        println!("{name}: {} states", counts.states() - before);
    }
    counts
}

fn examine(
    session: &Session,
    device: SimulatedDevice,
    step: usize,
    counts: &mut Counts,
) -> Result<(), String> {
    let device = Rc::new(device);
    let found = verify(&device, &session.timeline, step)?;
    counts.ahead += usize::from(found.ahead);
    if !counts.states().is_multiple_of(16) {
        return Ok(());
    }
    // Work goes on, and power is lost again.
    counts.continued += 1;
    let timeline = Timeline::new(found.world, found.secret);
    let seed = counts.states() as u64;
    let again = Session::open(device, timeline, 1500, seed);
    let mut again = again.map_err(|error| format!("cannot be opened again: {error}"))?;
    for operation in [Create(0), Put(0, 70), Dropped(0), Put(0, 300), Secret(30), Close] {
        again.run(&operation);
    }
    let opened = again.opened();
    let mut random = Random(seed);
    for _ in 0..4 {
        let step = opened + random.below(again.device.steps() - opened + 1);
        let device = Rc::new(again.device.crash(step, random.next()));
        counts.lost += 1;
        verify(&device, &again.timeline, step)
            .map_err(|error| format!("work went on, and power was lost before step {step}: {error}"))?;
    }
    Ok(())
}

#[test]
fn after_a_crash_at_any_write_or_flush_all_acknowledged_changes_are_there_and_none_by_half() {
    let counts = crash_all(workloads(), |_, _| {});
    budget::report("exhaustive", &counts);
    assert!(counts.states() > 1000 && counts.ahead > 100 && counts.doubtful > 1000);
}
