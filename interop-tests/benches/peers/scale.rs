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
        sizes: &[10_000],
        requests: load(2, 60, 300),
        side_by_side: load(4, 60, 60),
        fill: 10_000,
        commits: 100_000,
        git: load(2, 120, 120),
        pushes: 1,
    };

    /// Whatever is to be known.
    pub(crate) const FULL: Self = Self {
        name: "full",
        sizes: &[1000, 10_000, 100_000],
        requests: load(8, 60, 600),
        side_by_side: load(10, 60, 60),
        fill: 30_000,
        commits: 100_000,
        git: load(15, 300, 300),
        pushes: 3,
    };
}

/// A load of these seconds: budget, limit, and limit of the first.
const fn load(budget: u64, limit: u64, first_limit: u64) -> Load {
    let seconds = Duration::from_secs;
    Load {
        budget: seconds(budget),
        samples: 100_000,
        limit: seconds(limit),
        first_limit: seconds(first_limit),
    }
}
