//! WebDAV and CalDAV, over a service in this process.

mod discovery;
mod multistatus;
mod propfind;
mod proppatch;
mod server;
