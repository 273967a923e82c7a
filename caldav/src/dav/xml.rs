//! XML request bodies as a bounded tree of namespaced elements.
//!
//! Document type declarations, entities and anything external are refused. Depth, number of elements and
//! attributes are bounded; the caller bounds the bytes. What RFC 4918 §4.3 asks to keep of a property
//! value (names, prefixes, attributes, `xml:lang` in scope, text) is kept.

use quick_xml::{
    NsReader, XmlVersion,
    events::{BytesStart, Event},
    name::{Namespace, ResolveResult},
};
use std::{borrow::Cow, collections::BTreeSet, fmt, rc::Rc};

/// The WebDAV namespace (RFC 4918).
pub(crate) const DAV: &str = "DAV:";
/// The CalDAV namespace (RFC 4791).
pub(crate) const CALDAV: &str = "urn:ietf:params:xml:ns:caldav";
/// The namespace of Calendar Server's extensions, such as `getctag`.
pub(crate) const CALENDAR_SERVER: &str = "http://calendarserver.org/ns/";
/// The namespace of Apple's calendar properties, such as `calendar-color`.
pub(crate) const APPLE_ICAL: &str = "http://apple.com/ns/ical/";
/// The namespace that the prefix `xml` is bound to.
pub(crate) const XML: &str = "http://www.w3.org/XML/1998/namespace";

/// Elements that nest deeper are refused.
const MAX_DEPTH: usize = 64;
/// A body may have this many elements, attributes and runs of text altogether.
const MAX_NODES: usize = 60_000;
/// An element may have this many attributes, namespace declarations included.
const MAX_ATTRIBUTES: usize = 64;
/// Bytes of a namespace name.
const MAX_NAMESPACE: usize = 2048;

/// Why bytes are not an XML document that we accept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum XmlError {
    /// Not well-formed, or not namespace-well-formed; says how and at which byte.
    Malformed(String),
    /// Has a document type declaration or uses an entity that only one could declare.
    Entities,
    /// Nests too deeply or has too many parts; says which.
    Limit(&'static str),
}

impl fmt::Display for XmlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(reason) => write!(f, "the body is not well-formed XML: {reason}"),
            Self::Entities => f.write_str("document type declarations and entities are not accepted"),
            Self::Limit(what) => write!(f, "the XML body has {what}"),
        }
    }
}

/// The name of an element or attribute; equal when namespace and local name are, whatever the prefix.
#[derive(Clone, Debug)]
pub(crate) struct Name {
    namespace: Rc<str>,
    local: Box<str>,
    prefix: Option<Box<str>>,
}

impl Name {
    /// A name in a namespace (empty for none).
    pub(crate) fn new(namespace: &str, local: &str) -> Self {
        Self { namespace: namespace.into(), local: local.into(), prefix: None }
    }

    /// The namespace, empty when there is none.
    pub(crate) fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The name without prefix.
    pub(crate) fn local(&self) -> &str {
        &self.local
    }

    /// The prefix it was written with.
    pub(crate) fn prefix(&self) -> Option<&str> {
        self.prefix.as_deref()
    }

    /// Whether this is the name.
    pub(crate) fn is(&self, namespace: &str, local: &str) -> bool {
        *self.local == *local && *self.namespace == *namespace
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.local == other.local && self.namespace == other.namespace
    }
}

impl Eq for Name {}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Name {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (&*self.namespace, &*self.local).cmp(&(&*other.namespace, &*other.local))
    }
}

/// An attribute that is not a namespace declaration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Attribute {
    /// Its name.
    pub(crate) name: Name,
    /// Its normalized value.
    pub(crate) value: String,
}

/// What an element contains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Node {
    /// An element.
    Element(Element),
    /// Character data, unescaped.
    Text(String),
}

/// An element with all that is below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Element {
    /// Its name.
    pub(crate) name: Name,
    /// Its attributes, without namespace declarations.
    pub(crate) attributes: Vec<Attribute>,
    /// Its content in order; comments and processing instructions are dropped.
    pub(crate) children: Vec<Node>,
}

impl Element {
    /// An empty element.
    pub(crate) fn new(name: Name) -> Self {
        Self { name, attributes: Vec::new(), children: Vec::new() }
    }

