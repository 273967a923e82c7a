//! Values of properties as elements, for reports that look into them.

use crate::{
    Service,
    dav::{
        DavError, multistatus,
        properties::{Context, PropertyRequest, ResponseWriter},
        resource::Resource,
        xml::{self, DAV, Element, Name},
        xml_writer::DECLARATIONS,
    },
    realm::User,
};
use http::StatusCode;

/// The `D:response` of a resource.
///
/// # Errors
/// 413 for too many properties.
pub(super) fn response(
    service: &Service,
    user: &User,
    resource: &Resource,
    request: PropertyRequest,
) -> Result<Element, DavError> {
    let response = read(|out| {
        let context = Context { service, user, calendar_data: None };
        ResponseWriter::new(request).write(out, &context, &resource.href(), resource.into());
    });
    response.ok_or_else(|| {
        let reason = format!("the properties of {} are too long to look into", resource.href());
        DavError::new(StatusCode::PAYLOAD_TOO_LARGE, reason)
    })
}

/// The `D:response` for a URL that names nothing.
pub(super) fn not_found(href: &str) -> Option<Element> {
    read(|out| multistatus::write_status(out, href, StatusCode::NOT_FOUND))
}

/// The element that is written.
fn read(write: impl FnOnce(&mut String)) -> Option<Element> {
    let mut text = format!("<D:multistatus{DECLARATIONS}>");
    write(&mut text);
    text.push_str("</D:multistatus>");
    let root = xml::parse(text.as_bytes()).ok()?;
    root.elements().next().cloned()
}

/// The elements of the properties that a resource has among those named.
///
/// # Errors
/// As [`response`].
pub(super) fn found(
    service: &Service,
    user: &User,
    resource: &Resource,
    names: Vec<Name>,
) -> Result<Vec<Element>, DavError> {
    let response = response(service, user, resource, PropertyRequest::listed(names)?)?;
    let is_found = |propstat: &&Element| {
        propstat.element(DAV, "status").is_some_and(|status| status.text().contains(" 200 "))
    };
    let found = response.elements_named(DAV, "propstat").filter(is_found);
    let properties = found.filter_map(|propstat| propstat.element(DAV, "prop")).flat_map(Element::elements);
    Ok(properties.cloned().collect())
}

/// Whether a test holds for the text of an element or of one below it.
pub(super) fn any_text(element: &Element, test: &dyn Fn(&str) -> bool) -> bool {
    test(&element.text()) || element.elements().any(|inner| any_text(inner, test))
}
