//! The methods of HTTP and WebDAV but for those about properties and reports.

use super::{DavError, bare, location::Location, refuse_method};
use crate::{RequestBody, ResponseBody, Service, realm::User};
use http::{HeaderValue, Method, Request, Response, StatusCode, header};

/// What a collection in a home takes.
const ALLOWED: &str =
    "OPTIONS, GET, HEAD, PUT, DELETE, MKCOL, MKCALENDAR, COPY, MOVE, PROPFIND, PROPPATCH, REPORT";

/// OPTIONS.
pub(super) fn options(_location: &Location) -> Result<Response<ResponseBody>, DavError> {
    let mut response = bare(StatusCode::OK);
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(ALLOWED));
    Ok(response)
}

/// A method that is none of WebDAV's.
pub(super) fn not_allowed(_location: &Location, method: &Method) -> Result<Response<ResponseBody>, DavError> {
    Ok(refuse_method(method, ALLOWED))
}

fn todo() -> Result<Response<ResponseBody>, DavError> {
    Err(DavError::new(StatusCode::NOT_IMPLEMENTED, "not yet"))
}

pub(super) fn get(
    _service: &Service,
    _user: &User,
    _location: &Location,
    _request: &Request<RequestBody>,
) -> Result<Response<ResponseBody>, DavError> {
    todo()
}

pub(super) async fn put(
    _service: &Service,
    _user: &User,
    _location: &Location,
    _request: Request<RequestBody>,
) -> Result<Response<ResponseBody>, DavError> {
    todo()
}

pub(super) async fn delete(
    _service: &Service,
    _user: &User,
    _location: &Location,
    _request: &Request<RequestBody>,
) -> Result<Response<ResponseBody>, DavError> {
    todo()
}

pub(super) async fn mkcol(
    _service: &Service,
    _user: &User,
    _location: &Location,
    _request: Request<RequestBody>,
) -> Result<Response<ResponseBody>, DavError> {
    todo()
}

pub(super) async fn mkcalendar(
    _service: &Service,
    _user: &User,
    _location: &Location,
    _request: Request<RequestBody>,
) -> Result<Response<ResponseBody>, DavError> {
    todo()
}

pub(super) async fn copy_or_move(
    _service: &Service,
    _user: &User,
    _location: &Location,
    _request: &Request<RequestBody>,
) -> Result<Response<ResponseBody>, DavError> {
    todo()
}
