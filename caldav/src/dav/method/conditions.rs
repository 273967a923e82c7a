//! Conditional requests (RFC 9110 §13, RFC 4918 §10.4).
//!
//! No resource has a date of last modification: it would have to be searched for in the history. So
//! conditions on dates are passed over, as RFC 9110 §13.1.3 and §13.1.4 ask for.

use super::{
    entity_tag::{EntityTag, EntityTags},
    if_header::{IfHeader, State, States},
};
use crate::dav::{
    error::DavError,
    etag,
    home::Home,
    location::{HomePath, Location},
    sync_token::sync_token,
};
use http::{HeaderMap, StatusCode, header};
use kalends_store::ObjectId;

/// The conditions of a request.
pub(in crate::dav) struct Conditions {
    if_match: Option<EntityTags>,
    if_none_match: Option<EntityTags>,
    if_header: Option<IfHeader>,
}

/// What becomes of a request whose conditions were evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// They hold.
    Go,
    /// The client has the current representation: 304 for GET and HEAD, else 412.
    Unchanged,
    /// 412.
    Failed(&'static str),
}

impl Conditions {
    /// Reads the headers.
    ///
    /// # Errors
    /// 400 for headers that cannot be read.
    pub(in crate::dav) fn of(headers: &HeaderMap) -> Result<Self, DavError> {
        Ok(Self {
            if_match: EntityTags::of(headers, &header::IF_MATCH)?,
            if_none_match: EntityTags::of(headers, &header::IF_NONE_MATCH)?,
            if_header: IfHeader::of(headers)?,
        })
    }

    /// Evaluates them in the order of RFC 9110 §13.2.2 for the target at `path` in `home`, where the object
    /// `current` is, or nothing.
    pub(super) fn evaluate(
        &self,
        home: &Home,
        path: &HomePath,
        current: Option<ObjectId>,
    ) -> Result<Verdict, DavError> {
        let current = current.map(|id| etag(&id));
        if let Some(tags) = &self.if_match
            && !tags.include(current.as_deref(), EntityTag::matches_strongly)
        {
            return Ok(Verdict::Failed("If-Match: the resource is not as it was when the client read it"));
        }
        if let Some(header) = &self.if_header
            && !header.holds(&InHome { home, target: path })?
        {
            return Ok(Verdict::Failed("If: none of its lists holds"));
        }
        if let Some(tags) = &self.if_none_match
            && tags.include(current.as_deref(), EntityTag::matches_weakly)
        {
            return Ok(Verdict::Unchanged);
        }
        Ok(Verdict::Go)
    }

    /// As [`evaluate`](Self::evaluate), for methods that change something.
    ///
    /// # Errors
    /// 412 when they do not hold.
    pub(in crate::dav) fn check(
        &self,
        home: &Home,
        path: &HomePath,
        current: Option<ObjectId>,
    ) -> Result<(), DavError> {
        let reason = match self.evaluate(home, path, current)? {
            Verdict::Go => return Ok(()),
            Verdict::Unchanged => "If-None-Match: the resource exists already",
            Verdict::Failed(reason) => reason,
        };
        Err(DavError::new(StatusCode::PRECONDITION_FAILED, reason))
    }
}

struct InHome<'a> {
    home: &'a Home,
    target: &'a HomePath,
}

impl States for InHome<'_> {
    fn state(&self, resource: Option<&Location>) -> Result<State, DavError> {
        let path = match resource {
            None => self.target,
            Some(Location::Home(path)) if path.owner == *self.home.owner => path,
            Some(_) => return Ok(State::default()),
        };
        let Some(node) = self.home.snapshot().find(&path.segments)? else { return Ok(State::default()) };
        let sync_token = node.directory().map(|directory| sync_token(path, directory));
        let is_there = sync_token.is_some() || !path.slash;
        Ok(State { entity_tag: is_there.then(|| etag(&node.id())), sync_token })
    }
}
