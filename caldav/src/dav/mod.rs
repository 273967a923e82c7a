//! WebDAV and CalDAV.

#[allow(dead_code, reason = "its users follow")]
pub(crate) mod xml;
#[allow(dead_code, reason = "its users follow")]
pub(crate) mod xml_writer;

use crate::{RequestBody, ResponseBody, Service, empty, realm::User};
use http::{Request, Response, StatusCode, header};

/// RFC 6764 §5: where the service is.
pub(crate) fn well_known() -> Response<ResponseBody> {
    let mut response = Response::new(empty());
    *response.status_mut() = StatusCode::MOVED_PERMANENTLY;
    response.headers_mut().insert(header::LOCATION, header::HeaderValue::from_static("/dav/"));
    response
}

/// Answers a request below `/dav/`.
pub(crate) async fn handle(
    _service: &Service,
    _user: &User,
    _request: Request<RequestBody>,
) -> Response<ResponseBody> {
    let mut response = Response::new(empty());
    *response.status_mut() = StatusCode::NOT_IMPLEMENTED;
    response
}
