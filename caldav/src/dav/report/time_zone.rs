//! The zone of dates and floating times in a report: that of the request, else of the calendar, else UTC
//! (RFC 4791 §7.3, RFC 7809 §5.2).

use crate::{
    collection::Collection,
    dav::{
        DavError,
        xml::{CALDAV, Element},
    },
};
use http::StatusCode;
use kalends_icalendar::{CalendarObject, Limits, Zone};

/// The zone that a report names by `CALDAV:timezone` or `CALDAV:timezone-id`, if it does.
///
/// # Errors
/// 403 `CALDAV:valid-calendar-data` for what is no VTIMEZONE, `CALDAV:valid-timezone` for a name that is not
/// known, 400 for both elements.
pub(super) fn of_request(report: &Element) -> Result<Option<Zone>, DavError> {
    match (report.element(CALDAV, "timezone"), report.element(CALDAV, "timezone-id")) {
        (None, None) => Ok(None),
        (Some(_), Some(_)) => {
            let reason = "a request has a timezone or a timezone-id, not both";
            Err(DavError::new(StatusCode::BAD_REQUEST, reason))
        }
        (Some(timezone), None) => of_text(timezone.text().trim()).map(Some).ok_or_else(|| {
            let reason = "the timezone of the request is no iCalendar object with one VTIMEZONE";
            DavError::caldav(StatusCode::FORBIDDEN, "valid-calendar-data", reason)
        }),
        (None, Some(id)) => Zone::named(id.text().trim()).map(Some).ok_or_else(|| {
            let reason = format!("no time zone is known as {:?}", id.text().trim());
            DavError::caldav(StatusCode::FORBIDDEN, "valid-timezone", reason)
        }),
    }
}

/// The zone of a collection: its `calendar-timezone`, else UTC.
pub(super) fn of_collection(collection: &Collection) -> Zone {
    collection.timezone.as_deref().and_then(of_text).unwrap_or(Zone::Utc)
}

fn of_text(text: &str) -> Option<Zone> {
    // The last line may lack its end, as the text of an element is often written without.
    let object = CalendarObject::parse(format!("{text}\r\n"), &Limits::default()).ok()?;
    let root = object.root();
    let mut zones = root.components().filter(|component| component.is("VTIMEZONE"));
    match (zones.next(), zones.next()) {
        (Some(only), None) => Zone::of_vtimezone(&only),
        _ => None,
    }
}
