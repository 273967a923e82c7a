//! git's smart HTTP protocol: from requests to the store's wire protocol.

use crate::{RequestBody, ResponseBody, Service, empty, realm::User};
use http::{Request, Response, StatusCode};

/// Answers a request below `/git/`.
pub(crate) async fn handle(
    _service: &Service,
    _user: &User,
    _request: Request<RequestBody>,
) -> Response<ResponseBody> {
    let mut response = Response::new(empty());
    *response.status_mut() = StatusCode::NOT_IMPLEMENTED;
    response
}
