//! The commands that work on a device without a server: `fsck`, `repair`, `export`, `image`, `passwd`.

mod compact;
mod devices;
mod disk;
mod export;
mod fsck;
mod image;
mod passwd;
mod repair;
