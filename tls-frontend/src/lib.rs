//! From a byte stream to HTTP requests: network, TLS and the HTTP server.
//!
//! Everything runs on one thread and one cooperative executor, with `!Send` futures, hosted and as a guest.
//! The layers, from the bottom: a [`Network`] (host sockets, or the [`stack`] of its own), rustls, hyper,
//! and a [`Handler`] that this crate knows nothing about.

pub mod certificate;
mod clock;
mod handler;
pub mod host;
mod http;
mod limits;
mod network;
mod server;
mod signal;
pub mod stack;
mod timers;

pub use handler::{BodyError, Handler, RequestBody, ResponseBody};
pub use limits::Limits;
pub use network::{Listener, Network};
pub use server::{Server, Shutdown};
