//! Web pages for people: how to connect, and what is in their calendars.
//!
//! Pages hold no script, and take nothing from other servers.

mod authority;
mod history;
mod overview;
mod page;
mod welcome;

use crate::{RequestBody, ResponseBody, Service, empty, full, realm::User};
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use page::Page;

/// The page that needs a password.
pub(crate) const OVERVIEW: &str = "/overview";

/// Answers a request outside `/dav/` and `/git/` that needs no password.
pub(crate) fn handle(service: &Service, request: &Request<RequestBody>) -> Response<ResponseBody> {
    if let Some(refusal) = refuse_method(request) {
        return refusal;
    }
    match request.uri().path() {
        "/" => welcome::page(service, request).response(StatusCode::OK, request.method()),
        authority::PATH => match &service.options.authority {
            Some(pem) => authority::response(pem, request.method()),
            None => not_found(request),
        },
        // Everything here is somebody's own.
        "/robots.txt" => text("User-agent: *\nDisallow: /\n", request.method()),
        _ => not_found(request),
    }
}

/// Answers a request for [`OVERVIEW`].
pub(crate) fn handle_overview(
    service: &Service,
    user: &User,
    request: &Request<RequestBody>,
) -> Response<ResponseBody> {
    if let Some(refusal) = refuse_method(request) {
        return refusal;
    }
    match overview::page(service, user, request) {
        Ok(page) => page.response(StatusCode::OK, request.method()),
        Err(error) => {
            let mut page = Page::new("Not readable");
            page.paragraph(&format!("The repository cannot be read: {error}."));
            page.response(StatusCode::INTERNAL_SERVER_ERROR, request.method())
        }
    }
}

fn not_found(request: &Request<RequestBody>) -> Response<ResponseBody> {
    let mut page = Page::new("Nothing here");
    page.paragraph("There is no page at this address.");
    page.link("/", "How to connect");
    page.response(StatusCode::NOT_FOUND, request.method())
}

fn refuse_method(request: &Request<RequestBody>) -> Option<Response<ResponseBody>> {
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        return None;
    }
    let mut response = Response::new(full("pages are for GET and HEAD\n"));
    *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
    Some(response)
}

fn text(body: &'static str, method: &Method) -> Response<ResponseBody> {
    let mut response = Response::new(if *method == Method::HEAD { empty() } else { full(body) });
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, plain);
    response
}

/// The server's URL as the browser has it, without a final slash.
fn base_url(service: &Service, request: &Request<RequestBody>) -> String {
    // HTTP/2 has the authority in the URI, HTTP/1.1 in Host.
    let authority = request.uri().authority().map(|authority| authority.as_str().to_owned()).or_else(|| {
        let host = request.headers().get(header::HOST)?.to_str().ok()?;
        host.parse::<http::uri::Authority>().ok().map(|authority| authority.to_string())
    });
    format!("https://{}", authority.unwrap_or_else(|| service.options.hostname.clone()))
}

#[cfg(test)]
mod tests;
