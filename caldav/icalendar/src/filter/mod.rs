//! Filters of calendar-query (RFC 4791 §9.7): which objects a client asks for.
//!
//! Chosen where RFC 4791 leaves it open:
//! - all tests of a comp-filter or prop-filter must hold for one and the same component or property;
//! - a negated text-match holds when none of the properties that pass the other tests has the text, so that
//!   "no category Work" means what it says however the categories are spread over properties;
//! - text is compared without the escapes of RFC 5545 §3.3.11, the values of a list as one text;
//! - a component recurs in a time range when any of its instances does; those of its overrides are theirs;
//! - where the budget ends before an answer is found, the answer is that the object matches.

mod collation;
mod component;
mod property;

pub use collation::Collation;

use crate::{ComponentKind, TimeRange};

/// CALDAV:comp-filter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ComponentFilter {
    /// The component, such as `VEVENT`, in any case.
    pub name: String,
    /// Whether there must be none of this name; the tests below do not count then.
    pub not_defined: bool,
    /// The range that it must overlap.
    pub time_range: Option<TimeRange>,
    /// Tests on its properties.
    pub properties: Vec<PropertyFilter>,
    /// Tests on its inner components.
    pub components: Vec<ComponentFilter>,
}

/// CALDAV:prop-filter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PropertyFilter {
    /// The property, such as `SUMMARY`, in any case.
    pub name: String,
    /// Whether there must be none of this name; the tests below do not count then.
    pub not_defined: bool,
    /// The range that its time must be in.
    pub time_range: Option<TimeRange>,
    /// The text that it must have.
    pub text_match: Option<TextMatch>,
    /// Tests on its parameters.
    pub parameters: Vec<ParameterFilter>,
}

/// CALDAV:param-filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterFilter {
    /// The parameter, such as `PARTSTAT`, in any case.
    pub name: String,
    /// What must hold.
    pub test: ParameterTest,
}

/// What a [`ParameterFilter`] tests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParameterTest {
    /// There is such a parameter.
    Defined,
    /// There is no such parameter.
    NotDefined,
    /// There is one, and one of its values has the text, or, negated, none.
    Text(TextMatch),
}

/// CALDAV:text-match.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TextMatch {
    /// The text that must occur.
    pub text: String,
    /// How it is compared.
    pub collation: Collation,
    /// Whether it must not occur.
    pub negate: bool,
}

impl TextMatch {
    /// Whether the text occurs, before negation.
    fn occurs_in(&self, text: &str) -> bool {
        self.collation.contains(text, &self.text)
    }
}

impl ComponentFilter {
    /// For a filter on VCALENDAR: a type of component, and a range, such that every object that matches has a
    /// component of that type overlapping that range.
    pub fn necessary_range(&self) -> Option<(ComponentKind, TimeRange)> {
        self.necessary_components().find_map(|filter| {
            let kind = ComponentKind::named(&filter.name)?;
            Some((kind, filter.time_range?))
        })
    }

    /// For a filter on VCALENDAR: a type of component that every object that matches has.
    pub fn necessary_kind(&self) -> Option<ComponentKind> {
        self.necessary_components().find_map(|filter| ComponentKind::named(&filter.name))
    }

    fn necessary_components(&self) -> impl Iterator<Item = &Self> {
        let inner: &[Self] = if self.not_defined { &[] } else { &self.components };
        inner.iter().filter(|filter| !filter.not_defined)
    }
}
