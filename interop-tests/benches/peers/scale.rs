//! How much is measured, and how long.

use crate::load::Load;
use std::time::Duration;

/// Sizes and times of one run.
#[derive(Clone, Debug)]
pub(crate) struct Scale {
    /// `quick` or `full`.
    pub(crate) name: &'static str,
    /// Events in the calendars.
    pub(crate) sizes: &'static [u32],
    /// One kind of request, one after the other.
    pub(crate) requests: Load,
    /// Longest wait for the first listing after a start, when servers make their indexes.
    pub(crate) warm_up: Duration,
    /// Requests on several connections side by side, and new connections.
    pub(crate) side_by_side: Load,
    /// The most PUTs into an empty calendar, which 8 connections share.
    pub(crate) fill: u32,
    /// Commits in the history that is cloned.
    pub(crate) commits: u32,
    /// One command of git.
    pub(crate) git: Load,
    /// Pushes, each to a new server.
    pub(crate) pushes: usize,
}

impl Scale {
    /// Some minutes.
    pub(crate) const QUICK: Self = Self {
        name: "quick",
        sizes: &[1000, 10_000],
        requests: Load { budget: seconds(2), samples: 1000, limit: seconds(30) },
        warm_up: seconds(120),
        side_by_side: Load { budget: seconds(4), samples: 1_000_000, limit: seconds(30) },
        fill: 10_000,
        commits: 10_000,
        git: Load { budget: seconds(2), samples: 10, limit: seconds(60) },
        pushes: 1,
    };

    /// Whatever is to be known.
    pub(crate) const FULL: Self = Self {
        name: "full",
        sizes: &[1000, 10_000, 100_000],
        requests: Load { budget: seconds(8), samples: 2000, limit: seconds(60) },
        warm_up: seconds(900),
        side_by_side: Load { budget: seconds(15), samples: 1_000_000, limit: seconds(60) },
        fill: 50_000,
        commits: 100_000,
        git: Load { budget: seconds(20), samples: 10, limit: seconds(300) },
        pushes: 3,
    };
}

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
