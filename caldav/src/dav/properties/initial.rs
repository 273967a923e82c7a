//! Properties of collections that are made: extended MKCOL (RFC 5689) and MKCALENDAR (RFC 4791 §5.3.1).

use super::instructions::{self, Outcome};
use crate::{
    ResponseBody,
    collection::Collection,
    dav::{
        DavError, multistatus,
        xml::{CALDAV, DAV, Element},
        xml_writer::{DECLARATIONS, PROLOGUE, tagged},
    },
    full,
};
use http::{HeaderValue, Response, StatusCode, header};

/// Why a collection cannot be made with these properties. Nothing is to be made.
pub(in crate::dav) struct NotMade(Why);

enum Why {
    /// The request as a whole.
    Request(DavError),
    /// Some of the properties; `calendar` tells that the method was MKCALENDAR.
    Properties { outcome: Outcome, calendar: bool },
}

impl NotMade {
    /// The answer to the request to make `href`: for MKCOL `DAV:mkcol-response` with the status of the first
    /// property that could not be set (RFC 5689 §3.4), for MKCALENDAR a multistatus (RFC 4791 §5.3.1.1).
    pub(in crate::dav) fn into_response(self, href: &str) -> Response<ResponseBody> {
        let (outcome, calendar) = match self.0 {
            Why::Request(error) => return error.into_response(),
            Why::Properties { outcome, calendar } => (outcome, calendar),
        };
        let mut propstats = String::new();
        outcome.write(&mut propstats);
        if calendar {
            let mut element = String::from("<D:response>");
            tagged(&mut element, "D:href", href);
            element.push_str(&propstats);
            element.push_str("</D:response>\n");
            return multistatus::single(element);
        }
        let body = format!("{PROLOGUE}<D:mkcol-response{DECLARATIONS}>{propstats}</D:mkcol-response>\n");
        let mut response = Response::new(full(body));
        *response.status_mut() = outcome.first_error().map_or(StatusCode::FORBIDDEN, |error| error.status);
        let content_type = HeaderValue::from_static("application/xml; charset=utf-8");
        response.headers_mut().insert(header::CONTENT_TYPE, content_type);
        response
    }
}

/// Sets the properties of the `DAV:set` elements of a MKCOL or MKCALENDAR body on a new collection: a plain
/// one, or for MKCALENDAR a calendar. `DAV:resourcetype` in a MKCOL can make it a calendar.
///
/// # Errors
/// The answer to give instead of making the collection, where a property cannot be set or the body is
/// neither `DAV:mkcol` nor `CALDAV:mkcalendar`; the collection is not to be used then.
pub(in crate::dav) fn set_initial(collection: &mut Collection, body: &Element) -> Result<(), NotMade> {
    let calendar = body.is(CALDAV, "mkcalendar");
    if !calendar && !body.is(DAV, "mkcol") {
        let reason = format!("the body must be DAV:mkcol or CALDAV:mkcalendar, not {}", body.name.local());
        return Err(NotMade(Why::Request(DavError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, reason))));
    }
    let instructions = instructions::read(body, false).map_err(|error| NotMade(Why::Request(error)))?;
    let outcome = instructions::apply(collection, None, instructions, true);
    match outcome.is_success() {
        true => Ok(()),
        false => Err(NotMade(Why::Properties { outcome, calendar })),
    }
}
