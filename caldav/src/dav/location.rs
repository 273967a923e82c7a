//! URLs below `/dav/`: what they name, and how they are written.
//!
//! | URL | names |
//! | --- | --- |
//! | `/dav/` | where clients begin |
//! | `/dav/principals/` | the principals that the user may see |
//! | `/dav/principals/ada/` | a principal (RFC 3744 §2) |
//! | `/dav/calendars/` | calendar homes |
//! | `/dav/calendars/ada/` | the calendar home of `ada` (RFC 4791 §6.2.1): the root of her repository |
//! | `/dav/calendars/ada/work/lunch.ics` | the file `work/lunch.ics` of it |

use super::error::DavError;
use http::StatusCode;
use kalends_store::Tree;
use percent_encoding::{AsciiSet, CONTROLS, percent_decode, percent_encode};

/// Directories below a home that a path may go through, the last segment included.
pub(crate) const MAX_SEGMENTS: usize = 32;
/// Bytes of one decoded segment.
const MAX_SEGMENT: usize = 255;

/// What need not stand for itself in a path segment (RFC 3986 §3.3): all but unreserved, sub-delims, `:`, `@`.
const SEGMENT: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'/')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// What a URL below `/dav/` names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Location {
    /// `/dav/`.
    Root,
    /// `/dav/principals/`.
    Principals,
    /// The principal of this name; a user or a group, or neither.
    Principal(String),
    /// `/dav/calendars/`.
    Homes,
    /// A calendar home, or something in one.
    Home(HomePath),
}

/// A place in a calendar home.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HomePath {
    /// The principal whose home it is.
    pub(crate) owner: String,
    /// Names from the root of the repository on; empty for the home itself. Each can be a tree entry's.
    pub(crate) segments: Vec<Vec<u8>>,
    /// Whether the URL ends in `/`, as that of a collection does.
    pub(crate) slash: bool,
}

impl Location {
    /// Reads the path of a URL.
    ///
    /// # Errors
    /// 404 for what is never there; 400 for dot segments, encoded slashes, NUL and a `%` that encodes
    /// nothing (RFC 3986 §2.1); 414 for a path too long.
    pub(crate) fn parse(path: &str) -> Result<Self, DavError> {
        let not_found = || DavError::new(StatusCode::NOT_FOUND, format!("nothing is at {path}"));
        let rest = match path.strip_prefix("/dav") {
            Some("") => return Ok(Self::Root),
            Some(rest) => rest.strip_prefix('/').ok_or_else(not_found)?,
            None => return Err(not_found()),
        };
        let slash = rest.ends_with('/');
        let mut segments = Vec::new();
        for raw in rest.strip_suffix('/').unwrap_or(rest).split('/') {
            if rest.is_empty() {
                break;
            }
            if segments.len() >= MAX_SEGMENTS + 2 {
                let reason = format!("the path has more than {MAX_SEGMENTS} segments");
                return Err(DavError::new(StatusCode::URI_TOO_LONG, reason));
            }
            segments.push(segment(raw)?);
        }
        let mut segments = segments.into_iter();
        let Some(area) = segments.next() else { return Ok(Self::Root) };
        let Some(name) = segments.next() else {
            return match area.as_slice() {
                b"principals" => Ok(Self::Principals),
                b"calendars" => Ok(Self::Homes),
                _ => Err(not_found()),
            };
        };
        let name = String::from_utf8(name).map_err(|_| not_found())?;
        let segments: Vec<_> = segments.collect();
        match area.as_slice() {
            b"principals" if segments.is_empty() => Ok(Self::Principal(name)),
            b"calendars" => Ok(Self::Home(HomePath { owner: name, segments, slash })),
            _ => Err(not_found()),
        }
    }

    /// Reads a URL or absolute path that a client wrote into a header or a body (`Destination`,
    /// `DAV:href`). The authority is not compared: names of one server differ behind proxies.
    ///
    /// # Errors
    /// As [`parse`](Self::parse); 400 for what is no URL.
    pub(crate) fn parse_reference(reference: &str) -> Result<Self, DavError> {
        let uri: http::Uri = reference.trim().parse().map_err(|_| {
            DavError::new(StatusCode::BAD_REQUEST, format!("{reference:?} is neither a URL nor a path"))
        })?;
        Self::parse(uri.path())
    }

    /// The path of the URL, percent-encoded; for a [`HomePath`] with a final `/` if it has one.
    pub(crate) fn href(&self) -> String {
        match self {
            Self::Root => "/dav/".into(),
            Self::Principals => "/dav/principals/".into(),
            Self::Principal(name) => principal_href(name),
            Self::Homes => "/dav/calendars/".into(),
            Self::Home(path) => path.href(),
        }
    }
}

impl HomePath {
    /// The home of a principal.
    pub(crate) fn home(owner: &str) -> Self {
        Self { owner: owner.into(), segments: Vec::new(), slash: true }
    }

    /// A member of this collection.
    pub(crate) fn member(&self, name: &[u8], is_collection: bool) -> Self {
        let mut segments = self.segments.clone();
        segments.push(name.to_vec());
        Self { owner: self.owner.clone(), segments, slash: is_collection }
    }

    /// The collection it is in, and its name there; `None` for the home itself.
    pub(crate) fn split_last(&self) -> Option<(Self, &[u8])> {
        let (last, before) = self.segments.split_last()?;
        Some((Self { owner: self.owner.clone(), segments: before.to_vec(), slash: true }, last))
    }