    /// Whether it has this name.
    pub(crate) fn is(&self, namespace: &str, local: &str) -> bool {
        self.name.is(namespace, local)
    }

    /// The child elements.
    pub(crate) fn elements(&self) -> impl Iterator<Item = &Element> {
        self.children.iter().filter_map(|node| match node {
            Node::Element(element) => Some(element),
            Node::Text(_) => None,
        })
    }

    /// The child elements of this name.
    pub(crate) fn elements_named<'a>(
        &'a self,
        namespace: &'a str,
        local: &'a str,
    ) -> impl Iterator<Item = &'a Element> {
        self.elements().filter(move |element| element.is(namespace, local))
    }

    /// The first child element of this name.
    pub(crate) fn element(&self, namespace: &str, local: &str) -> Option<&Element> {
        self.elements().find(|element| element.is(namespace, local))
    }

    /// The value of the attribute without namespace that has this name.
    pub(crate) fn attribute(&self, local: &str) -> Option<&str> {
        self.attributes.iter().find(|a| a.name.is("", local)).map(|a| a.value.as_str())
    }

    /// The value of `xml:lang` on this element.
    pub(crate) fn lang(&self) -> Option<&str> {
        self.attributes.iter().find(|a| a.name.is(XML, "lang")).map(|a| a.value.as_str())
    }

    /// The character data directly inside, as it stands.
    pub(crate) fn text(&self) -> Cow<'_, str> {
        let mut texts = self.children.iter().filter_map(|node| match node {
            Node::Text(text) => Some(text.as_str()),
            Node::Element(_) => None,
        });
        match (texts.next(), texts.next()) {
            (None, _) => Cow::Borrowed(""),
            (Some(only), None) => Cow::Borrowed(only),
            (Some(first), Some(second)) => {
                let mut all = format!("{first}{second}");
                all.extend(texts);
                Cow::Owned(all)
            }
        }
    }

    fn push_text(&mut self, text: &str) {
        match self.children.last_mut() {
            Some(Node::Text(last)) => last.push_str(text),
            _ => self.children.push(Node::Text(text.into())),
        }
    }
}

/// The texts of elements of one name, in one buffer: a request may list thousands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Texts {
    all: String,
    ends: Vec<usize>,
}

impl Texts {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The text of one element, without white space around it.
    pub(crate) fn get(&self, index: usize) -> Option<&str> {
        let end = *self.ends.get(index)?;
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        self.all.get(start..end).map(str::trim)
    }
}

/// Reads a whole document: UTF-8, or UTF-16 with a byte order mark.
pub(crate) fn parse(bytes: &[u8]) -> Result<Element, XmlError> {
    read(bytes, None).map(|(root, _)| root)
}

/// As [`parse`], but of the root's child elements of one name (namespace and local name) only the text is
/// kept, in their order, and outside the tree.
pub(crate) fn parse_listing(bytes: &[u8], name: (&str, &str)) -> Result<(Element, Texts), XmlError> {
    read(bytes, Some(name))
}

fn read(bytes: &[u8], listing: Option<(&str, &str)>) -> Result<(Element, Texts), XmlError> {
    let text = decode(bytes)?;
    if let Some(bad) = forbidden_char(&text) {
        return Err(XmlError::Malformed(format!("the character U+{:04X} is not allowed", u32::from(bad))));
    }
    let mut parser = Parser {
        reader: NsReader::from_str(&text),
        open: Vec::new(),
        root: None,
        listing,
        listed: Texts::default(),
        nodes: 0,
        namespaces: BTreeSet::new(),
    };
    parser.reader.config_mut().check_comments = true;
    while parser.step()? {}
    let root = parser.root.ok_or_else(|| XmlError::Malformed("there is no element".into()))?;
    Ok((root, parser.listed))
}

/// An element whose end tag is to come.
enum Open {
    Element(Element),
    /// One that is listed: its text goes into the list, its child elements are dropped.
    Listed,
}

struct Parser<'a> {
    reader: NsReader<&'a [u8]>,
    open: Vec<Open>,
    root: Option<Element>,
    /// Namespace and local name of the root's child elements that are listed.
    listing: Option<(&'a str, &'a str)>,
    listed: Texts,
    nodes: usize,
    /// Namespaces seen so far, so that equal ones share memory.
    namespaces: BTreeSet<Rc<str>>,
}

