//! git's pack format: packs that are received, and packs that are sent.
//!
//! Encodings of entries come from [`gix_pack`]. Reading a peer's pack is done here, entry by entry, since
//! it must be bounded in every dimension (size, number, depth, work) and must give way to other requests.

mod completion;
mod links;
mod object_check;
mod pace;
mod pack_index;
mod pack_storage;
mod receive;
mod rewrite;
mod scan;
#[cfg(test)]
mod test_pack;
mod writer;

pub use pace::Pace;
pub use receive::PackLimits;

pub(crate) use completion::complete;
pub(crate) use links::LinkCheck;
pub(crate) use object_check::check_object;
pub(crate) use pack_index::{encode_index, records_of};
pub(crate) use pack_storage::PackStorage;
pub(crate) use receive::{PackReader, ReceivedPack};
pub(crate) use rewrite::{PackedObject, WholeEntry, write_pack};
pub(crate) use scan::{HEADER as PACK_HEADER, Scanner};
pub(crate) use writer::{PackEncoder, PackOptions};
