//! Reports about principals (RFC 3744 §9.3 to §9.5): clients look for people to invite, and for themselves.
//!
//! All are about the principals that the user may see.

use super::{Call, property_values};
use crate::{
    ResponseBody,
    dav::{
        DavError,
        location::Location,
        multistatus,
        properties::{Context, PropertyRequest, ResponseWriter},
        resource::{Principal, Resource},
        xml::{CALDAV, CALENDAR_SERVER, DAV, Name},
        xml_writer::{self, DECLARATIONS, PROLOGUE},
    },
    full,
};
use http::{HeaderValue, Response, StatusCode, header};

/// Texts that are searched for at once.
const MAX_TERMS: usize = 50;
/// Principals in one answer.
const MAX_FOUND: usize = 1_000;

/// The properties that can be searched, and what people call them.
const SEARCHABLE: [(&str, &str, &str); 4] = [
    (DAV, "displayname", "Name"),
    (CALDAV, "calendar-user-address-set", "Calendar address"),
    (CALDAV, "calendar-user-type", "Kind: INDIVIDUAL or GROUP"),
    (CALENDAR_SERVER, "email-address-set", "Mail address"),
];

/// Answers DAV:principal-search-property-set (RFC 3744 §9.5).
pub(super) fn search_property_set() -> Response<ResponseBody> {
    let mut out = format!("{PROLOGUE}<D:principal-search-property-set{DECLARATIONS}>");
    for (namespace, local, description) in SEARCHABLE {
        out.push_str("<D:principal-search-property><D:prop>");
        xml_writer::empty_element(&mut out, &Name::new(namespace, local));
        out.push_str("</D:prop><D:description xml:lang=\"en\">");
        xml_writer::text(&mut out, description);
        out.push_str("</D:description></D:principal-search-property>");
    }
    out.push_str("</D:principal-search-property-set>\n");
    let mut response = Response::new(full(out));
    let content_type = HeaderValue::from_static("application/xml; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    response
}

/// Answers DAV:principal-property-search (RFC 3744 §9.4), with `test="anyof"` and `match-type` as Calendar
/// Server has them.
///
/// # Errors
/// 400 for a malformed request.
pub(super) fn property_search(call: Call) -> Result<Response<ResponseBody>, DavError> {
    let bad = |reason: &str| DavError::new(StatusCode::BAD_REQUEST, reason);
    let any = match call.body.attribute("test") {
        None | Some("allof") => false,
        Some("anyof") => true,
        Some(_) => return Err(bad("test is allof or anyof")),
    };
    let mut terms = Vec::new();
    for search in call.body.elements_named(DAV, "property-search") {
        let text = search.element(DAV, "match").ok_or_else(|| bad("a property-search has a match"))?;
        let part = match text.attribute("match-type") {
            None | Some("contains") => Part::Contains,
            Some("starts-with") => Part::Start,
            Some("equals") => Part::Whole,
            Some(_) => return Err(bad("match-type is contains, starts-with or equals")),
        };
        let prop = search.element(DAV, "prop").ok_or_else(|| bad("a property-search has a prop"))?;
        for property in prop.elements() {
            terms.push(Term { name: property.name.clone(), text: fold(text.text().trim()), part });
        }
    }
    if terms.is_empty() || terms.len() > MAX_TERMS {
        return Err(bad("a search looks for one to 50 texts in properties"));
    }
    answer(&call, |principal| {
        let names = terms.iter().map(|term| term.name.clone()).collect();
        let values = property_values::found(&call.service, &call.user, principal, names)?;
        let mut holds = terms.iter().map(|term| {
            values.iter().any(|value| {
                value.name == term.name && property_values::any_text(value, &|text| term.is_in(text))
            })
        });
        Ok(if any { holds.any(|holds| holds) } else { holds.all(|holds| holds) })
    })
}

/// Answers DAV:principal-match (RFC 3744 §9.3): the principals that are the user, or a group of theirs; or
/// those with a property that names the user.
///
/// # Errors
/// 400 for a malformed request.
pub(super) fn principal_match(call: Call) -> Result<Response<ResponseBody>, DavError> {
    let own = Principal::User(call.user.clone());
    if call.body.element(DAV, "self").is_some() {
        return answer(&call, |principal| {
            Ok(match principal {
                Resource::Principal(Principal::User(user)) => user.name == call.user.name,
                Resource::Principal(Principal::Group(group)) => group.members.contains(&call.user.name),
                _ => false,
            })
        });
    }
    let property = call.body.element(DAV, "principal-property").and_then(|element| element.elements().next());
    let Some(property) = property else {
        let reason = "a principal-match has a self or a principal-property";
        return Err(DavError::new(StatusCode::BAD_REQUEST, reason));
    };
    let own = Location::parse(&own.href())?;
    answer(&call, |principal| {
        let names = vec![property.name.clone()];
        let values = property_values::found(&call.service, &call.user, principal, names)?;
        let is_own = |text: &str| Location::parse_reference(text).is_ok_and(|location| location == own);
        Ok(values.iter().any(|value| property_values::any_text(value, &is_own)))
    })
}

/// A text that a property is to hold.
struct Term {
    name: Name,
    text: String,
    part: Part,
}

#[derive(Clone, Copy)]
enum Part {
    Contains,
    Start,
    Whole,
}

impl Term {
    fn is_in(&self, text: &str) -> bool {
        let text = fold(text.trim());
        match self.part {
            Part::Contains => text.contains(&self.text),
            // The scheme of an address is not what people type.
            Part::Start => {
                let address = text.strip_prefix("mailto:").unwrap_or(&text);
                text.starts_with(&self.text) || address.starts_with(&self.text)
            }
            Part::Whole => text == self.text,
        }
    }
}

/// Text without regard to case (RFC 3744 §9.4: caseless matching).
fn fold(text: &str) -> String {
    text.to_lowercase()
}

/// The responses of the principals for which `test` holds.
fn answer(
    call: &Call,
    test: impl Fn(&Resource) -> Result<bool, DavError>,
) -> Result<Response<ResponseBody>, DavError> {
    let request = match call.body.element(DAV, "prop") {
        Some(prop) => PropertyRequest::listed(prop.elements().map(|element| element.name.clone()).collect())?,
        None => PropertyRequest::listed(Vec::new())?,
    };
    let request = request.preferring(call.preferences);
    let mut found = Vec::new();
    let mut truncated = false;
    for principal in Principal::visible(&call.service, &call.user).into_iter().map(Resource::Principal) {
        if !test(&principal)? {
            continue;
        }
        if found.len() == MAX_FOUND {
            truncated = true;
            break;
        }
        found.push(principal);
    }
    let mut end = String::new();
    if truncated {
        super::write_truncation(&mut end, &call.resource.href(), "there are more; search for longer texts");
    }
    let (service, user) = (call.service.clone(), call.user.clone());
    let mut found = found.into_iter();
    let mut writer = ResponseWriter::new(request);
    let next = move |out: &mut String| match found.next() {
        Some(principal) => {
            let context = Context { service: &service, user: &user, calendar_data: None };
            writer.write(out, &context, &principal.href(), (&principal).into());
            true
        }
        None => false,
    };
    Ok(multistatus::response(next, end))
}