impl Parser<'_> {
    /// Reads one event; false at the end of the document.
    fn step(&mut self) -> Result<bool, XmlError> {
        let position = self.reader.buffer_position();
        let malformed =
            |reason: &dyn fmt::Display| XmlError::Malformed(format!("{reason} at byte {position}"));
        match self.reader.read_event().map_err(|error| malformed(&error))? {
            Event::Start(start) => {
                let element = self.begin(&start)?;
                self.open.push(element);
            }
            Event::Empty(start) => {
                let element = self.begin(&start)?;
                self.close(element);
            }
            Event::End(_) => {
                let element = self.open.pop().ok_or_else(|| malformed(&"unmatched end tag"))?;
                self.close(element);
            }
            Event::Text(text) => self.text(&text.xml10_content())?,
            Event::CData(text) => {
                if self.open.is_empty() {
                    return Err(malformed(&"CDATA outside the root element"));
                }
                self.text(&text.xml10_content())?;
            }
            Event::GeneralRef(reference) => {
                let text = match reference.resolve_char_ref().map_err(|error| malformed(&error))? {
                    Some(c) if is_xml_char(c) => Cow::Owned(c.to_string()),
                    Some(_) => return Err(malformed(&"reference to a character that is not allowed")),
                    None => Cow::Borrowed(predefined_entity(&reference.xml10_content())?),
                };
                if self.open.is_empty() {
                    return Err(malformed(&"reference outside the root element"));
                }
                self.text(&text)?;
            }
            Event::Decl(_) | Event::Comment(_) | Event::PI(_) => {}
            Event::DocType(_) => return Err(XmlError::Entities),
            Event::Eof if self.open.is_empty() => return Ok(false),
            Event::Eof => return Err(malformed(&"the document ends inside an element")),
        }
        Ok(true)
    }

    fn count(&mut self) -> Result<(), XmlError> {
        self.nodes += 1;
        if self.nodes > MAX_NODES { Err(XmlError::Limit("too many elements")) } else { Ok(()) }
    }

    fn text(&mut self, text: &str) -> Result<(), XmlError> {
        self.count()?;
        match self.open.last_mut() {
            Some(_) if text.is_empty() => {}
            Some(Open::Element(element)) => element.push_text(text),
            Some(Open::Listed) => self.listed.all.push_str(text),
            None if text.trim_matches(['\u{feff}', ' ', '\t', '\n', '\r']).is_empty() => {}
            None => return Err(XmlError::Malformed("text outside the root element".into())),
        }
        Ok(())
    }

    fn close(&mut self, closed: Open) {
        let Open::Element(element) = closed else { return self.listed.ends.push(self.listed.all.len()) };
        match self.open.last_mut() {
            Some(Open::Element(parent)) => parent.children.push(Node::Element(element)),
            Some(Open::Listed) => {}
            None => self.root = Some(element),
        }
    }

    fn begin(&mut self, start: &BytesStart<'_>) -> Result<Open, XmlError> {
        self.count()?;
        if self.open.len() >= MAX_DEPTH {
            return Err(XmlError::Limit("elements nested too deeply"));
        }
        if self.open.is_empty() && self.root.is_some() {
            return Err(XmlError::Malformed("there is more than one root element".into()));
        }
        let name = start.name();
        let parts = NameParts::resolve(&self.reader, name.0, true)?;
        let is_listed = self.listing == Some((&*parts.namespace, parts.local))
            && matches!(self.open[..], [Open::Element(_)]);
        let name = (!is_listed).then(|| parts.keep(&mut self.namespaces));
        let mut attributes: Vec<Attribute> = Vec::new();
        for (index, attribute) in start.attributes().enumerate() {
            if index >= MAX_ATTRIBUTES {
                return Err(XmlError::Limit("too many attributes on an element"));
            }
            self.count()?;
            let attribute = attribute.map_err(|error| XmlError::Malformed(error.to_string()))?;
            let value = attribute
                .normalized_value(XmlVersion::Implicit1_0)
                .map_err(|error| XmlError::Malformed(format!("attribute value: {error}")))?;
            if value.chars().any(|c| !is_xml_char(c)) {
                return Err(XmlError::Malformed("an attribute value has a forbidden character".into()));
            }
            if attribute.key.as_namespace_binding().is_some() {
                if value.is_empty() && attribute.key.prefix().is_some() {
                    return Err(XmlError::Malformed("a prefix is bound to the empty namespace".into()));
                }
                continue;
            }
            let name = NameParts::resolve(&self.reader, attribute.key.0, false)?.keep(&mut self.namespaces);
            if attributes.iter().any(|other| other.name == name) {
                return Err(XmlError::Malformed(format!("attribute {} occurs twice", name.local())));
            }
            attributes.push(Attribute { name, value: value.into_owned() });
        }
        Ok(match name {
            Some(name) => Open::Element(Element { name, attributes, children: Vec::new() }),
            None => Open::Listed,
        })
    }
}

