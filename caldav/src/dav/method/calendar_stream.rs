//! A whole calendar as one iCalendar stream, for those who subscribe to its URL.

use super::chunks;
use crate::{
    ResponseBody,
    collection::is_ics,
    dav::home::Home,
    snapshot::{Directory, is_member_file},
};
use http::{HeaderValue, Response, header};
use kalends_icalendar::{CalendarObject, Limits, text::escape};
use kalends_store::{Error, Objects, Pin, Repository};
use std::{collections::HashSet, rc::Rc};

/// Octets of a content line (RFC 5545 §3.1).
const LINE: usize = 75;
/// Time zones that are remembered as sent; a client reads one that comes twice as one.
const MAX_ZONES: usize = 10_000;

/// The answer to GET: one VCALENDAR with the components of all objects. Of time zones with the same TZID the
/// first is sent.
///
/// A file that is no iCalendar, as git might have brought, is left out: there is no place in the format to
/// say so. An object that the device cannot give back breaks off the stream.
pub(super) fn response(home: &Home, calendar: &Rc<Directory>) -> Response<ResponseBody> {
    let mut stream = CalendarStream {
        repository: home.repository.clone(),
        _pin: home.pin.clone(),
        calendar: calendar.clone(),
        position: 0,
        zones: HashSet::new(),
    };
    let mut response = Response::new(chunks::body(move |out| stream.next(out)));
    let media_type = HeaderValue::from_static("text/calendar; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, media_type);
    response
}

struct CalendarStream {
    repository: Repository,
    /// Holds what is not sent yet.
    _pin: Rc<Pin>,
    calendar: Rc<Directory>,
    /// The next entry of the tree.
    position: usize,
    /// TZIDs that were sent.
    zones: HashSet<String>,
}

impl CalendarStream {
    /// Appends the next object; false at the end.
    fn next(&mut self, out: &mut Vec<u8>) -> Result<bool, Error> {
        if self.position == 0 {
            self.begin(out);
        }
        let Some(entry) = self.calendar.tree.get(self.position) else {
            out.extend_from_slice(b"END:VCALENDAR\r\n");
            return Ok(false);
        };
        self.position += 1;
        if is_member_file(&entry) && is_ics(entry.name) {
            let data = self.repository.object(&entry.id.to_owned())?.data;
            let limits = Limits { bytes: data.len(), ..Limits::default() };
            if let Ok(object) = CalendarObject::parse(data, &limits) {
                self.object(out, &object);
            }
        }
        Ok(true)
    }

    fn begin(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Kalends//Kalends//EN\r\n");
        let collection = &self.calendar.collection;
        if let Some(name) = &collection.displayname {
            // RFC 7986 §5.1, and what came before it.
            content_line(out, "NAME", &escape(name));
            content_line(out, "X-WR-CALNAME", &escape(name));
        }
        if let Some(description) = &collection.description {
            content_line(out, "DESCRIPTION", &escape(description));
            content_line(out, "X-WR-CALDESC", &escape(description));
        }
        if let Some(color) = &collection.color {
            content_line(out, "X-APPLE-CALENDAR-COLOR", &escape(color));
        }
    }

    fn object(&mut self, out: &mut Vec<u8>, object: &CalendarObject) {
        for component in object.roots().flat_map(|root| root.components()) {
            if component.is("VTIMEZONE") {
                let zone = component.first("TZID").map(|id| id.value().trim().to_owned());
                let Some(zone) = zone else { continue };
                if self.zones.contains(&zone) {
                    continue;
                }
                if self.zones.len() < MAX_ZONES {
                    self.zones.insert(zone);
                }
            }
            lines(out, component.raw());
        }
    }
}

/// Appends stored lines, each with the line end that the format asks for.
fn lines(out: &mut Vec<u8>, raw: &[u8]) {
    for line in raw.split(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if !line.is_empty() {
            out.extend_from_slice(line);
            out.extend_from_slice(b"\r\n");
        }
    }
}

/// Appends a property, folded. The value has no control characters but tabs.
fn content_line(out: &mut Vec<u8>, name: &str, value: &str) {
    let value = value.chars().filter(|c| *c == '\t' || !c.is_control());
    let mut width = 0;
    for c in name.chars().chain([':']).chain(value) {
        if width + c.len_utf8() > LINE {
            out.extend_from_slice(b"\r\n ");
            width = 1;
        }
        out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        width += c.len_utf8();
    }
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_values_are_folded_between_characters() {
        let mut out = Vec::new();
        content_line(&mut out, "NAME", &"ü".repeat(100));
        let text = String::from_utf8(out).unwrap();
        assert!(text.split("\r\n").all(|line| line.len() <= LINE), "{text}");
        assert_eq!(text.replace("\r\n ", ""), format!("NAME:{}\r\n", "ü".repeat(100)));
    }

    #[test]
    fn line_ends_become_those_of_the_format() {
        let mut out = Vec::new();
        lines(&mut out, b"BEGIN:VEVENT\nUID:1\r\n 2\nEND:VEVENT");
        assert_eq!(out, b"BEGIN:VEVENT\r\nUID:1\r\n 2\r\nEND:VEVENT\r\n");
    }
}
