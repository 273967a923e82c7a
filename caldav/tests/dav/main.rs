//! WebDAV and CalDAV, over a service in this process.

mod multistatus;
mod propfind;
mod server;
