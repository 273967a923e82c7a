//! MKCOL (RFC 4918 §9.3, RFC 5689) and MKCALENDAR (RFC 4791 §5.3.1).

use super::{conditions::Conditions, edit::Edit, message, options::not_allowed, target::Target};
use crate::{
    RequestBody, ResponseBody, Service,
    collection::Collection,
    dav::{
        DavError, bare,
        home::Home,
        location::{HomePath, Location},
        properties, read_xml,
        xml::{CALDAV, Element},
    },
    realm::User,
    snapshot::Snapshot,
};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use kalends_store::EntryKind;

/// MKCOL: makes a collection, of the type and with the properties that the body asks for.
pub(in crate::dav) async fn mkcol(
    service: &Service,
    user: &User,
    location: &Location,
    request: Request<RequestBody>,
) -> Result<Response<ResponseBody>, DavError> {
    let Location::Home(path) = location else {
        return not_allowed(service, user, location, request.method());
    };
    let home = Home::open(service, user, &path.owner)?;
    let (method, headers) = (request.method().clone(), request.headers().clone());
    let body = body(request).await?;
    let mut collection = Collection::plain();
    if let Some(body) = &body
        && let Err(not_made) = properties::set_initial(&mut collection, body)
    {
        return Ok(not_made.into_response(&HomePath { slash: true, ..path.clone() }.href()));
    }
    let home = home.latest()?;
    if path.segments.is_empty() {
        return not_allowed(service, user, location, &method);
    }
    let target = find(&home, path, &headers)?;
    if target.occupant.is_some() {
        return not_allowed(service, user, location, &method);
    }
    make(user, &home, &target, &collection).await
}

/// MKCALENDAR: makes a calendar.
pub(in crate::dav) async fn mkcalendar(
    service: &Service,
    user: &User,
    location: &Location,
    request: Request<RequestBody>,
) -> Result<Response<ResponseBody>, DavError> {
    let Location::Home(path) = location else {
        return not_allowed(service, user, location, request.method());
    };
    let home = Home::open(service, user, &path.owner)?;
    let headers = request.headers().clone();
    let body = body(request).await?;
    let mut collection = Collection::calendar(None);
    if let Some(body) = &body {
        if !body.is(CALDAV, "mkcalendar") {
            let reason = "the body of MKCALENDAR must be a CALDAV:mkcalendar";
            return Err(DavError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, reason));
        }
        if let Err(not_made) = properties::set_initial(&mut collection, body) {
            return Ok(not_made.into_response(&HomePath { slash: true, ..path.clone() }.href()));
        }
    }
    let home = home.latest()?;
    let must_be_null = || {
        let reason = "something is at this URL already";
        DavError::dav(StatusCode::FORBIDDEN, "resource-must-be-null", reason)
    };
    if path.segments.is_empty() {
        return Err(must_be_null());
    }
    let target = find(&home, path, &headers)?;
    if target.occupant.is_some() {
        return Err(must_be_null());
    }
    make(user, &home, &target, &collection).await
}

/// The body, which must be XML if there is one.
async fn body(request: Request<RequestBody>) -> Result<Option<Element>, DavError> {
    let media_type = request.headers().get(header::CONTENT_TYPE).cloned();
    let is_xml = media_type.as_ref().is_none_or(|value| {
        let essence = value.to_str().ok().and_then(|value| value.split(';').next()).map(str::trim);
        essence.is_some_and(|essence| {
            essence.eq_ignore_ascii_case("application/xml") || essence.eq_ignore_ascii_case("text/xml")
        })
    });
    match read_xml(request).await {
        Ok(None) => Ok(None),
        // RFC 4918 §9.3: a body that is not understood is 415, not 400.
        _ if !is_xml => {
            let reason = "a collection is made with a body of XML (RFC 5689), or without";
            Err(DavError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, reason))
        }
        Err(error) if media_type.is_none() && error.status == StatusCode::BAD_REQUEST => {
            Err(DavError { status: StatusCode::UNSUPPORTED_MEDIA_TYPE, ..error })
        }
        body => body,
    }
}

fn find(home: &Home, path: &HomePath, headers: &HeaderMap) -> Result<Target, DavError> {
    let conditions = Conditions::of(headers)?;
    let target = Target::find(home, path)?;
    conditions.check(home, path, target.occupant.as_ref().map(crate::snapshot::Node::id))?;
    Ok(target)
}

async fn make(
    user: &User,
    home: &Home,
    target: &Target,
    collection: &Collection,
) -> Result<Response<ResponseBody>, DavError> {
    target.check_new()?;
    if collection.is_calendar() && is_in_calendar(&home.snapshot(), &target.parent_path)? {
        return Err(calendar_in_calendar());
    }
    let mut edit = Edit::new(home);
    let tree = edit.insert_collection(collection)?;
    edit.place(target, (EntryKind::Tree, tree), Vec::new());
    let message = message::about("Add", &target.path, true, collection.displayname.as_deref());
    if let Some(commit) = edit.submit(user, &message)? {
        commit.await?;
    }
    let mut response = bare(StatusCode::CREATED);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    Ok(response)
}

/// Whether the collection at `path` is a calendar or in one, so that no calendar can be in it.
pub(super) fn is_in_calendar(snapshot: &Snapshot<'_>, path: &HomePath) -> Result<bool, DavError> {
    let mut directory = snapshot.root()?;
    for name in &path.segments {
        let Some(member) = snapshot.member(&directory, name)? else { break };
        let Some(next) = member.directory() else { break };
        directory = next.clone();
        if directory.collection.is_calendar() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// 403 with the precondition of RFC 4791 §5.3.1.1 for a calendar that would be in another.
pub(super) fn calendar_in_calendar() -> DavError {
    let reason = "a calendar cannot be in another calendar";
    DavError::caldav(StatusCode::FORBIDDEN, "calendar-collection-location-ok", reason)
}
