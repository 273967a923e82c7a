//! What a repair says.

use crate::Remark;
use gix_hash::ObjectId;

/// What became of something damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is as it was.
    Restored,
    /// It is gone, or stays damaged until a good copy is found.
    Lost,
    /// What an operator should know.
    Notice,
}

/// One thing that a repair did or could not do.
pub type RepairStep = Remark<Outcome>;

/// What a repair has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RepairSummary {
    /// Objects that were stored anew from a good copy.
    pub objects: u64,
    /// Packs that were written anew, or got a new index.
    pub packs: u64,
    /// References that were moved to where the lost part of the log, or a clone, has them.
    pub references: u64,
    /// Frames of the log that are lost.
    pub lost_frames: u64,
    /// Whether anything was written.
    pub written: bool,
}

/// Reports steps.
pub(super) struct Report<'a> {
    pub(super) summary: RepairSummary,
    report: &'a mut dyn FnMut(RepairStep),
}

impl<'a> Report<'a> {
    pub(super) fn new(report: &'a mut dyn FnMut(RepairStep)) -> Self {
        Self { summary: RepairSummary::default(), report }
    }

    /// About the device.
    pub(super) fn device(&mut self, outcome: Outcome, message: String) {
        (self.report)(RepairStep::of_device(outcome, message));
    }

    /// About a repository.
    pub(super) fn repository(&mut self, outcome: Outcome, name: &str, message: String) {
        (self.report)(RepairStep::of_repository(outcome, name, None, message));
    }

    /// About an object.
    pub(super) fn object(&mut self, outcome: Outcome, name: &str, id: ObjectId, message: String) {
        (self.report)(RepairStep::of_repository(outcome, name, Some(id), message));
    }
}
