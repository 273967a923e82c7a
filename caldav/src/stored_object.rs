//! Reading calendar objects that are in the store.

use bytes::Bytes;
use kalends_icalendar::{CalendarObject, Limits, Violation};

/// Parses an object that was accepted once: the size that is accepted now may be another.
///
/// # Errors
/// The first violation; old data or a history rewritten by its owner may hold anything.
pub(crate) fn parse(data: Bytes) -> Result<CalendarObject, Violation> {
    CalendarObject::parse(data, &Limits { bytes: usize::MAX, ..Limits::default() })
}
