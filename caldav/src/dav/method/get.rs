//! GET and HEAD (RFC 9110 §9.3.1).

use super::{
    calendar_stream,
    conditions::{Conditions, Verdict},
    listing,
    range::ByteRange,
};
use crate::{
    RequestBody, ResponseBody, Service,
    dav::{
        DavError, bare, content_type, etag,
        home::Home,
        location::{HomePath, Location},
        resource::Resource,
    },
    empty, full,
    realm::User,
    snapshot::{File, Node},
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use kalends_store::{ObjectId, Objects};

/// What nothing in a repository may do in a browser, whoever pushed it: run scripts, or load anything.
const SANDBOX: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox";

/// GET and HEAD: a file as it is stored, a calendar as one stream of all its objects, any other collection
/// as a page of links.
///
/// There is no `Last-Modified`: git keeps no dates of files, and to find the last commit of one is a walk
/// through the history. The entity tag says more.
pub(in crate::dav) fn get(
    service: &Service,
    user: &User,
    location: &Location,
    request: &Request<RequestBody>,
) -> Result<Response<ResponseBody>, DavError> {
    let resource = Resource::find(service, user, location)?;
    let headers = request.headers();
    let mut response = match &resource {
        Resource::Node { home, node, path } => match validate(home, path, headers, node.id())? {
            Some(response) => response,
            None => match node {
                Node::File(file) => file_response(home, file, request)?,
                Node::Directory(directory) if directory.collection.is_calendar() => {
                    calendar_stream::response(home, directory)
                }
                Node::Directory(directory) => listing::collection(home, path, directory)?,
            },
        },
        resource => listing::fixed(service, user, resource),
    };
    if let Resource::Node { node, .. } = &resource
        && let Ok(tag) = HeaderValue::try_from(etag(&node.id()))
    {
        response.headers_mut().insert(header::ETAG, tag);
    }
    // Kept by the client, but asked about before each use: a change must be seen at once.
    let cache = HeaderValue::from_static("private, no-cache");
    response.headers_mut().insert(header::CACHE_CONTROL, cache);
    if request.method() == Method::HEAD {
        *response.body_mut() = empty();
    }
    Ok(response)
}

/// 304 if the client's copy is the current one.
fn validate(
    home: &Home,
    path: &HomePath,
    headers: &HeaderMap,
    id: ObjectId,
) -> Result<Option<Response<ResponseBody>>, DavError> {
    match Conditions::of(headers)?.evaluate(home, path, Some(id))? {
        Verdict::Go => Ok(None),
        Verdict::Unchanged => Ok(Some(bare(StatusCode::NOT_MODIFIED))),
        Verdict::Failed(reason) => Err(DavError::new(StatusCode::PRECONDITION_FAILED, reason)),
    }
}

fn file_response(
    home: &Home,
    file: &File,
    request: &Request<RequestBody>,
) -> Result<Response<ResponseBody>, DavError> {
    let data = home.repository.object(&file.id)?.data;
    let length = data.len() as u64;
    let range = match *request.method() {
        Method::GET => ByteRange::of(request.headers(), length, &etag(&file.id)),
        // RFC 9110 §14.2: ranges are for GET only.
        _ => ByteRange::Whole,
    };
    let media_type = content_type::of_file(file);
    let mut response = Response::new(empty());
    let (status, part, content_range) = match range {
        ByteRange::Whole => (StatusCode::OK, data, None),
        ByteRange::Part { first, last } => {
            let part = data.slice(first as usize..=last as usize);
            (StatusCode::PARTIAL_CONTENT, part, Some(format!("bytes {first}-{last}/{length}")))
        }
        ByteRange::Unsatisfiable => {
            let reason = format!("the file has {length} bytes");
            response = DavError::new(StatusCode::RANGE_NOT_SATISFIABLE, reason).into_response();
            let content_range = format!("bytes */{length}");
            insert(&mut response, header::CONTENT_RANGE, &content_range);
            return Ok(response);
        }
    };
    *response.status_mut() = status;
    insert(&mut response, header::CONTENT_LENGTH, &part.len().to_string());
    if let Some(content_range) = content_range {
        insert(&mut response, header::CONTENT_RANGE, &content_range);
    }
    insert(&mut response, header::CONTENT_TYPE, media_type);
    insert(&mut response, header::ACCEPT_RANGES, "bytes");
    insert(&mut response, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    insert(&mut response, header::CONTENT_SECURITY_POLICY, SANDBOX);
    *response.body_mut() = full(part);
    Ok(response)
}

/// Sets a header to a value that has no control characters.
fn insert(response: &mut Response<ResponseBody>, name: header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}
