//! Crashes on a simulated disk, and what is found after them.
//!
//! Workloads run on a disk that keeps its history. At any moment of it power is lost, so that each block
//! that was not flushed is found in any of its versions; or the program is killed, so that nothing is lost
//! until power is lost later. What is mounted then must be one of the states between the last acknowledged
//! and the last submitted change, and `Store::check` must find nothing.
//!
//! Reads, writes and flushes fail on the way. Some of the states are examined again with bits flipped and
//! blocks unreadable, and of some the repositories are exported and checked by stock git.
//!
//! `KALENDS_CRASH_STATES=100000` sets how many crash states are examined, and a failure prints the
//! `KALENDS_CRASH_SEED` that replays it. The counts are shown in any case.

mod budget;
mod clone;
mod compaction;
mod compaction_session;
mod exhaustive;
mod git_check;
mod random;
mod random_workloads;
mod retained;
mod retention;
mod rot;
mod rotten;
mod sabotage;
mod session;
mod timeline;
mod verify;
