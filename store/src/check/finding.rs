//! What a check reports.

use gix_hash::ObjectId;
use std::fmt;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// What a crash may leave behind, or what an operator may like to know; nothing is lost.
    Notice,
    /// The device does not hold what was written to it.
    Damage,
}

/// One thing that a check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// The repository that it is in.
    pub repository: Option<String>,
    /// The object that it is about.
    pub object: Option<ObjectId>,
    /// What was found, in one line.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(repository) = &self.repository {
            write!(f, "{repository}: ")?;
        }
        if let Some(object) = &self.object {
            write!(f, "object {object}: ")?;
        }
        f.write_str(&self.message)
    }
}

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

/// Reports findings and counts them.
pub(super) struct Findings<'a> {
    pub(super) summary: CheckSummary,
    report: &'a mut dyn FnMut(Finding),
}

impl<'a> Findings<'a> {
    pub(super) fn new(report: &'a mut dyn FnMut(Finding)) -> Self {
        Self { summary: CheckSummary::default(), report }
    }

    pub(super) fn notice(&mut self, message: String) {
        self.summary.notices += 1;
        (self.report)(Finding { severity: Severity::Notice, repository: None, object: None, message });
    }

    /// Damage of the device that belongs to no repository.
    pub(super) fn damage(&mut self, message: String) {
        self.summary.damage += 1;
        (self.report)(Finding { severity: Severity::Damage, repository: None, object: None, message });
    }

    /// Damage in a repository.
    pub(super) fn damage_in(&mut self, repository: &str, object: Option<ObjectId>, message: String) {
        self.summary.damage += 1;
        let repository = Some(repository.to_owned());
        (self.report)(Finding { severity: Severity::Damage, repository, object, message });
    }

    /// Says where a damaged object, which has been counted, is in the history.
    pub(super) fn locate(&mut self, repository: &str, object: ObjectId, message: String) {
        let (repository, object) = (Some(repository.to_owned()), Some(object));
        (self.report)(Finding { severity: Severity::Damage, repository, object, message });
    }
}
