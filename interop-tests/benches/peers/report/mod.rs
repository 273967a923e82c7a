//! What was measured, and how it is told.

mod chart;
mod goals;
mod json;
mod table;
mod task;

use crate::{
    load::{Failure, ceiling::Ceiling},
    scale::Scale,
};
pub(crate) use chart::chart;
pub(crate) use goals::goals;
pub(crate) use json::json;
use std::time::Duration;
pub(crate) use table::tables;
pub(crate) use task::{Task, Unit};

/// Stands in the place of a server's name for what the device itself takes.
pub(crate) const DEVICE: &str = "the device";

/// What git's own server is called over TLS, as who serves passwords has it, and without.
pub(crate) const HTTP_BACKEND: &str = "git http-backend over TLS";
pub(crate) const PLAIN_HTTP_BACKEND: &str = "git http-backend over plain HTTP";

/// What one task came to.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    Times(Vec<Duration>),
    PerSecond(f64),
    Bytes(u64),
}

/// One server's result in one task.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) task: Task,
    /// Events in the calendar, or commits; 0 where the task says it.
    pub(crate) size: u32,
    pub(crate) server: &'static str,
    pub(crate) outcome: Result<Outcome, Failure>,
}

impl Row {
    /// The median of times in seconds, requests a second, or bytes.
    pub(crate) fn value(&self) -> Option<f64> {
        match self.outcome.as_ref().ok()? {
            Outcome::Times(times) => Some(median(times).as_secs_f64()),
            Outcome::PerSecond(rate) => Some(*rate),
            Outcome::Bytes(bytes) => Some(*bytes as f64),
        }
    }
}

/// All of a run.
pub(crate) struct Results {
    pub(crate) scale: Scale,
    pub(crate) plain: Ceiling,
    pub(crate) secure: Ceiling,
    pub(crate) rows: Vec<Row>,
}

impl Results {
    pub(crate) fn add(
        &mut self,
        task: Task,
        size: u32,
        server: &'static str,
        outcome: Result<Outcome, Failure>,
    ) {
        if let Err(failure) = &outcome {
            eprintln!("  {}: {}: {}", server, task.title(), table::explanation(failure));
        }
        self.rows.push(Row { task, size, server, outcome });
    }

    pub(crate) fn value(&self, task: Task, size: u32, server: &str) -> Option<f64> {
        let fits = |row: &&Row| row.task == task && row.size == size && row.server == server;
        self.rows.iter().find(fits)?.value()
    }

    /// How many times better Kalends is than a server.
    pub(crate) fn ratio(&self, task: Task, size: u32, server: &str) -> Option<f64> {
        let (own, other) = (self.value(task, size, "Kalends")?, self.value(task, size, server)?);
        Some(if task.unit() == Unit::PerSecond { own / other } else { other / own })
    }
}

/// The median.
pub(crate) fn median(times: &[Duration]) -> Duration {
    let mut times = times.to_vec();
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
