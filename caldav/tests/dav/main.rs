//! WebDAV and CalDAV, over a service in this process.

mod multistatus;
mod options;
mod propfind;
mod server;
