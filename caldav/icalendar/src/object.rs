//! Calendar objects as trees of components over the bytes they came in.

use crate::{
    error::{Precondition, Violation, excerpt},
    lexer::{self, ContentLine},
    text::{decode_parameter, unescape},
};
use bytes::Bytes;
use std::borrow::Cow;

/// How much of an object is read at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the file (CALDAV:max-resource-size).
    pub bytes: usize,
    /// Lines of the file.
    pub lines: usize,
    /// Components inside components; VCALENDAR is at depth 1.
    pub depth: usize,
    /// Components in all.
    pub components: usize,
}

impl Default for Limits {
    /// 1 MiB, 60,000 lines, depth 8, 10,000 components.
    fn default() -> Self {
        Self { bytes: 1 << 20, lines: 60_000, depth: 8, components: 10_000 }
    }
}

#[derive(Debug)]
struct Node {
    name: ContentLine,
    /// Bytes in the file from BEGIN to END, both included.
    raw: (u32, u32),
    properties: Vec<ContentLine>,
    components: Vec<Node>,
}

/// A parsed iCalendar stream: one or more top-level components, and the bytes they came in, unchanged.
#[derive(Debug)]
pub struct CalendarObject {
    bytes: Bytes,
    text: String,
    roots: Vec<Node>,
}

impl CalendarObject {
    /// Parses a stream. Any bytes are safe to pass.
    ///
    /// # Errors
    /// The first violation of RFC 5545 §3.1 to §3.4: content lines, UTF-8, BEGIN and END that match, at
    /// least one component and nothing outside of components; or of the limits.
    pub fn parse(bytes: impl Into<Bytes>, limits: &Limits) -> Result<Self, Violation> {
        let bytes = bytes.into();
        if bytes.len() > limits.bytes.min(u32::MAX as usize / 2) {
            return Err(Violation {
                line: 1,
                offset: limits.bytes,
                precondition: Precondition::MaxResourceSize,
                rule: format!("{} bytes, at most {} are accepted", bytes.len(), limits.bytes),
                section: "RFC 4791 §5.2.5",
            });
        }
        let unfolded = lexer::unfold(&bytes, limits.lines)?;
        let mut roots = Vec::new();
        let mut open: Vec<Node> = Vec::new();
        let mut components = 0;
        for logical in &unfolded.lines {
            let line = lexer::content_line(&unfolded, logical)?;
            let name = line.name.of(&unfolded.text);
            let value = || line.value.of(&unfolded.text).trim_end();
            let fail = |rule: String, section| Violation {
                line: line.line as usize,
                offset: line.raw.0 as usize,
                precondition: Precondition::ValidCalendarData,
                rule,
                section,
            };
            if name.eq_ignore_ascii_case("BEGIN") {
                let value = value();
                components += 1;
                if open.len() >= limits.depth {
                    let rule = format!("components are nested more than {} deep", limits.depth);
                    return Err(fail(rule, "RFC 5545 §3.6"));
                }
                if components > limits.components {
                    let rule = format!("more than {} components", limits.components);
                    return Err(fail(rule, "RFC 4791 §5.2.5"));
                }
                if value.is_empty() || !value.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
                    let rule = format!("“{}” is not the name of a component", excerpt(value));
                    return Err(fail(rule, "RFC 5545 §3.6"));
                }
                let raw = line.raw;
                open.push(Node {
                    name: line,
                    raw,
                    properties: Vec::with_capacity(8),
                    components: Vec::new(),
                });
            } else if name.eq_ignore_ascii_case("END") {
                let value = value();
                let Some(mut node) = open.pop() else {
                    let rule = format!("END:{} without a BEGIN", excerpt(value));
                    return Err(fail(rule, "RFC 5545 §3.6"));
                };
                let begun = node.name.value.of(&unfolded.text).trim_end();
                if !begun.eq_ignore_ascii_case(value) {
                    let rule = format!(
                        "END:{} where END:{begun} is due for the BEGIN on line {}",
                        excerpt(value),
                        node.name.line
                    );
                    return Err(fail(rule, "RFC 5545 §3.6"));
                }
                node.raw.1 = line.raw.1;
                match open.last_mut() {
                    Some(parent) => parent.components.push(node),
                    None => roots.push(node),
                }
            } else {
                let Some(node) = open.last_mut() else {
                    let rule = format!("{name} stands outside of BEGIN:VCALENDAR and END:VCALENDAR");
                    return Err(fail(rule, "RFC 5545 §3.4"));
                };
                node.properties.push(line);
            }
        }
        let end = bytes.len();
        if let Some(node) = open.last() {
            let begun = node.name.value.of(&unfolded.text);
            return Err(Violation {
                line: node.name.line as usize,
                offset: node.name.raw.0 as usize,
                precondition: Precondition::ValidCalendarData,
                rule: format!("BEGIN:{} has no END", begun.trim_end()),
                section: "RFC 5545 §3.6",
            });
        }
        if roots.is_empty() {
            return Err(Violation {
                line: 1,
                offset: end,
                precondition: Precondition::ValidCalendarData,
                rule: "there is no BEGIN:VCALENDAR".into(),
                section: "RFC 5545 §3.4",
            });
        }
        Ok(Self { bytes, text: unfolded.text, roots })
    }

    /// The bytes as they came.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The components that are in no other: one VCALENDAR in a valid object.
    pub fn roots(&self) -> impl ExactSizeIterator<Item = Component<'_>> + Clone {
        self.roots.iter().map(|node| Component { object: self, node })
    }

    /// The first top-level component; there always is one.
    pub fn root(&self) -> Component<'_> {
        Component { object: self, node: &self.roots[0] }
    }
}

