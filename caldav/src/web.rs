//! Web pages for people.

use crate::{RequestBody, ResponseBody, Service, full};
use http::{Request, Response};

/// Answers a request outside `/dav/` and `/git/`.
pub(crate) async fn handle(service: &Service, _request: Request<RequestBody>) -> Response<ResponseBody> {
    Response::new(full(format!("Kalends at {}\n", service.options.hostname)))
}
