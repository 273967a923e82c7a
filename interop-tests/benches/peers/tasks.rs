//! What is asked of each server.

use crate::peer::Peer;
use kalends_interop_tests::{Response, event};
use std::time::{Duration, Instant};

/// Time for one kind of request, once warm; at least three are made in any case.
const BUDGET: Duration = Duration::from_secs(8);
/// The most requests of one kind.
const SAMPLES: usize = 100;

/// What one kind of request took.
#[derive(Clone, Debug, Default)]
pub(crate) struct Measured {
    pub(crate) task: &'static str,
    pub(crate) times: Vec<Duration>,
    /// Bytes that went to the device, each time on average.
    pub(crate) device_bytes: Option<u64>,
    /// Resources in each answer, where it is a multistatus.
    pub(crate) responses: usize,
}

/// Asks one server for everything.
pub(crate) struct Tasks<'a> {
    peer: &'a mut Peer,
    calendar: String,
    /// Events beyond those that are there already.
    next: u32,
}

impl<'a> Tasks<'a> {
    pub(crate) fn new(peer: &'a mut Peer, size: u32) -> Self {
        let calendar = peer.calendar.clone();
        Self { peer, calendar, next: size }
    }

    pub(crate) fn run(mut self) -> Vec<Measured> {
        vec![self.put(), self.month(), self.listing(), self.synchronisation()]
    }

    fn add_event(&mut self) -> Response {
        let event = event::meeting(self.next);
        self.next += 1;
        let path = format!("{}{}", self.calendar, event.name);
        let response =
            self.peer.request("PUT", &path, &[("content-type", "text/calendar")], event.text.as_bytes());
        assert!(matches!(response.status, 201 | 204), "{}: PUT: {}", self.peer.name, response.status);
        response
    }

    fn put(&mut self) -> Measured {
        self.add_event();
        let before = self.peer.device_bytes();
        let times = samples(|| {
            let start = Instant::now();
            self.add_event();
            start.elapsed()
        });
        let after = self.peer.device_bytes();
        let device_bytes = before.zip(after).map(|(before, after)| (after - before) / times.len() as u64);
        Measured { task: "PUT of a new event", times, device_bytes, responses: 0 }
    }

    fn month(&mut self) -> Measured {
        let body = "<c:calendar-query xmlns=\"DAV:\" xmlns:c=\"urn:ietf:params:xml:ns:caldav\"><prop><getetag/>\
                    <c:calendar-data/></prop><c:filter><c:comp-filter name=\"VCALENDAR\">\
                    <c:comp-filter name=\"VEVENT\"><c:time-range start=\"20260501T000000Z\" \
                    end=\"20260601T000000Z\"/></c:comp-filter></c:comp-filter></c:filter></c:calendar-query>";
        self.multistatus("calendar-query of a month", "REPORT", body)
    }

    fn listing(&mut self) -> Measured {
        let body = "<propfind xmlns=\"DAV:\"><prop><getetag/></prop></propfind>";
        self.multistatus("PROPFIND Depth 1, ETags", "PROPFIND", body)
    }

    fn multistatus(&mut self, task: &'static str, method: &str, body: &str) -> Measured {
        let mut responses = 0;
        let mut ask = || {
            let start = Instant::now();
            responses = count(&self.ask(method, body));
            start.elapsed()
        };
        // Twice for the caches, which all of them have.
        ask();
        ask();
        Measured { task, times: samples(ask), device_bytes: None, responses }
    }

    fn ask(&mut self, method: &str, body: &str) -> Response {
        let headers = [("content-type", "application/xml; charset=utf-8"), ("depth", "1")];
        let calendar = self.calendar.clone();
        let response = self.peer.request(method, &calendar, &headers, body.as_bytes());
        assert_eq!(response.status, 207, "{}: {method}: {}", self.peer.name, response.text());
        response
    }

    fn synchronisation(&mut self) -> Measured {
        let mut token = token(&self.ask("REPORT", &sync_collection("")));
        let mut responses = 0;
        let mut ask = || {
            self.add_event();
            let body = sync_collection(&token);
            let start = Instant::now();
            let response = self.ask("REPORT", &body);
            let elapsed = start.elapsed();
            token = self::token(&response);
            responses = count(&response);
            elapsed
        };
        ask();
        Measured {
            task: "sync-collection after one change",
            times: samples(ask),
            device_bytes: None,
            responses,
        }
    }
}

fn samples(mut sample: impl FnMut() -> Duration) -> Vec<Duration> {
    let end = Instant::now() + BUDGET;
    let mut times = Vec::new();
    while times.len() < 3 || (times.len() < SAMPLES && Instant::now() < end) {
        times.push(sample());
    }
    times
}

fn sync_collection(token: &str) -> String {
    // RFC 6578 §3.2: the level is in the body, the depth header is 0; peers take no notice of it.
    format!(
        "<sync-collection xmlns=\"DAV:\"><sync-token>{token}</sync-token><sync-level>1</sync-level>\
         <prop><getetag/></prop></sync-collection>"
    )
}

fn token(response: &Response) -> String {
    let text = response.text();
    let start = text.find("sync-token>").map(|at| at + "sync-token>".len());
    let token = start.and_then(|start| text[start..].split('<').next());
    token.unwrap_or_else(|| panic!("no sync-token: {text}")).to_owned()
}

fn count(response: &Response) -> usize {
    response.text().matches("response>").count() / 2
}
