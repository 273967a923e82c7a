//! How objects are encoded.

#![allow(dead_code)] // until the device format uses all of it

pub(crate) mod delta;
pub(crate) mod entry;
pub(crate) mod zlib;
