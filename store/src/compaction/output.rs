//! Writing a pack and its index into an extent of the device, piece by piece.

use super::{
    plan::{Plan, Planned},
    policy::{self, Effort},
};
use crate::{
    Error, Pace,
    core::{Core, State},
    format::{layout::Extent, operation::PackPlace},
    group_commit,
};
use gix_hash::ObjectId;
use sha1::{Digest, Sha1};
use std::rc::Rc;
use xxhash_rust::xxh3::Xxh3;

/// Bytes that are handed to the device at once.
const PIECE: usize = 128 << 10;
/// Bytes after which the device is flushed, so that the flush of a change never has much of a pack to write.
const FLUSH_AFTER: u64 = 2 << 20;
/// Checksum at the end of a pack; an index has two.
const TRAILER: u64 = 20;
/// From here on, offsets are kept in the index's table of 64-bit offsets.
const LARGE: u64 = 1 << 31;

/// An extent that is being written. Unless the pack in it is adopted it is free again in the end.
struct Reservation {
    core: Rc<Core>,
    extent: Extent,
}

impl Reservation {
    fn new(core: &Rc<Core>, bytes: u64, effort: Effort) -> Result<Self, Error> {
        let mut state = core.state.borrow_mut();
        state.check_writable()?;
        let reserve = policy::reserve(&state, core.capacity.get(), effort);
        let extent = Extent::count_for(bytes).and_then(|count| state.space.allocate(count, reserve));
        let extent = extent.ok_or(Error::DeviceFull)?;
        state.writing.push(extent);
        Ok(Self { core: core.clone(), extent })
    }

    /// Frees all but the first segments, which hold so many bytes.
    fn shrink(&mut self, bytes: u64) -> Result<(), Error> {
        let count = Extent::count_for(bytes).filter(|count| *count <= self.extent.count);
        let count = count.ok_or_else(|| Error::Limit("a pack is larger than was computed".into()))?;
        let kept = Extent { count, ..self.extent };
        let rest = Extent { first: kept.first + count, count: self.extent.count - count };
        let mut state = self.core.state.borrow_mut();
        state.writing.retain(|extent| *extent != self.extent);
        state.writing.push(kept);
        state.space.free(rest);
        self.extent = kept;
        Ok(())
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if self.extent.count > 0 {
            let mut state = self.core.state.borrow_mut();
            state.writing.retain(|extent| *extent != self.extent);
            state.space.free(self.extent);
        }
    }
}

/// A pack that is whole and durable, and belongs to no repository yet. Dropped, it leaves nothing.
pub(super) struct WrittenPack {
    pub(super) place: PackPlace,
    reservation: Reservation,
}

impl WrittenPack {
    /// A repository has it: its extent is in use.
    pub(super) fn adopted(mut self, state: &mut State) {
        state.writing.retain(|extent| *extent != self.reservation.extent);
        self.reservation.extent.count = 0;
    }
}

/// Writes to the device in order.
struct Appender {
    /// Where the buffer belongs on the device; a multiple of the block size.
    at: u64,
    end: u64,
    buffer: Vec<u8>,
    unflushed: u64,
}

impl Appender {
    async fn append(&mut self, core: &Core, bytes: &[u8]) -> Result<(), Error> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= PIECE {
            let whole = self.buffer.len() / core.disk.block_size as usize * core.disk.block_size as usize;
            self.write(core, whole).await?;
        }
        Ok(())
    }

    async fn write(&mut self, core: &Core, length: usize) -> Result<(), Error> {
        if self.at + length as u64 > self.end {
            return Err(Error::Limit("a pack is larger than was computed".into()));
        }
        core.state.borrow().check_writable()?;
        let (piece, _) = self.buffer.split_at(length);
        core.disk.write(self.at, piece).inspect_err(|error| fail(core, error))?;
        self.at += (length as u64).next_multiple_of(core.disk.block_size.into());
        self.unflushed += length as u64;
        self.buffer.drain(..length);
        if self.unflushed >= FLUSH_AFTER {
            self.flush(core).await?;
        }
        Ok(())
    }

    async fn flush(&mut self, core: &Core) -> Result<(), Error> {
        self.unflushed = 0;
        let flushed = core.disk.device.flush_async().await.map_err(Error::from);
        flushed.inspect_err(|error| fail(core, error))
    }
}

/// A pack that is being written. Dropped before its end, it leaves nothing.
pub(super) struct PackOutput {
    reservation: Reservation,
    appender: Appender,
    hasher: Sha1,
    /// Bytes of the pack so far.
    pub(super) offset: u64,
}

