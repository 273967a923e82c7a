//! Multistatus bodies (RFC 4918 §13), made while they are sent.

use super::{
    error::DavError,
    xml_writer::{DECLARATIONS, PROLOGUE, tagged},
};
use crate::{ResponseBody, give_way::give_way};
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderValue, Response, StatusCode, header};
use http_body::Frame;
use http_body_util::StreamBody;
use std::borrow::Cow;

/// Bytes that are collected before they are sent.
const CHUNK: usize = 32 << 10;
/// Calls of `next` after which other requests get their turn: it may search long for what to append.
const PAUSE: usize = 16;

/// A multistatus response whose elements `next` appends: one or a few `D:response` at each call, false when
/// there are no more. `end` is appended before the end tag, such as a `D:sync-token`.
///
/// The status has been sent when `next` runs: what fails by then is reported in the element concerned.
pub(crate) fn response(
    next: impl FnMut(&mut String) -> bool + 'static,
    end: String,
) -> Response<ResponseBody> {
    let start = format!("{PROLOGUE}<D:multistatus{DECLARATIONS}>\n");
    let chunks = stream::unfold(Some((start, next, end)), |state| async move {
        let (mut chunk, mut next, end) = state?;
        for call in 1.. {
            if call % PAUSE == 0 {
                give_way().await;
            }
            if !next(&mut chunk) {
                chunk.push_str(&end);
                chunk.push_str("</D:multistatus>\n");
                return Some((Ok(Frame::data(Bytes::from(chunk))), None));
            }
            if chunk.len() >= CHUNK {
                let empty = String::with_capacity(CHUNK + CHUNK / 4);
                return Some((Ok(Frame::data(Bytes::from(chunk))), Some((empty, next, end))));
            }
        }
        None
    });
    let body: ResponseBody = Box::pin(StreamBody::new(chunks));
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::MULTI_STATUS;
    let content_type = HeaderValue::from_static("application/xml; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    response
}

/// A multistatus response of one element that is at hand.
pub(crate) fn single(element: String) -> Response<ResponseBody> {
    let mut element = Some(element);
    let next = move |out: &mut String| match element.take() {
        Some(element) => {
            out.push_str(&element);
            true
        }
        None => false,
    };
    response(next, String::new())
}

/// The status line of a `D:status`.
pub(crate) fn status_line(status: StatusCode) -> Cow<'static, str> {
    if status == StatusCode::NOT_FOUND {
        return "HTTP/1.1 404 Not Found".into();
    }
    format!("HTTP/1.1 {} {}", status.as_u16(), status.canonical_reason().unwrap_or("")).into()
}

/// A `D:response` that has a status and no properties.
pub(crate) fn write_status(out: &mut String, href: &str, status: StatusCode) {
    out.push_str("<D:response>");
    tagged(out, "D:href", href);
    tagged(out, "D:status", &status_line(status));
    out.push_str("</D:response>\n");
}

/// A `D:response` for a resource that could not be dealt with.
pub(crate) fn write_error(out: &mut String, href: &str, error: &DavError) {
    out.push_str("<D:response>");
    tagged(out, "D:href", href);
    tagged(out, "D:status", &status_line(error.status));
    error.write_element(out);
    tagged(out, "D:responsedescription", &error.reason);
    out.push_str("</D:response>\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dav::xml::{self, DAV};
    use futures_util::FutureExt;
    use http_body_util::BodyExt;

    #[test]
    fn a_search_for_what_to_append_gives_way() {
        let mut left = 1000;
        let next = move |_: &mut String| {
            left -= 1;
            left > 0
        };
        let mut body = response(next, String::new()).into_body();
        let mut turns = 0;
        while body.frame().now_or_never().is_none() {
            turns += 1;
        }
        assert!(turns >= 1000 / PAUSE, "{turns}");
    }

    #[test]
    fn long_bodies_come_in_pieces_and_read_as_one_document() {
        let mut left = 2000;
        let next = move |out: &mut String| {
            write_status(out, &format!("/dav/{left}&"), StatusCode::NOT_FOUND);
            left -= 1;
            left > 0
        };
        let mut body = response(next, "<D:sync-token>x</D:sync-token>".into()).into_body();
        let (mut all, mut pieces) = (Vec::new(), 0);
        loop {
            match body.frame().now_or_never() {
                Some(Some(frame)) => all.extend_from_slice(&frame.unwrap().into_data().unwrap()),
                Some(None) => break,
                None => continue,
            }
            pieces += 1;
        }
        assert!(pieces > 3);
        let root = xml::parse(&all).unwrap();
        assert_eq!(root.elements_named(DAV, "response").count(), 2000);
        assert_eq!(root.element(DAV, "sync-token").unwrap().text(), "x");
    }
}
