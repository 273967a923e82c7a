//! Which properties are asked for.

use super::live::LiveProperty;
use crate::dav::{
    DavError,
    prefer::Preferences,
    xml::{DAV, Element, Name},
    xml_writer,
};
use http::StatusCode;
use std::collections::BTreeSet;

/// Properties that may be asked for at once; clients ask for fewer than 60.
const MAX_ASKED: usize = 500;
/// Bytes of their names together, as they are repeated for each resource.
const MAX_NAMES: usize = 64 << 10;

/// A property that is asked for, looked up once for all resources.
#[derive(Clone)]
pub(super) struct Asked {
    pub(super) name: Name,
    pub(super) live: Option<&'static LiveProperty>,
    /// An empty element of the name, ready to be written.
    pub(super) empty_element: String,
}

impl Asked {
    fn new(name: Name) -> Self {
        let mut empty_element = String::new();
        xml_writer::empty_element(&mut empty_element, &name);
        Self { live: LiveProperty::named(&name), name, empty_element }
    }
}

#[derive(Clone)]
pub(super) enum Selection {
    /// `DAV:allprop`, and those of `DAV:include`.
    All(Vec<Asked>),
    /// `DAV:propname`.
    Names,
    /// `DAV:prop`.
    Listed(Vec<Asked>),
}

/// Which properties are asked for, and whether to be told of those that are not there.
#[derive(Clone)]
pub(in crate::dav) struct PropertyRequest {
    pub(super) selection: Selection,
    pub(super) minimal: bool,
}

impl PropertyRequest {
    /// Reads the children `DAV:prop`, `DAV:allprop` (with `DAV:include`) or `DAV:propname` of a request.
    ///
    /// # Errors
    /// 400 unless there is exactly one of them; 413 for too many properties.
    pub(in crate::dav) fn parse(parent: &Element) -> Result<Self, DavError> {
        let kinds = ["prop", "allprop", "propname"];
        let mut choices = parent.elements().filter(|element| kinds.iter().any(|kind| element.is(DAV, kind)));
        let (Some(choice), None) = (choices.next(), choices.next()) else {
            let reason = "the request must hold exactly one of DAV:prop, DAV:allprop and DAV:propname";
            return Err(DavError::new(StatusCode::BAD_REQUEST, reason));
        };
        let names = |element: &Element| element.elements().map(|element| element.name.clone()).collect();
        match choice.name.local() {
            "prop" => Self::listed(names(choice)),
            "propname" => Ok(Self { selection: Selection::Names, minimal: false }),
            _ => {
                let include = parent.element(DAV, "include").map(names).unwrap_or_default();
                Ok(Self { selection: Selection::All(asked(include)?), minimal: false })
            }
        }
    }

    /// `DAV:allprop`, which an empty body means.
    pub(in crate::dav) fn all() -> Self {
        Self { selection: Selection::All(Vec::new()), minimal: false }
    }

    /// The properties of these names.
    ///
    /// # Errors
    /// 413 for too many.
    pub(in crate::dav) fn listed(names: Vec<Name>) -> Result<Self, DavError> {
        Ok(Self { selection: Selection::Listed(asked(names)?), minimal: false })
    }

    /// The same, by the preferences of the request: `return=minimal` passes over what is not there.
    pub(in crate::dav) fn preferring(self, preferences: Preferences) -> Self {
        Self { minimal: preferences.minimal, ..self }
    }
}

fn asked(names: Vec<Name>) -> Result<Vec<Asked>, DavError> {
    let bytes: usize = names.iter().map(|name| name.namespace().len() + name.local().len()).sum();
    if names.len() > MAX_ASKED || bytes > MAX_NAMES {
        let reason =
            format!("more than {MAX_ASKED} properties, or {MAX_NAMES} bytes of names, are asked for at once");
        return Err(DavError::new(StatusCode::PAYLOAD_TOO_LARGE, reason));
    }
    let mut seen = BTreeSet::new();
    Ok(names.into_iter().filter(|name| seen.insert(name.clone())).map(Asked::new).collect())
}
