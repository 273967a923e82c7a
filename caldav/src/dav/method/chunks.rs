//! Bodies that are made while they are sent.

use crate::ResponseBody;
use bytes::Bytes;
use futures_util::stream;
use http_body::Frame;
use http_body_util::StreamBody;
use kalends_store::Error;

/// Bytes that are collected before they are sent.
const CHUNK: usize = 32 << 10;

/// A body to which `next` appends some at each call, false with the last. An error breaks it off, so that
/// nobody takes a part for the whole.
pub(super) fn body(next: impl FnMut(&mut Vec<u8>) -> Result<bool, Error> + 'static) -> ResponseBody {
    Box::pin(StreamBody::new(stream::unfold(Some(next), |next| async move {
        let mut next = next?;
        let mut chunk = Vec::with_capacity(CHUNK + CHUNK / 4);
        loop {
            match next(&mut chunk) {
                Ok(true) if chunk.len() < CHUNK => {}
                Ok(more) => return Some((Ok(Frame::data(Bytes::from(chunk))), more.then_some(next))),
                Err(error) => return Some((Err(error.to_string().into()), None)),
            }
        }
    })))
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use http_body_util::BodyExt;

    /// The pieces of a body of `count` lines, and whether it came to its end.
    fn pieces(count: usize, fails: bool) -> (Vec<Bytes>, bool) {
        let mut left = count;
        let mut body = body(move |out| {
            out.extend_from_slice(&[b'a'; 1000]);
            left -= 1;
            if left == 0 && fails { Err(Error::DeviceFull) } else { Ok(left > 0) }
        });
        let mut pieces = Vec::new();
        loop {
            match body.frame().now_or_never().unwrap() {
                Some(Ok(frame)) => pieces.push(frame.into_data().unwrap()),
                Some(Err(_)) => return (pieces, false),
                None => return (pieces, true),
            }
        }
    }

    #[test]
    fn a_body_comes_in_pieces_of_bounded_size() {
        let (pieces, whole) = pieces(100, false);
        assert!(whole);
        assert_eq!(pieces.iter().map(Bytes::len).sum::<usize>(), 100_000);
        assert!(pieces.len() > 1 && pieces.iter().all(|piece| piece.len() < CHUNK + 1000));
    }

    #[test]
    fn a_body_that_cannot_be_finished_is_broken_off() {
        let (pieces, whole) = pieces(100, true);
        assert!(!whole);
        assert!(pieces.iter().map(Bytes::len).sum::<usize>() < 100_000);
    }
}
