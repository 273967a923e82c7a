//! What tells clients that a collection has changed: `sync-token` (RFC 6578 §4) and Calendar Server's
//! `getctag`, both made of the id of the collection's tree.

use super::{live::LiveProperty, subject::Subject, write::Context};
use crate::dav::{error::DavError, sync_token::sync_token};
use std::fmt::Write;

pub(super) static PROPERTIES: [LiveProperty; 2] =
    [LiveProperty::dav("sync-token", token), LiveProperty::calendar_server("getctag", getctag)];

fn token(out: &mut String, _: &Context<'_>, subject: &Subject<'_>) -> Result<bool, DavError> {
    let Subject::Collection { path, directory, .. } = subject else { return Ok(false) };
    out.push_str(&sync_token(path, directory));
    Ok(true)
}

fn getctag(out: &mut String, _: &Context<'_>, subject: &Subject<'_>) -> Result<bool, DavError> {
    let Some(directory) = subject.directory() else { return Ok(false) };
    let _ = write!(out, "{}", directory.id);
    Ok(true)
}