/// A component of a [`CalendarObject`].
#[derive(Clone, Copy, Debug)]
pub struct Component<'a> {
    object: &'a CalendarObject,
    node: &'a Node,
}

impl<'a> Component<'a> {
    /// The name as written, such as `VEVENT`.
    pub fn name(&self) -> &'a str {
        self.node.name.value.of(&self.object.text).trim_end()
    }

    /// Whether this is the name, in any case.
    pub fn is(&self, name: &str) -> bool {
        self.name().eq_ignore_ascii_case(name)
    }

    /// The line of BEGIN, from 1.
    pub fn line(&self) -> usize {
        self.node.name.line as usize
    }

    /// The byte offset of BEGIN in the file.
    pub fn offset(&self) -> usize {
        self.node.name.raw.0 as usize
    }

    /// The bytes in the file from BEGIN to END, both included.
    pub fn raw(&self) -> &'a [u8] {
        let (start, end) = self.node.raw;
        self.object.bytes.get(start as usize..end as usize).unwrap_or_default()
    }

    /// The properties in order, without those of inner components.
    pub fn properties(&self) -> impl ExactSizeIterator<Item = Property<'a>> + Clone + use<'a> {
        let object = self.object;
        self.node.properties.iter().map(move |line| Property { object, line })
    }

    /// All properties of this name, in any case.
    pub fn all<'n>(&self, name: &'n str) -> impl Iterator<Item = Property<'a>> + Clone + use<'a, 'n> {
        self.properties().filter(move |property| property.is(name))
    }

    /// The first property of this name.
    pub fn first(&self, name: &str) -> Option<Property<'a>> {
        self.all(name).next()
    }

    /// The inner components in order.
    pub fn components(&self) -> impl ExactSizeIterator<Item = Component<'a>> + Clone + use<'a> {
        let object = self.object;
        self.node.components.iter().map(move |node| Component { object, node })
    }
}

/// A property of a [`Component`].
#[derive(Clone, Copy, Debug)]
pub struct Property<'a> {
    object: &'a CalendarObject,
    line: &'a ContentLine,
}

impl<'a> Property<'a> {
    /// The name as written.
    pub fn name(&self) -> &'a str {
        self.line.name.of(&self.object.text)
    }

    /// Whether this is the name, in any case.
    pub fn is(&self, name: &str) -> bool {
        self.name().eq_ignore_ascii_case(name)
    }

    /// The value as written, unfolded, escapes kept.
    pub fn value(&self) -> &'a str {
        self.line.value.of(&self.object.text)
    }

    /// The value with the escapes of TEXT resolved (RFC 5545 §3.3.11).
    pub fn text(&self) -> Cow<'a, str> {
        unescape(self.value())
    }

    /// The line of the file where it starts, from 1.
    pub fn line(&self) -> usize {
        self.line.line as usize
    }

    /// Name and parameters as written, unfolded, up to and with the colon before the value.
    pub fn head(&self) -> &'a str {
        self.line.name.until(self.line.value).of(&self.object.text)
    }

    /// The byte offset in the file where it starts.
    pub fn offset(&self) -> usize {
        self.line.raw.0 as usize
    }

    /// Its bytes in the file, folds and line end included.
    pub fn raw(&self) -> &'a [u8] {
        let (start, end) = self.line.raw;
        self.object.bytes.get(start as usize..end as usize).unwrap_or_default()
    }

    /// The parameters in order.
    pub fn parameters(&self) -> impl ExactSizeIterator<Item = Parameter<'a>> + Clone + use<'a> {
        let text = self.object.text.as_str();
        self.line.parameters.iter().map(move |span| Parameter { text, span })
    }

    /// The first value of the first parameter of this name, as written without quotes.
    pub fn parameter(&self, name: &str) -> Option<&'a str> {
        let parameter = self.parameters().find(|parameter| parameter.is(name))?;
        Some(parameter.span.first.0.of(parameter.text))
    }
}

/// A parameter of a [`Property`].
#[derive(Clone, Copy, Debug)]
pub struct Parameter<'a> {
    text: &'a str,
    span: &'a lexer::ParameterSpan,
}

impl<'a> Parameter<'a> {
    /// The name as written.
    pub fn name(&self) -> &'a str {
        self.span.name.of(self.text)
    }

    /// Whether this is the name, in any case.
    pub fn is(&self, name: &str) -> bool {
        self.name().eq_ignore_ascii_case(name)
    }

    /// The values without quotes, the `^` encoding of RFC 6868 resolved.
    pub fn values(&self) -> impl Iterator<Item = Cow<'a, str>> + use<'a> {
        let text = self.text;
        self.span.values().map(move |(value, _)| decode_parameter(value.of(text)))
    }

    /// The values as written without quotes, and whether each was quoted.
    pub fn raw_values(&self) -> impl Iterator<Item = (&'a str, bool)> + use<'a> {
        let text = self.text;
        self.span.values().map(move |(value, quoted)| (value.of(text), *quoted))
    }
}
