//! WebDAV and CalDAV, over a service in this process.

mod appendix_b;
mod copy_move;
mod delete;
mod discovery;
mod durability;
mod expand_property;
mod free_busy;
mod get;
mod hostile;
mod mkcol;
mod model;
mod multiget;
mod multistatus;
mod options;
mod principal_search;
mod propfind;
mod proppatch;
mod put;
mod query;
mod random;
mod server;
mod streaming;
mod sync;