impl PackOutput {
    /// Finds room for the pack of a plan, and writes its header.
    ///
    /// # Errors
    /// [`Error::DeviceFull`].
    pub(super) async fn begin(core: &Rc<Core>, plan: &Plan, effort: Effort) -> Result<Self, Error> {
        let reservation = Reservation::new(core, bytes_needed(plan, core.disk.block_size), effort)?;
        let extent = reservation.extent;
        let (at, end) = (extent.offset(), extent.offset() + extent.length());
        let appender = Appender { at, end, buffer: Vec::with_capacity(2 * PIECE), unflushed: 0 };
        let mut output = Self { reservation, appender, hasher: Sha1::new(), offset: 0 };
        let count = u32::try_from(plan.len()).map_err(|_| Error::Limit("objects in a pack".into()))?;
        output.append(&gix_pack::data::header::encode(gix_pack::data::Version::V2, count)).await?;
        Ok(output)
    }

    /// The pack goes on with these bytes.
    pub(super) async fn append(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.hasher.update(bytes);
        self.offset += bytes.len() as u64;
        self.appender.append(&self.reservation.core, bytes).await
    }

    /// Ends the pack, writes its index, and makes both durable.
    pub(super) async fn finish(mut self, plan: &Plan, pace: &Pace) -> Result<WrittenPack, Error> {
        let core = self.reservation.core.clone();
        let checksum = self.hasher.finalize();
        self.appender.append(&core, &checksum).await?;
        let pack_length = self.offset + TRAILER;
        let rest = self.appender.buffer.len();
        self.appender.write(&core, rest).await?;
        let index_offset = pack_length.next_multiple_of(core.disk.block_size.into());
        let mut index =
            IndexOutput { appender: self.appender, hasher: Sha1::new(), digest: Xxh3::new(), length: 0 };
        index.write(&core, plan, checksum.as_slice(), pace).await?;
        let trailer = index.hasher.clone().finalize();
        index.append(&core, &trailer).await?;
        let rest = index.appender.buffer.len();
        index.appender.write(&core, rest).await?;
        index.appender.flush(&core).await?;
        self.reservation.shrink(index_offset + index.length)?;
        let place = PackPlace {
            extent: self.reservation.extent,
            pack_length,
            index_offset,
            index_length: index.length,
            index_checksum: index.digest.digest(),
        };
        Ok(WrittenPack { place, reservation: self.reservation })
    }
}

/// The device failed: the store takes no more writes.
fn fail(core: &Core, error: &Error) {
    group_commit::fail(&mut core.state.borrow_mut(), error.clone());
}

/// What a pack and its index take at most.
fn bytes_needed(plan: &Plan, block_size: u32) -> u64 {
    let objects = plan.len() as u64;
    let pack = 12 + plan.bound + TRAILER;
    let entry = if pack >= LARGE { 36 } else { 28 };
    pack.next_multiple_of(block_size.into())
        + 8
        + 1024
        + entry * objects
        + 2 * TRAILER
        + u64::from(block_size)
}

/// Writes an index of version 2 (gitformat-pack(5)).
struct IndexOutput {
    appender: Appender,
    hasher: Sha1,
    digest: Xxh3,
    length: u64,
}

impl IndexOutput {
    async fn append(&mut self, core: &Core, bytes: &[u8]) -> Result<(), Error> {
        self.hasher.update(bytes);
        self.digest.update(bytes);
        self.length += bytes.len() as u64;
        self.appender.append(core, bytes).await
    }

    async fn write(&mut self, core: &Core, plan: &Plan, pack: &[u8], pace: &Pace) -> Result<(), Error> {
        self.append(core, b"\xfftOc\0\0\0\x02").await?;
        let fanout: Vec<u8> = plan.fanout().flat_map(u32::to_be_bytes).collect();
        self.append(core, &fanout).await?;
        self.table(core, plan, pace, |planned, out| out.extend_from_slice(planned.id.as_slice())).await?;
        self.table(core, plan, pace, |planned, out| out.extend_from_slice(&planned.crc32.to_be_bytes()))
            .await?;
        let mut large = 0_u32;
        self.table(core, plan, pace, |planned, out| {
            let offset = if planned.offset < LARGE {
                planned.offset as u32
            } else {
                large += 1;
                LARGE as u32 | (large - 1)
            };
            out.extend_from_slice(&offset.to_be_bytes());
        })
        .await?;
        self.table(core, plan, pace, |planned, out| {
            if planned.offset >= LARGE {
                out.extend_from_slice(&planned.offset.to_be_bytes());
            }
        })
        .await?;
        self.append(core, pack).await
    }

    /// Writes something of each object, in the order of ids.
    async fn table(
        &mut self,
        core: &Core,
        plan: &Plan,
        pace: &Pace,
        mut encode: impl FnMut(&Planned, &mut Vec<u8>),
    ) -> Result<(), Error> {
        for part in plan.parts() {
            let mut bytes =
                Vec::with_capacity(part.len() * ObjectId::null(gix_hash::Kind::Sha1).as_slice().len());
            part.iter().for_each(|planned| encode(planned, &mut bytes));
            self.append(core, &bytes).await?;
            pace.spend(bytes.len() as u64 + 100).await;
        }
        Ok(())
    }
}
