//! Where good copies come from.

use crate::{Object, Reference};
use gix_hash::ObjectId;

/// Clones of repositories, outside the device.
///
/// Nothing that they give is believed: an object is compared with its id before it is stored.
pub trait CloneSource {
    /// An object, if a clone has it. The error is one line, and is reported.
    fn object(&mut self, id: &ObjectId) -> Result<Option<Object>, String>;

    /// The references of the clone of this repository; none when there is no clone of it.
    fn references(&mut self, repository: &str) -> Vec<Reference>;
}

/// No clones: what can be repaired is repaired from the device itself.
pub struct NoClones;

impl CloneSource for NoClones {
    fn object(&mut self, _id: &ObjectId) -> Result<Option<Object>, String> {
        Ok(None)
    }

    fn references(&mut self, _repository: &str) -> Vec<Reference> {
        Vec::new()
    }
}
