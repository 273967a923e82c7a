//! DAV:expand-property (RFC 3253 §3.8): properties, and for those that hold URLs the properties of what the
//! URLs name, and so on.

use super::{Call, property_values};
use crate::{
    ResponseBody,
    dav::{
        DavError,
        location::Location,
        multistatus,
        properties::PropertyRequest,
        resource::Resource,
        xml::{DAV, Element, Name, Node, is_ncname},
        xml_writer,
    },
};
use http::{Response, StatusCode};

/// Properties that one answer tells at most, of all resources together.
const MAX_PROPERTIES: usize = 20_000;
/// Bytes of the name or namespace of a property that is asked for.
const MAX_NAME: usize = 255;
/// URLs that lead from one to the next; clients go three deep.
const MAX_DEPTH: usize = 6;

/// Answers the report. It is about the resource at the request's URL, whatever the header `Depth` says.
///
/// # Errors
/// 400 for a malformed request, 507 when the properties would be too many.
pub(super) fn answer(call: Call) -> Result<Response<ResponseBody>, DavError> {
    let asked = Asked::list(&call.body, 0)?;
    let mut expansion = Expansion { call: &call, properties: 0 };
    let response = expansion.expand(&call.resource, &asked)?;
    let mut out = String::new();
    xml_writer::element(&mut out, &response);
    out.push('\n');
    Ok(multistatus::single(out))
}

/// A property, and what is asked of the resources that its URLs name.
struct Asked {
    name: Name,
    of_targets: Vec<Asked>,
}

impl Asked {
    fn list(parent: &Element, depth: usize) -> Result<Vec<Self>, DavError> {
        let bad = |reason: String| DavError::new(StatusCode::BAD_REQUEST, reason);
        if depth > MAX_DEPTH {
            return Err(bad(format!("properties are expanded {MAX_DEPTH} deep at most")));
        }
        let mut list = Vec::new();
        for element in parent.elements_named(DAV, "property") {
            let local = element.attribute("name").filter(|name| !name.is_empty());
            let local = local.ok_or_else(|| bad("a property to expand has a name".into()))?;
            // It is going to be written as an element.
            let namespace = element.attribute("namespace").unwrap_or(DAV);
            if !is_ncname(local) || local.len() > MAX_NAME || namespace.len() > MAX_NAME {
                return Err(bad(format!("no property has the name {local:?} in {namespace:?}")));
            }
            let name = Name::new(namespace, local);
            list.push(Self { name, of_targets: Self::list(element, depth + 1)? });
        }
        Ok(list)
    }
}

struct Expansion<'a> {
    call: &'a Call,
    /// Properties told so far.
    properties: usize,
}

impl Expansion<'_> {
    /// The `D:response` of a resource.
    fn expand(&mut self, resource: &Resource, asked: &[Asked]) -> Result<Element, DavError> {
        let Call { service, user, preferences, .. } = self.call;
        self.properties += asked.len().max(1);
        if self.properties > MAX_PROPERTIES {
            let reason = format!("more than {MAX_PROPERTIES} properties are asked for in all");
            let status = StatusCode::INSUFFICIENT_STORAGE;
            return Err(DavError::dav(status, "number-of-matches-within-limits", reason));
        }
        let names = asked.iter().map(|asked| asked.name.clone()).collect();
        let request = PropertyRequest::listed(names)?.preferring(*preferences);
        let mut response = property_values::response(service, user, resource, request)?;
        for propstat in elements_mut(&mut response).filter(|element| element.is(DAV, "propstat")) {
            for prop in elements_mut(propstat).filter(|element| element.is(DAV, "prop")) {
                for property in elements_mut(prop) {
                    let asked = asked.iter().find(|asked| asked.name == property.name);
                    if let Some(asked) = asked.filter(|asked| !asked.of_targets.is_empty()) {
                        self.follow(property, &asked.of_targets)?;
                    }
                }
            }
        }
        Ok(response)
    }

    /// Puts responses in the place of the URLs in an element.
    fn follow(&mut self, element: &mut Element, asked: &[Asked]) -> Result<(), DavError> {
        for child in elements_mut(element) {
            if !child.is(DAV, "href") {
                self.follow(child, asked)?;
                continue;
            }
            let href = child.text().into_owned();
            let target = Location::parse_reference(&href)
                .and_then(|location| Resource::find(&self.call.service, &self.call.user, &location));
            let response = match target {
                Ok(target) => Some(self.expand(&target, asked)?),
                // A mail address, or what the user may not see.
                Err(_) => property_values::not_found(&href),
            };
            if let Some(response) = response {
                *child = response;
            }
        }
        Ok(())
    }
}

fn elements_mut(element: &mut Element) -> impl Iterator<Item = &mut Element> {
    element.children.iter_mut().filter_map(|node| match node {
        Node::Element(element) => Some(element),
        Node::Text(_) => None,
    })
}
