//! What Kalends means to reach, each goal with the limit that the same run measured.

use super::{
    DEVICE, HTTP_BACKEND, Results, Task, Unit,
    table::{grouped, significant, with_unit},
};

const PEERS: [&str; 2] = ["Xandikos", "Radicale"];

/// A goal, and what came of it.
pub(crate) struct Goal {
    pub(crate) what: String,
    pub(crate) measured: Option<f64>,
    pub(crate) limit: Option<f64>,
    /// Whether the limit is the least, not the most.
    at_least: bool,
    measure: Measure,
}

/// What a goal is counted in.
#[derive(Clone, Copy, PartialEq)]
enum Measure {
    /// So many times better than the better of the peers; that one's value in this run.
    TimesBetter(Option<f64>, Unit),
    Value(Unit),
}

impl Goal {
    /// Whether it is met; `None` if something is not known.
    pub(crate) fn met(&self) -> Option<bool> {
        let (measured, limit) = (self.measured?, self.limit?);
        Some(if self.at_least { measured >= limit } else { measured <= limit })
    }

    pub(crate) fn measured_text(&self) -> String {
        let Some(measured) = self.measured else { return "–".into() };
        match self.measure {
            Measure::TimesBetter(..) => format!("{} ×", significant(measured)),
            Measure::Value(unit) => with_unit(measured, unit),
        }
    }

    pub(crate) fn limit_text(&self) -> String {
        let Some(limit) = self.limit else { return "–".into() };
        let side = if self.at_least { "at least" } else { "at most" };
        match self.measure {
            Measure::TimesBetter(Some(best), unit) => {
                format!("{side} {} × the better peer's {}", limit, with_unit(best, unit))
            }
            Measure::TimesBetter(None, _) => format!("{side} {limit} × the better peer"),
            Measure::Value(unit) => format!("{side} {}", with_unit(limit, unit)),
        }
    }
}

/// All of them.
pub(crate) fn goals(results: &Results) -> Vec<Goal> {
    let size = 10_000;
    let better = |what: &str, task: Task, size: u32, times: f64| {
        let ratios = PEERS.iter().filter_map(|peer| results.ratio(task, size, peer));
        let values = PEERS.iter().filter_map(|peer| results.value(task, size, peer));
        let best = match task.unit() {
            Unit::PerSecond => values.reduce(f64::max),
            _ => values.reduce(f64::min),
        };
        Goal {
            what: what.to_owned(),
            measured: ratios.reduce(f64::min),
            limit: Some(times),
            at_least: true,
            measure: Measure::TimesBetter(best, task.unit()),
        }
    };
    let most = |what: String, measured: Option<f64>, limit: Option<f64>, unit: Unit| Goal {
        what,
        measured,
        limit,
        at_least: false,
        measure: Measure::Value(unit),
    };
    let own = |task, size| results.value(task, size, "Kalends");
    let commits = results.scale.commits;
    let git = |what: &str, task| {
        let what =
            format!("git {what} of {} commits: not slower than {HTTP_BACKEND}", grouped(commits.into()));
        most(what, own(task, commits), results.value(task, commits, HTTP_BACKEND), Unit::Seconds)
    };
    vec![
        most(
            "PUT of a new event among 10,000: 1.5 × the device's append and fdatasync".into(),
            own(Task::Put, size),
            results.value(Task::Append, size, DEVICE).map(|append| append * 1.5),
            Unit::Seconds,
        ),
        better("PUT on 8 connections into an empty calendar", Task::Fill, 0, 50.0),
        better("GET among 10,000 events", Task::Get, size, 15.0),
        better("PROPFIND Depth 1 of 10,000 events", Task::Listing, size, 20.0),
        better("calendar-query of a month of 10,000 events", Task::Month, size, 60.0),
        better("sync-collection after one change among 10,000 events", Task::SyncOne, size, 60.0),
        better("first sync-collection of 10,000 events", Task::FirstSync, size, 15.0),
        most(
            "resident memory with 10,000 events".into(),
            own(Task::Memory, size),
            Some(32.0 * 1048576.0),
            Unit::Bytes,
        ),
        most(
            "device space of 1,550 PUTs with their history: 2 MB".into(),
            own(Task::Kept, 0),
            Some(2e6),
            Unit::Bytes,
        ),
        git("clone", Task::Clone),
        git("fetch", Task::Fetch),
    ]
}
