//! The Kalends service: CalDAV, git over HTTP and web pages over one [`kalends_store::Store`].
//!
//! It takes [`http::Request`]s and gives [`http::Response`]s; it knows no sockets, no threads and no
//! runtime. All futures are `!Send` and run on one cooperative executor.

mod body;
mod change;
mod collection;
mod collection_cache;
mod collection_edit;
mod dav;
mod git_http;
mod give_way;
mod index;
mod push_policy;
pub mod realm;
mod request_body;
mod retention;
mod service;
mod snapshot;
mod stored_object;
mod web;

pub use body::{BodyError, RequestBody, ResponseBody, empty, full};
pub use change::{Author, Change};
pub use retention::retain;
pub use service::{Service, ServiceOptions};
