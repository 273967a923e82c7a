//! Request bodies: collected, inflated, bounded; or piece by piece.

use crate::RequestBody;
use bytes::{Bytes, BytesMut};
use flate2::write::GzDecoder;
use futures_util::{Stream, stream};
use http::{HeaderMap, Request, StatusCode, header};
use http_body_util::BodyExt;
use std::{
    fmt::Display,
    io::{self, Write},
};

/// A refusal: a status, and a line for the person at the other end.
pub(crate) type Refused = (StatusCode, String);

/// A buffer that takes so many bytes and no more.
struct Bounded {
    data: BytesMut,
    limit: u64,
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if (self.data.len() + bytes.len()) as u64 > self.limit {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.data.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

enum Sink {
    Plain(Bounded),
    Gzip(Box<GzDecoder<Bounded>>),
}

/// The whole body, inflated when it is gzip-encoded.
///
/// # Errors
/// 413 beyond `limit` bytes (inflated), 415 for another encoding, 400 when it breaks off or is damaged.
pub(crate) async fn collect(request: Request<RequestBody>, limit: u64) -> Result<Bytes, Refused> {
    let (parts, mut body) = request.into_parts();
    let too_large = || (StatusCode::PAYLOAD_TOO_LARGE, format!("the request is larger than {limit} bytes"));
    let length =
        parts.headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if length.is_some_and(|length: u64| length > limit) {
        return Err(too_large());
    }
    let bounded = Bounded { data: BytesMut::new(), limit };
    let mut sink = if is_gzip(&parts.headers)? {
        Sink::Gzip(Box::new(GzDecoder::new(bounded)))
    } else {
        let mut bounded = bounded;
        // What is announced is not yet sent: grow with it beyond this.
        bounded.data.reserve(length.unwrap_or(0).min(1 << 20) as usize);
        Sink::Plain(bounded)
    };
    let write = |error: io::Error| match error.kind() {
        io::ErrorKind::FileTooLarge => too_large(),
        _ => broken(&error),
    };
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| broken(&error))?;
        if let Some(data) = frame.data_ref() {
            match &mut sink {
                Sink::Plain(bounded) => bounded.write_all(data),
                Sink::Gzip(decoder) => decoder.write_all(data),
            }
            .map_err(write)?;
        }
    }
    let bounded = match sink {
        Sink::Plain(bounded) => bounded,
        Sink::Gzip(decoder) => decoder.finish().map_err(write)?,
    };
    Ok(bounded.data.freeze())
}

fn broken(reason: &dyn Display) -> Refused {
    (StatusCode::BAD_REQUEST, format!("request body: {reason}"))
}

fn is_gzip(headers: &HeaderMap) -> Result<bool, Refused> {
    match headers.get(header::CONTENT_ENCODING).map(|value| value.as_bytes()) {
        None | Some(b"identity") => Ok(false),
        Some(b"gzip" | b"x-gzip") => Ok(true),
        Some(_) => Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported Content-Encoding: use gzip".into())),
    }
}

/// Where a body that is read in pieces has come to.
struct Pieces {
    body: RequestBody,
    gzip: Option<Box<GzDecoder<Vec<u8>>>>,
    /// What has come and is not inflated.
    rest: Bytes,
}

