//! WebDAV and CalDAV, over a service in this process.

mod options;
mod server;