    /// The names, as [`Change`](crate::Change) takes them.
    pub(crate) fn names(&self) -> Vec<&[u8]> {
        self.segments.iter().map(Vec::as_slice).collect()
    }

    /// The path in the repository for people, such as `work/lunch.ics`.
    pub(crate) fn display(&self) -> String {
        let names: Vec<_> = self.segments.iter().map(|name| String::from_utf8_lossy(name)).collect();
        names.join("/")
    }

    /// The path of the URL, percent-encoded.
    pub(crate) fn href(&self) -> String {
        let mut href = format!("/dav/calendars/{}", encode(self.owner.as_bytes()));
        for name in &self.segments {
            href.push('/');
            href.extend(percent_encode(name, SEGMENT));
        }
        if self.slash || self.segments.is_empty() {
            href.push('/');
        }
        href
    }
}

/// The URL of a principal.
pub(crate) fn principal_href(name: &str) -> String {
    format!("/dav/principals/{}/", encode(name.as_bytes()))
}

/// One name as a path segment.
pub(crate) fn encode(name: &[u8]) -> String {
    percent_encode(name, SEGMENT).to_string()
}

/// Appends one name as a path segment.
pub(crate) fn encode_into(out: &mut String, name: &[u8]) {
    out.extend(percent_encode(name, SEGMENT));
}

fn segment(raw: &str) -> Result<Vec<u8>, DavError> {
    let bad = |why: &str| DavError::new(StatusCode::BAD_REQUEST, format!("path segment {raw:?} {why}"));
    let is_encoded =
        |rest: &str| rest.as_bytes().get(..2).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit));
    if !raw.split('%').skip(1).all(is_encoded) {
        return Err(bad("has a % without two hexadecimal digits after it"));
    }
    let name: Vec<u8> = percent_decode(raw.as_bytes()).collect();
    if name.len() > MAX_SEGMENT {
        let reason = format!("a path segment is longer than {MAX_SEGMENT} bytes");
        return Err(DavError::new(StatusCode::URI_TOO_LONG, reason));
    }
    match name.as_slice() {
        b"" => Err(bad("is empty")),
        b"." | b".." => Err(bad("is a dot segment")),
        _ if name.contains(&b'/') => Err(bad("has an encoded slash")),
        _ if name.contains(&0) => Err(bad("has a NUL")),
        _ if !Tree::is_valid_name(&name) => Err(bad("cannot be a name in git")),
        _ => Ok(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home(owner: &str, names: &[&str], slash: bool) -> Location {
        let segments = names.iter().map(|name| name.as_bytes().to_vec()).collect();
        Location::Home(HomePath { owner: owner.into(), segments, slash })
    }

    #[test]
    fn urls_are_read_and_written() {
        for (url, location) in [
            ("/dav/", Location::Root),
            ("/dav/principals/", Location::Principals),
            ("/dav/principals/ada/", Location::Principal("ada".into())),
            ("/dav/calendars/", Location::Homes),
            ("/dav/calendars/ada/", home("ada", &[], true)),
            ("/dav/calendars/ada/work/a%20b%23%25.ics", home("ada", &["work", "a b#%.ics"], false)),
            ("/dav/calendars/ada/B%C3%BCro/", home("ada", &["Büro"], true)),
        ] {
            assert_eq!(Location::parse(url), Ok(location.clone()), "{url}");
            assert_eq!(location.href(), url);
        }
        assert_eq!(Location::parse("/dav"), Ok(Location::Root));
        assert_eq!(
            Location::parse_reference("https://x.example:1/dav/calendars/ada/a"),
            Ok(home("ada", &["a"], false))
        );
    }

    #[test]
    fn bytes_that_are_not_utf_8_are_kept() {
        let Ok(Location::Home(path)) = Location::parse("/dav/calendars/ada/%ff") else { panic!() };
        assert_eq!(path.segments, [vec![0xff]]);
        assert_eq!(path.href(), "/dav/calendars/ada/%FF");
    }

    #[test]
    fn tricks_are_refused() {
        for (url, status) in [
            ("/dav/calendars/ada/../bob/", 400),
            ("/dav/calendars/ada/%2e%2E/bob/", 400),
            ("/dav/calendars/ada/a%2Fb", 400),
            ("/dav/calendars/ada/a%00b", 400),
            ("/dav/calendars/ada/a%zz.ics", 400),
            ("/dav/calendars/ada/100%", 400),
            ("/dav/calendars/ada/%+1", 400),
            ("/dav/calendars/ada/%2", 400),
            ("/dav/calendars/ada/%é", 400),
            ("/dav/calendars/ada//b", 400),
            ("/dav/calendars/ada/.git/config", 400),
            ("/dav/nothing/", 404),
            ("/dav/principals/ada/more", 404),
            ("/davx", 404),
        ] {
            assert_eq!(Location::parse(url).unwrap_err().status.as_u16(), status, "{url}");
        }
        let long = format!("/dav/calendars/ada/{}", "a".repeat(256));
        assert_eq!(Location::parse(&long).unwrap_err().status.as_u16(), 414);
        let deep = format!("/dav/calendars/ada/{}", "a/".repeat(40));
        assert_eq!(Location::parse(&deep).unwrap_err().status.as_u16(), 414);
    }
}
