//! Requests per second, of the hosted program and of the guest in turns.

use crate::guest::{Guest, connect};
use kalends_interop_tests::{
    Server, client::Connection, event::meeting, namespace::Namespace, process::processor_time,
    server::PASSWORD,
};
use std::{
    path::Path,
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

/// Connections that are kept open, each with one request at a time.
const CONNECTIONS: usize = 4;
/// Turns of each.
const TURNS: usize = 5;
/// Length of a turn.
const TURN: Duration = Duration::from_secs(2);

/// A query of a month.
pub(crate) const MONTH: &str = "<c:calendar-query xmlns=\"DAV:\" xmlns:c=\"urn:ietf:params:xml:ns:caldav\">\
    <prop><getetag/><c:calendar-data/></prop><c:filter><c:comp-filter name=\"VCALENDAR\">\
    <c:comp-filter name=\"VEVENT\"><c:time-range start=\"20260501T000000Z\" end=\"20260601T000000Z\"/>\
    </c:comp-filter></c:comp-filter></c:filter></c:calendar-query>";

/// A kind of request.
#[derive(Clone, Copy)]
pub(crate) enum Work {
    Get,
    Month,
    Put,
}

impl Work {
    pub(crate) const ALL: [Self; 3] = [Self::Get, Self::Month, Self::Put];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Get => "GET of an event",
            Self::Month => "calendar-query of a month",
            Self::Put => "PUT of a new event",
        }
    }

    /// Number `number` of such requests.
    fn ask(self, connection: &mut Connection, number: u32, events: u32) {
        let calendar = "/dav/calendars/ada/calendar/";
        let (response, expected) = match self {
            Self::Get => {
                let path = format!("{calendar}{}", meeting(number.wrapping_mul(7919) % events).name);
                (connection.request("GET", &path, &[], b""), 200)
            }
            Self::Month => {
                let headers = [("content-type", "application/xml"), ("depth", "1")];
                (connection.request("REPORT", calendar, &headers, MONTH.as_bytes()), 207)
            }
            Self::Put => {
                let event = meeting(2 * events + number);
                let headers = [("content-type", "text/calendar")];
                let path = format!("{calendar}{}", event.name);
                (connection.request("PUT", &path, &headers, event.text.as_bytes()), 201)
            }
        };
        let response = response.unwrap();
        assert_eq!(response.status, expected, "{}: {}", self.name(), response.text());
    }
}

/// What one of both did.
#[derive(Clone, Copy, Default)]
pub(crate) struct Done {
    pub(crate) requests: u32,
    pub(crate) elapsed: Duration,
    pub(crate) processor: Duration,
}

/// Both, with the same work.
pub(crate) struct Comparison {
    pub(crate) work: Work,
    pub(crate) hosted: Done,
    pub(crate) guest: Done,
}

/// Turn about, so that whatever else the machine does meets both.
pub(crate) fn compare(
    work: Work,
    server: &Server,
    namespace: &Namespace,
    guest: &Guest,
    authority: &Path,
    events: u32,
) -> Comparison {
    let (port, hosted_authority, user) = (server.port(), server.authority(), server.user().to_owned());
    let to_hosted = || Connection::secure(port, &hosted_authority).unwrap().with_credentials(&user, PASSWORD);
    let to_guest = || {
        namespace.enter();
        connect(authority).unwrap()
    };
    let mut comparison = Comparison { work, hosted: Done::default(), guest: Done::default() };
    let (hosted_count, guest_count) = (AtomicU32::new(0), AtomicU32::new(0));
    // Once for the caches.
    for warm in [true, false] {
        for _ in 0..if warm { 1 } else { TURNS } {
            let hosted = turn(work, &to_hosted, server.process(), &hosted_count, events);
            let guest = turn(work, &to_guest, guest.id(), &guest_count, events);
            if !warm {
                comparison.hosted.add(hosted);
                comparison.guest.add(guest);
            }
        }
    }
    comparison
}

impl Done {
    fn add(&mut self, other: Self) {
        self.requests += other.requests;
        self.elapsed += other.elapsed;
        self.processor += other.processor;
    }

    pub(crate) fn per_second(self) -> f64 {
        f64::from(self.requests) / self.elapsed.as_secs_f64()
    }

    /// Processor time of the server for one request.
    pub(crate) fn processor_per_request(self) -> Duration {
        self.processor / self.requests.max(1)
    }
}

fn turn(
    work: Work,
    connect: &(dyn Fn() -> Connection + Sync),
    process: u32,
    count: &AtomicU32,
    events: u32,
) -> Done {
    let (before, used) = (count.load(Ordering::Relaxed), processor_time(process));
    let start = Instant::now();
    thread::scope(|scope| {
        for _ in 0..CONNECTIONS {
            scope.spawn(|| {
                let mut connection = connect();
                while start.elapsed() < TURN {
                    work.ask(&mut connection, count.fetch_add(1, Ordering::Relaxed), events);
                }
            });
        }
    });
    Done {
        requests: count.load(Ordering::Relaxed) - before,
        elapsed: start.elapsed(),
        processor: processor_time(process) - used,
    }
}
