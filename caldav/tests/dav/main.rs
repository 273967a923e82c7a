//! WebDAV and CalDAV, over a service in this process.

mod copy_move;
mod delete;
mod discovery;
mod get;
mod mkcol;
mod multistatus;
mod options;
mod propfind;
mod proppatch;
mod put;
mod server;
mod sync;
