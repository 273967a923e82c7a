//! The requests, as clients send them.

use crate::load::Request;
use kalends_interop_tests::event::{self, Event};

const XML: (&str, &str) = ("Content-Type", "application/xml; charset=utf-8");
const DEPTH_0: (&str, &str) = ("Depth", "0");
const DEPTH_1: (&str, &str) = ("Depth", "1");
/// May 2026, in which a twelfth of the events are, and nearly all that recur.
const MONTH: &str = "<c:time-range start=\"20260501T000000Z\" end=\"20260601T000000Z\"/>";
const NAMESPACES: &str = "xmlns=\"DAV:\" xmlns:c=\"urn:ietf:params:xml:ns:caldav\"";

/// Requests about one calendar.
pub(super) struct Requests {
    calendar: String,
}

impl Requests {
    pub(super) fn new(calendar: &str) -> Self {
        Self { calendar: calendar.to_owned() }
    }

    pub(super) fn options(&self) -> Request {
        Request::new("OPTIONS", &self.calendar, &[], b"")
    }

    pub(super) fn get(&self, number: u32) -> Request {
        Request::new("GET", &self.path(&event::meeting(number)), &[], b"")
    }

    /// A new event.
    pub(super) fn put(&self, number: u32) -> Request {
        let event = event::meeting(number);
        self.put_text(&event, &event.text)
    }

    /// An event that is there already, with another summary each time.
    pub(super) fn put_changed(&self, number: u32, change: u32) -> Request {
        let event = event::meeting(number);
        let text = event.text.replacen("\r\nSUMMARY:", &format!("\r\nSUMMARY:({change}) "), 1);
        self.put_text(&event, &text)
    }

    fn put_text(&self, event: &Event, text: &str) -> Request {
        let headers = [("Content-Type", "text/calendar; charset=utf-8")];
        Request::new("PUT", &self.path(event), &headers, text.as_bytes())
    }

    /// The ETags of all members.
    pub(super) fn listing(&self) -> Request {
        let body = "<propfind xmlns=\"DAV:\"><prop><getetag/></prop></propfind>";
        Request::new("PROPFIND", &self.calendar, &[XML, DEPTH_1], body.as_bytes())
    }

    /// The events of a month: their ETags, and their data if asked for.
    pub(super) fn month(&self, data: bool) -> Request {
        let data = if data { "<c:calendar-data/>" } else { "" };
        let body = format!(
            "<c:calendar-query {NAMESPACES}><prop><getetag/>{data}</prop><c:filter>\
             <c:comp-filter name=\"VCALENDAR\"><c:comp-filter name=\"VEVENT\">{MONTH}</c:comp-filter>\
             </c:comp-filter></c:filter></c:calendar-query>"
        );
        self.report(DEPTH_1, &body)
    }

    /// These events, with their data.
    pub(super) fn multiget(&self, numbers: impl Iterator<Item = u32>) -> Request {
        let hrefs: String =
            numbers.map(|number| format!("<href>{}</href>", self.path(&event::meeting(number)))).collect();
        let body = format!(
            "<c:calendar-multiget {NAMESPACES}><prop><getetag/><c:calendar-data/></prop>{hrefs}\
             </c:calendar-multiget>"
        );
        self.report(DEPTH_0, &body)
    }

    /// What changed since a token; everything since an empty one. RFC 6578 §3.2: the depth is 0.
    pub(super) fn changes_since(&self, token: &str) -> Request {
        let body = format!(
            "<sync-collection xmlns=\"DAV:\"><sync-token>{token}</sync-token><sync-level>1</sync-level>\
             <prop><getetag/></prop></sync-collection>"
        );
        self.report(DEPTH_0, &body)
    }

    /// When the month is busy.
    pub(super) fn free_busy(&self) -> Request {
        let body = format!("<c:free-busy-query {NAMESPACES}>{MONTH}</c:free-busy-query>");
        self.report(DEPTH_1, &body)
    }

    fn report(&self, depth: (&str, &str), body: &str) -> Request {
        Request::new("REPORT", &self.calendar, &[XML, depth], body.as_bytes())
    }

    fn path(&self, event: &Event) -> String {
        format!("{}{}", self.calendar, event.name)
    }
}
