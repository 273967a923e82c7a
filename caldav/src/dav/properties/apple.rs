//! How calendars look in lists: the properties that Apple's Calendar began and most clients share.

use super::{live::LiveProperty, subject::Subject, write::Context};
use crate::{
    collection::Collection,
    dav::{error::DavError, xml::Element, xml_writer::text},
};
use http::StatusCode;
use std::fmt::Write;

pub(super) static PROPERTIES: [LiveProperty; 2] = [
    LiveProperty::apple("calendar-color", calendar_color).writable(set_calendar_color),
    LiveProperty::apple("calendar-order", calendar_order).writable(set_calendar_order),
];

fn calendar_color(out: &mut String, _: &Context<'_>, subject: &Subject<'_>) -> Result<bool, DavError> {
    let Some(color) = subject.directory().and_then(|directory| directory.collection.color.as_deref()) else {
        return Ok(false);
    };
    text(out, color);
    Ok(true)
}

/// An empty value is none: clients that have nothing to choose a colour with send one.
fn set_calendar_color(collection: &mut Collection, element: Option<&Element>) -> Result<(), DavError> {
    let content = element.map(Element::text).unwrap_or_default();
    let color = content.trim();
    if color.is_empty() {
        collection.color = None;
        return Ok(());
    }
    let digits = color.strip_prefix('#').filter(|digits| matches!(digits.len(), 6 | 8));
    if !digits.is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit())) {
        let reason = "calendar-color must be written #RRGGBB or #RRGGBBAA";
        return Err(DavError::new(StatusCode::CONFLICT, reason));
    }
    collection.color = Some(color.into());
    Ok(())
}

fn calendar_order(out: &mut String, _: &Context<'_>, subject: &Subject<'_>) -> Result<bool, DavError> {
    let Some(order) = subject.directory().and_then(|directory| directory.collection.order) else {
        return Ok(false);
    };
    let _ = write!(out, "{order}");
    Ok(true)
}

/// An empty value is none.
fn set_calendar_order(collection: &mut Collection, element: Option<&Element>) -> Result<(), DavError> {
    let content = element.map(Element::text).unwrap_or_default();
    collection.order = match content.trim() {
        "" => None,
        number => Some(number.parse().map_err(|_| {
            DavError::new(StatusCode::CONFLICT, "calendar-order must be a whole number of 64 bits")
        })?),
    };
    Ok(())
}
