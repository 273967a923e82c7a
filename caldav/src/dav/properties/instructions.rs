//! Changes to properties: `DAV:set` and `DAV:remove` (RFC 4918 §14), read, carried out, and reported on.

use super::{
    caldav,
    live::{Access, LiveProperty},
    webdav,
    write::write_failed,
};
use crate::{
    collection::{Collection, MAX_COLLECTION_FILE},
    dav::{
        DavError,
        xml::{self, Attribute, CALDAV, DAV, Element, Name, XML},
        xml_writer,
    },
};
use http::StatusCode;
use std::collections::BTreeSet;

/// Properties that one request may change.
const MAX_INSTRUCTIONS: usize = 1_000;

/// One property to set or to remove.
pub(super) struct Instruction {
    /// The property.
    pub(super) name: Name,
    /// The element with its value, `xml:lang` in scope included; `None` removes the property.
    pub(super) value: Option<Element>,
}

/// Reads the `DAV:set` elements of a request, and its `DAV:remove` elements if those are allowed, in order.
///
/// # Errors
/// 400 for a set or remove without `DAV:prop`; 413 for too many properties.
pub(super) fn read(root: &Element, may_remove: bool) -> Result<Vec<Instruction>, DavError> {
    let mut instructions = Vec::new();
    for element in root.elements() {
        let is_set = element.is(DAV, "set");
        let is_remove = may_remove && element.is(DAV, "remove");
        if !is_set && !is_remove {
            continue;
        }
        let Some(properties) = element.element(DAV, "prop") else {
            let reason = format!("DAV:{} must hold DAV:prop", element.name.local());
            return Err(DavError::new(StatusCode::BAD_REQUEST, reason));
        };
        let language = properties.lang().or(element.lang()).or(root.lang());
        for property in properties.elements() {
            if instructions.len() >= MAX_INSTRUCTIONS {
                let reason = format!("more than {MAX_INSTRUCTIONS} properties in one request");
                return Err(DavError::new(StatusCode::PAYLOAD_TOO_LARGE, reason));
            }
            let name = property.name.clone();
            let value = is_set.then(|| in_language(property, language));
            instructions.push(Instruction { name, value });
        }
    }
    Ok(instructions)
}

/// RFC 4918 §4.3: the language in scope belongs to the value.
fn in_language(property: &Element, language: Option<&str>) -> Element {
    let mut property = property.clone();
    if let (Some(language), None) = (language, property.lang()) {
        property.attributes.push(Attribute { name: Name::new(XML, "lang"), value: language.into() });
    }
    property
}

/// Carries out the instructions in order, on the collection or a member of it: all of them or none is to be
/// kept. `making` tells that the collection is being made.
pub(super) fn apply(
    collection: &mut Collection,
    member: Option<&str>,
    instructions: Vec<Instruction>,
    making: bool,
) -> Outcome {
    let mut results = Vec::with_capacity(instructions.len());
    for instruction in instructions {
        let result = apply_one(collection, member, &instruction, making);
        results.push((instruction, result.err()));
    }
    let outcome = Outcome { results };
    if outcome.is_success() && collection.to_toml().len() > MAX_COLLECTION_FILE {
        return outcome.too_large();
    }
    outcome
}

fn apply_one(
    collection: &mut Collection,
    member: Option<&str>,
    Instruction { name, value }: &Instruction,
    making: bool,
) -> Result<(), DavError> {
    match LiveProperty::named(name).map(|live| live.access) {
        Some(Access::Writable(set)) if member.is_none() => set(collection, value.as_ref()),
        Some(Access::Initial(set)) if making => set(collection, value.as_ref()),
        Some(Access::Initial(_) | Access::Protected) => Err(protected(name)),
        None if never_given(name) => Err(protected(name)),
        Some(Access::Writable(_)) | None => {
            match value {
                Some(value) => {
                    // With the declarations of its namespaces it may be beyond what is read back.
                    if let Err(error) = xml::parse(xml_writer::document(value).as_bytes()) {
                        let reason = format!("the value cannot be kept: {error}");
                        return Err(DavError::new(StatusCode::CONFLICT, reason));
                    }
                    collection.set_dead_property(member, value.clone());
                }
                None => collection.remove_dead_property(member, name),
            }
            Ok(())
        }
    }
}

