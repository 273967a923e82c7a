//! How much is tried.

use std::fmt;

/// Crash states of random workloads when nothing else is said: some seconds in a debug build.
const DEFAULT_STATES: usize = 1500;

/// How many crash states of random workloads to examine.
pub(crate) fn states() -> usize {
    variable("KALENDS_CRASH_STATES").map_or(DEFAULT_STATES, |states| states as usize)
}

/// The only seed to run.
pub(crate) fn seed() -> Option<u64> {
    variable("KALENDS_CRASH_SEED")
}

fn variable(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{name}={value}: expected a number")))
}

/// What was done.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) workloads: usize,
    /// Writes and flushes of all workloads.
    pub(crate) steps: usize,
    /// Changes that a full device refused.
    pub(crate) full: usize,
    /// States after a loss of power, mounted and checked.
    pub(crate) lost: usize,
    /// States after a kill, mounted and checked.
    pub(crate) killed: usize,
    /// Blocks that were written and not flushed at these losses of power.
    pub(crate) doubtful: usize,
    /// Of the states, those in which work went on.
    pub(crate) continued: usize,
    /// Of the states, those found in a state newer than the last acknowledged one.
    pub(crate) ahead: usize,
}

impl Counts {
    pub(crate) fn states(&self) -> usize {
        self.lost + self.killed
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { workloads, steps, full, lost, killed, doubtful, continued, ahead } = self;
        write!(
            f,
            "{workloads} workloads of {steps} writes and flushes, {full} changes refused by a full device; {} crash states: {lost} after loss of power \
             ({doubtful} blocks in doubt), {killed} after a kill; {ahead} ahead of what was \
             acknowledged; work went on in {continued}",
            self.states()
        )
    }
}
