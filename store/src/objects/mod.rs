//! Objects: how they are encoded, found and read.

pub(crate) mod blob_bases;
pub(crate) mod cache;
pub(crate) mod delta;
pub(crate) mod delta_search;
pub(crate) mod entry;
pub(crate) mod fetch;
pub(crate) mod id_table;
pub(crate) mod index;
pub(crate) mod pack;
pub(crate) mod page_cache;
pub(crate) mod similarity;
pub(crate) mod zlib;
