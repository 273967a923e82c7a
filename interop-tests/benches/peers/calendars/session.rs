//! One server with a calendar of one size.

use super::requests::Requests;
use crate::{
    load::{Client, Failure, Load, Request, Samples},
    report::{Outcome, Results, Task},
    scale::Scale,
    servers::{Kind, Peer},
};
use std::time::{Duration, Instant};

/// Tasks that may take too long before the rest is left out.
const PATIENCE: usize = 2;
/// Starts that are timed.
const STARTS: usize = 5;

/// A server, and a client that asks it.
pub(super) struct Session<'a> {
    pub(super) kind: Kind,
    pub(super) peer: Peer,
    pub(super) size: u32,
    pub(super) scale: &'a Scale,
    pub(super) requests: Requests,
    pub(super) client: Client,
    /// The number of the next new event.
    pub(super) next: u32,
    unfinished: usize,
}

impl<'a> Session<'a> {
    pub(super) fn start(kind: Kind, size: u32, scale: &'a Scale) -> Result<Self, Failure> {
        let peer = kind.start(size)?;
        let (requests, client) = (Requests::new(&peer.calendar), peer.client(scale.requests.limit));
        Ok(Self { kind, peer, size, scale, requests, client, next: size, unfinished: 0 })
    }

    /// Everything. Reads come first, while the calendar is as large as it is said to be.
    pub(super) fn measure(&mut self, results: &mut Results) {
        self.add(results, Task::Start, |session| session.starts().map(Outcome::Times));
        self.reads(results);
        self.writes(results);
        if self.unfinished == 0 {
            let resident = self.peer.resident_bytes().map(Outcome::Bytes);
            results.add(Task::Memory, self.size, self.kind.name(), resident.ok_or(Failure::LeftOut));
        }
    }

    /// Adds what a task gives, unless too many took too long. A server that is still busy is started again.
    pub(super) fn add(
        &mut self,
        results: &mut Results,
        task: Task,
        measure: impl FnOnce(&mut Self) -> Result<Outcome, Failure>,
    ) {
        if self.unfinished >= PATIENCE {
            return results.add(task, self.size, self.kind.name(), Err(Failure::LeftOut));
        }
        let (start, before) = (Instant::now(), self.peer.processor_time());
        let outcome = measure(self);
        self.tell(task, start.elapsed(), before, outcome.as_ref().ok());
        if matches!(outcome, Err(Failure::Unfinished(_))) {
            self.unfinished += 1;
            self.restart();
        }
        results.add(task, self.size, self.kind.name(), outcome);
    }

    /// Says how the server fares: how long the task took, the processor time that it cost the server, and the
    /// memory that it has now.
    fn tell(&self, task: Task, elapsed: Duration, before: Option<Duration>, outcome: Option<&Outcome>) {
        let mut line = format!("  {} ({:.1} s", task.title(), elapsed.as_secs_f64());
        let requests = match outcome {
            // The first is not among them.
            Some(Outcome::Times(times)) => times.len() as f64 + 1.0,
            Some(Outcome::PerSecond(rate)) => rate * elapsed.as_secs_f64(),
            _ => 0.0,
        };
        let after = self.peer.processor_time();
        // There is no difference when the server was started anew.
        let spent = after.zip(before).and_then(|(after, before)| after.checked_sub(before));
        if let (Some(spent), true) = (spent, requests > 0.0 && task != Task::Start) {
            line += &format!(", {:.0} µs of processor time each", spent.as_secs_f64() * 1e6 / requests);
        }
        if let Some(bytes) = self.peer.resident_bytes() {
            line += &format!(", {:.1} MiB resident", bytes as f64 / 1048576.0);
        }
        eprintln!("{line})");
    }

    /// From the start of the process to the first answer, which is an event. Files are in the host's cache.
    fn starts(&mut self) -> Samples {
        let (request, limit) = (self.requests.get(0), self.scale.requests.limit);
        let mut times = Vec::new();
        for _ in 0..STARTS {
            self.peer.kill();
            let start = Instant::now();
            self.restart();
            self.ask(&request, 200, limit)?;
            times.push(start.elapsed());
        }
        Ok(times)
    }

    fn restart(&mut self) {
        self.peer.kill();
        self.peer.start_again();
        self.client = self.peer.client(self.scale.requests.limit);
    }

    /// One request, whose answer must have this status and be there within the limit; gives how long it took.
    pub(super) fn ask(
        &mut self,
        request: &Request,
        status: u16,
        limit: Duration,
    ) -> Result<Duration, Failure> {
        self.client.set_limit(limit);
        let start = Instant::now();
        let got = self.client.send(request).map_err(|error| Failure::new(&error, limit))?;
        let elapsed = start.elapsed();
        if got == status || (status == 201 && got == 204) {
            return Ok(elapsed);
        }
        let text = String::from_utf8_lossy(&self.client.body).chars().take(200).collect::<String>();
        Err(Failure::Refused(format!("status {got}: {text}")))
    }

    /// How often requests are made that add events, lest the calendar become another.
    pub(super) fn growth(&self) -> Load {
        let samples = (self.size as usize / 5).clamp(20, self.scale.requests.samples);
        Load { samples, ..self.scale.requests }
    }

    /// The number of some event, always others.
    pub(super) fn some(&self, count: u32) -> u32 {
        (u64::from(count) * 7919 % u64::from(self.size)) as u32
    }
}
