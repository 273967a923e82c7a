//! What a check reports.

use crate::Remark;
use gix_hash::ObjectId;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// What a crash may leave behind, or what an operator may like to know; nothing is lost.
    Notice,
    /// The device does not hold what was written to it.
    Damage,
}

/// One thing that a check found.
pub type Finding = Remark<Severity>;

/// What a check has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CheckSummary {
    /// The checkpoint that the store was opened from; counts from 1.
    pub checkpoint: u64,
    /// Frames of the log after it.
    pub log_frames: u64,
    /// Bytes of these frames.
    pub log_bytes: u64,
    /// Repositories.
    pub repositories: u64,
    /// References of all repositories.
    pub references: u64,
    /// Stored objects; one that is stored twice counts twice.
    pub objects: u64,
    /// Commits that references reach.
    pub commits: u64,
    /// Packs.
    pub packs: u64,
    /// Findings of [`Severity::Damage`].
    pub damage: u64,
    /// Findings of [`Severity::Notice`].
    pub notices: u64,
}

impl CheckSummary {
    /// Whether the device holds all that was written to it.
    pub fn is_clean(&self) -> bool {
        self.damage == 0
    }
}

/// Lines about one repository; what is beyond them is counted.
const LINES: u64 = 1000;

/// Reports findings and counts them.
pub(super) struct Findings<'a> {
    pub(super) summary: CheckSummary,
    report: &'a mut dyn FnMut(Finding),
    /// Findings in the repository at hand.
    in_repository: u64,
}

impl<'a> Findings<'a> {
    pub(super) fn new(report: &'a mut dyn FnMut(Finding)) -> Self {
        Self { summary: CheckSummary::default(), report, in_repository: 0 }
    }

    pub(super) fn notice(&mut self, message: String) {
        self.summary.notices += 1;
        (self.report)(Finding::of_device(Severity::Notice, message));
    }

    /// Damage of the device that belongs to no repository.
    pub(super) fn damage(&mut self, message: String) {
        self.summary.damage += 1;
        (self.report)(Finding::of_device(Severity::Damage, message));
    }

    /// Damage in a repository.
    pub(super) fn damage_in(&mut self, repository: &str, object: Option<ObjectId>, message: String) {
        self.summary.damage += 1;
        self.in_repository += 1;
        if self.in_repository <= LINES {
            self.explain(repository, object, message);
        }
    }

    /// Damage in a repository that another line tells of.
    pub(super) fn count_damage(&mut self) {
        self.summary.damage += 1;
    }

    /// Says more of damage that has been counted.
    pub(super) fn explain(&mut self, repository: &str, object: Option<ObjectId>, message: String) {
        (self.report)(Finding::of_repository(Severity::Damage, repository, object, message));
    }

    /// All damage in a repository was found.
    pub(super) fn end_repository(&mut self, repository: &str) {
        let more = std::mem::take(&mut self.in_repository).saturating_sub(LINES);
        if more > 0 {
            self.explain(repository, None, format!("{more} more findings like these"));
        }
    }
}
