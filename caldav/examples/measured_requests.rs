//! Five requests, and what is done ahead of one of them, over a calendar of 10,000 events, a twentieth of them
//! recurring, in memory: what `interop-tests/tests/instructions.rs` counts the instructions of.
//!
//! `measured_requests prepare FILE` makes the device; `measured_requests run FILE` makes the requests, each
//! kind in a function of its own whose name begins with `measured_`, and [`REPETITIONS`] times.

use http::Request;
use http_body_util::BodyExt;
use kalends_block_backend::{BlockDevice, MemoryDevice};
use kalends_caldav::{Author, Change, Service, ServiceOptions, full, realm::Realm};
use kalends_store::{FormatOptions, Store};
use std::{
    env, fs,
    future::Future,
    hint::black_box,
    path::Path,
    pin::pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

const EVENTS: usize = 10_000;
/// Times that each request is made while instructions are counted.
const REPETITIONS: usize = 10;
/// Bytes of the device.
const DEVICE: usize = 64 << 20;
const CALENDAR: &str = "/dav/calendars/ada/calendar/";
const NAMESPACES: &str = "xmlns='DAV:' xmlns:C='urn:ietf:params:xml:ns:caldav'";

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match &arguments[..] {
        [command, file] if command == "prepare" => prepare(Path::new(file)),
        [command, file] if command == "run" => run(Path::new(file)),
        _ => panic!("measured_requests prepare|run FILE"),
    }
}

fn prepare(file: &Path) {
    let device = Rc::new(MemoryDevice::new(DEVICE));
    let store = Store::format(device.clone(), &FormatOptions::default()).unwrap();
    Realm::open(store.clone()).unwrap().set_password("ada", "a-secret").unwrap();
    // The first calendar, and its repository, are made when a service starts.
    let _ = service(&store);
    let mut change = Change::new(&store.repository("ada").unwrap());
    for number in 0..EVENTS {
        change.write(&[b"calendar", name(number).as_bytes()], event(number, "Talk")).unwrap();
    }
    let author = Author { name: "Ada".into(), email: "ada@example.org".into() };
    block_on(change.submit(&author, "Add events").unwrap().unwrap()).unwrap();
    store.close().unwrap();
    let mut content = vec![0; DEVICE];
    device.read(0, &mut content).unwrap();
    fs::write(file, content).unwrap();
}

fn run(file: &Path) {
    let device = Rc::new(MemoryDevice::new(DEVICE));
    device.write(0, &fs::read(file).unwrap()).unwrap();
    let store = Store::open(device).unwrap();
    let client = Client { service: service(&store), store };
    // Caches are warm, the password is known, the index is made: what is counted is a request among many.
    let token = client.token();
    client.get(name(0));
    client.put(EVENTS);
    client.listing();
    client.month();
    client.changes_since(&token);
    client.work_ahead();
    for number in 0..REPETITIONS {
        measured_put(&client, number);
        measured_ahead(&client);
    }
    measured_get(&client);
    measured_propfind(&client);
    measured_month(&client);
    let token = client.token();
    // Its name is none of those before.
    client.put(2 * EVENTS + 11);
    measured_sync(&client, &token);
}

#[inline(never)]
fn measured_put(client: &Client, number: usize) {
    client.put(EVENTS + 1 + number);
}

/// What the server does after a PUT when nobody asks for anything.
#[inline(never)]
fn measured_ahead(client: &Client) {
    client.work_ahead();
}

#[inline(never)]
fn measured_get(client: &Client) {
    for number in 0..REPETITIONS {
        client.get(name(number * 719));
    }
}

#[inline(never)]
fn measured_propfind(client: &Client) {
    for _ in 0..REPETITIONS {
        client.listing();
    }
}

#[inline(never)]
fn measured_month(client: &Client) {
    for _ in 0..REPETITIONS {
        client.month();
    }
}

#[inline(never)]
fn measured_sync(client: &Client, token: &str) {
    for _ in 0..REPETITIONS {
        client.changes_since(token);
    }
}

struct Client {
    service: Service,
    store: Store,
}

impl Client {
    fn send(&self, method: &str, uri: &str, depth: &str, body: String, status: u16) -> Vec<u8> {
        let request = Request::builder()
            .method(method)
            .uri(uri)
            .header("depth", depth)
            .header("content-type", "text/calendar")
            .header("authorization", "Basic YWRhOmEtc2VjcmV0")
            .body(full(body))
            .unwrap();
        block_on(async {
            let response = self.service.handle(request).await;
            assert_eq!(response.status(), status, "{method} {uri}");
            black_box(response.into_body().collect().await.unwrap().to_bytes().to_vec())
        })
    }

    fn get(&self, name: String) {
        self.send("GET", &format!("{CALENDAR}{name}"), "0", String::new(), 200);
    }

    /// A new event, somewhere among the others.
    fn put(&self, number: usize) {
        let uri = format!("{CALENDAR}{:05}-new.ics", number * 7919 % EVENTS);
        self.send("PUT", &uri, "0", event(number, "Talk"), 201);
    }

    fn work_ahead(&self) {
        while self.store.has_work_ahead() {
            self.store.work_ahead();
        }
    }

    fn listing(&self) {
        let body = format!("<propfind {NAMESPACES}><prop><getetag/></prop></propfind>");
        let answer = self.send("PROPFIND", CALENDAR, "1", body, 207);
        assert!(responses(&answer) > EVENTS);
    }

    fn month(&self) {
        let body = format!(
            "<C:calendar-query {NAMESPACES}><prop><getetag/></prop><C:filter><C:comp-filter name='VCALENDAR'>\
             <C:comp-filter name='VEVENT'><C:time-range start='20250301T000000Z' end='20250401T000000Z'/>\
             </C:comp-filter></C:comp-filter></C:filter></C:calendar-query>"
        );
        let answer = self.send("REPORT", CALENDAR, "1", body, 207);
        assert!((80..400).contains(&responses(&answer)));
    }

    /// One change.
    fn changes_since(&self, token: &str) -> Vec<u8> {
        let body = format!(
            "<sync-collection {NAMESPACES}><sync-token>{token}</sync-token><sync-level>1</sync-level>\
             <prop><getetag/></prop></sync-collection>"
        );
        let answer = self.send("REPORT", CALENDAR, "0", body, 207);
        assert!(token.is_empty() || responses(&answer) == 1);
        answer
    }

    fn token(&self) -> String {
        let answer = String::from_utf8(self.changes_since("")).unwrap();
        let (_, rest) = answer.rsplit_once("<D:sync-token>").unwrap();
        rest.split_once('<').unwrap().0.to_owned()
    }
}

fn responses(answer: &[u8]) -> usize {
    String::from_utf8_lossy(answer).matches("response>").count() / 2
}

fn service(store: &Store) -> Service {
    let realm = Realm::open(store.clone()).unwrap();
    let options = ServiceOptions { hostname: "localhost".into(), ..Default::default() };
    Service::new(store.clone(), realm, options)
}

fn name(number: usize) -> String {
    format!("{number:05}.ics")
}

/// An event of an hour, somewhere in the ten years from 2020; every twentieth weekly for a year.
fn event(number: usize, summary: &str) -> String {
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

/// Runs a future that never waits for anything but its turn.
fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return output;
        }
    }
}
