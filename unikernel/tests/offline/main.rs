//! The commands that work on a device without a server: `fsck`, `export`, `passwd`.

mod devices;
mod export;
mod fsck;
mod passwd;
