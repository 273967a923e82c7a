//! Properties: what PROPFIND reads, PROPPATCH writes, and reports select.

use super::{
    DavError,
    location::Location,
    resource::Resource,
    xml::{Element, Name},
};
use crate::{RequestBody, ResponseBody, Service, collection::Collection, realm::User, snapshot::File};
use http::{Request, Response, StatusCode};

/// Which properties are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PropertyRequest {
    /// `DAV:allprop`, and those of `DAV:include`.
    All(Vec<Name>),
    /// `DAV:propname`.
    Names,
    /// `DAV:prop`.
    Listed(Vec<Name>),
}

impl PropertyRequest {
    /// Reads the children `DAV:prop`, `DAV:allprop` (with `DAV:include`) or `DAV:propname` of a request.
    pub(super) fn parse(_parent: &Element) -> Result<Self, DavError> {
        todo()
    }
}

/// Gives `CALDAV:calendar-data` of a file to reports.
pub(super) type CalendarData<'a> = &'a dyn Fn(&File) -> Result<String, DavError>;

/// Appends the `D:response` of one resource: its properties by status.
pub(super) fn write_response(
    _out: &mut String,
    _service: &Service,
    _user: &User,
    _resource: &Resource,
    _request: &PropertyRequest,
    _calendar_data: Option<CalendarData<'_>>,
) {
}

/// Sets the properties of the `DAV:set` elements of a MKCOL or MKCALENDAR body on a new collection.
///
/// # Errors
/// The element of the answer (RFC 5689 §3, RFC 4791 §5.3.1) where one cannot be set; nothing is to be made.
pub(super) fn set_initial(_collection: &mut Collection, _body: &Element) -> Result<(), DavError> {
    todo()
}

pub(super) async fn propfind(
    _service: &Service,
    _user: &User,
    _location: &Location,
    _request: Request<RequestBody>,
) -> Result<Response<ResponseBody>, DavError> {
    todo()
}

pub(super) async fn proppatch(
    _service: &Service,
    _user: &User,
    _location: &Location,
    _request: Request<RequestBody>,
) -> Result<Response<ResponseBody>, DavError> {
    todo()
}

fn todo<T>() -> Result<T, DavError> {
    Err(DavError::new(StatusCode::NOT_IMPLEMENTED, "not yet"))
}