/// A name that is compared before it is kept.
struct NameParts<'a> {
    namespace: Cow<'a, str>,
    local: &'a str,
    prefix: Option<&'a str>,
}

impl<'a> NameParts<'a> {
    /// What a qualified name stands for where the reader is.
    fn resolve(reader: &'a NsReader<&[u8]>, qualified: &'a str, is_element: bool) -> Result<Self, XmlError> {
        let (prefix, local) = match qualified.split_once(':') {
            Some((prefix, local)) => (Some(prefix), local),
            None => (None, qualified),
        };
        if !is_ncname(local) || prefix.is_some_and(|prefix| !is_ncname(prefix)) {
            return Err(XmlError::Malformed(format!("{qualified:?} is not a name")));
        }
        let qualified = quick_xml::name::QName(qualified);
        let (result, _) = match is_element {
            true => reader.resolver().resolve_element(qualified),
            false => reader.resolver().resolve_attribute(qualified),
        };
        let namespace = match result {
            ResolveResult::Bound(Namespace(namespace)) => unescape_namespace(namespace)?,
            ResolveResult::Unbound => Cow::Borrowed(""),
            ResolveResult::Unknown(prefix) => {
                return Err(XmlError::Malformed(format!("the prefix {prefix:?} is not declared")));
            }
        };
        if namespace.len() > MAX_NAMESPACE {
            return Err(XmlError::Limit("a namespace that is too long"));
        }
        Ok(Self { namespace, local, prefix })
    }

    /// The name, which shares its namespace with others.
    fn keep(self, namespaces: &mut BTreeSet<Rc<str>>) -> Name {
        let namespace = match namespaces.get(&*self.namespace) {
            Some(known) => known.clone(),
            None => {
                let namespace: Rc<str> = self.namespace.into();
                namespaces.insert(namespace.clone());
                namespace
            }
        };
        Name { namespace, local: self.local.into(), prefix: self.prefix.map(Into::into) }
    }
}

/// quick-xml gives the namespace as it is written in the declaration.
fn unescape_namespace(raw: &str) -> Result<Cow<'_, str>, XmlError> {
    quick_xml::escape::unescape(raw).map_err(|error| XmlError::Malformed(format!("namespace: {error}")))
}

fn predefined_entity(name: &str) -> Result<&'static str, XmlError> {
    match name {
        "lt" => Ok("<"),
        "gt" => Ok(">"),
        "amp" => Ok("&"),
        "apos" => Ok("'"),
        "quot" => Ok("\""),
        _ => Err(XmlError::Entities),
    }
}

fn decode(bytes: &[u8]) -> Result<Cow<'_, str>, XmlError> {
    let utf16 = |unit: fn([u8; 2]) -> u16| {
        if !bytes.len().is_multiple_of(2) {
            return Err(XmlError::Malformed("odd number of bytes in UTF-16".into()));
        }
        let units = bytes[2..].chunks_exact(2).map(|pair| unit([pair[0], pair[1]]));
        let text: Result<String, _> = char::decode_utf16(units).collect();
        text.map(Cow::Owned).map_err(|error| XmlError::Malformed(error.to_string()))
    };
    match bytes {
        [0xfe, 0xff, ..] => utf16(u16::from_be_bytes),
        [0xff, 0xfe, ..] => utf16(u16::from_le_bytes),
        _ => {
            let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
            std::str::from_utf8(bytes)
                .map(Cow::Borrowed)
                .map_err(|error| XmlError::Malformed(format!("not UTF-8 at byte {}", error.valid_up_to())))
        }
    }
}

