//! Live properties (RFC 4918 §15): their names, and what each can do.

use super::{apple, caldav, principal, subject::Subject, sync, webdav, write::Context};
use crate::{
    collection::Collection,
    dav::{
        error::DavError,
        xml::{APPLE_ICAL, CALDAV, CALENDAR_SERVER, DAV, Element, Name},
        xml_writer,
    },
};

/// Appends the content of a property's element; false when the resource does not have the property.
pub(super) type Value = fn(&mut String, &Context<'_>, &Subject<'_>) -> Result<bool, DavError>;

/// Sets the property of a collection to the value of an element, or removes it.
pub(super) type Set = fn(&mut Collection, Option<&Element>) -> Result<(), DavError>;

/// Who changes a property, and when.
#[derive(Clone, Copy)]
pub(super) enum Access {
    /// The server alone (RFC 4918 §15, "protected").
    Protected,
    /// Whoever makes the collection, when it is made.
    Initial(Set),
    /// Clients, on collections. On other resources it is a dead property.
    Writable(Set),
}

/// A live property.
pub(super) struct LiveProperty {
    namespace: &'static str,
    prefix: &'static str,
    local: &'static str,
    value: Value,
    /// The language of its value, to be written as `xml:lang`.
    language: fn(&Subject<'_>) -> Option<String>,
    /// Whether `DAV:allprop` gives it (RFC 4918 §9.1: those of that document).
    pub(super) in_allprop: bool,
    /// Whether `DAV:propname` names it.
    pub(super) in_propname: bool,
    pub(super) access: Access,
}

impl LiveProperty {
    const fn new(namespace: &'static str, prefix: &'static str, local: &'static str, value: Value) -> Self {
        Self {
            namespace,
            prefix,
            local,
            value,
            language: |_| None,
            in_allprop: false,
            in_propname: true,
            access: Access::Protected,
        }
    }

    /// A protected property of WebDAV.
    pub(super) const fn dav(local: &'static str, value: Value) -> Self {
        Self::new(DAV, "D", local, value)
    }

    /// A protected property of CalDAV.
    pub(super) const fn caldav(local: &'static str, value: Value) -> Self {
        Self::new(CALDAV, "C", local, value)
    }

    /// A protected property of Calendar Server.
    pub(super) const fn calendar_server(local: &'static str, value: Value) -> Self {
        Self::new(CALENDAR_SERVER, "CS", local, value)
    }

    /// A protected property of Apple's Calendar.
    pub(super) const fn apple(local: &'static str, value: Value) -> Self {
        Self::new(APPLE_ICAL, "A", local, value)
    }

    pub(super) const fn in_allprop(mut self) -> Self {
        self.in_allprop = true;
        self
    }

    pub(super) const fn not_in_propname(mut self) -> Self {
        self.in_propname = false;
        self
    }

    pub(super) const fn with_language(mut self, language: fn(&Subject<'_>) -> Option<String>) -> Self {
        self.language = language;
        self
    }

    pub(super) const fn writable(mut self, set: Set) -> Self {
        self.access = Access::Writable(set);
        self
    }

    pub(super) const fn initial(mut self, set: Set) -> Self {
        self.access = Access::Initial(set);
        self
    }

    /// The property of this name.
    pub(super) fn named(name: &Name) -> Option<&'static Self> {
        all().find(|property| name.is(property.namespace, property.local))
    }

    /// Appends the element with its value; false, and nothing, when the resource does not have it.
    pub(super) fn write(
        &self,
        out: &mut String,
        context: &Context<'_>,
        subject: &Subject<'_>,
    ) -> Result<bool, DavError> {
        let start = out.len();
        self.push_tag(out, "<");
        if let Some(language) = (self.language)(subject) {
            out.push_str(" xml:lang=\"");
            xml_writer::attribute_value(out, &language);
            out.push('"');
        }
        out.push('>');
        let content = out.len();
        match (self.value)(out, context, subject) {
            Ok(true) => {}
            other => {
                out.truncate(start);
                return other;
            }
        }
        if out.len() == content {
            out.truncate(content - 1);
            out.push_str("/>");
        } else {
            self.push_tag(out, "</");
            out.push('>');
        }
        Ok(true)
    }

    /// Appends an empty element of its name.
    pub(super) fn write_name(&self, out: &mut String) {
        self.push_tag(out, "<");
        out.push_str("/>");
    }

    fn push_tag(&self, out: &mut String, bracket: &str) {
        out.push_str(bracket);
        out.push_str(self.prefix);
        out.push(':');
        out.push_str(self.local);
    }
}

/// All live properties.
pub(super) fn all() -> impl Iterator<Item = &'static LiveProperty> {
    let groups: [&'static [LiveProperty]; 5] = [
        &webdav::PROPERTIES,
        &principal::PROPERTIES,
        &caldav::PROPERTIES,
        &sync::PROPERTIES,
        &apple::PROPERTIES,
    ];
    groups.into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_is_in_two_tables() {
        let mut names: Vec<_> = all().map(|property| (property.namespace, property.local)).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
