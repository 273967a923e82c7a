//! The load generator: one for all servers, and as lean as can be, so that what is measured is the server.
//!
//! Requests are encoded before the clock starts. A connection has one buffer, reads what has come in large
//! pieces, looks at three headers and allocates nothing but the body. One thread drives many connections, so
//! that they take no more of the machine than one. [`ceiling`] measures how many requests
//! it makes when the server does next to nothing.

pub(crate) mod ceiling;
mod connection;
mod drive;

pub(crate) use connection::{Address, Client, Request};
pub(crate) use drive::{
    Failure, Load, Samples, connect_again_and_again, in_turn, one_after_another, side_by_side,
};
