//! What is wrong with an iCalendar stream or object, and where.

use std::fmt;

/// The precondition of a PUT that a violation breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precondition {
    /// CALDAV:valid-calendar-data: not iCalendar (RFC 5545).
    ValidCalendarData,
    /// CALDAV:valid-calendar-object-resource: iCalendar, but not one calendar object (RFC 4791 §4.1).
    ValidCalendarObjectResource,
    /// CALDAV:supported-calendar-component: a component type that the collection does not take.
    SupportedCalendarComponent,
    /// CALDAV:max-resource-size: more bytes than the collection takes.
    MaxResourceSize,
    /// CALDAV:supported-rscale: a recurrence rule in a calendar scale that is not supported (RFC 7529).
    SupportedRscale,
}

impl Precondition {
    /// The local name of the XML element in the CalDAV namespace.
    pub fn element_name(self) -> &'static str {
        match self {
            Self::ValidCalendarData => "valid-calendar-data",
            Self::ValidCalendarObjectResource => "valid-calendar-object-resource",
            Self::SupportedCalendarComponent => "supported-calendar-component",
            Self::MaxResourceSize => "max-resource-size",
            Self::SupportedRscale => "supported-rscale",
        }
    }
}

/// One broken rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The line in the file, from 1, where the offending content line starts; folded lines count singly.
    pub line: usize,
    /// The byte offset in the file.
    pub offset: usize,
    /// The precondition that it breaks.
    pub precondition: Precondition,
    /// The rule, in a sentence without a full stop.
    pub rule: String,
    /// Where the rule is written, such as `RFC 5545 §3.6.1`.
    pub section: &'static str,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({})", self.line, self.rule, self.section)
    }
}

impl std::error::Error for Violation {}

/// Text of a peer for an error message: short, on one line, without control characters.
pub(crate) fn excerpt(text: &str) -> String {
    const LONGEST: usize = 60;
    let mut short: String =
        text.chars().take(LONGEST).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if text.chars().nth(LONGEST).is_some() {
        short.push('…');
    }
    short
}
