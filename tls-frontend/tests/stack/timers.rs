//! Timers.

use crate::wire::{Faults, Pair};
use futures_util::future::{Either, join_all, select};
use kalends_tls_frontend::Network;
use std::{cell::RefCell, time::Duration};

#[test]
fn timers_end_in_the_order_of_their_deadlines() {
    let mut pair = Pair::new(Faults::default(), 1);
    let (network, _) = pair.networks();
    let order = RefCell::new(Vec::new());
    let clock = pair.clock.clone();
    let started = clock.now();
    pair.run(join_all([30_u64, 10, 3600, 20, 10, 0].map(async |seconds| {
        network.sleep(Duration::from_secs(seconds)).await;
        assert!(clock.now() - started >= Duration::from_secs(seconds), "too early");
        assert!(clock.now() - started < Duration::from_secs(seconds + 1), "too late");
        order.borrow_mut().push(seconds);
    })));
    assert_eq!(order.into_inner(), [0, 10, 10, 20, 30, 3600]);
}

#[test]
fn a_timer_that_is_dropped_wakes_nobody() {
    let mut pair = Pair::new(Faults::default(), 1);
    let (network, _) = pair.networks();
    let clock = pair.clock.clone();
    let started = clock.now();
    pair.run(async {
        let long = network.sleep(Duration::from_secs(3600));
        let Either::Right(((), long)) = select(long, network.sleep(Duration::from_secs(1))).await else {
            panic!("the longer one was first")
        };
        drop(long);
        network.sleep(Duration::from_secs(2)).await;
    });
    assert!(clock.now() - started < Duration::from_secs(4));
    // Nothing is left for the loop to wait for.
    let due = pair.server.turn();
    assert!(due.is_none_or(|due| due < started + Duration::from_secs(3600)), "the timer is still there");
}
