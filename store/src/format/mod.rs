//! The device format, byte for byte; `docs/store-format.md` draws it.

pub(crate) mod checkpoint;
mod codec;
pub(crate) mod frame;
pub(crate) mod layout;
pub(crate) mod operation;
pub(crate) mod pack_index;
pub(crate) mod record;
pub(crate) mod secrets;
pub(crate) mod superblock;
