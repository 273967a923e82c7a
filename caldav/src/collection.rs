//! Collections: what `.collection.toml` in a directory says about it.
//!
//! The file is written for people who clone the repository: short keys, one meaning each. Dead properties
//! (RFC 4918 §4) are kept as XML, those of plain members in the file of the directory that holds them.
//! Keys that this version does not know are kept.

use crate::dav::{
    xml::{self, Element, Name},
    xml_writer,
};
use kalends_icalendar::ComponentKind;
use kalends_store::{EntryKind, Error, ObjectId, Objects, Tree};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The file that describes the directory it is in.
pub(crate) const COLLECTION_FILE: &str = ".collection.toml";

/// Bytes that a `.collection.toml` may have.
pub(crate) const MAX_COLLECTION_FILE: usize = 256 * 1024;

/// The kinds of component that a calendar may hold when nothing restricts it.
pub(crate) const ALL_COMPONENTS: [&str; 4] = ["VEVENT", "VTODO", "VJOURNAL", "VFREEBUSY"];

/// What a directory is to WebDAV.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum CollectionKind {
    /// A WebDAV collection of anything.
    #[default]
    Collection,
    /// A calendar collection (RFC 4791 §4.2).
    Calendar,
}

/// Whether events in a calendar make its owner busy (RFC 6638 §9.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Transparency {
    /// They do, unless an event says otherwise.
    #[default]
    Opaque,
    /// They do not.
    Transparent,
}

/// The properties of a collection.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Collection {
    /// What it is.
    #[serde(rename = "type")]
    pub(crate) kind: CollectionKind,
    /// The name people read.
    #[serde(rename = "display-name", skip_serializing_if = "Option::is_none")]
    pub(crate) displayname: Option<String>,
    /// The language of the name, as in `xml:lang`.
    #[serde(rename = "display-name-language", skip_serializing_if = "Option::is_none")]
    pub(crate) displayname_language: Option<String>,
    /// What it is for (RFC 4791 §5.2.1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<String>,
    /// The language of the description, as in `xml:lang`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) description_language: Option<String>,
    /// Colour, as clients write it: `#RRGGBB` or `#RRGGBBAA`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) color: Option<String>,
    /// Place among the user's calendars, smallest first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) order: Option<i64>,
    /// Kinds of component it may hold; all when absent (RFC 4791 §5.2.3).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) components: Option<Vec<String>>,
    /// Whether its events make the owner busy.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) schedule_transparency: Transparency,
    /// An iCalendar object with one VTIMEZONE, for floating times in queries (RFC 4791 §5.2.2).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) timezone: Option<String>,
    /// Dead properties of the collection.
    #[serde(default, rename = "property", skip_serializing_if = "Vec::is_empty")]
    pub(crate) properties: Vec<DeadProperty>,
    /// Dead properties of the files in it, by file name.
    #[serde(default, rename = "member", skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) members: BTreeMap<String, Vec<DeadProperty>>,
    /// What later versions or other programs keep here.
    #[serde(flatten)]
    pub(crate) other: toml::Table,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// A property that the server stores without knowing its meaning, as an element.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "StoredProperty", into = "StoredProperty")]
pub(crate) struct DeadProperty(pub(crate) Element);

#[derive(Serialize, Deserialize)]
struct StoredProperty {
    xml: String,
}

impl TryFrom<StoredProperty> for DeadProperty {
    type Error = String;

    fn try_from(stored: StoredProperty) -> Result<Self, String> {
        xml::parse(stored.xml.as_bytes()).map(Self).map_err(|error| error.to_string())
    }
}

impl From<DeadProperty> for StoredProperty {
    fn from(property: DeadProperty) -> Self {
        Self { xml: xml_writer::document(&property.0) }
    }
}

impl Collection {
    /// A plain collection without properties.
    pub(crate) fn plain() -> Self {
        Self::default()
    }

    /// A calendar with this display name.
    pub(crate) fn calendar(displayname: Option<&str>) -> Self {
        Self { kind: CollectionKind::Calendar, displayname: displayname.map(Into::into), ..Self::default() }
    }

