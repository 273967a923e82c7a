//! Reports (RFC 3253 §3.6, RFC 4791 §7, RFC 6578).

use super::{DavError, location::Location};
use crate::{RequestBody, ResponseBody, Service, realm::User};
use http::{Request, Response, StatusCode};

pub(super) async fn report(
    _service: &Service,
    _user: &User,
    _location: &Location,
    _request: Request<RequestBody>,
) -> Result<Response<ResponseBody>, DavError> {
    Err(DavError::new(StatusCode::NOT_IMPLEMENTED, "not yet"))
}
