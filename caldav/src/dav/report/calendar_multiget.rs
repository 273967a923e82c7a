//! CALDAV:calendar-multiget (RFC 4791 §7.9): the resources that the request lists, in its order.

use super::{Call, calendar_data::CalendarDataRequest};
use crate::{
    ResponseBody,
    dav::{
        DavError,
        location::{HomePath, Location},
        multistatus,
        properties::{PropertyRequest, write_response},
        resource::Resource,
        xml::DAV,
    },
    snapshot::{Directory, Node},
};
use http::{Response, StatusCode};
use std::rc::Rc;

/// Answers the report. What is not there, or not below the request's URL, is told for each resource.
///
/// # Errors
/// 400 when no resource is listed.
pub(super) fn answer(call: Call) -> Result<Response<ResponseBody>, DavError> {
    let Call { service, user, resource, body, .. } = call;
    let Resource::Node { home, path: base, .. } = resource else {
        return Err(DavError::new(StatusCode::FORBIDDEN, "only calendars hold calendar objects"));
    };
    let hrefs: Vec<String> =
        body.elements_named(DAV, "href").map(|href| href.text().trim().to_owned()).collect();
    if hrefs.is_empty() {
        return Err(DavError::new(
            StatusCode::BAD_REQUEST,
            "a calendar-multiget lists resources by DAV:href",
        ));
    }
    let properties = PropertyRequest::parse(&body)?;
    let source = CalendarDataRequest::parse(&body)?.map(|request| request.source(&home, None)).transpose()?;
    drop(body);
    let mut hrefs = hrefs.into_iter();
    // Most lists name members of one collection.
    let mut parent: Option<(HomePath, Rc<Directory>)> = None;
    let next = move |out: &mut String| {
        let Some(href) = hrefs.next() else { return false };
        let mut find = || {
            let path = path_below(&base, &href)?;
            let found = match path.split_last() {
                Some((above, name)) => {
                    if parent.as_ref().is_none_or(|(known, _)| *known != above) {
                        let directory = home.node(&above)?.directory().cloned();
                        parent = directory.map(|directory| (above, directory));
                    }
                    match &parent {
                        Some((_, directory)) => home.snapshot().member(directory, name)?,
                        None => None,
                    }
                }
                None => None,
            };
            match found {
                Some(node @ Node::File(_)) if !path.slash => {
                    Ok(Resource::Node { home: home.clone(), path, node })
                }
                _ => Err(DavError::new(StatusCode::NOT_FOUND, "no calendar object is there")),
            }
        };
        match find() {
            Ok(resource) => {
                let hook = source.as_ref().map(|source| |file: &_| source.of(file));
                let hook = hook.as_ref().map(|hook| hook as _);
                write_response(out, &service, &user, &resource, &properties, hook);
            }
            Err(error) if error.status == StatusCode::NOT_FOUND => {
                multistatus::write_status(out, &href, error.status);
            }
            Err(error) => multistatus::write_error(out, &href, &error),
        }
        true
    };
    Ok(multistatus::response(next, String::new()))
}

/// The place that an `href` names, which must be the base or below it.
fn path_below(base: &HomePath, href: &str) -> Result<HomePath, DavError> {
    let Location::Home(path) = Location::parse_reference(href)? else {
        return Err(DavError::new(StatusCode::NOT_FOUND, "no calendar object is there"));
    };
    // What others have is not even forbidden: nobody learns whether it is there.
    if path.owner != base.owner {
        return Err(DavError::new(StatusCode::NOT_FOUND, "no calendar object is there"));
    }
    if !path.segments.starts_with(&base.segments) {
        let reason = format!("this is not below {}, where the request was sent", base.href());
        return Err(DavError::new(StatusCode::FORBIDDEN, reason));
    }
    Ok(path)
}
