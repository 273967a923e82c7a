//! Writing XML: escaping, and elements with the namespace declarations that they need.

use super::xml::{APPLE_ICAL, CALDAV, CALENDAR_SERVER, DAV, Element, Name, Node, XML};
use std::fmt::Write;

/// The prefixes that the root element of every response declares.
const KNOWN: [(&str, &str); 4] = [("D", DAV), ("C", CALDAV), ("CS", CALENDAR_SERVER), ("A", APPLE_ICAL)];

/// The declarations for [`KNOWN`], to be written in the start tag of a root element.
pub(crate) const DECLARATIONS: &str = concat!(
    r#" xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav""#,
    r#" xmlns:CS="http://calendarserver.org/ns/" xmlns:A="http://apple.com/ns/ical/""#
);

/// The XML declaration that starts a document.
pub(crate) const PROLOGUE: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n";

/// Appends character data. Characters that XML cannot hold become U+FFFD.
pub(crate) fn text(out: &mut String, text: &str) {
    escape(out, text, false);
}

/// Appends the inside of a double-quoted attribute value.
pub(crate) fn attribute_value(out: &mut String, value: &str) {
    escape(out, value, true);
}

/// The bytes that what must be escaped begins with: U+FFFE and U+FFFF, which XML cannot hold, with 0xEF.
const IN_TEXT: [bool; 256] = special(false);
const IN_ATTRIBUTES: [bool; 256] = special(true);

const fn special(attribute: bool) -> [bool; 256] {
    let mut special = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        special[byte] = match byte as u8 {
            b'<' | b'>' | b'&' | b'\r' | 0xef => true,
            b'\n' | b'\t' | b'"' => attribute,
            byte => byte < b' ',
        };
        byte += 1;
    }
    special
}

fn escape(out: &mut String, text: &str, attribute: bool) {
    out.reserve(text.len());
    // What is looked for begins with one of a few bytes; all between is copied as it is.
    let special = if attribute { &IN_ATTRIBUTES } else { &IN_TEXT };
    let mut rest = text;
    let mut from = 0;
    while let Some(at) = rest.as_bytes()[from..].iter().position(|byte| special[usize::from(*byte)]) {
        let (before, special) = rest.split_at(from + at);
        let mut chars = special.chars();
        let replacement = match chars.next() {
            Some('<') => "&lt;",
            Some('>') => "&gt;",
            Some('&') => "&amp;",
            Some('"') => "&quot;",
            // A literal CR would be read as LF.
            Some('\r') => "&#13;",
            Some('\n') => "&#10;",
            Some('\t') => "&#9;",
            // Begins with the same byte as what XML cannot hold.
            Some(char) if char >= ' ' && !matches!(char, '\u{fffe}' | '\u{ffff}') => {
                from += at + char.len_utf8();
                continue;
            }
            _ => "\u{fffd}",
        };
        out.push_str(before);
        out.push_str(replacement);
        rest = chars.as_str();
        from = 0;
    }
    out.push_str(rest);
}

/// Appends `<prefix:local>text</prefix:local>` for a tag whose prefix the root element declares.
pub(crate) fn tagged(out: &mut String, tag: &str, content: &str) {
    let _ = write!(out, "<{tag}>");
    text(out, content);
    let _ = write!(out, "</{tag}>");
}

/// Appends an element with all below it, inside a root with [`DECLARATIONS`].
pub(crate) fn element(out: &mut String, element: &Element) {
    let mut scope = Scope { bindings: KNOWN.map(|(prefix, ns)| (prefix.into(), ns.into())).to_vec() };
    write_element(out, element, &mut scope);
}

/// Appends an empty element of this name, inside a root with [`DECLARATIONS`].
pub(crate) fn empty_element(out: &mut String, name: &Name) {
    match KNOWN.iter().find(|(_, namespace)| *namespace == name.namespace()) {
        Some((prefix, _)) => {
            let _ = write!(out, "<{prefix}:{}/>", name.local());
        }
        None if name.namespace().is_empty() => {
            let _ = write!(out, "<{}/>", name.local());
        }
        None => element(out, &Element::new(name.clone())),
    }
}

/// An element as a document of its own, without XML declaration.
pub(crate) fn document(element: &Element) -> String {
    let mut out = String::new();
    write_element(&mut out, element, &mut Scope { bindings: Vec::new() });
    out
}

/// Prefixes in scope, the innermost last; the empty prefix is the default namespace.
struct Scope {
    bindings: Vec<(Box<str>, Box<str>)>,
}

impl Scope {
    fn lookup(&self, prefix: &str) -> Option<&str> {
        match prefix {
            "xml" => Some(XML),
            _ => self.bindings.iter().rev().find(|(known, _)| **known == *prefix).map(|(_, ns)| &**ns),
        }
    }

