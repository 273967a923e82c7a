//! Properties: what PROPFIND reads, PROPPATCH writes, and reports select.
//!
//! Every live property is one row in the table of its group (`webdav`, `principal`, `caldav`, `sync`,
//! `apple`): its name, how its value is written, and how it is changed if it can be. What no table knows is
//! a dead property (RFC 4918 §4), kept in the `.collection.toml` of the collection.

mod apple;
mod caldav;
mod initial;
mod instructions;
mod live;
mod members;
mod principal;
mod propfind;
mod proppatch;
mod request;
mod subject;
mod sync;
mod webdav;
mod write;

pub(super) use initial::set_initial;
pub(super) use propfind::propfind;
pub(super) use proppatch::proppatch;
pub(super) use request::PropertyRequest;
pub(super) use subject::Subject;
pub(super) use write::{Context, ResponseWriter};
