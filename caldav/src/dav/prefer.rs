//! What clients would rather not be sent: `Prefer` (RFC 7240, RFC 8144) and its forerunner `Brief`.

use http::{HeaderMap, HeaderValue, Response};

/// The preferences of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Preferences {
    /// `return=minimal`: nothing about what is not there, or went as asked (RFC 8144 §2).
    pub(super) minimal: bool,
    /// `depth-noroot`: the members without the collection (RFC 8144 §3).
    pub(super) no_root: bool,
    /// Whether `Prefer` asked for the minimum, rather than `Brief`.
    by_prefer: bool,
}

impl Preferences {
    /// Reads the headers. What is not understood is passed over, as preferences are.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let mut preferences = Self::default();
        let values = headers.get_all("prefer").into_iter().filter_map(|value| value.to_str().ok());
        let mut returned = None;
        for preference in values.flat_map(|value| value.split(',')) {
            let token = preference.split(';').next().unwrap_or("");
            let (name, value) = token.split_once('=').unwrap_or((token, ""));
            let (name, value) = (name.trim(), value.trim().trim_matches('"'));
            if name.eq_ignore_ascii_case("return") {
                // RFC 7240 §2: the first one counts.
                returned.get_or_insert(value.eq_ignore_ascii_case("minimal"));
            } else if name.eq_ignore_ascii_case("depth-noroot") {
                preferences.no_root = true;
            }
        }
        preferences.by_prefer = returned == Some(true);
        let brief = headers.get("brief").is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"t"));
        preferences.minimal = returned.unwrap_or(brief);
        preferences
    }

    /// Says in a response which preferences it follows (RFC 7240 §3).
    pub(super) fn acknowledge<B>(self, response: &mut Response<B>, minimal: bool, no_root: bool) {
        let applied = match (minimal && self.by_prefer, no_root && self.no_root) {
            (true, true) => "return=minimal, depth-noroot",
            (true, false) => "return=minimal",
            (false, true) => "depth-noroot",
            (false, false) => return,
        };
        response.headers_mut().insert("preference-applied", HeaderValue::from_static(applied));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn preferences(headers: &[(&'static str, &'static str)]) -> (bool, bool) {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_static(value));
        }
        let preferences = Preferences::of(&map);
        (preferences.minimal, preferences.no_root)
    }

    #[test]
    fn preferences_are_read() {
        for (headers, expected) in [
            (&[][..], (false, false)),
            (&[("prefer", "return=minimal")], (true, false)),
            (&[("prefer", "Return = \"minimal\"; x=1, depth-noroot")], (true, true)),
            (&[("prefer", "respond-async"), ("prefer", "depth-noroot")], (false, true)),
            (&[("prefer", "return=representation, return=minimal")], (false, false)),
            (&[("brief", "t")], (true, false)),
            (&[("brief", "f")], (false, false)),
            (&[("prefer", "minimal, =, ;,,")], (false, false)),
        ] {
            assert_eq!(preferences(headers), expected, "{headers:?}");
        }
    }
}
