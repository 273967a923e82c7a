//! Writing a pack and its index into an extent of the device, piece by piece.

use super::{
    plan::Plan,
    policy::{self, Effort},
};
use crate::{
    Error, Pace,
    core::Core,
    extent_writer::{ExtentWriter, WrittenExtent},
    format::{
        operation::PackPlace,
        pack_index::{self, Ends},
    },
    group_commit,
    objects::pack::TRAILER,
};
use gix_hash::ObjectId;
use sha1::{Digest, Sha1};
use std::rc::Rc;

/// Bytes after which the device is flushed, so that the flush of a change never has much of a pack to write.
const FLUSH_AFTER: u64 = 2 << 20;

/// A pack that is being written. Dropped before its end, it leaves nothing.
pub(super) struct PackOutput {
    core: Rc<Core>,
    extent: ExtentWriter,
    hasher: Sha1,
    /// Where the pack had come to when the device was flushed last.
    flushed: u64,
}

/// A pack that is whole and durable, and belongs to no repository yet. Dropped, it leaves nothing.
pub(super) struct WrittenPack {
    pub(super) place: PackPlace,
    pub(super) extent: WrittenExtent,
}

impl PackOutput {
    /// Finds room for the pack of a plan and an index that names these ends, and writes the header of the pack.
    ///
    /// # Errors
    /// [`Error::DeviceFull`].
    pub(super) async fn begin(
        core: &Rc<Core>,
        plan: &Plan,
        ends: &Ends,
        effort: Effort,
    ) -> Result<Self, Error> {
        let reserve = policy::reserve(&core.state.borrow(), core.capacity.get(), effort);
        let needed = 12 + plan.bound + TRAILER + u64::from(core.disk.block_size);
        let extent = ExtentWriter::of_size(core, needed + pack_index::length(plan.len(), ends)?, reserve)?;
        let mut output = Self { core: core.clone(), extent, hasher: Sha1::new(), flushed: 0 };
        let count = u32::try_from(plan.len()).map_err(|_| Error::Limit("objects in a pack".into()))?;
        output.append(&gix_pack::data::header::encode(gix_pack::data::Version::V2, count)).await?;
        Ok(output)
    }

    /// Bytes of the pack so far.
    pub(super) fn offset(&self) -> u64 {
        self.extent.length()
    }

    /// The pack goes on with these bytes.
    pub(super) async fn append(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.core.state.borrow().check_writable()?;
        self.hasher.update(bytes);
        note_failure(&self.core, self.extent.append_within(bytes))?;
        if self.offset() - self.flushed >= FLUSH_AFTER {
            self.flushed = self.offset();
            flush(&self.core).await?;
        }
        Ok(())
    }

    /// Ends the pack, writes its index, and makes both durable.
    pub(super) async fn finish(mut self, plan: Plan, ends: &Ends, pace: &Pace) -> Result<WrittenPack, Error> {
        let checksum = ObjectId::Sha1(self.hasher.finalize().into());
        let core = self.core;
        note_failure(&core, self.extent.append_within(checksum.as_slice()))?;
        let pack_length = self.extent.length();
        note_failure(&core, self.extent.pad_to_block())?;
        let index_offset = self.extent.length();
        let mut records = plan.into_records();
        pace.spend(1 << 20).await;
        let extent = &mut self.extent;
        let written =
            pack_index::write(&mut records, &checksum, ends, &mut |bytes| extent.append_within(bytes));
        let (index_length, index_checksum) = note_failure(&core, written)?;
        let extent = note_failure(&core, self.extent.finish())?;
        flush(&core).await?;
        let place =
            PackPlace { extent: extent.extent(), pack_length, index_offset, index_length, index_checksum };
        Ok(WrittenPack { place, extent })
    }
}

async fn flush(core: &Core) -> Result<(), Error> {
    let flushed = core.disk.device.flush_async().await;
    note_failure(core, flushed.map_err(Error::from))
}

/// When the device fails to write, the store takes no more writes.
fn note_failure<T>(core: &Core, result: Result<T, Error>) -> Result<T, Error> {
    if let Err(error @ Error::Device(_)) = &result {
        group_commit::fail(&mut core.state.borrow_mut(), error.clone());
    }
    result
}
