//! The properties of WebDAV (RFC 4918 §15), versioning reports (RFC 3253 §3.1.5) and quota (RFC 4331).
//!
//! There is no `getlastmodified` and no `creationdate`: git keeps no times of files, and finding the commits
//! that touched one would be a walk through history for each.

use super::{live::LiveProperty, subject::Subject, write::Context};
use crate::{
    collection::Collection,
    dav::{
        content_type,
        error::DavError,
        location::principal_href,
        report,
        resource::Principal,
        xml::{CALDAV, DAV, Element},
        xml_writer::{self, text},
    },
};
use http::StatusCode;
use std::fmt::Write;

pub(super) static PROPERTIES: [LiveProperty; 10] = [
    LiveProperty::dav("resourcetype", resourcetype).in_allprop().initial(set_resourcetype),
    LiveProperty::dav("displayname", displayname)
        .in_allprop()
        .with_language(displayname_language)
        .writable(set_displayname),
    LiveProperty::dav("getetag", getetag).in_allprop(),
    LiveProperty::dav("getcontenttype", getcontenttype).in_allprop(),
    LiveProperty::dav("getcontentlength", getcontentlength).in_allprop(),
    // No lock is ever taken (class 2 is not offered), so these are empty and true.
    LiveProperty::dav("supportedlock", |_, _, _| Ok(true)).in_allprop(),
    LiveProperty::dav("lockdiscovery", |_, _, _| Ok(true)).in_allprop(),
    LiveProperty::dav("supported-report-set", supported_report_set),
    LiveProperty::dav("owner", owner),
    LiveProperty::dav("quota-available-bytes", quota_available_bytes),
];

/// Properties that would be the server's to set, but have no value here; a client's would be believed.
pub(super) const NEVER_GIVEN: [&str; 15] = [
    "creationdate",
    "getcontentlanguage",
    "getlastmodified",
    "quota-used-bytes",
    "acl",
    "acl-restrictions",
    "group",
    "inherited-acl-set",
    "supported-privilege-set",
    "supported-method-set",
    "supported-live-property-set",
    "resource-id",
    "parent-set",
    "add-member",
    "limits-set",
];

fn resourcetype(out: &mut String, _: &Context<'_>, subject: &Subject<'_>) -> Result<bool, DavError> {
    out.push_str(match subject {
        Subject::Root | Subject::Principals | Subject::Homes => "<D:collection/>",
        Subject::Principal(_) => "<D:principal/>",
        Subject::Collection { directory, .. } if directory.collection.is_calendar() => {
            "<D:collection/><C:calendar/>"
        }
        Subject::Collection { .. } => "<D:collection/>",
        Subject::File { .. } => "",
    });
    Ok(true)
}

/// RFC 5689 §3.1: what is to be made must be a collection, and may be a calendar.
fn set_resourcetype(collection: &mut Collection, element: Option<&Element>) -> Result<(), DavError> {
    let refused = |reason: &str| DavError::dav(StatusCode::FORBIDDEN, "valid-resourcetype", reason);
    let Some(element) = element else { return Err(refused("a collection is made with a type")) };
    let (mut is_collection, mut is_calendar) = (false, false);
    for kind in element.elements() {
        if kind.is(DAV, "collection") {
            is_collection = true;
        } else if kind.is(CALDAV, "calendar") {
            is_calendar = true;
        } else {
            let name = kind.name.local();
            return Err(refused(&format!("collections of type {name} are not kept here")));
        }
    }
    if !is_collection {
        return Err(refused("only collections can be made so; the type needs DAV:collection"));
    }
    match (collection.is_calendar(), is_calendar) {
        (true, false) => Err(refused("MKCALENDAR makes calendars; use MKCOL for another collection")),
        (false, true) => {
            collection.kind = crate::collection::CollectionKind::Calendar;
            Ok(())
        }
        _ => Ok(()),
    }
}

fn displayname(out: &mut String, context: &Context<'_>, subject: &Subject<'_>) -> Result<bool, DavError> {
    match subject {
        Subject::Root => text(out, &context.service.realm.server().title),
        Subject::Principal(Principal::User(user)) => text(out, &user.display_name),
        Subject::Principal(Principal::Group(group)) => text(out, &group.display_name),
        Subject::Collection { home, path, directory } => {
            match (&directory.collection.displayname, path.segments.last()) {
                (Some(name), _) => text(out, name),
                // Directories that were made by git have no other.
                (None, Some(name)) => text(out, &String::from_utf8_lossy(name)),
                (None, None) if *home.owner == *context.user.name => text(out, &context.user.display_name),
                (None, None) => text(out, &home.owner),
            }
        }
        Subject::Principals | Subject::Homes | Subject::File { .. } => return Ok(false),
    }
    Ok(true)
}

fn displayname_language(subject: &Subject<'_>) -> Option<String> {
    subject.directory()?.collection.displayname_language.clone()
}

fn set_displayname(collection: &mut Collection, element: Option<&Element>) -> Result<(), DavError> {
    collection.displayname = element.map(|element| element.text().into_owned());
    collection.displayname_language = element.and_then(Element::lang).map(Into::into);
    Ok(())
}

fn getetag(out: &mut String, _: &Context<'_>, subject: &Subject<'_>) -> Result<bool, DavError> {
    let id = match subject {
        Subject::Collection { directory, .. } => directory.id,
        Subject::File { file, .. } => file.id,
        _ => return Ok(false),
    };
    let _ = write!(out, "\"{id}\"");
    Ok(true)
}

fn getcontenttype(out: &mut String, _: &Context<'_>, subject: &Subject<'_>) -> Result<bool, DavError> {
    let Subject::File { file, .. } = subject else { return Ok(false) };
    out.push_str(content_type::of_file(file));
    Ok(true)
}

fn getcontentlength(out: &mut String, _: &Context<'_>, subject: &Subject<'_>) -> Result<bool, DavError> {
    let Subject::File { home, file } = subject else { return Ok(false) };
    let _ = write!(out, "{}", home.repository.header(&file.id)?.size);
    Ok(true)
}

fn supported_report_set(out: &mut String, _: &Context<'_>, subject: &Subject<'_>) -> Result<bool, DavError> {
    for report in report::supported(*subject) {
        out.push_str("<D:supported-report><D:report>");
        xml_writer::empty_element(out, &report.name());
        out.push_str("</D:report></D:supported-report>");
    }
    Ok(true)
}

fn owner(out: &mut String, _: &Context<'_>, subject: &Subject<'_>) -> Result<bool, DavError> {
    let href = match (subject, subject.home()) {
        (Subject::Principal(principal), _) => principal.href(),
        (_, Some(home)) => principal_href(&home.owner),
        (_, None) => return Ok(false),
    };
    super::write::push_href(out, &href);
    Ok(true)
}

/// What is free on the device; nobody has a share of their own.
fn quota_available_bytes(
    out: &mut String,
    context: &Context<'_>,
    subject: &Subject<'_>,
) -> Result<bool, DavError> {
    if subject.directory().is_none() {
        return Ok(false);
    }
    let _ = write!(out, "{}", context.service.store.free_bytes());
    Ok(true)
}
