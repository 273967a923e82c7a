//! CALDAV:calendar-multiget (RFC 4791 §7.9): the resources that the request lists, in its order.

use super::{Call, calendar_data::Reading, member_writer::MemberWriter, not_here};
use crate::{
    ResponseBody,
    dav::{
        DavError,
        location::{HomePath, Location},
        multistatus,
        resource::Resource,
    },
    snapshot::{Directory, Node, is_member_file},
};
use http::{Response, StatusCode};
use std::rc::Rc;

/// Answers the report. What is not there, or not below the request's URL, is told for each resource.
///
/// # Errors
/// 400 when no resource is listed.
pub(super) fn answer(call: Call) -> Result<Response<ResponseBody>, DavError> {
    let Resource::Node { home, path: base, .. } = &call.resource else { return Err(not_here()) };
    if call.hrefs.len() == 0 {
        return Err(DavError::new(
            StatusCode::BAD_REQUEST,
            "a calendar-multiget lists resources by DAV:href",
        ));
    }
    let reading = Reading::of(&call.body)?;
    let mut writer = MemberWriter::new(&call, home, &reading)?;
    let (home, base) = (home.clone(), base.clone());
    let base_href = base.href();
    // Most lists name members of one collection.
    let mut parent: Option<(HomePath, Rc<Directory>)> = None;
    let mut find = move |href: &str| {
        let nothing = || DavError::new(StatusCode::NOT_FOUND, "no calendar object is there");
        let path = path_below(&base, href)?;
        let (above, name) = path.split_last().filter(|_| !path.slash).ok_or_else(nothing)?;
        if parent.as_ref().is_none_or(|(known, _)| *known != above) {
            let directory = home.node(&above)?.directory().cloned().ok_or_else(nothing)?;
            parent = Some((above, directory));
        }
        let Some((_, directory)) = &parent else { return Err(nothing()) };
        match home.snapshot().member(directory, name)? {
            Some(Node::File(file)) => Ok((path, file)),
            _ => Err(nothing()),
        }
    };
    let below = match &call.resource {
        Resource::Node { node: Node::Directory(directory), .. } => Some(directory.clone()),
        _ => None,
    };
    let (hrefs, mut indices) = (call.hrefs, 0..);
    let next = move |out: &mut String| {
        let Some(href) = indices.next().and_then(|index| hrefs.get(index)) else { return false };
        if let (Some(directory), Some(name)) = (&below, plain_member(&base_href, href))
            && let Some(entry) = directory.tree.find(name).filter(is_member_file)
        {
            writer.write_entry(out, href, directory, entry);
            return true;
        }
        match find(href) {
            Ok((path, file)) => writer.write_file(out, &path.href(), &file),
            Err(error) if error.status == StatusCode::NOT_FOUND => {
                multistatus::write_status(out, href, error.status);
            }
            Err(error) => multistatus::write_error(out, href, &error),
        }
        true
    };
    Ok(multistatus::response(next, String::new()))
}

/// The name of a member of the collection at `base`, if that and nothing to be decoded is what an `href`
/// names, as those of most clients do.
fn plain_member<'a>(base: &str, href: &'a str) -> Option<&'a str> {
    let name = href.strip_prefix(base)?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~' | b'@');
    (name.len() <= 255 && name.bytes().all(plain)).then_some(name)
}

/// The place that an `href` names, which must be the base or below it.
fn path_below(base: &HomePath, href: &str) -> Result<HomePath, DavError> {
    match Location::parse_reference(href)? {
        Location::Home(path) if path.owner == base.owner && path.segments.starts_with(&base.segments) => {
            Ok(path)
        }
        Location::Home(path) if path.owner == base.owner => {
            let reason = format!("this is not below {}, where the request was sent", base.href());
            Err(DavError::new(StatusCode::FORBIDDEN, reason))
        }
        // What others have is not even forbidden: nobody learns whether it is there.
        _ => Err(DavError::new(StatusCode::NOT_FOUND, "no calendar object is there")),
    }
}
