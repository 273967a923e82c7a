//! How much is tried.

use std::fmt;

/// Crash states of all tests together when nothing else is said: some seconds in a debug build.
const DEFAULT_STATES: usize = 2000;

/// How many crash states to examine.
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
    /// States after a loss of power, mounted and checked.
    pub(crate) lost: usize,
    /// States after a kill, mounted and checked.
    pub(crate) killed: usize,
    /// Blocks that did not have their newest content after a loss of power.
    pub(crate) lost_blocks: usize,
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
        let Self { workloads, steps, lost, killed, lost_blocks, continued, ahead } = self;
        write!(
            f,
            "{workloads} workloads of {steps} writes and flushes; {} crash states: {lost} after loss of power \
             ({lost_blocks} blocks lost or stale), {killed} after a kill; {ahead} ahead of what was \
             acknowledged; work went on in {continued}",
            self.states()
        )
    }
}