/// The first character that XML does not allow.
fn forbidden_char(text: &str) -> Option<char> {
    // In UTF-8, U+FFFE and U+FFFF begin with 0xef, and all others that are not allowed are single bytes.
    let suspicious = |byte: u8| (byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r')) || byte == 0xef;
    let start = text.bytes().position(suspicious)?;
    text.get(start..)?.chars().find(|c| !is_xml_char(*c))
}

/// XML 1.0 §2.2, production 2.
pub(crate) fn is_xml_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

/// Whether this can be the local name of an element: Namespaces in XML 1.0 §3, production 4.
pub(crate) fn is_ncname(name: &str) -> bool {
    let starts = |c: char| {
        matches!(c, 'A'..='Z' | '_' | 'a'..='z' | '\u{c0}'..='\u{d6}' | '\u{d8}'..='\u{f6}'
            | '\u{f8}'..='\u{2ff}' | '\u{370}'..='\u{37d}' | '\u{37f}'..='\u{1fff}'
            | '\u{200c}'..='\u{200d}' | '\u{2070}'..='\u{218f}' | '\u{2c00}'..='\u{2fef}'
            | '\u{3001}'..='\u{d7ff}' | '\u{f900}'..='\u{fdcf}' | '\u{fdf0}'..='\u{fffd}'
            | '\u{10000}'..='\u{effff}')
    };
    let continues = |c: char| {
        starts(c)
            || matches!(c, '-' | '.' | '0'..='9' | '\u{b7}' | '\u{300}'..='\u{36f}' | '\u{203f}'..='\u{2040}')
    };
    let mut chars = name.chars();
    chars.next().is_some_and(starts) && chars.all(continues)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_str(text: &str) -> Result<Element, XmlError> {
        parse(text.as_bytes())
    }

    #[test]
    fn names_are_resolved_and_prefixes_kept() {
        let root = parse_str(
            r#"<?xml version="1.0"?><x:a xmlns:x="DAV:" xmlns="urn:b"><b at="1" x:at="2"/>te<!--no-->xt</x:a>"#,
        )
        .unwrap();
        assert!(root.is(DAV, "a"));
        assert_eq!(root.name.prefix(), Some("x"));
        let b = root.element("urn:b", "b").unwrap();
        assert_eq!(b.attribute("at"), Some("1"));
        assert_eq!(b.attributes.len(), 2);
        assert_eq!(root.text(), "text");
    }

    #[test]
    fn listed_elements_are_texts_beside_the_tree() {
        let text = "<a xmlns='DAV:'><href> /x&amp;y\n</href><b><href>in b</href></b><c:href xmlns:c='DAV:' \
            at=''><![CDATA[1]]>2<href>child</href>3</c:href><href xmlns='other'/><href/></a>";
        let (root, hrefs) = parse_listing(text.as_bytes(), (DAV, "href")).unwrap();
        let texts: Vec<_> = (0..hrefs.len()).map(|index| hrefs.get(index).unwrap()).collect();
        assert_eq!(texts, ["/x&y", "123", ""]);
        assert_eq!(hrefs.get(3), None);
        assert_eq!(root.elements().map(|child| child.name.local()).collect::<Vec<_>>(), ["b", "href"]);
        assert_eq!(root.element(DAV, "b").unwrap().element(DAV, "href").unwrap().text(), "in b");
        for bad in
            ["<a xmlns='DAV:'><href></a>", "<a xmlns='DAV:'><href><p:x/></href></a>", "<href xmlns='DAV:'>"]
        {
            assert!(
                matches!(parse_listing(bad.as_bytes(), (DAV, "href")), Err(XmlError::Malformed(_))),
                "{bad}"
            );
        }
        let (root, hrefs) = parse_listing(b"<href xmlns='DAV:'>root</href>", (DAV, "href")).unwrap();
        assert_eq!((&*root.text(), hrefs.len()), ("root", 0));
        let many = format!("<a xmlns='DAV:'>{}</a>", "<href/>".repeat(MAX_NODES));
        assert!(matches!(parse_listing(many.as_bytes(), (DAV, "href")), Err(XmlError::Limit(_))));
        let deep = format!("<a xmlns='DAV:'><href>{}", "<b>".repeat(100_000));
        assert!(matches!(parse_listing(deep.as_bytes(), (DAV, "href")), Err(XmlError::Limit(_))));
    }

    #[test]
    fn characters_that_xml_does_not_allow_are_found_anywhere() {
        assert_eq!(forbidden_char("tab\tand\r\n ü 漢 \u{f000} \u{fffd} \u{10ffff} \u{7f}"), None);
        for bad in ['\0', '\u{b}', '\u{1f}', '\u{fffe}', '\u{ffff}'] {
            assert_eq!(forbidden_char(&format!("\u{f000} ü{bad}x")), Some(bad));
        }
    }

    #[test]
    fn text_is_unescaped_and_cdata_joined() {
        let root = parse_str("<a>&lt;&#x41;<![CDATA[&x;]]>\r\n&amp;</a>").unwrap();
        assert_eq!(root.text(), "<A&x;\n&");
        assert_eq!(root.children.len(), 1);
    }

    #[test]
    fn entities_and_document_types_are_refused() {
        let bomb = r#"<!DOCTYPE a [<!ENTITY x "xxxxxxxxxx"><!ENTITY y "&x;&x;">]><a>&y;</a>"#;
        assert_eq!(parse_str(bomb), Err(XmlError::Entities));
        let external = r#"<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>"#;
        assert_eq!(parse_str(external), Err(XmlError::Entities));
        assert_eq!(parse_str("<a>&nbsp;</a>"), Err(XmlError::Entities));
        assert!(matches!(parse_str(r#"<a b="&nbsp;"/>"#), Err(XmlError::Malformed(_))));
    }

    #[test]
    fn depth_nodes_and_attributes_are_bounded() {
        let deep = "<a>".repeat(100_000);
        assert!(matches!(parse_str(&deep), Err(XmlError::Limit(_))));
        let wide = format!("<a>{}</a>", "<b/>".repeat(MAX_NODES));
        assert!(matches!(parse_str(&wide), Err(XmlError::Limit(_))));
        let many: String = (0..=MAX_ATTRIBUTES).map(|n| format!(" a{n}=''")).collect();
        assert!(matches!(parse_str(&format!("<a{many}/>")), Err(XmlError::Limit(_))));
        let fits = "<a>".repeat(MAX_DEPTH) + &"</a>".repeat(MAX_DEPTH);
        assert!(parse_str(&fits).is_ok());
    }

    #[test]
    fn malformed_documents_are_refused() {
        for text in [
            "",
            "  ",
            "text",
            "<a>",
            "<a></b>",
            "</a>",
            "<a/><b/>",
            "<a/>text",
            "text<a/>",
            "<p:a/>",
            "<a p:b='1'/>",
            "<a b='1' b='2'/>",
            "<a b=1/>",
            "<a\"/>",
            "<a><:b/></a>",
            "<a><1/></a>",
            "<a xmlns:p=''/>",
            "<a>&#0;</a>",
            "<a>&#xFFFF;</a>",
            "<a>\u{1}</a>",
            "<a>&unclosed</a>",
            "<a xmlns:p='u' xmlns:q='u' p:b='' q:b=''/>",
            "<a><![CDATA[x</a>",
            "<![CDATA[x]]><a/>",
            "&amp;<a/>",
        ] {
            assert!(parse_str(text).is_err(), "{text}");
        }
        assert!(parse(b"<a>\xff</a>").is_err());
    }

    #[test]
    fn utf_16_and_byte_order_marks_are_read() {
        let text = "<a>ü</a>";
        let mut little = vec![0xff, 0xfe];
        little.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
        let mut big = vec![0xfe, 0xff];
        big.extend(text.encode_utf16().flat_map(u16::to_be_bytes));
        for bytes in [little, big, format!("\u{feff}{text}").into_bytes()] {
            assert_eq!(parse(&bytes).unwrap().text(), "ü");
        }
        assert!(parse(&[0xff, 0xfe, 0x3c]).is_err());
    }
}
