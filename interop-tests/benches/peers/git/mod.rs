//! Stock git with Kalends and with `git http-backend`, over TLS and without: the same history, the same commands.

mod command;
mod server;
mod tasks;

pub(crate) use command::Git;
pub(crate) use tasks::measure;
