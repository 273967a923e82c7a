//! What answers requests.

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use std::{future::Future, pin::Pin};

/// Why a body ended early.
pub type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// A request body as it arrives. It errors when the peer vanishes or sends too slowly.
pub type RequestBody = Pin<Box<dyn Body<Data = Bytes, Error = BodyError>>>;

/// A response body; it is polled only as fast as the peer reads.
pub type ResponseBody = Pin<Box<dyn Body<Data = Bytes, Error = BodyError>>>;

/// Answers requests. The peer's [`std::net::SocketAddr`] is among the request's extensions.
pub trait Handler: 'static {
    /// Answers one request. The future is dropped when the peer goes away.
    fn handle(&self, request: Request<RequestBody>) -> impl Future<Output = Response<ResponseBody>>;
}
