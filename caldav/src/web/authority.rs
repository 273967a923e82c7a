//! The certificate that devices must trust when the server signs its own.

use crate::{ResponseBody, empty, full};
use http::{HeaderValue, Method, Response, header};

/// Where it is.
pub(super) const PATH: &str = "/kalends-ca.pem";

/// The certificate with the type that telephones install certificates by.
pub(super) fn response(pem: &str, method: &Method) -> Response<ResponseBody> {
    let body = if *method == Method::HEAD { empty() } else { full(pem.to_owned()) };
    let mut response = Response::new(body);
    for (name, value) in [
        (header::CONTENT_TYPE, "application/x-x509-ca-cert"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"kalends-ca.pem\""),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}
