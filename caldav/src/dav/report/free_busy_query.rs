//! CALDAV:free-busy-query (RFC 4791 §7.10): when the events of calendars take up time.

use super::{
    Call,
    calendar_data::Reading,
    not_here,
    scope::{self, Calendar},
    time_range_xml,
};
use crate::{
    ResponseBody,
    dav::{DavError, resource::Resource, xml::CALDAV},
    full,
    give_way::give_way,
    index::Wanted,
    snapshot::Node,
    stored_object,
};
use http::{HeaderValue, Response, StatusCode, header};
use kalends_icalendar::FreeBusy;
use kalends_store::{ObjectId, Objects};
use std::{
    fmt::Write,
    time::{SystemTime, UNIX_EPOCH},
};

/// Objects that are read before other requests get their turn.
const PAUSE: usize = 16;

/// Answers the report. That a calendar is transparent to scheduling (RFC 6638 §9.1) says nothing here: the
/// client names the calendars that it wants to know of.
///
/// # Errors
/// 400 without a time range that starts and ends, 507 when it would cost too much to tell.
pub(super) async fn answer(call: Call) -> Result<Response<ResponseBody>, DavError> {
    let Resource::Node { home, path, node: Node::Directory(directory) } = &call.resource else {
        return Err(not_here());
    };
    let bad = |reason| DavError::new(StatusCode::BAD_REQUEST, reason);
    let window = match call.body.element(CALDAV, "time-range") {
        Some(range) => time_range_xml::parse_closed(range).map_err(bad)?,
        None => return Err(bad("a free-busy-query has a time-range".into())),
    };
    let reading = Reading::of(&call.body)?;
    let mut free_busy = FreeBusy::new(window);
    let wanted = Wanted { range: Some(window), ..Wanted::default() };
    let objects = &home.repository;
    for Calendar { directory, .. } in scope::calendars(home, path, directory, call.depth)? {
        call.service.index.prepare(objects, &directory.id).await?;
        let busy: Vec<ObjectId> = call.service.index.with(objects, &directory.id, |index| {
            let candidates = index.candidates(wanted);
            let busy = candidates.filter(|(.., summary)| summary.is_some_and(|summary| summary.busy));
            busy.map(|(_, id, _)| *id).collect()
        })?;
        let zone = reading.zone(&directory.collection);
        for (number, id) in busy.iter().enumerate() {
            if reading.is_spent() {
                let reason = "too much recurs in this time range; ask for a shorter one";
                let status = StatusCode::INSUFFICIENT_STORAGE;
                return Err(DavError::dav(status, "number-of-matches-within-limits", reason));
            }
            if let Ok(object) = stored_object::parse(objects.object(id)?.data) {
                reading.spend(|budget| free_busy.add(&object, &zone, budget));
            }
            if number % PAUSE == PAUSE - 1 {
                give_way().await;
            }
        }
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    let text = free_busy.to_icalendar(now as i64, &new_uid()?);
    let mut response = Response::new(full(text));
    let content_type = HeaderValue::from_static("text/calendar; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    Ok(response)
}

/// A UID that nothing else has.
fn new_uid() -> Result<String, DavError> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|error| {
        DavError::new(StatusCode::INTERNAL_SERVER_ERROR, format!("no random numbers: {error}"))
    })?;
    Ok(random.iter().fold(String::new(), |mut uid, byte| {
        let _ = write!(uid, "{byte:02x}");
        uid
    }))
}
