//! OPTIONS (RFC 9110 §9.3.7), and the answer to methods that a resource does not take.

use crate::{
    ResponseBody, Service,
    dav::{DavError, bare, location::Location, refuse_method, resource::Resource},
    realm::User,
    snapshot::Node,
};
use http::{HeaderValue, Method, Response, StatusCode, header};

/// Principals, homes as a whole, and what leads there.
const FIXED: &str = "OPTIONS, GET, HEAD, PROPFIND, PROPPATCH, REPORT";
/// A calendar home, with what its members can be made by.
const HOME: &str = "OPTIONS, GET, HEAD, PUT, MKCOL, MKCALENDAR, PROPFIND, PROPPATCH, REPORT";
/// A collection, with what its members can be made by: clients learn from `PUT` here that a calendar is
/// not read-only.
const COLLECTION: &str =
    "OPTIONS, GET, HEAD, PUT, DELETE, MKCOL, MKCALENDAR, COPY, MOVE, PROPFIND, PROPPATCH, REPORT";
const FILE: &str = "OPTIONS, GET, HEAD, PUT, DELETE, COPY, MOVE, PROPFIND, PROPPATCH, REPORT";
/// What takes nothing but what makes a resource there.
const NOTHING: &str = "OPTIONS, PUT, MKCOL, MKCALENDAR";

/// OPTIONS: the methods for what is there, or could be.
pub(in crate::dav) fn options(
    service: &Service,
    user: &User,
    location: &Location,
) -> Result<Response<ResponseBody>, DavError> {
    let mut response = bare(StatusCode::OK);
    let allowed = HeaderValue::from_static(allowed(service, user, location)?);
    response.headers_mut().insert(header::ALLOW, allowed);
    Ok(response)
}

/// 405, or 404 when there is nothing to take any method.
pub(in crate::dav) fn not_allowed(
    service: &Service,
    user: &User,
    location: &Location,
    method: &Method,
) -> Result<Response<ResponseBody>, DavError> {
    let allowed = match allowed(service, user, location)? {
        // Their methods are for their members.
        HOME => FIXED,
        COLLECTION => "OPTIONS, GET, HEAD, DELETE, COPY, MOVE, PROPFIND, PROPPATCH, REPORT",
        allowed => allowed,
    };
    Ok(refuse_method(method, allowed))
}

fn allowed(service: &Service, user: &User, location: &Location) -> Result<&'static str, DavError> {
    match Resource::find(service, user, location) {
        Ok(Resource::Node { path, .. }) if path.segments.is_empty() => Ok(HOME),
        Ok(Resource::Node { node: Node::Directory(_), .. }) => Ok(COLLECTION),
        Ok(Resource::Node { node: Node::File(_), .. }) => Ok(FILE),
        Ok(_) => Ok(FIXED),
        Err(error) if error.status == StatusCode::NOT_FOUND => match location {
            Location::Home(path) if path.owner == user.name => Ok(NOTHING),
            _ => Err(error),
        },
        Err(error) => Err(error),
    }
}