    /// Reads a `.collection.toml`.
    ///
    /// # Errors
    /// Says what is wrong, with the line if there is one.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, String> {
        if bytes.len() > MAX_COLLECTION_FILE {
            return Err(format!("larger than {MAX_COLLECTION_FILE} bytes"));
        }
        let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
        toml::from_str(text).map_err(|error| error.to_string())
    }

    /// The text of its `.collection.toml`.
    pub(crate) fn to_toml(&self) -> String {
        toml::to_string_pretty(self).expect("strings, numbers and tables with text keys")
    }

    /// Whether it is a calendar.
    pub(crate) fn is_calendar(&self) -> bool {
        self.kind == CollectionKind::Calendar
    }

    /// Whether the calendar may hold components of this kind, such as `VEVENT`.
    pub(crate) fn allows_component(&self, name: &str) -> bool {
        match &self.components {
            Some(allowed) => allowed.iter().any(|allowed| allowed.eq_ignore_ascii_case(name)),
            None => ALL_COMPONENTS.iter().any(|allowed| allowed.eq_ignore_ascii_case(name)),
        }
    }

    /// The kinds of component that the calendar may hold.
    pub(crate) fn supported_kinds(&self) -> Vec<ComponentKind> {
        ComponentKind::ALL.into_iter().filter(|kind| self.allows_component(kind.name())).collect()
    }

    /// The collection that a tree is. Without a `.collection.toml`, or with one that cannot be read, it is
    /// a calendar if it holds any `.ics` file.
    pub(crate) fn of_tree(objects: &(impl Objects + ?Sized), tree: &Tree) -> Result<Self, Error> {
        match Self::stored(objects, tree)? {
            Some(Ok(collection)) => Ok(collection),
            Some(Err(_)) | None => Ok(Self {
                kind: match tree.iter().any(|entry| !entry.mode.is_tree() && is_ics(entry.name)) {
                    true => CollectionKind::Calendar,
                    false => CollectionKind::Collection,
                },
                ..Self::default()
            }),
        }
    }

    /// What the `.collection.toml` of a tree says, or why it cannot be read.
    pub(crate) fn stored(
        objects: &(impl Objects + ?Sized),
        tree: &Tree,
    ) -> Result<Option<Result<Self, String>>, Error> {
        match Self::stored_id(tree) {
            Some(id) => Ok(Some(Self::parse(&objects.object(&id)?.data))),
            None => Ok(None),
        }
    }

    /// The blob of the `.collection.toml` of a tree.
    pub(crate) fn stored_id(tree: &Tree) -> Option<ObjectId> {
        tree.find(COLLECTION_FILE)
            .filter(|entry| matches!(entry.mode.kind(), EntryKind::Blob | EntryKind::BlobExecutable))
            .map(|entry| entry.id.to_owned())
    }

    /// The dead properties of the collection, or of a member of it.
    pub(crate) fn dead_properties(&self, member: Option<&str>) -> &[DeadProperty] {
        match member {
            None => &self.properties,
            Some(name) => self.members.get(name).map_or(&[], Vec::as_slice),
        }
    }

    /// Sets a dead property of the collection or of a member, replacing one of the same name.
    pub(crate) fn set_dead_property(&mut self, member: Option<&str>, element: Element) {
        let properties = match member {
            None => &mut self.properties,
            Some(name) => self.members.entry(name.into()).or_default(),
        };
        match properties.iter_mut().find(|property| property.0.name == element.name) {
            Some(property) => property.0 = element,
            None => properties.push(DeadProperty(element)),
        }
    }

    /// Removes a dead property of the collection or of a member, if it is there.
    pub(crate) fn remove_dead_property(&mut self, member: Option<&str>, name: &Name) {
        match member {
            None => self.properties.retain(|property| property.0.name != *name),
            Some(member) => {
                if let Some(properties) = self.members.get_mut(member) {
                    properties.retain(|property| property.0.name != *name);
                    if properties.is_empty() {
                        self.members.remove(member);
                    }
                }
            }
        }
    }
}

/// Whether a file of this name in a calendar is a calendar object.
pub(crate) fn is_ics(name: &[u8]) -> bool {
    name.len() > 4 && name[name.len() - 4..].eq_ignore_ascii_case(b".ics")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collection_survives_its_file() {
        let mut collection = Collection::calendar(Some("Arbeit \"Büro\""));
        collection.color = Some("#ff8800ff".into());
        collection.order = Some(-3);
        collection.components = Some(vec!["VEVENT".into()]);
        collection.timezone = Some("BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n".into());
        let property = "<x:p xmlns:x='urn:x' xml:lang='de' a='1'>t&lt;<y xmlns='urn:y'/></x:p>";
        collection.set_dead_property(None, xml::parse(property.as_bytes()).unwrap());
        collection.set_dead_property(Some("ä.txt"), xml::parse(property.as_bytes()).unwrap());
        assert_eq!(Collection::parse(collection.to_toml().as_bytes()), Ok(collection));
    }

    #[test]
    fn unknown_keys_are_kept() {
        let text = "type = \"calendar\"\nfuture = 3\n\n[acl]\nbob = \"read\"\n";
        let collection = Collection::parse(text.as_bytes()).unwrap();
        let again = Collection::parse(collection.to_toml().as_bytes()).unwrap();
        assert_eq!(again.other.get("future").and_then(toml::Value::as_integer), Some(3));
        assert!(again.other.contains_key("acl"));
    }

    #[test]
    fn a_broken_file_is_named_with_its_line() {
        let error = Collection::parse(b"type = \"calendar\"\norder = \"first\"\n").unwrap_err();
        assert!(error.contains("line 2"), "{error}");
        assert!(Collection::parse(b"type = \"addressbook\"").is_err());
        assert!(Collection::parse(b"type = \"calendar\"\n[[property]]\nxml = \"<a\"").is_err());
    }

    #[test]
    fn removing_the_last_property_of_a_member_forgets_the_member() {
        let mut collection = Collection::plain();
        collection.set_dead_property(Some("a"), Element::new(Name::new("urn:x", "p")));
        collection.remove_dead_property(Some("a"), &Name::new("urn:x", "p"));
        assert_eq!(collection, Collection::plain());
    }
}
