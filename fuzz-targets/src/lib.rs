//! What a fuzzer runs: one function of any bytes for each input that comes from outside, with seeds.
//!
//! None of them may panic, hang, or take more memory than its bounds say. `fuzz/` runs them under cargo-fuzz,
//! which needs a nightly toolchain; `tests/mutations.rs` runs them on stable, with mutated seeds.

mod calendar_object;
mod calendar_request;
mod device;
mod git_request;
mod history;
mod image;

/// One input from outside.
#[derive(Clone, Copy)]
pub struct Target {
    /// Its name, that of its file in `fuzz/fuzz_targets` too.
    pub name: &'static str,
    /// Handles an input. Its answer does not matter.
    pub run: fn(&[u8]),
    /// Inputs to start from.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// All of them.
pub const TARGETS: [Target; 9] = [
    Target { name: "superblock", run: device::superblock, seeds: device::superblock_seeds },
    Target { name: "checkpoint", run: device::checkpoint, seeds: device::checkpoint_seeds },
    Target { name: "log", run: device::log, seeds: device::log_seeds },
    Target { name: "mount", run: device::mount, seeds: device::mount_seeds },
    Target { name: "pack", run: git_request::pack, seeds: git_request::pack_seeds },
    Target { name: "push", run: git_request::push, seeds: git_request::push_seeds },
    Target { name: "fetch", run: git_request::fetch, seeds: git_request::fetch_seeds },
    Target { name: "icalendar", run: calendar_object::parse, seeds: calendar_object::seeds },
    Target { name: "dav", run: calendar_request::handle, seeds: calendar_request::seeds },
];

/// The target of a name.
///
/// # Panics
/// When there is none.
pub fn target(name: &str) -> Target {
    TARGETS.into_iter().find(|target| target.name == name).expect("a target of this name")
}
