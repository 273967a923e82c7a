//! WebDAV and CalDAV, over a service in this process.

mod appendix_b;
mod copy_move;
mod delete;
mod discovery;
mod free_busy;
mod get;
mod mkcol;
mod multiget;
mod multistatus;
mod options;
mod propfind;
mod proppatch;
mod put;
mod query;
mod server;
mod sync;
