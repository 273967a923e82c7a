//! WebDAV and CalDAV, over a service in this process.

mod delete;
mod get;
mod mkcol;
mod options;
mod put;
mod server;
