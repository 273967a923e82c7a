//! A service over a calendar of 10,000 events, a twentieth of them recurring, in memory.

use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use kalends_block_backend::MemoryDevice;
use kalends_caldav::{Author, Change, ResponseBody, Service, ServiceOptions, full, realm::Realm};
use kalends_store::{FormatOptions, Store};
use std::{
    future::Future,
    pin::pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

/// Events of the calendar.
pub(crate) const EVENTS: usize = 10_000;
/// Where it is.
pub(crate) const CALENDAR: &str = "/dav/calendars/ada/calendar/";
/// Namespaces of request bodies.
pub(crate) const NAMESPACES: &str = "xmlns:D='DAV:' xmlns:C='urn:ietf:params:xml:ns:caldav'";

/// Runs a future that never waits for anything but its turn.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return output;
        }
    }
}

/// The service and its store.
pub(crate) struct Server {
    /// The service.
    pub(crate) service: Service,
    /// Its store.
    pub(crate) store: Store,
}

/// An event of an hour, somewhere in the ten years from 2020; every twentieth weekly for a year.
pub(crate) fn event(number: usize, summary: &str) -> String {
    let (year, month, day) = (2020 + number % 10, number / 10 % 12 + 1, number / 120 % 28 + 1);
    let rule = if number.is_multiple_of(20) { "RRULE:FREQ=WEEKLY;COUNT=52\r\n" } else { "" };
    format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Example//Bench//EN\r\nBEGIN:VEVENT\r\n\
         UID:{number}@example.org\r\nDTSTAMP:20200101T000000Z\r\n\
         DTSTART;TZID=Europe/Berlin:{year}{month:02}{day:02}T100000\r\n\
         DTEND;TZID=Europe/Berlin:{year}{month:02}{day:02}T110000\r\n{rule}SUMMARY:{summary}\r\n\
         LOCATION:Room {number}\r\nDESCRIPTION:What is to be talked about\\, at some length.\r\n\
         END:VEVENT\r\nEND:VCALENDAR\r\n"
    )
}

impl Server {
    /// A new store with its calendar.
    pub(crate) fn new() -> Self {
        let device = Rc::new(MemoryDevice::new(256 << 20));
        let store = Store::format(device, &FormatOptions::default()).unwrap();
        Realm::open(store.clone()).unwrap().set_password("ada", "a-secret").unwrap();
        let server = Self::over(store);
        let change = |change: &mut Change| {
            for number in 0..EVENTS {
                let name = format!("{number:05}.ics");
                change.write(&[b"calendar", name.as_bytes()], event(number, "Talk")).unwrap();
            }
        };
        server.commit(change);
        server
    }

    /// A service that knows nothing yet, over a store.
    pub(crate) fn over(store: Store) -> Self {
        let realm = Realm::open(store.clone()).unwrap();
        let options = ServiceOptions { hostname: "localhost".into(), ..Default::default() };
        Self { service: Service::new(store.clone(), realm, options), store }
    }

    /// Makes one commit of changes.
    pub(crate) fn commit(&self, edit: impl FnOnce(&mut Change)) {
        let mut change = Change::new(&self.store.repository("ada").unwrap());
        edit(&mut change);
        let author = Author { name: "Ada".into(), email: "ada@example.org".into() };
        block_on(change.submit(&author, "Change").unwrap().unwrap()).unwrap();
    }

    /// Sends a request as ada, and reads the whole answer.
    pub(crate) fn send(
        &self,
        method: &str,
        uri: &str,
        headers: &[(&str, &str)],
        body: String,
    ) -> (StatusCode, Vec<u8>) {
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers.iter().chain(&[("authorization", "Basic YWRhOmEtc2VjcmV0")]) {
            request = request.header(*name, *value);
        }
        let request = request.body(full(body)).unwrap();
        block_on(async {
            let response: Response<ResponseBody> = self.service.handle(request).await;
            (response.status(), response.into_body().collect().await.unwrap().to_bytes().into())
        })
    }
}
