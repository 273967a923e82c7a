//! WebDAV (RFC 4918) and CalDAV (RFC 4791).

mod content_type;
mod error;
mod home;
mod location;
mod method;
mod multistatus;
mod prefer;
mod properties;
mod report;
mod resource;
mod sync_token;
pub(crate) mod xml;
pub(crate) mod xml_writer;

use crate::{RequestBody, ResponseBody, Service, empty, realm::User, request_body};
use error::DavError;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use location::Location;
use xml::{Element, Texts};

/// The compliance classes that hold (RFC 4918 §18, RFC 4791 §5.1, RFC 5689 §3.1).
const DAV_CLASSES: &str = "1, 3, calendar-access, extended-mkcol";

/// The largest XML body in bytes: a multiget of thousands of URLs.
const MAX_XML_BODY: u64 = 4 << 20;

/// The URL path of a collection in the home of `owner`.
pub(crate) fn calendar_url(owner: &str, names: &[Vec<u8>]) -> String {
    location::HomePath { owner: owner.into(), segments: names.to_vec(), slash: true }.href()
}

/// RFC 6764 §5: where the service is.
pub(crate) fn well_known() -> Response<ResponseBody> {
    let mut response = Response::new(empty());
    *response.status_mut() = StatusCode::MOVED_PERMANENTLY;
    response.headers_mut().insert(header::LOCATION, HeaderValue::from_static("/dav/"));
    response
}

/// Answers a request to `/dav` or below.
pub(crate) async fn handle(
    service: &Service,
    user: &User,
    request: Request<RequestBody>,
) -> Response<ResponseBody> {
    let mut response = match route(service, user, request).await {
        Ok(response) => response,
        Err(error) => error.into_response(),
    };
    response.headers_mut().insert("dav", HeaderValue::from_static(DAV_CLASSES));
    response
}

/// Answers a PROPFIND of `/`, where clients look for the service when they know no more than the host.
pub(crate) async fn propfind_of_host(
    service: &Service,
    user: &User,
    request: Request<RequestBody>,
) -> Response<ResponseBody> {
    let mut response = match properties::propfind(service, user, &Location::Root, request).await {
        Ok(response) => response,
        Err(error) => error.into_response(),
    };
    response.headers_mut().insert("dav", HeaderValue::from_static(DAV_CLASSES));
    response
}

async fn route(
    service: &Service,
    user: &User,
    request: Request<RequestBody>,
) -> Result<Response<ResponseBody>, DavError> {
    let location = Location::parse(request.uri().path())?;
    match request.method().as_str() {
        "OPTIONS" => method::options(service, user, &location),
        "GET" | "HEAD" => method::get(service, user, &location, &request),
        "PUT" => method::put(service, user, &location, request).await,
        "DELETE" => method::delete(service, user, &location, &request).await,
        "MKCOL" => method::mkcol(service, user, &location, request).await,
        "MKCALENDAR" => method::mkcalendar(service, user, &location, request).await,
        "COPY" | "MOVE" => method::copy_or_move(service, user, &location, &request).await,
        "PROPFIND" => properties::propfind(service, user, &location, request).await,
        "PROPPATCH" => properties::proppatch(service, user, &location, request).await,
        "REPORT" => report::report(service, user, &location, request).await,
        _ => method::not_allowed(service, user, &location, request.method()),
    }
}

/// The `Depth` header (RFC 4918 §10.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Depth {
    /// The resource itself.
    Zero,
    /// And its members.
    One,
    /// And theirs.
    Infinity,
}

impl Depth {
    /// Reads the header; `default` when there is none.
    ///
    /// # Errors
    /// 400 for another value.
    fn of(headers: &HeaderMap, default: Self) -> Result<Self, DavError> {
        match headers.get("depth").map(HeaderValue::as_bytes) {
            None => Ok(default),
            Some(b"0") => Ok(Self::Zero),
            Some(b"1") => Ok(Self::One),
            Some(value) if value.eq_ignore_ascii_case(b"infinity") => Ok(Self::Infinity),
            Some(_) => Err(DavError::new(StatusCode::BAD_REQUEST, "Depth must be 0, 1 or infinity")),
        }
    }
}

/// The body as bytes.
///
/// # Errors
/// 413 beyond `limit` bytes, 415 for an unknown encoding, 400 when it breaks off.
async fn read_body(request: Request<RequestBody>, limit: u64) -> Result<bytes::Bytes, DavError> {
    request_body::collect(request, limit).await.map_err(|(status, reason)| DavError::new(status, reason))
}

/// The body as XML; `None` when it is empty.
///
/// # Errors
/// As [`read_body`]; 400 for what is not XML, 403 for entities and excesses.
async fn read_xml(request: Request<RequestBody>) -> Result<Option<Element>, DavError> {
    let body = read_body(request, MAX_XML_BODY).await?;
    if body.is_empty() { Ok(None) } else { xml::parse(&body).map(Some).map_err(xml_refusal) }
}

/// As [`read_xml`], with what the root lists as `DAV:href` beside the tree.
///
/// # Errors
/// As [`read_xml`].
async fn read_xml_listing(request: Request<RequestBody>) -> Result<Option<(Element, Texts)>, DavError> {
    let body = read_body(request, MAX_XML_BODY).await?;
    if body.is_empty() {
        return Ok(None);
    }
    xml::parse_listing(&body, (xml::DAV, "href")).map(Some).map_err(xml_refusal)
}

fn xml_refusal(error: xml::XmlError) -> DavError {
    match error {
        xml::XmlError::Malformed(_) => DavError::new(StatusCode::BAD_REQUEST, error.to_string()),
        xml::XmlError::Entities => {
            DavError::dav(StatusCode::FORBIDDEN, "no-external-entities", error.to_string())
        }
        xml::XmlError::Limit(_) => DavError::new(StatusCode::PAYLOAD_TOO_LARGE, error.to_string()),
    }
}

/// A response without body.
fn bare(status: StatusCode) -> Response<ResponseBody> {
    let mut response = Response::new(empty());
    *response.status_mut() = status;
    response
}

/// A value for `ETag` and `DAV:getetag`: the object's id, strong (RFC 9110 §8.8.3).
fn etag(id: &kalends_store::ObjectId) -> String {
    format!("\"{id}\"")
}

/// The answer to a method that this resource never takes.
fn refuse_method(method: &Method, allowed: &'static str) -> Response<ResponseBody> {
    let reason = format!("{method} is not for this resource; it takes {allowed}");
    let mut response = DavError::new(StatusCode::METHOD_NOT_ALLOWED, reason).into_response();
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allowed));
    response
}
