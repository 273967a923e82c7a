//! Refusals: a status, the precondition that was not met, and a line for people.

use super::{
    xml::{CALDAV, DAV},
    xml_writer::{self, DECLARATIONS, PROLOGUE},
};
use crate::{ResponseBody, full};
use http::{HeaderValue, Response, StatusCode, header};
use kalends_icalendar::Violation;
use kalends_store::Error;
use std::fmt;

/// A pre- or postcondition (RFC 4918 §16): an element in `DAV:error`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Condition {
    /// Its namespace, [`DAV`] or [`CALDAV`].
    pub(crate) namespace: &'static str,
    /// Its local name.
    pub(crate) name: &'static str,
    /// URLs inside it, each in a `DAV:href`.
    pub(crate) hrefs: Vec<String>,
}

/// Why a request is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DavError {
    /// The status.
    pub(crate) status: StatusCode,
    /// The condition that was not met, where a specification names one.
    pub(crate) condition: Option<Condition>,
    /// What is wrong, for people: a sentence without a full stop.
    pub(crate) reason: String,
}

impl DavError {
    /// A refusal without a named condition.
    pub(crate) fn new(status: StatusCode, reason: impl Into<String>) -> Self {
        Self { status, condition: None, reason: reason.into() }
    }

    /// A refusal with a condition of RFC 4918, 3253, 5689 or 6578.
    pub(crate) fn dav(status: StatusCode, name: &'static str, reason: impl Into<String>) -> Self {
        Self::with(status, DAV, name, reason)
    }

    /// A refusal with a condition of RFC 4791.
    pub(crate) fn caldav(status: StatusCode, name: &'static str, reason: impl Into<String>) -> Self {
        Self::with(status, CALDAV, name, reason)
    }

    fn with(
        status: StatusCode,
        namespace: &'static str,
        name: &'static str,
        reason: impl Into<String>,
    ) -> Self {
        let condition = Some(Condition { namespace, name, hrefs: Vec::new() });
        Self { status, condition, reason: reason.into() }
    }

    /// Names a resource in the condition.
    pub(crate) fn naming(mut self, href: impl Into<String>) -> Self {
        if let Some(condition) = &mut self.condition {
            condition.hrefs.push(href.into());
        }
        self
    }

    /// What a calendar object breaks: 403 with the condition of the first violation (RFC 4791 §5.3.2.1).
    pub(crate) fn violations(violations: &[Violation]) -> Self {
        match violations.first() {
            Some(first) => {
                let lines: Vec<_> = violations.iter().map(|violation| format!("line {violation}")).collect();
                Self::caldav(StatusCode::FORBIDDEN, first.precondition.element_name(), lines.join("\n"))
            }
            None => Self::caldav(StatusCode::FORBIDDEN, "valid-calendar-data", "not a calendar object"),
        }
    }

    /// The element `DAV:error` with the condition, where there is one; inside a root with
    /// [`DECLARATIONS`].
    pub(crate) fn write_element(&self, out: &mut String) {
        let Some(condition) = &self.condition else { return };
        out.push_str("<D:error>");
        self.write_condition(out, condition);
        out.push_str("</D:error>");
    }

    fn write_condition(&self, out: &mut String, condition: &Condition) {
        let prefix = if condition.namespace == CALDAV { "C" } else { "D" };
        let name = condition.name;
        if condition.hrefs.is_empty() {
            out.push_str(&format!("<{prefix}:{name}/>"));
            return;
        }
        out.push_str(&format!("<{prefix}:{name}>"));
        for href in &condition.hrefs {
            xml_writer::tagged(out, "D:href", href);
        }
        out.push_str(&format!("</{prefix}:{name}>"));
    }

    /// The answer to the request: `DAV:error` if a condition is named, else plain text.
    pub(crate) fn into_response(self) -> Response<ResponseBody> {
        let (content_type, body) = match &self.condition {
            Some(condition) => {
                let mut out = format!("{PROLOGUE}<D:error{DECLARATIONS}>");
                self.write_condition(&mut out, condition);
                // For people; clients pass over elements that they do not know (RFC 4918 §17).
                out.push_str("<K:reason xmlns:K=\"urn:kalends\">");
                xml_writer::text(&mut out, &self.reason);
                out.push_str("</K:reason></D:error>\n");
                ("application/xml; charset=utf-8", out)
            }
            None => ("text/plain; charset=utf-8", format!("{}\n", self.reason)),
        };
        let mut response = Response::new(full(body));
        *response.status_mut() = self.status;
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

impl fmt::Display for DavError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.status, self.reason)
    }
}

impl From<Error> for DavError {
    fn from(error: Error) -> Self {
        match error {
            // RFC 4331 §6 names the condition; the status is RFC 4918 §11.5.
            Error::DeviceFull => Self::dav(
                StatusCode::INSUFFICIENT_STORAGE,
                "sufficient-disk-space",
                "the device is full; nothing was changed. The server makes room where it can: try again in a minute, \
                 or enlarge the device",
            ),
            Error::Limit(what) => Self::new(StatusCode::PAYLOAD_TOO_LARGE, format!("limit exceeded: {what}")),
            Error::InvalidName(name) => {
                Self::new(StatusCode::FORBIDDEN, format!("{name:?} cannot be a name in git"))
            }
            Error::ReferenceConflict { .. } => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "another change came between; nothing was changed. Try again",
            ),
            error => Self::new(StatusCode::INTERNAL_SERVER_ERROR, format!("the store failed: {error}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dav::xml;
    use http_body_util::BodyExt;

    fn body(response: Response<ResponseBody>) -> Vec<u8> {
        let body = futures_util::FutureExt::now_or_never(response.into_body().collect()).unwrap();
        body.unwrap().to_bytes().to_vec()
    }

    #[test]
    fn a_condition_is_an_element_of_an_error_document() {
        let error = DavError::caldav(StatusCode::FORBIDDEN, "no-uid-conflict", "UID <1> is taken")
            .naming("/dav/calendars/ada/work/a&b.ics");
        let response = error.into_response();
        assert_eq!(response.status(), 403);
        let root = xml::parse(&body(response)).unwrap();
        assert!(root.is(DAV, "error"));
        let condition = root.element(CALDAV, "no-uid-conflict").unwrap();
        assert_eq!(condition.element(DAV, "href").unwrap().text(), "/dav/calendars/ada/work/a&b.ics");
        assert_eq!(root.element("urn:kalends", "reason").unwrap().text(), "UID <1> is taken");
    }

    #[test]
    fn a_full_device_is_507() {
        let response = DavError::from(Error::DeviceFull).into_response();
        assert_eq!(response.status(), 507);
        let root = xml::parse(&body(response)).unwrap();
        assert!(root.element(DAV, "sufficient-disk-space").is_some());
    }
}
