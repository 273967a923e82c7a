//! WebDAV and CalDAV, over a service in this process.

mod copy_move;
mod delete;
mod get;
mod mkcol;
mod options;
mod put;
mod server;
