//! The tests tested: a disk that lies about flushes must be found out.

use crate::{
    budget::Counts,
    exhaustive::crash_everywhere,
    session::{Operation::*, Session},
};
use std::ops::Range;

/// Crashes a workload on a disk that does not do some of its flushes.
fn ignoring(flushes: Range<u64>) -> (Result<(), String>, u64) {
    let mut session = Session::format(16, 1500, 1);
    session.device.ignore_flushes(flushes);
    let operations = [
        Create(0),
        Put(0, 50),
        Put(0, 900),
        Secret(1500),
        Secret(1500),
        Put(0, 50),
        Put(0, 50),
        Adopt(0, 530_000),
        Put(0, 50),
    ];
    for operation in operations {
        session.run(&operation);
    }
    (crash_everywhere(&session, &mut Counts::default()), session.device.statistics().flushes)
}

#[test]
fn a_disk_that_ignores_flushes_is_found_out() {
    let error = ignoring(0..u64::MAX).0.unwrap_err();
    assert!(error.contains("loss of power"), "{error}");
}

#[test]
fn a_disk_that_ignores_any_one_flush_is_found_out() {
    let (whole, flushes) = ignoring(0..0);
    whole.unwrap();
    // Flush 0 is that of opening, on a disk where all is durable.
    let unnoticed: Vec<u64> = (1..flushes).filter(|flush| ignoring(*flush..flush + 1).0.is_ok()).collect();
    // The one after the second copy of the last secrets: it guards against rot, which this is not.
    assert_eq!(unnoticed, [7], "of {flushes}");
}