    /// The prefix to write a name with: its own where possible. New bindings are added to the scope.
    fn prefix_for(&mut self, name: &Name, is_element: bool, first_new: usize) -> Box<str> {
        let namespace = name.namespace();
        if namespace == XML {
            return "xml".into();
        }
        if namespace.is_empty() {
            if is_element && self.lookup("").is_some_and(|default| !default.is_empty()) {
                self.bindings.push(("".into(), "".into()));
            }
            return "".into();
        }
        let wanted = name.prefix().unwrap_or("");
        if wanted != "xml" && wanted != "xmlns" && (is_element || !wanted.is_empty()) {
            if self.lookup(wanted) == Some(namespace) {
                return wanted.into();
            }
            if !self.bindings[first_new..].iter().any(|(prefix, _)| **prefix == *wanted) {
                self.bindings.push((wanted.into(), namespace.into()));
                return wanted.into();
            }
        }
        let mut number = 0;
        loop {
            let candidate = format!("ns{number}");
            match self.lookup(&candidate) {
                Some(bound) if bound == namespace => return candidate.into(),
                Some(_) => number += 1,
                None => {
                    self.bindings.push((candidate.as_str().into(), namespace.into()));
                    return candidate.into();
                }
            }
        }
    }
}

fn write_element(out: &mut String, element: &Element, scope: &mut Scope) {
    let outer = scope.bindings.len();
    let prefix = scope.prefix_for(&element.name, true, outer);
    let tag = match &*prefix {
        "" => element.name.local().to_owned(),
        prefix => format!("{prefix}:{}", element.name.local()),
    };
    let attributes: Vec<_> =
        element.attributes.iter().map(|a| (scope.prefix_for(&a.name, false, outer), a)).collect();
    let _ = write!(out, "<{tag}");
    for (prefix, namespace) in &scope.bindings[outer..] {
        out.push_str(if prefix.is_empty() { " xmlns" } else { " xmlns:" });
        out.push_str(prefix);
        out.push_str("=\"");
        attribute_value(out, namespace);
        out.push('"');
    }
    for (prefix, attribute) in attributes {
        let colon = if prefix.is_empty() { "" } else { ":" };
        let _ = write!(out, " {prefix}{colon}{}=\"", attribute.name.local());
        attribute_value(out, &attribute.value);
        out.push('"');
    }
    if element.children.is_empty() {
        out.push_str("/>");
    } else {
        out.push('>');
        for child in &element.children {
            match child {
                Node::Element(child) => write_element(out, child, scope),
                Node::Text(content) => text(out, content),
            }
        }
        let _ = write!(out, "</{tag}>");
    }
    scope.bindings.truncate(outer);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dav::xml::parse;

    #[test]
    fn what_is_written_reads_the_same() {
        for text in [
            "<a/>",
            "<x:a xmlns:x='urn:x'><x:b/><c xmlns='urn:c'><d xmlns=''/></c></x:a>",
            "<a xmlns='DAV:' xmlns:p='urn:p' p:q='&lt;&quot;&#10;' xml:lang='de'>a&#13;\n]]&gt;<b/>ü</a>",
            "<p:a xmlns:p='urn:1' xmlns:q='urn:2' p:x='1' q:x='2'><q:a xmlns:q='urn:3' q:x=''/></p:a>",
            "<D:a xmlns:D='urn:not-dav'><D:b xmlns:D='DAV:'/></D:a>",
            "<a xmlns='urn:&amp;&quot;'/>",
        ] {
            let element = parse(text.as_bytes()).unwrap();
            assert_eq!(parse(document(&element).as_bytes()), Ok(element.clone()), "{text}");
            let mut inside = format!("<D:prop{DECLARATIONS}>");
            super::element(&mut inside, &element);
            inside.push_str("</D:prop>");
            let root = parse(inside.as_bytes()).unwrap();
            assert_eq!(root.elements().next(), Some(&element), "{inside}");
        }
    }

    #[test]
    fn all_that_xml_cannot_hold_is_replaced_and_nothing_else() {
        let mut chars: Vec<char> = (0..0x300).chain(0xef00..0x10100).filter_map(char::from_u32).collect();
        chars.extend(['a', '\u{10ffff}', '\u{ffff}', '\u{ef}']);
        let all: String = chars.iter().collect();
        for attribute in [false, true] {
            let mut expected = String::new();
            for char in &chars {
                match char {
                    '<' => expected.push_str("&lt;"),
                    '>' => expected.push_str("&gt;"),
                    '&' => expected.push_str("&amp;"),
                    '"' if attribute => expected.push_str("&quot;"),
                    '\r' => expected.push_str("&#13;"),
                    '\n' if attribute => expected.push_str("&#10;"),
                    '\t' if attribute => expected.push_str("&#9;"),
                    '\n' | '\t' => expected.push(*char),
                    '\u{fffe}' | '\u{ffff}' | '\0'..='\u{1f}' => expected.push('\u{fffd}'),
                    char => expected.push(*char),
                }
            }
            let mut out = String::new();
            escape(&mut out, &all, attribute);
            assert_eq!(out, expected);
        }
    }

    #[test]
    fn prefixes_are_kept() {
        let text = r#"<x:a xmlns:x="urn:x"><x:b x:c="1"/></x:a>"#;
        assert_eq!(document(&parse(text.as_bytes()).unwrap()), text);
    }
}
