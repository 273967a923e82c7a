//! Requests that change events, and what clients ask after a change.

use super::{requests::Requests, session::Session};
use crate::{
    device,
    load::{Failure, Load, Request, Samples, one_after_another, side_by_side},
    report::{DEVICE, Outcome, Results, Task},
    scale::Scale,
    servers::Kind,
};
use std::time::Duration;

/// Statuses of a PUT.
const PUT: [u16; 3] = [200, 201, 204];
/// Events that are changed side by side, in turn.
const CHANGED: u32 = 20_000;

impl Session<'_> {
    pub(super) fn writes(&mut self, results: &mut Results) {
        if self.kind == Kind::Kalends {
            results.add(Task::Append, self.size, DEVICE, Ok(Outcome::Times(device::append_and_sync())));
            let times = device::hash_tree(self.size);
            results.add(Task::HashOfTree, self.size, DEVICE, Ok(Outcome::Times(times)));
        }
        self.add(results, Task::Put, |session| session.puts().map(Outcome::Times));
        self.add(results, Task::SyncOne, |session| session.syncs().map(Outcome::Times));
        for (turn, (task, connections)) in [(Task::Put8, 8), (Task::Put32, 32)].into_iter().enumerate() {
            self.add(results, task, |session| {
                let change = |number: u32| {
                    let which = session.some(number + turn as u32 * CHANGED);
                    session.requests.put_changed(which, number + turn as u32 * CHANGED)
                };
                let requests: Vec<Request> = (0..CHANGED).map(change).collect();
                let load = Load { samples: requests.len(), ..session.scale.side_by_side };
                let rate = side_by_side(&session.peer.address, connections, &requests, &PUT, &load)?;
                Ok(Outcome::PerSecond(rate))
            });
        }
    }

    fn put_one(&mut self, limit: Duration) -> Result<Duration, Failure> {
        let request = self.requests.put(self.next);
        self.next += 1;
        self.ask(&request, 201, limit)
    }

    fn puts(&mut self) -> Samples {
        let load = self.growth();
        one_after_another(&load, |limit| self.put_one(limit))
    }

    /// What a client asks after each change.
    fn syncs(&mut self) -> Samples {
        let load = self.growth();
        let first = self.requests.changes_since("");
        self.ask(&first, 207, load.first_limit)?;
        let mut token = sync_token(&self.client.body)?;
        one_after_another(&load, |limit| {
            self.put_one(limit)?;
            let request = self.requests.changes_since(&token);
            let elapsed = self.ask(&request, 207, limit)?;
            token = sync_token(&self.client.body)?;
            Ok(elapsed)
        })
    }
}

/// PUTs of new events into an empty calendar, on eight connections.
pub(super) fn fill(kind: Kind, scale: &Scale, results: &mut Results) {
    let rate = kind.start(0).and_then(|peer| {
        let requests = Requests::new(&peer.calendar);
        let requests: Vec<_> = (0..scale.fill).map(|number| requests.put(number)).collect();
        let load = Load { samples: requests.len(), ..scale.side_by_side };
        side_by_side(&peer.address, 8, &requests, &PUT, &load)
    });
    results.add(Task::Fill, 0, kind.name(), rate.map(Outcome::PerSecond));
}

fn sync_token(body: &[u8]) -> Result<String, Failure> {
    let text = String::from_utf8_lossy(body);
    let start = text.find("sync-token>").map(|at| at + "sync-token>".len());
    let token = start.and_then(|start| text[start..].split('<').next());
    token.map(str::to_owned).ok_or_else(|| Failure::Refused("an answer without a sync-token".into()))
}
