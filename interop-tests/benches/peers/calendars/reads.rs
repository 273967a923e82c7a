//! Requests that change nothing.

use super::session::Session;
use crate::{
    load::{Failure, Request, Samples, one_after_another, side_by_side},
    report::{Outcome, Results, Task},
};
use std::ops::RangeInclusive;

impl Session<'_> {
    pub(super) fn reads(&mut self, results: &mut Results) {
        self.add(results, Task::Get, |session| session.gets().map(Outcome::Times));
        self.add(results, Task::GetSideBySide, |session| {
            let requests: Vec<_> = (0..1000).map(|n| session.requests.get(session.some(n))).collect();
            let load = &session.scale.side_by_side;
            side_by_side(&session.peer.address, 8, &requests, &[200], load).map(Outcome::PerSecond)
        });
        let (size, requests) = (self.size as usize, &self.requests);
        // Some answer with the collection itself too.
        let (all, some) = (size..=size + 1, size / 20..=size / 4);
        let fifty = |turn: u32| requests.multiget((0..50).map(|number| self.some(turn * 50 + number)));
        let multistatus: [(Task, Vec<Request>, RangeInclusive<usize>); 5] = [
            (Task::Listing, vec![requests.listing()], all.clone()),
            (Task::Month, vec![requests.month(false)], some.clone()),
            (Task::MonthWithData, vec![requests.month(true)], some),
            (Task::Multiget, (0..20).map(fifty).collect(), 50..=50),
            (Task::FirstSync, vec![requests.changes_since("")], all),
        ];
        let free_busy = [requests.free_busy()];
        for (task, requests, members) in multistatus {
            self.add(results, task, |session| {
                let times = session.again_and_again(&requests, 207)?;
                let found = count(&session.client.body, b"response>") / 2;
                match members.contains(&found) {
                    true => Ok(Outcome::Times(times)),
                    false => Err(Failure::Refused(format!("an answer with {found} resources"))),
                }
            });
        }
        self.add(results, Task::FreeBusy, |session| {
            let times = session.again_and_again(&free_busy, 200)?;
            match count(&session.client.body, b"FREEBUSY") > 1 {
                true => Ok(Outcome::Times(times)),
                false => Err(Failure::Refused("nothing is busy".into())),
            }
        });
    }

    /// Other events each time, so that no cache of one answer helps.
    fn gets(&mut self) -> Samples {
        let requests: Vec<_> = (0..1000).map(|number| self.requests.get(self.some(number))).collect();
        self.again_and_again(&requests, 200)
    }

    /// The requests in turn.
    fn again_and_again(&mut self, requests: &[Request], status: u16) -> Samples {
        let (load, mut turn) = (self.scale.requests, requests.iter().cycle());
        one_after_another(&load, |limit| match turn.next() {
            Some(request) => self.ask(request, status, limit),
            None => Err(Failure::LeftOut),
        })
    }
}

fn count(text: &[u8], what: &[u8]) -> usize {
    text.windows(what.len()).filter(|window| *window == what).count()
}
