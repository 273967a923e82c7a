//! Crashes while the shallow boundary moves, and while what is below it is collected.

use crate::{
    budget::{self, Counts},
    exhaustive::crash_everywhere,
    session::{Operation, Operation::*, Session},
};

/// Small workloads, each with the bytes of log after which a checkpoint is made.
fn workloads() -> Vec<(&'static str, u64, Vec<Operation>)> {
    let begin = |puts: usize| [vec![Create(0)], vec![Put(0, 50); puts]].concat();
    let workload = |puts: usize, more: Vec<Operation>| [begin(puts), more].concat();
    vec![
        ("one move", 1 << 20, workload(7, vec![Retain(0, 1), Put(0, 50)])),
        (
            "moves",
            1500,
            workload(5, vec![Retain(0, 0), Put(0, 50), Put(0, 50), Put(0, 50), Retain(0, 1), Close]),
        ),
        (
            "tags and branches",
            2000,
            workload(4, vec![Tags(0), Adopt(0, 900), Put(0, 50), Put(0, 50), Retain(0, 1), Tags(0), Close]),
        ),
        (
            "with others",
            3000,
            workload(
                5,
                vec![Create(1), Dropped(0), Retain(0, 0), Together(vec![(0, 50), (1, 50)]), Retain(1, 0)],
            ),
        ),
        (
            "collected",
            4000,
            vec![
                Create(0),
                // It is in the last state of no day.
                Put(0, 90_000),
                Delete(0),
                Put(0, 50),
                Put(0, 50),
                Put(0, 50),
                Put(0, 50),
                Retain(0, 0),
                Compact(vec![]),
                Put(0, 50),
                Close,
            ],
        ),
        (
            "moved while it is collected",
            4000,
            vec![
                Create(0),
                Put(0, 280_000),
                Delete(0),
                Put(0, 280_000),
                Put(0, 280_000),
                Put(0, 50),
                Compact(vec![Retain(0, 0), Put(0, 50), Put(0, 50), Retain(0, 0)]),
                Compact(vec![]),
                Clone(0),
            ],
        ),
        (
            "killed and failed",
            1500,
            workload(
                6,
                vec![Retain(0, 0), Restart, Put(0, 50), Fault(0, true), Put(0, 50), Retain(0, 0), Restart],
            ),
        ),
    ]
}

#[test]
fn a_crash_at_any_write_or_flush_leaves_the_boundary_with_its_days_where_it_was_or_where_it_goes() {
    let mut counts = Counts::default();
    for (name, checkpoint_after, operations) in workloads() {
        let mut session = Session::format(16, checkpoint_after, 1);
        for operation in &operations {
            session.run(operation);
        }
        assert_eq!(session.full(), 0, "{name}");
        assert!(session.given_back > 0, "{name}");
        let collected = name.contains("collected");
        assert_eq!(session.compacted.unreachable > 0, collected, "{name}: {:?}", session.compacted);
        let before = counts.states();
        if let Err(error) = crash_everywhere(&session, &mut counts) {
            panic!("workload {name:?}, {operations:?}: {error}");
        }
        println!("{name}: {} states", counts.states() - before);
    }
    budget::report("retention", &counts);
    assert!(counts.states() > 1000 && counts.ahead > 50 && counts.doubtful > 1000);
}
