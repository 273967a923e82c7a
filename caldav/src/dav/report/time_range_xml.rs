//! The attributes `start` and `end` of CALDAV:time-range, CALDAV:expand and their like (RFC 4791 §9.9).

use crate::dav::xml::Element;
use kalends_icalendar::{TimeRange, value::DateOrTime};

/// Reads the attributes, of which one may be missing.
///
/// # Errors
/// Says what is wrong: neither is there, one is no UTC date with time, or the end is not after the start.
pub(super) fn parse(element: &Element) -> Result<TimeRange, String> {
    let name = element.name.local();
    let time = |attribute: &str| match element.attribute(attribute) {
        None => Ok(None),
        Some(text) => match DateOrTime::parse(text.trim()) {
            Some(DateOrTime::Utc(time)) => Ok(Some(time)),
            _ => Err(format!("{attribute} of {name} is not like 20260131T120000Z but {text:?}")),
        },
    };
    let range = TimeRange { start: time("start")?, end: time("end")? };
    match (range.start, range.end) {
        (None, None) => Err(format!("{name} has neither start nor end")),
        (Some(start), Some(end)) if end <= start => Err(format!("{name} ends before it starts")),
        _ => Ok(range),
    }
}

/// As [`parse`], with both attributes.
pub(super) fn parse_closed(element: &Element) -> Result<TimeRange, String> {
    let range = parse(element)?;
    match range {
        TimeRange { start: Some(_), end: Some(_) } => Ok(range),
        _ => Err(format!("{} has both start and end", element.name.local())),
    }
}
