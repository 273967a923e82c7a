//! Message bodies.

use bytes::Bytes;
use http_body::Body;
use http_body_util::{BodyExt, Empty, Full};
use std::pin::Pin;

/// Why a body ended early.
pub type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// A request body, as the server hands it over.
pub type RequestBody = Pin<Box<dyn Body<Data = Bytes, Error = BodyError>>>;

/// A response body; may be streamed.
pub type ResponseBody = Pin<Box<dyn Body<Data = Bytes, Error = BodyError>>>;

/// A body of these bytes.
pub fn full(bytes: impl Into<Bytes>) -> ResponseBody {
    Box::pin(Full::new(bytes.into()).map_err(|never| match never {}))
}

/// A body without bytes.
pub fn empty() -> ResponseBody {
    Box::pin(Empty::new().map_err(|never| match never {}))
}
