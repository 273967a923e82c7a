//! PUT (RFC 9110 §9.3.4, RFC 4918 §9.7, RFC 4791 §5.3.2).

use super::{
    calendar_object,
    conditions::Conditions,
    edit::{self, Edit},
    message,
    options::not_allowed,
    target::Target,
};
use crate::{
    RequestBody, ResponseBody, Service,
    dav::{
        DavError, bare, etag,
        home::Home,
        location::{HomePath, Location},
        read_body,
    },
    realm::User,
    snapshot::Node,
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use kalends_store::{Commit, EntryKind, ObjectId};

/// PUT: makes a file, or replaces one. What is stored is what was sent, byte for byte.
pub(in crate::dav) async fn put(
    service: &Service,
    user: &User,
    location: &Location,
    request: Request<RequestBody>,
) -> Result<Response<ResponseBody>, DavError> {
    let path = match location {
        Location::Home(path) if !path.segments.is_empty() => path,
        _ => return not_allowed(service, user, location, request.method()),
    };
    let home = Home::open(service, user, &path.owner)?;
    let (method, headers) = (request.method().clone(), request.headers().clone());
    if headers.contains_key(header::CONTENT_RANGE) {
        let reason = "a file can only be replaced as a whole: PUT takes no Content-Range";
        return Err(DavError::new(StatusCode::BAD_REQUEST, reason));
    }
    let limit = service.realm.server().max_resource_size;
    let body = match read_body(request, limit).await {
        Err(error) if error.status == StatusCode::PAYLOAD_TOO_LARGE => {
            return Err(too_large(&home, path, error)?);
        }
        body => body?,
    };
    calendar_object::prepare(service, &home, path).await?;
    let stored = match store(service, user, &home.latest()?, path, &headers, body)? {
        Some(stored) => stored,
        None => return not_allowed(service, user, location, &method),
    };
    match stored.commit {
        Some(commit) => commit.await?,
        // The same bytes were sent before, perhaps a moment ago.
        None => service.store.sync().await?,
    }
    let mut response = bare(if stored.created { StatusCode::CREATED } else { StatusCode::NO_CONTENT });
    if let Ok(tag) = HeaderValue::try_from(etag(&stored.id)) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    Ok(response)
}

/// In a calendar, the limit is a precondition of its own.
fn too_large(home: &Home, path: &HomePath, error: DavError) -> Result<DavError, DavError> {
    let target = Target::find(&home.latest()?, path)?;
    if target.parent.collection.is_calendar() {
        return Ok(DavError::caldav(StatusCode::FORBIDDEN, "max-resource-size", error.reason));
    }
    Ok(error)
}

/// What became of the bytes.
struct Stored {
    id: ObjectId,
    created: bool,
    /// `None` when they were there already.
    commit: Option<Commit>,
}

/// Checks and submits, without waiting for anything in between; `None` when a collection is there.
fn store(
    service: &Service,
    user: &User,
    home: &Home,
    path: &HomePath,
    headers: &HeaderMap,
    body: Bytes,
) -> Result<Option<Stored>, DavError> {
    let target = Target::find(home, path)?;
    let old = match &target.occupant {
        Some(Node::Directory(_)) => return Ok(None),
        Some(Node::File(_)) | None if path.slash => {
            let reason = "the URL of a file does not end in a slash; collections are made by MKCOL";
            return Err(DavError::new(StatusCode::CONFLICT, reason));
        }
        Some(Node::File(old)) => Some(old),
        None => None,
    };
    Conditions::of(headers)?.check(home, path, old.map(|old| old.id))?;
    if old.is_none() {
        target.check_new()?;
    }
    let mut summary = None;
    if target.parent.collection.is_calendar() {
        calendar_object::check_name(&target)?;
        check_media_type(headers)?;
        let object = calendar_object::check(service, &target.parent.collection, body.clone())?;
        calendar_object::check_uid(service, home, &target, &object.uid, None)?;
        summary = object.summary;
    }
    let mut edit = Edit::new(home);
    let id = edit.insert(body)?;
    let verb = match old {
        Some(old) if old.id == id => return Ok(Some(Stored { id, created: false, commit: None })),
        Some(_) => "Update",
        None => "Add",
    };
    let kind = old.map_or(EntryKind::Blob, |old| old.kind);
    // A file that comes anew has none, even if git took away an earlier one and left its properties.
    let properties = if old.is_some() { edit::dead_properties(&target) } else { Vec::new() };
    edit.place(&target, (kind, id), properties);
    let message = message::about(verb, &target.path, false, summary.as_deref());
    let commit = edit.submit(user, &message)?;
    Ok(Some(Stored { id, created: old.is_none(), commit }))
}

/// A calendar takes `text/calendar` only (RFC 4791 §5.2.4). Its parameters add nothing to the bytes.
fn check_media_type(headers: &HeaderMap) -> Result<(), DavError> {
    let Some(value) = headers.get(header::CONTENT_TYPE) else { return Ok(()) };
    let essence = value.to_str().ok().and_then(|value| value.split(';').next()).map(str::trim);
    if essence.is_some_and(|essence| essence.eq_ignore_ascii_case("text/calendar")) {
        return Ok(());
    }
    let reason = format!("calendars take text/calendar, not {value:?}");
    Err(DavError::caldav(StatusCode::FORBIDDEN, "supported-calendar-data", reason))
}
