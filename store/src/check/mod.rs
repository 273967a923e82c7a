//! Checking a store: what `kalends fsck` does. Nothing is written.
//!
//! What is found is reported while the check goes on, in a bounded number of lines. Memory: 16 bytes an object of
//! one repository at a time beyond what an open store takes, and bounded caches; where something is damaged, 100
//! bytes a commit more.

mod boundary;
mod commits;
mod device;
mod finding;
mod links;
mod objects;
mod packs;
mod paths;
mod references;
mod repository;
mod resolver;
mod space;

pub(crate) use boundary::ends as ends_history;
pub use device::check_device;
pub use finding::{CheckSummary, Finding, Severity};
pub(crate) use packs::{check_entry as check_pack_entry, check_frame as check_pack_frame};
pub(crate) use resolver::{Copy, Resolver};

use crate::Store;
use finding::Findings;

impl Store {
    /// Checks the open store: its space, and in every repository each stored object and reference.
    ///
    /// Every object is read, made from its deltas and hashed; it must be what git's fsck accepts, and all
    /// that it refers to must be there. Blocks until it is done.
    pub fn check(&self, report: &mut dyn FnMut(Finding)) -> CheckSummary {
        let mut findings = Findings::new(report);
        self.check_into(&mut findings);
        findings.summary
    }

    fn check_into(&self, findings: &mut Findings<'_>) {
        let core = self.core();
        core.advance();
        space::check(core, findings);
        let repositories: Vec<_> = core.state.borrow().repositories.values().cloned().collect();
        for state in repositories {
            repository::check(core, &state, findings);
        }
    }
}
