//! What the Solo5 targets share: the notes in the image, and the manifest of devices.
//!
//! See `include/elf_abi.h` and `include/mft_abi.h` of Solo5 0.12.

pub mod manifest;
pub mod note;
