//! The tests tested: a disk that lies about flushes, and one that is written in another order, must be found
//! out.

use crate::{
    budget::Counts,
    exhaustive::crash_everywhere,
    session::{
        Operation::{self, *},
        Session,
    },
};
use std::ops::Range;

/// What is done on the sabotaged disks.
fn operations() -> Vec<Operation> {
    let mut operations = vec![
        Create(0),
        Put(0, 50),
        Put(0, 900),
        Secret(1500),
        Secret(1500),
        Put(0, 50),
        Put(0, 50),
        Adopt(0, 530_000),
    ];
    // A checkpoint for every other one, so that the space of earlier ones is used again.
    operations.extend(std::iter::repeat_n(Put(0, 9000), 6));
    operations
}

/// Crashes a workload on a disk that does not do some of its flushes, and does some of its writes after the
/// flush that should cover them.
fn sabotaged(flushes: Range<u64>, late_writes: Range<u64>) -> (Result<(), String>, Session) {
    let mut session = Session::format(16, 1500, 1);
    session.device.ignore_flushes(flushes);
    session.device.delay_writes(late_writes);
    for operation in operations() {
        session.run(&operation);
    }
    (crash_everywhere(&session, &mut Counts::default()), session)
}

fn ignoring(flushes: Range<u64>) -> Result<(), String> {
    sabotaged(flushes, 0..0).0
}

#[test]
fn a_disk_that_ignores_flushes_is_found_out() {
    let error = ignoring(0..u64::MAX).unwrap_err();
    assert!(error.contains("loss of power"), "{error}");
}

#[test]
fn a_disk_that_ignores_any_one_flush_is_found_out() {
    let (whole, session) = sabotaged(0..0, 0..0);
    whole.unwrap();
    let flushes = session.device.statistics().flushes;
    // Flush 0 is that of opening, on a disk where all is durable.
    let unnoticed: Vec<u64> = (1..flushes).filter(|flush| ignoring(*flush..flush + 1).is_ok()).collect();
    // The one after the second copy of the last secrets: it guards against rot, which this is not.
    assert_eq!(unnoticed, [7], "of {flushes}");
}

/// What a commit needs is written before it counts: large objects and packs before the frames that name
/// them, frames before they are acknowledged, checkpoints before the superblocks that name them, these
/// before the space of earlier checkpoints is used again.
#[test]
fn a_store_that_commits_in_another_order_is_found_out() {
    let (whole, session) = sabotaged(0..0, 0..0);
    whole.unwrap();
    let offsets = session.device.write_offsets();
    let is_superblock = |offset: &u64| [0, 64 << 10].contains(offset);
    // The slot of the secrets that is written last: it guards against rot, which this is not.
    let secrets: Vec<u64> =
        offsets.iter().copied().filter(|offset| (128 << 10..256 << 10).contains(offset)).collect();
    let second_slot = secrets[secrets.len() - 1] / (64 << 10);
    let mut superblocks = 0;
    for (write, offset) in offsets.iter().enumerate() {
        let noticed = sabotaged(0..0, write as u64..write as u64 + 1).0.is_err();
        if is_superblock(offset) {
            // A late one does harm only when space is used again before it is durable.
            superblocks += usize::from(noticed);
            continue;
        }
        let harmless = offset / (64 << 10) == second_slot;
        assert!(noticed || harmless, "write {write} of {}, to byte {offset}", offsets.len());
    }
    assert!(superblocks > 0, "no superblock that comes late is found out");
}
