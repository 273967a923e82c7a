//! The methods of HTTP and WebDAV but for those about properties and reports.

mod calendar_object;
mod calendar_stream;
mod chunks;
mod conditions;
mod copy_move;
mod delete;
mod edit;
mod entity_tag;
mod get;
mod if_header;
mod listing;
mod message;
mod mkcol;
mod options;
mod put;
mod range;
mod survey;
mod target;

pub(super) use conditions::Conditions;
pub(super) use copy_move::copy_or_move;
pub(super) use delete::delete;
pub(super) use get::get;
pub(super) use mkcol::{mkcalendar, mkcol};
pub(super) use options::{not_allowed, options};
pub(super) use put::put;
