//! Entity tags in `If-Match`, `If-None-Match`, `If-Range` and `If` (RFC 9110 §8.8.3).

use crate::dav::error::DavError;
use http::{HeaderMap, HeaderName, StatusCode};

/// Tags of one request that are read at most; more are a mistake.
const MAX_TAGS: usize = 1_000;

/// An entity tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct EntityTag {
    weak: bool,
    /// What is between the quotes.
    opaque: String,
}

impl EntityTag {
    /// Reads one tag at the start of `text`; gives it and what comes after it.
    pub(super) fn parse_start(text: &str) -> Option<(Self, &str)> {
        let (weak, rest) = match text.strip_prefix("W/") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (opaque, rest) = rest.strip_prefix('"')?.split_once('"')?;
        Some((Self { weak, opaque: opaque.to_owned() }, rest))
    }

    /// Whether both are strong and the same (RFC 9110 §8.8.3.2). `current` is as the server writes it, in
    /// quotes; all of its own are strong.
    pub(super) fn matches_strongly(&self, current: &str) -> bool {
        !self.weak && self.matches_weakly(current)
    }

    /// Whether both are the same but for weakness.
    pub(super) fn matches_weakly(&self, current: &str) -> bool {
        current.strip_prefix('"').and_then(|tag| tag.strip_suffix('"')) == Some(&self.opaque)
    }
}

/// The value of `If-Match` or `If-None-Match`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum EntityTags {
    /// `*`: whatever there is.
    Any,
    /// One of these.
    Listed(Vec<EntityTag>),
}

impl EntityTags {
    /// Reads a header; `None` when the request has none.
    ///
    /// # Errors
    /// 400 for what is no list of entity tags: to pass over a condition could lose a change.
    pub(super) fn of(headers: &HeaderMap, name: &HeaderName) -> Result<Option<Self>, DavError> {
        let bad = || {
            let reason = format!("{name} must be * or entity tags in double quotes, separated by commas");
            DavError::new(StatusCode::BAD_REQUEST, reason)
        };
        let mut lines = headers.get_all(name).iter().peekable();
        if lines.peek().is_none() {
            return Ok(None);
        }
        let mut tags = Vec::new();
        for line in lines {
            let mut rest = line.to_str().map_err(|_| bad())?.trim();
            if rest == "*" && tags.is_empty() {
                return Ok(Some(Self::Any));
            }
            while !rest.is_empty() {
                let (tag, after) = EntityTag::parse_start(rest).ok_or_else(bad)?;
                if tags.len() >= MAX_TAGS {
                    return Err(bad());
                }
                tags.push(tag);
                rest = after.trim_start();
                match rest.strip_prefix(',') {
                    Some(after) => rest = after.trim_start(),
                    None if rest.is_empty() => {}
                    None => return Err(bad()),
                }
            }
        }
        Ok(Some(Self::Listed(tags)))
    }

    /// Whether a resource with the tag `current`, `None` if there is none, is meant; `matches` compares.
    pub(super) fn include(&self, current: Option<&str>, matches: fn(&EntityTag, &str) -> bool) -> bool {
        match (self, current) {
            (_, None) => false,
            (Self::Any, Some(_)) => true,
            (Self::Listed(tags), Some(current)) => tags.iter().any(|tag| matches(tag, current)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderValue, header::IF_MATCH};

    fn tags(lines: &[&'static str]) -> Result<Option<EntityTags>, DavError> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(IF_MATCH, HeaderValue::from_static(line));
        }
        EntityTags::of(&headers, &IF_MATCH)
    }

    #[test]
    fn lists_are_read_over_lines_and_commas_in_quotes() {
        let Ok(Some(read)) = tags(&[r#""a,b" , W/"c""#, r#""d""#]) else { panic!() };
        for (current, strongly, weakly) in [
            (r#""a,b""#, true, true),
            (r#""c""#, false, true),
            (r#""d""#, true, true),
            (r#""b""#, false, false),
        ] {
            assert_eq!(read.include(Some(current), EntityTag::matches_strongly), strongly, "{current}");
            assert_eq!(read.include(Some(current), EntityTag::matches_weakly), weakly, "{current}");
        }
        assert!(!read.include(None, EntityTag::matches_weakly));
        assert_eq!(tags(&[]), Ok(None));
        assert_eq!(tags(&[" * "]), Ok(Some(EntityTags::Any)));
    }

    #[test]
    fn what_is_no_list_of_tags_is_refused() {
        for line in ["abc", r#""a"#, r#""a" "b""#, r#""a", *"#, r#"w/"a""#] {
            assert_eq!(tags(&[line]).unwrap_err().status, StatusCode::BAD_REQUEST, "{line}");
        }
    }
}
