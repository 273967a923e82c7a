//! Stock git against the service, over a loopback HTTP server.

mod access;
mod calendar_rules;
mod clone_and_fetch;
mod http_server;
mod push;
mod working_copy;
