//! Crashes during compaction and collection: what is found is the old state or the new one.

use crate::{
    budget::{self, Counts},
    exhaustive::{Workload, crash_all, crash_everywhere},
    session::{Operation, Operation::*, Session},
};
use std::ops::Range;

fn workloads() -> Vec<Workload> {
    let two_puts = || [Put(0, 280_000), Put(0, 280_000)];
    let workload = |parts: Vec<Vec<Operation>>| [vec![Create(0), Put(0, 50)], parts.concat()].concat();
    vec![
        (
            "a pack of the log",
            4000,
            workload(vec![two_puts().into(), vec![Compact(vec![]), Put(0, 50), Close]]),
        ),
        (
            "a pack without what is unreachable",
            4000,
            workload(vec![
                two_puts().into(),
                vec![Put(0, 600_000), Strand(0, 1), Compact(vec![]), Put(0, 50)],
            ]),
        ),
        (
            "what is left goes into the log",
            4000,
            workload(vec![vec![
                Put(0, 90_000),
                Strand(0, 1),
                Put(0, 50),
                Compact(vec![]),
                Put(0, 50),
                Close,
            ]]),
        ),
        (
            "two packs become one",
            1 << 20,
            workload(vec![
                vec![Adopt(0, 530_000)],
                two_puts().into(),
                vec![Compact(vec![]), Put(0, 50), Strand(0, 2), Compact(vec![])],
            ]),
        ),
        (
            "deltas whose bases are packed, and go",
            4000,
            workload(vec![
                vec![Put(0, 400); 6],
                two_puts().into(),
                vec![Compact(vec![Put(0, 400), Put(0, 400)]), Put(0, 400), Strand(0, 4)],
                vec![Put(0, 400), Compact(vec![Put(0, 400)]), Put(0, 400), Close],
            ]),
        ),
        (
            "while others write",
            4000,
            workload(vec![
                vec![Create(1)],
                two_puts().into(),
                vec![
                    Put(0, 100_000),
                    Strand(0, 1),
                    Compact(vec![Put(0, 50), Tags(0), Put(1, 50), Dropped(0), Strand(0, 1), Put(0, 700)]),
                    Put(0, 50),
                ],
            ]),
        ),
        (
            "while it is removed",
            4000,
            workload(vec![
                two_puts().into(),
                vec![Compact(vec![Put(0, 50), Remove(0), Create(0), Put(0, 50)])],
            ]),
        ),
        (
            "killed meanwhile",
            4000,
            workload(vec![
                two_puts().into(),
                vec![Compact(vec![Put(0, 50), Restart]), Put(0, 50), Compact(vec![])],
            ]),
        ),
    ]
}

#[test]
fn a_crash_at_any_write_or_flush_of_a_compaction_leaves_the_old_state_or_the_new_one() {
    let counts = crash_all(workloads(), |name, session| {
        let done = session.compacted;
        let ends = !name.contains("killed") && !name.contains("removed");
        assert!(done.packs + done.unreachable > 0 || !ends, "{name}");
    });
    budget::report("compaction", &counts);
    assert!(counts.states() > 1000 && counts.ahead > 50 && counts.doubtful > 1000);
}

/// Crashes a workload with a compaction on a disk that does not do some of its flushes. Also gives the number
/// of the compaction's first flush: that of the new pack, before anything names it.
fn ignoring(flushes: Range<u64>) -> (Result<(), String>, u64) {
    let mut session = Session::format(16, 1 << 20, 1);
    session.device.ignore_flushes(flushes);
    for operation in [Create(0), Put(0, 280_000), Put(0, 280_000)] {
        session.run(&operation);
    }
    let first = session.device.statistics().flushes;
    session.run(&Compact(vec![]));
    session.run(&Put(0, 50));
    assert!(session.compacted.packs > 0);
    (crash_everywhere(&session, &mut Counts::default()), first)
}

#[test]
fn a_disk_that_ignores_the_flush_of_a_new_pack_is_found_out() {
    let (whole, first) = ignoring(0..0);
    whole.unwrap();
    let error = ignoring(first..first + 1).0.unwrap_err();
    assert!(error.contains("loss of power"), "{error}");
}
