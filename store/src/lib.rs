//! A git object store on a raw block device.
//!
//! A [`Store`] holds repositories by name. Each [`Repository`] has its own objects and references; a
//! [`Transaction`] adds objects and moves references by compare-and-swap, wholly or not at all. What a
//! transaction wrote is durable once its [`Commit`] future has resolved.
//!
//! The store knows git, and nothing of calendars: rules about content come in through [`PushPolicy`].

mod blob_chain;
mod check;
mod checkpointing;
mod commit;
mod compaction;
mod core;
mod disk;
mod error;
mod extent_writer;
mod format;
mod group_commit;
mod hashing_ahead;
mod log;
mod mount;
#[cfg(test)]
mod noise;
mod object;
mod objects;
mod pack;
mod pins;
mod push_policy;
mod pushed_chain;
mod remark;
mod repair;
mod replay;
mod repository;
mod retention;
mod space;
mod store;
mod transaction;
mod tree;
mod tree_chain;
pub mod wire;

pub use check::{CheckSummary, Finding, Severity, check_device};
pub use compaction::Compacted;
pub use core::OpenOptions;
pub use error::Error;
pub use format::superblock::VERSION as FORMAT_VERSION;
pub use gix_hash::{ObjectId, oid};
pub use gix_object::Kind;
pub use gix_object::tree::{EntryKind, EntryMode};
pub use object::{EncodedEntry, Object, ObjectHeader, Objects};
pub use pack::{Pace, PackLimits};
pub use pins::Pin;
pub use push_policy::{Deciding, NoRules, PushPolicy, PushedUpdate, Refusal, Verdict};
pub use remark::Remark;
pub use repair::{CloneSource, NoClones, Outcome, RepairStep, RepairSummary, repair_device};
pub use repository::{Reference, Repository};
pub use retention::Retained;
pub use store::{FormatOptions, Store};
pub use transaction::{Commit, ReferenceUpdate, Transaction, TreeEdit};
pub use tree::{Tree, TreeChange, TreeEntry};
