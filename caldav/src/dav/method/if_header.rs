//! The `If` header (RFC 4918 §10.4).

use super::entity_tag::EntityTag;
use crate::dav::{error::DavError, location::Location};
use http::{HeaderMap, StatusCode};

/// Conditions of one header that are read at most.
const MAX_CONDITIONS: usize = 1_000;

/// The header, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct IfHeader {
    lists: Vec<List>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct List {
    /// What it is about; the target of the request when untagged. A tag that names nothing of this server
    /// is an error of its own, kept to be found false.
    tag: Option<Result<Location, ()>>,
    conditions: Vec<Condition>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Condition {
    negated: bool,
    expected: Expected,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Expected {
    /// A sync token, or that of a lock.
    Token(String),
    Tag(EntityTag),
}

/// What the conditions on a resource are compared with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct State {
    /// Its entity tag, in quotes; `None` when nothing is there.
    pub(super) entity_tag: Option<String>,
    /// Its sync token (RFC 6578 §5); `None` when it is no collection.
    pub(super) sync_token: Option<String>,
}

/// Where the states of resources are looked up.
pub(super) trait States {
    /// The state of a resource; of the target of the request if `None`.
    fn state(&self, resource: Option<&Location>) -> Result<State, DavError>;
}

impl IfHeader {
    /// Reads the header; `None` when the request has none.
    ///
    /// # Errors
    /// 400 for what does not follow its grammar.
    pub(super) fn of(headers: &HeaderMap) -> Result<Option<Self>, DavError> {
        let mut lines = headers.get_all("if").iter();
        let Some(line) = lines.next() else { return Ok(None) };
        let text = line.to_str().ok().filter(|_| lines.next().is_none());
        match text.and_then(|text| parse(text.trim())) {
            Some(lists) => Ok(Some(Self { lists })),
            None => Err(DavError::new(
                StatusCode::BAD_REQUEST,
                "the If header does not follow RFC 4918, section 10.4",
            )),
        }
    }

    /// Whether any of the lists holds: all of its conditions do. There are no locks, so that no token of one
    /// ever matches.
    pub(super) fn holds(&self, states: &impl States) -> Result<bool, DavError> {
        for list in &self.lists {
            let current = match &list.tag {
                None => states.state(None)?,
                Some(Ok(location)) => states.state(Some(location))?,
                Some(Err(())) => State::default(),
            };
            let holds = |condition: &Condition| {
                let matches = match &condition.expected {
                    Expected::Token(token) => current.sync_token.as_ref() == Some(token),
                    Expected::Tag(tag) => {
                        current.entity_tag.as_deref().is_some_and(|current| tag.matches_strongly(current))
                    }
                };
                matches != condition.negated
            };
            if list.conditions.iter().all(holds) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Lists all without tags, or all with one: a tag stands for the lists up to the next tag.
fn parse(text: &str) -> Option<Vec<List>> {
    let mut lists = Vec::new();
    let mut tag = None;
    let mut rest = text;
    let mut left = MAX_CONDITIONS;
    let tagged = text.starts_with('<');
    while !rest.is_empty() {
        if tagged && rest.starts_with('<') {
            let (url, after) = coded_url(rest)?;
            tag = Some(Location::parse_reference(url).map_err(drop));
            rest = after;
            // A tag without a list is no condition at all.
            if !rest.starts_with('(') {
                return None;
            }
        }
        let (conditions, after) = list(rest, &mut left)?;
        lists.push(List { tag: tag.clone(), conditions });
        rest = after;
    }
    (!lists.is_empty()).then_some(lists)
}

/// `<url>`, and what follows after white space.
fn coded_url(text: &str) -> Option<(&str, &str)> {
    let (url, rest) = text.strip_prefix('<')?.split_once('>')?;
    Some((url, rest.trim_start()))
}

fn list<'a>(text: &'a str, left: &mut usize) -> Option<(Vec<Condition>, &'a str)> {
    let mut rest = text.strip_prefix('(')?.trim_start();
    let mut conditions = Vec::new();
    loop {
        if let Some(after) = rest.strip_prefix(')') {
            return (!conditions.is_empty()).then(|| (conditions, after.trim_start()));
        }
        *left = left.checked_sub(1)?;
        let negation = rest.get(..3).filter(|word| word.eq_ignore_ascii_case("not"));
        if let Some(word) = negation {
            rest = rest.get(word.len()..)?.trim_start();
        }
        let expected;
        if let Some(inside) = rest.strip_prefix('[') {
            let (tag, after) = EntityTag::parse_start(inside)?;
            rest = after.strip_prefix(']')?.trim_start();
            expected = Expected::Tag(tag);
        } else {
            let (token, after) = coded_url(rest)?;
            rest = after;
            expected = Expected::Token(token.to_owned());
        }
        conditions.push(Condition { negated: negation.is_some(), expected });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    /// `/dav/calendars/ada/a` has the tag `"1"`; the target of the request is it. The home has a token.
    struct OneFile;

    impl States for OneFile {
        fn state(&self, resource: Option<&Location>) -> Result<State, DavError> {
            let href = resource.map_or("/dav/calendars/ada/a".into(), Location::href);
            Ok(State {
                entity_tag: (href == "/dav/calendars/ada/a").then(|| "\"1\"".into()),
                sync_token: (href == "/dav/calendars/ada/").then(|| "urn:x:2".into()),
            })
        }
    }

    fn read(value: &str) -> Result<Option<IfHeader>, DavError> {
        let mut headers = HeaderMap::new();
        headers.insert("if", HeaderValue::from_bytes(value.as_bytes()).unwrap());
        IfHeader::of(&headers)
    }

    #[test]
    fn conditions_are_evaluated() {
        for (value, holds) in [
            (r#"(["1"])"#, true),
            (r#"(["2"])"#, false),
            (r#"([W/"1"])"#, false),
            (r#"(Not ["2"])"#, true),
            (r#"(["2"]) (["1"])"#, true),
            (r#"(["1"] <opaquelocktoken:x>)"#, false),
            (r#"(["1"] not <DAV:no-lock>)"#, true),
            ("(<DAV:no-lock>) (Not <DAV:no-lock>)", true),
            (r#"</dav/calendars/ada/a> (["1"])"#, true),
            (r#"<https://other.example/dav/calendars/ada/a>(["1"])"#, true),
            (r#"</dav/calendars/ada/b> (["1"])"#, false),
            (r#"</dav/calendars/ada/b> (Not ["1"])"#, true),
            (r#"</dav/calendars/ada/b> (["1"]) </dav/calendars/ada/a> (["2"]) (["1"])"#, true),
            (r#"<http://elsewhere.example/x> (["1"])"#, false),
            ("</dav/calendars/ada/> (<urn:x:2>)", true),
            ("</dav/calendars/ada/> (<urn:x:1>)", false),
            ("(<urn:x:2>)", false),
        ] {
            let header = read(value).unwrap().unwrap();
            assert_eq!(header.holds(&OneFile), Ok(holds), "{value}");
        }
        assert_eq!(IfHeader::of(&HeaderMap::new()), Ok(None));
    }

    #[test]
    fn what_is_no_list_of_conditions_is_refused() {
        for value in [
            "",
            "()",
            "x",
            r#"(["1"]"#,
            r#"(["1")"#,
            "(<a)",
            r#"(["1"]) </dav/> (["1"])"#,
            "</dav/>",
            "</dav/> </dav/> (<a:b>)",
            "(no <a:b>)",
            "(ü)",
        ] {
            assert_eq!(read(value).unwrap_err().status, StatusCode::BAD_REQUEST, "{value}");
        }
        let many = format!("({})", "<a:b>".repeat(MAX_CONDITIONS + 1));
        assert!(read(&many).is_err());
    }
}
