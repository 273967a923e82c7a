//! The Kalends service: CalDAV, git over HTTP and web pages over one [`kalends_store::Store`].
//!
//! It takes [`http::Request`]s and gives [`http::Response`]s; it knows no sockets, no threads and no
//! runtime. All futures are `!Send` and run on one cooperative executor.

mod body;
mod change;
#[allow(dead_code, reason = "its users follow")]
mod collection;
mod dav;
mod git_http;
mod push_policy;
pub mod realm;
mod service;
mod web;

pub use body::{BodyError, RequestBody, ResponseBody, empty, full};
pub use change::{Author, Change};
pub use service::{Service, ServiceOptions};