/// The body as it comes, inflated when it is gzip-encoded, in pieces of any size.
///
/// # Errors
/// 415 for another encoding; the inner ones are 400 when it breaks off or is damaged.
pub(crate) fn pieces(
    request: Request<RequestBody>,
) -> Result<impl Stream<Item = Result<Bytes, Refused>>, Refused> {
    /// What is inflated at once: it may become a thousand times as much.
    const STEP: usize = 1 << 10;
    let (parts, body) = request.into_parts();
    let gzip = is_gzip(&parts.headers)?.then(|| Box::new(GzDecoder::new(Vec::new())));
    let pieces = Pieces { body, gzip, rest: Bytes::new() };
    Ok(stream::try_unfold(pieces, async |mut pieces| {
        loop {
            if !pieces.rest.is_empty() {
                let Some(gzip) = &mut pieces.gzip else {
                    let piece = std::mem::take(&mut pieces.rest);
                    return Ok(Some((piece, pieces)));
                };
                let part = pieces.rest.split_to(STEP.min(pieces.rest.len()));
                gzip.write_all(&part).and_then(|()| gzip.flush()).map_err(|error| broken(&error))?;
                let inflated = std::mem::take(gzip.get_mut());
                if !inflated.is_empty() {
                    return Ok(Some((inflated.into(), pieces)));
                }
                continue;
            }
            match pieces.body.frame().await {
                Some(frame) => {
                    let frame = frame.map_err(|error| broken(&error))?;
                    pieces.rest = frame.into_data().unwrap_or_default();
                }
                None => {
                    let Some(gzip) = pieces.gzip.take() else { return Ok(None) };
                    let inflated = gzip.finish().map_err(|error| broken(&error))?;
                    if inflated.is_empty() {
                        return Ok(None);
                    }
                    return Ok(Some((inflated.into(), pieces)));
                }
            }
        }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::full;
    use flate2::{Compression, write::GzEncoder};
    use futures_util::{FutureExt, TryStreamExt};

    fn receive(body: &[u8], encoding: Option<&str>, limit: u64) -> Result<Bytes, Refused> {
        let mut request = Request::new(full(body.to_vec()));
        if let Some(encoding) = encoding {
            request.headers_mut().insert(header::CONTENT_ENCODING, encoding.parse().unwrap());
        }
        collect(request, limit).now_or_never().unwrap()
    }

    fn gzip(data: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn a_body_comes_plain_or_compressed() {
        assert_eq!(receive(b"0000", None, 4).unwrap(), "0000");
        assert_eq!(receive(&gzip(b"0000"), Some("gzip"), 4).unwrap(), "0000");
    }

    #[test]
    fn a_body_beyond_the_limit_is_too_large_however_small_it_was_sent() {
        assert_eq!(receive(&[0; 1001], None, 1000).unwrap_err().0, StatusCode::PAYLOAD_TOO_LARGE);
        let bomb = gzip(&vec![0; 10 << 20]);
        assert_eq!(receive(&bomb, Some("gzip"), 1 << 20).unwrap_err().0, StatusCode::PAYLOAD_TOO_LARGE);
    }

    #[test]
    fn a_body_comes_in_pieces_and_inflates_a_little_at_a_time() {
        fn all(body: &[u8], encoding: Option<&str>) -> Result<Vec<Bytes>, Refused> {
            let mut request = Request::new(full(body.to_vec()));
            if let Some(encoding) = encoding {
                request.headers_mut().insert(header::CONTENT_ENCODING, encoding.parse().unwrap());
            }
            pieces(request)?.try_collect().now_or_never().unwrap()
        }
        assert_eq!(all(b"0000", None).unwrap().concat(), b"0000");
        let zeros = vec![0; 20 << 20];
        let inflated = all(&gzip(&zeros), Some("gzip")).unwrap();
        assert!(inflated.concat() == zeros);
        assert!(inflated.iter().all(|piece| piece.len() <= 2 << 20));
        assert_eq!(all(b"not gzip at all", Some("gzip")).unwrap_err().0, StatusCode::BAD_REQUEST);
        let cut = gzip(b"some text that goes on");
        assert_eq!(all(&cut[..cut.len() / 2], Some("gzip")).unwrap_err().0, StatusCode::BAD_REQUEST);
        assert_eq!(all(b"", Some("br")).unwrap_err().0, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }

    #[test]
    fn a_damaged_or_strange_body_is_refused() {
        assert_eq!(receive(b"not gzip at all", Some("gzip"), 1000).unwrap_err().0, StatusCode::BAD_REQUEST);
        let whole = gzip(b"some text that goes on");
        let half = &whole[..whole.len() / 2];
        assert_eq!(receive(half, Some("gzip"), 1000).unwrap_err().0, StatusCode::BAD_REQUEST);
        assert_eq!(receive(b"", Some("br"), 1000).unwrap_err().0, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }
}