/// Whether values of this name would be taken for the server's own.
fn never_given(name: &Name) -> bool {
    webdav::NEVER_GIVEN.iter().any(|local| name.is(DAV, local))
        || caldav::NEVER_GIVEN.iter().any(|local| name.is(CALDAV, local))
}

fn protected(name: &Name) -> DavError {
    let reason = format!("{} is the server's to set", name.local());
    DavError::dav(StatusCode::FORBIDDEN, "cannot-modify-protected-property", reason)
}

/// What came of each instruction, in order.
pub(super) struct Outcome {
    results: Vec<(Instruction, Option<DavError>)>,
}

impl Outcome {
    /// Every instruction failed with this error.
    pub(super) fn refused(instructions: Vec<Instruction>, error: &DavError) -> Self {
        let refuse = |instruction| (instruction, Some(error.clone()));
        Self { results: instructions.into_iter().map(refuse).collect() }
    }

    /// Whether all of them were carried out.
    pub(super) fn is_success(&self) -> bool {
        self.results.iter().all(|(_, error)| error.is_none())
    }

    /// The first thing that went wrong.
    pub(super) fn first_error(&self) -> Option<&DavError> {
        self.results.iter().find_map(|(_, error)| error.as_ref())
    }

    /// The whole is too large: the largest value is to blame.
    fn too_large(mut self) -> Self {
        let size = |(instruction, _): &&mut (Instruction, Option<DavError>)| {
            instruction.value.as_ref().map_or(0, |value| xml_writer::document(value).len())
        };
        if let Some((_, error)) = self.results.iter_mut().max_by_key(size) {
            let reason = format!(
                "the properties of a collection and its members may have {MAX_COLLECTION_FILE} bytes together"
            );
            *error = Some(DavError::new(StatusCode::INSUFFICIENT_STORAGE, reason));
        }
        self
    }

    /// Appends a `D:propstat` for each status: 200 for all, or what failed and 424 for the others
    /// (RFC 4918 §9.2.1).
    pub(super) fn write(&self, out: &mut String) {
        let mut groups: Vec<(Option<&DavError>, Vec<String>)> = Vec::new();
        let mut seen = BTreeSet::new();
        let failed = self.results.iter().filter(|(_, error)| error.is_some());
        let others = self.results.iter().filter(|(_, error)| error.is_none());
        for (instruction, error) in failed.chain(others) {
            if !seen.insert(&instruction.name) {
                continue;
            }
            let mut name = String::new();
            xml_writer::empty_element(&mut name, &instruction.name);
            match groups.iter_mut().find(|(known, _)| *known == error.as_ref()) {
                Some((_, names)) => names.push(name),
                None => groups.push((error.as_ref(), vec![name])),
            }
        }
        let dependent = DavError::new(
            StatusCode::FAILED_DEPENDENCY,
            "not changed, because another property of the request could not be",
        );
        for (error, names) in groups {
            match error {
                Some(error) => write_failed(out, names.iter().map(String::as_str), error),
                None if self.is_success() => {
                    out.push_str("<D:propstat><D:prop>");
                    names.iter().for_each(|name| out.push_str(name));
                    out.push_str("</D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat>");
                }
                None => write_failed(out, names.iter().map(String::as_str), &dependent),
            }
        }
    }

