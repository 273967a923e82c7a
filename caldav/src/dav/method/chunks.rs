//! Bodies that are made while they are sent.

use crate::ResponseBody;
use bytes::Bytes;
use futures_util::stream;
use http_body::Frame;
use http_body_util::StreamBody;

/// Bytes that are collected before they are sent.
const CHUNK: usize = 32 << 10;

/// A body to which `next` appends some at each call, false with the last.
pub(super) fn body(next: impl FnMut(&mut Vec<u8>) -> bool + 'static) -> ResponseBody {
    Box::pin(StreamBody::new(stream::unfold(Some(next), |next| async move {
        let mut next = next?;
        let mut chunk = Vec::with_capacity(CHUNK + CHUNK / 4);
        while next(&mut chunk) {
            if chunk.len() >= CHUNK {
                return Some((Ok(Frame::data(Bytes::from(chunk))), Some(next)));
            }
        }
        Some((Ok(Frame::data(Bytes::from(chunk))), None))
    })))
}
