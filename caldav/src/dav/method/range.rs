//! Byte ranges (RFC 9110 §14).

use super::entity_tag::EntityTag;
use http::{HeaderMap, HeaderValue, header};

/// Which bytes of a representation to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ByteRange {
    /// All: no range was asked for, or one that may be passed over, such as several at once.
    Whole,
    /// From the first to the last, both included.
    Part {
        /// The first byte.
        first: u64,
        /// The last byte.
        last: u64,
    },
    /// 416: there are no such bytes.
    Unsatisfiable,
}

impl ByteRange {
    /// What `Range` and `If-Range` ask for of a representation of `length` bytes with the tag `current`.
    pub(super) fn of(headers: &HeaderMap, length: u64, current: &str) -> Self {
        let text = |name| headers.get(name).map(HeaderValue::to_str);
        let Some(Ok(range)) = text(header::RANGE) else { return Self::Whole };
        match text(header::IF_RANGE) {
            None => {}
            // A date never matches: there is none to compare it with (RFC 9110 §13.1.5).
            Some(Ok(condition))
                if matches!(EntityTag::parse_start(condition.trim()), Some((tag, ""))
                    if tag.matches_strongly(current)) => {}
            Some(_) => return Self::Whole,
        }
        Self::parse(range, length).unwrap_or(Self::Whole)
    }

    fn parse(range: &str, length: u64) -> Option<Self> {
        let (unit, set) = range.split_once('=')?;
        if !unit.trim().eq_ignore_ascii_case("bytes") || set.contains(',') {
            return None;
        }
        let (first, last) = set.trim().split_once('-')?;
        // Numbers beyond 64 bits are as good as the largest.
        let number = |digits: &str| match digits {
            "" => None,
            _ if digits.bytes().all(|b| b.is_ascii_digit()) => Some(digits.parse().unwrap_or(u64::MAX)),
            _ => None,
        };
        let Some(end) = length.checked_sub(1) else { return Some(Self::Unsatisfiable) };
        match (number(first), number(last)) {
            (None, Some(0)) if first.is_empty() => Some(Self::Unsatisfiable),
            (None, Some(count)) if first.is_empty() => {
                Some(Self::Part { first: length.saturating_sub(count), last: end })
            }
            (Some(first), None) if !last.is_empty() || first > end => {
                last.is_empty().then_some(Self::Unsatisfiable)
            }
            (Some(first), None) => Some(Self::Part { first, last: end }),
            (Some(first), Some(last)) if first > last => None,
            (Some(first), Some(_)) if first > end => Some(Self::Unsatisfiable),
            (Some(first), Some(last)) => Some(Self::Part { first, last: last.min(end) }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(range: &str, if_range: Option<&str>, length: u64) -> ByteRange {
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, range.parse().unwrap());
        if let Some(value) = if_range {
            headers.insert(header::IF_RANGE, value.parse().unwrap());
        }
        ByteRange::of(&headers, length, "\"1\"")
    }

    #[test]
    fn ranges_are_cut_to_what_there_is() {
        use ByteRange::{Part, Unsatisfiable, Whole};
        for (text, expected) in [
            ("bytes=0-3", Part { first: 0, last: 3 }),
            ("Bytes=5-", Part { first: 5, last: 9 }),
            ("bytes=5-99999999999999999999999", Part { first: 5, last: 9 }),
            ("bytes=-3", Part { first: 7, last: 9 }),
            ("bytes=-30", Part { first: 0, last: 9 }),
            ("bytes=10-", Unsatisfiable),
            ("bytes=10-12", Unsatisfiable),
            ("bytes=-0", Unsatisfiable),
            ("bytes=0-1,3-4", Whole),
            ("bytes=3-1", Whole),
            ("bytes=-", Whole),
            ("bytes=a-3", Whole),
            ("bytes=3-a", Whole),
            ("lines=0-3", Whole),
            ("3", Whole),
        ] {
            assert_eq!(range(text, None, 10), expected, "{text}");
        }
        assert_eq!(range("bytes=0-", None, 0), Unsatisfiable);
    }

    #[test]
    fn a_range_of_something_else_is_passed_over() {
        let part = ByteRange::Part { first: 0, last: 3 };
        assert_eq!(range("bytes=0-3", Some("\"1\""), 10), part);
        for other in ["\"2\"", "W/\"1\"", "Wed, 01 Jan 2025 00:00:00 GMT", "\"1\" x"] {
            assert_eq!(range("bytes=0-3", Some(other), 10), ByteRange::Whole, "{other}");
        }
    }
}