    /// The name that the instructions give and nothing else, if so.
    pub(super) fn only_name(&self) -> Option<String> {
        match self.results.as_slice() {
            [(Instruction { name, value: Some(value) }, _)] if name.is(DAV, "displayname") => {
                Some(value.text().into_owned())
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn update(body: &str) -> Vec<Instruction> {
        let text = format!("<D:propertyupdate xmlns:D='DAV:' xmlns:C='{CALDAV}'>{body}</D:propertyupdate>");
        read(&xml::parse(text.as_bytes()).unwrap(), true).unwrap()
    }

    fn statuses(outcome: &Outcome) -> Vec<u16> {
        outcome.results.iter().map(|(_, error)| error.as_ref().map_or(200, |e| e.status.as_u16())).collect()
    }

    #[test]
    fn the_language_in_scope_comes_with_the_value() {
        let text = "<D:propertyupdate xmlns:D='DAV:' xml:lang='de'><D:set xml:lang='en'><D:prop><a/>\
             <b xml:lang='fr'/></D:prop></D:set><D:set><D:prop><c/></D:prop></D:set><D:set>\
             <D:prop xml:lang=''><d/></D:prop></D:set></D:propertyupdate>";
        let instructions = read(&xml::parse(text.as_bytes()).unwrap(), true).unwrap();
        let languages: Vec<_> = instructions
            .iter()
            .map(|i| (i.name.local(), i.value.as_ref().unwrap().lang().unwrap()))
            .collect();
        assert_eq!(languages, [("a", "en"), ("b", "fr"), ("c", "de"), ("d", "")]);
    }

    #[test]
    fn whatever_text_is_set_comes_back_from_the_file() {
        for text in [
            "",
            " \t",
            "a&#13;&#10;b&#13;",
            "'''&quot;&quot;&quot;\\",
            "&#x7f;&#x85;\u{2028}",
            "# [a]\nb = 1",
        ] {
            let mut collection = Collection::calendar(None);
            let body = format!(
                "<D:set><D:prop><D:displayname>{text}</D:displayname><C:calendar-description>{text}\
                 </C:calendar-description><p xmlns='urn:x' a='1'>{text}</p></D:prop></D:set>"
            );
            assert!(apply(&mut collection, None, update(&body), false).is_success());
            assert!(apply(&mut collection, Some("ä \".ics"), update(&body), false).is_success());
            assert_eq!(Collection::parse(collection.to_toml().as_bytes()), Ok(collection), "{text:?}");
        }
    }

    #[test]
    fn a_value_that_could_not_be_read_back_is_refused() {
        let declarations: String = (0..60).map(|n| format!(" xmlns:n{n}='urn:{n}'")).collect();
        let attributes: String = (0..60).map(|n| format!(" n{n}:a=''")).collect();
        let text = format!(
            "<D:propertyupdate xmlns:D='DAV:'><D:set><D:prop{declarations}><x{attributes}/></D:prop></D:set>\
             </D:propertyupdate>"
        );
        let instructions = read(&xml::parse(text.as_bytes()).unwrap(), true).unwrap();
        let outcome = apply(&mut Collection::plain(), None, instructions, false);
        assert_eq!(statuses(&outcome), [409]);
    }

    #[test]
    fn what_is_too_large_together_is_blamed_on_the_largest() {
        let large = "x".repeat(MAX_COLLECTION_FILE);
        let body = format!("<D:set><D:prop><a>1</a><b>{large}</b><c>2</c></D:prop></D:set>");
        let outcome = apply(&mut Collection::plain(), None, update(&body), false);
        assert_eq!(statuses(&outcome), [200, 507, 200]);
        assert!(!outcome.is_success());
    }

    #[test]
    fn instructions_are_counted() {
        let many = "<D:remove><D:prop><a/></D:prop></D:remove>".repeat(MAX_INSTRUCTIONS + 1);
        let text = format!("<D:propertyupdate xmlns:D='DAV:'>{many}</D:propertyupdate>");
        let error = read(&xml::parse(text.as_bytes()).unwrap(), true).err().unwrap();
        assert_eq!(error.status, 413);
    }
}
