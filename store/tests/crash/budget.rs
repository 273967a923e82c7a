//! How much is tried.

use std::{
    fmt,
    io::{self, Write},
    ops::AddAssign,
};

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

/// How to run one seed of a test again.
pub(crate) fn replay(seed: u64, test: &str) -> String {
    format!("replay: KALENDS_CRASH_SEED={seed} cargo test -p kalends-store --test crash {test}")
}

/// Says what a test has done, also when the test harness captures what tests print: how much was tried is what its
/// success is worth.
pub(crate) fn report(test: &str, done: &dyn fmt::Display) {
    let _ = writeln!(io::stderr(), "{test}: {done}");
}

fn variable(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{name}={value}: expected a number")))
}

/// What was done.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) seeds: usize,
    pub(crate) workloads: usize,
    /// Writes and flushes of all workloads.
    pub(crate) steps: usize,
    /// Changes that a full device refused.
    pub(crate) full: usize,
    /// Times that the device failed reads, writes or flushes.
    pub(crate) faults: usize,
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
    /// Of the states, those examined once more with bits flipped and blocks unreadable.
    pub(crate) rotten: usize,
    /// Bits flipped and blocks made unreadable in them.
    pub(crate) rot: usize,
    /// Of the rotten ones, those that did not open.
    pub(crate) refused: usize,
    /// Of those, the ones that opened after a repair.
    pub(crate) salvaged: usize,
    /// Packs that compactions made.
    pub(crate) packs: usize,
    /// Unreachable objects that collections left out.
    pub(crate) unreachable: usize,
    /// Repositories of states that stock git found whole.
    pub(crate) exported: usize,
}

impl Counts {
    pub(crate) fn states(&self) -> usize {
        self.lost + self.killed
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.seeds += other.seeds;
        self.workloads += other.workloads;
        self.steps += other.steps;
        self.full += other.full;
        self.faults += other.faults;
        self.lost += other.lost;
        self.killed += other.killed;
        self.doubtful += other.doubtful;
        self.continued += other.continued;
        self.ahead += other.ahead;
        self.rotten += other.rotten;
        self.rot += other.rot;
        self.refused += other.refused;
        self.salvaged += other.salvaged;
        self.packs += other.packs;
        self.unreachable += other.unreachable;
        self.exported += other.exported;
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seeds, workloads, steps, full, faults, lost, killed, doubtful, .. } = self;
        let Self { continued, ahead, rotten, rot, refused, salvaged, packs, unreachable, exported, .. } =
            self;
        let states = self.states();
        write!(
            f,
            "{states} crash states of {seeds} seeds: {lost} after loss of power ({doubtful} blocks in \
             doubt), {killed} after a kill; {ahead} ahead of what was acknowledged; work went on in \
             {continued}. {workloads} workloads of {steps} writes and flushes, {faults} faults of the \
             device, {full} changes refused by a full device, {packs} packs made by compaction, {unreachable} \
             unreachable objects left out. {rotten} states with {rot} flipped bits and unreadable blocks: \
             {refused} did not open, {salvaged} of them did after a repair. Stock git checked {exported} exported \
             repositories"
        )
    }
}
