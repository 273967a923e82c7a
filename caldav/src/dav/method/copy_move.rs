//! COPY and MOVE (RFC 4918 §9.8, §9.9).

use crate::{
    RequestBody, ResponseBody, Service,
    dav::{DavError, location::Location},
    realm::User,
};
use http::{Request, Response, StatusCode};

/// COPY and MOVE.
pub(in crate::dav) async fn copy_or_move(
    _service: &Service,
    _user: &User,
    _location: &Location,
    _request: &Request<RequestBody>,
) -> Result<Response<ResponseBody>, DavError> {
    Err(DavError::new(StatusCode::NOT_IMPLEMENTED, "not yet"))
}
