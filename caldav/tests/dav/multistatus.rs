//! Multistatus answers, read with a parser that is not the server's.

use crate::server::Answer;
use quick_xml::{NsReader, events::Event, name::ResolveResult};

/// An element with its namespace; attributes are kept as they are written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Xml {
    /// `{namespace}local`.
    pub(crate) name: String,
    /// The value of `xml:lang`.
    pub(crate) lang: Option<String>,
    /// The value of `name`.
    pub(crate) named: Option<String>,
    pub(crate) text: String,
    pub(crate) children: Vec<Xml>,
}

impl Xml {
    /// Reads a document.
    pub(crate) fn parse(document: &str) -> Self {
        let mut reader = NsReader::from_str(document);
        let mut open = vec![Self::default()];
        loop {
            match reader.read_event().unwrap() {
                event @ (Event::Start(_) | Event::Empty(_)) => {
                    let is_empty = matches!(event, Event::Empty(_));
                    let (Event::Start(start) | Event::Empty(start)) = event else { unreachable!() };
                    let (namespace, local) = reader.resolver().resolve_element(start.name());
                    let local = local.into_inner();
                    let name = match namespace {
                        ResolveResult::Bound(namespace) => {
                            let namespace = quick_xml::escape::unescape(namespace.0).unwrap();
                            format!("{{{namespace}}}{local}")
                        }
                        ResolveResult::Unbound => local.to_owned(),
                        ResolveResult::Unknown(prefix) => panic!("{prefix:?} is not declared"),
                    };
                    let attribute = |wanted: &str| {
                        let mut attributes = start.attributes().map(Result::unwrap);
                        let found = attributes.find(|attribute| attribute.key.0 == wanted)?;
                        Some(found.normalized_value(quick_xml::XmlVersion::Implicit1_0).unwrap().into_owned())
                    };
                    let (lang, named) = (attribute("xml:lang"), attribute("name"));
                    open.push(Self { name, lang, named, ..Self::default() });
                    if is_empty {
                        let element = open.pop().unwrap();
                        open.last_mut().unwrap().children.push(element);
                    }
                }
                Event::End(_) => {
                    let element = open.pop().unwrap();
                    open.last_mut().unwrap().children.push(element);
                }
                Event::Text(text) => open.last_mut().unwrap().text.push_str(&text.xml10_content()),
                Event::GeneralRef(reference) => {
                    let text = &mut open.last_mut().unwrap().text;
                    match reference.resolve_char_ref().unwrap() {
                        Some(character) => text.push(character),
                        None => text.push_str(match &*reference.xml10_content() {
                            "lt" => "<",
                            "gt" => ">",
                            "amp" => "&",
                            "quot" => "\"",
                            other => panic!("entity {other}"),
                        }),
                    }
                }
                Event::Eof => break,
                _ => {}
            }
        }
        assert_eq!(open.len(), 1);
        open.pop().unwrap().children.remove(0)
    }

    /// The child of this name, such as `D:href`.
    pub(crate) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == expand(name))
    }

    /// The names of the children.
    pub(crate) fn child_names(&self) -> Vec<&str> {
        self.children.iter().map(|child| child.name.as_str()).collect()
    }

    /// The texts of the `DAV:href` children.
    pub(crate) fn hrefs(&self) -> Vec<&str> {
        let hrefs = self.children.iter().filter(|child| child.name == "{DAV:}href");
        hrefs.map(|href| href.text.as_str()).collect()
    }
}

/// A name with one of the usual prefixes, as `{namespace}local`.
pub(crate) fn expand(name: &str) -> String {
    match name.split_once(':') {
        Some(("D", local)) => format!("{{DAV:}}{local}"),
        Some(("C", local)) => format!("{{urn:ietf:params:xml:ns:caldav}}{local}"),
        Some(("CS", local)) => format!("{{http://calendarserver.org/ns/}}{local}"),
        Some(("A", local)) => format!("{{http://apple.com/ns/ical/}}{local}"),
        _ => name.to_owned(),
    }
}

/// What a multistatus says of one resource.
#[derive(Clone, Debug)]
pub(crate) struct Properties {
    pub(crate) href: String,
    /// Status, the properties that have it, and the `DAV:error` with them.
    pub(crate) propstats: Vec<(u16, Vec<Xml>, Option<Xml>)>,
}

impl Properties {
    /// The value of a property that was found.
    #[track_caller]
    pub(crate) fn get(&self, name: &str) -> &Xml {
        match self.find(name) {
            Some((200, value)) => value,
            other => panic!("{name} of {}: {other:?}", self.href),
        }
    }

    /// The text of a property that was found.
    #[track_caller]
    pub(crate) fn text(&self, name: &str) -> &str {
        &self.get(name).text
    }

    /// The status of a property; 0 when it is not mentioned.
    pub(crate) fn status(&self, name: &str) -> u16 {
        self.find(name).map_or(0, |(status, _)| status)
    }

    /// The precondition that is named with a property.
    pub(crate) fn condition(&self, name: &str) -> Option<&str> {
        let has = |properties: &[Xml]| properties.iter().any(|property| property.name == expand(name));
        let (_, _, error) = self.propstats.iter().find(|(_, properties, _)| has(properties))?;
        Some(error.as_ref()?.children.first()?.name.as_str())
    }

    /// The names of the properties with this status.
    pub(crate) fn names(&self, status: u16) -> Vec<&str> {
        let group = self.propstats.iter().filter(|(found, ..)| *found == status);
        group.flat_map(|(_, properties, _)| properties).map(|property| property.name.as_str()).collect()
    }

    fn find(&self, name: &str) -> Option<(u16, &Xml)> {
        let mut all = self
            .propstats
            .iter()
            .flat_map(|(status, properties, _)| properties.iter().map(move |value| (*status, value)));
        all.find(|(_, value)| value.name == expand(name))
    }
}

fn properties(response: &Xml) -> Properties {
    let href = response.child("D:href").expect("a href").text.clone();
    let propstats = response.children.iter().filter(|child| child.name == "{DAV:}propstat");
    let propstats = propstats.map(|propstat| {
        let status = &propstat.child("D:status").expect("a status").text;
        let status = status.split(' ').nth(1).unwrap().parse().unwrap();
        let properties = propstat.child("D:prop").expect("a prop").children.clone();
        (status, properties, propstat.child("D:error").cloned())
    });
    Properties { href, propstats: propstats.collect() }
}

impl Answer {
    /// The body as XML.
    #[track_caller]
    pub(crate) fn xml(&self) -> Xml {
        Xml::parse(&self.text())
    }

    /// The responses of a multistatus.
    #[track_caller]
    pub(crate) fn responses(&self) -> Vec<Properties> {
        assert_eq!(self.status, 207, "{}", String::from_utf8_lossy(&self.body));
        assert_eq!(self.header("content-type"), "application/xml; charset=utf-8");
        let root = self.xml();
        assert_eq!(root.name, "{DAV:}multistatus");
        root.children.iter().filter(|child| child.name == "{DAV:}response").map(properties).collect()
    }

    /// The only response of a multistatus.
    #[track_caller]
    pub(crate) fn response(&self) -> Properties {
        let mut responses = self.responses();
        assert_eq!(responses.len(), 1, "{}", self.text());
        responses.remove(0)
    }
}
