//! What reports cost over a calendar of 10,000 events, a twentieth of them recurring, in memory.
//!
//! Numbers tell by comparison within one run: a month's query beside one that has to read every object,
//! synchronisation after one change beside that of everything.

use divan::{Bencher, black_box};
use http::Request;
use http_body_util::BodyExt;
use kalends_block_backend::MemoryDevice;
use kalends_caldav::{Author, Change, Service, ServiceOptions, full, realm::Realm};
use kalends_store::{FormatOptions, Store};
use std::{
    cell::Cell,
    future::Future,
    pin::pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

const EVENTS: usize = 10_000;
const CALENDAR: &str = "/dav/calendars/ada/calendar/";
const NAMESPACES: &str = "xmlns:D='DAV:' xmlns:C='urn:ietf:params:xml:ns:caldav'";

fn main() {
    divan::main();
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

struct Server {
    service: Service,
    store: Store,
    written: Cell<usize>,
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

impl Server {
    fn new() -> Self {
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

    fn over(store: Store) -> Self {
        let realm = Realm::open(store.clone()).unwrap();
        let options = ServiceOptions { hostname: "localhost".into(), ..Default::default() };
        Self { service: Service::new(store.clone(), realm, options), store, written: Cell::new(0) }
    }

    fn commit(&self, edit: impl FnOnce(&mut Change)) {
        let mut change = Change::new(&self.store.repository("ada").unwrap());
        edit(&mut change);
        let author = Author { name: "Ada".into(), email: "ada@example.org".into() };
        block_on(change.submit(&author, "Change").unwrap().unwrap()).unwrap();
    }

    /// Changes one event to what it has never been.
    fn change_one(&self) {
        let written = self.written.replace(self.written.get() + 1);
        let name = format!("{:05}.ics", written * 7919 % EVENTS);
        self.commit(|change| {
            let text = event(written * 7919 % EVENTS, &format!("Talk {written}"));
            change.write(&[b"calendar", name.as_bytes()], text).unwrap();
        });
    }

    fn report(&self, body: &str) -> Vec<u8> {
        let request = Request::builder()
            .method("REPORT")
            .uri(CALENDAR)
            .header("depth", "1")
            .header("authorization", "Basic YWRhOmEtc2VjcmV0")
            .body(full(body.to_owned()))
            .unwrap();
        block_on(async {
            let response = self.service.handle(request).await;
            assert_eq!(response.status(), 207);
            response.into_body().collect().await.unwrap().to_bytes().to_vec()
        })
    }

    fn token(&self) -> String {
        let answer = String::from_utf8(self.report(&sync(""))).unwrap();
        let (_, rest) = answer.rsplit_once("<D:sync-token>").unwrap();
        rest.split_once('<').unwrap().0.to_owned()
    }
}

fn sync(token: &str) -> String {
    format!(
        "<D:sync-collection {NAMESPACES}><D:sync-token>{token}</D:sync-token><D:sync-level>1</D:sync-level>\
         <D:prop><D:getetag/></D:prop></D:sync-collection>"
    )
}

fn query(prop: &str, tests: &str) -> String {
    format!(
        "<C:calendar-query {NAMESPACES}><D:prop><D:getetag/>{prop}</D:prop><C:filter>\
         <C:comp-filter name='VCALENDAR'><C:comp-filter name='VEVENT'>{tests}</C:comp-filter>\
         </C:comp-filter></C:filter></C:calendar-query>"
    )
}

thread_local! {
    static SERVER: Server = Server::new();
}

/// Measures one report; its answer has so many members.
fn measure(bencher: Bencher<'_, '_>, body: &str, members: impl Fn(usize) -> bool) {
    SERVER.with(|server| {
        let answer = String::from_utf8(server.report(body)).unwrap();
        let found = answer.matches("<D:response>").count();
        assert!(members(found), "{found}");
        bencher.bench_local(|| server.report(black_box(body)));
    });
}

#[divan::bench]
fn query_month(bencher: Bencher<'_, '_>) {
    let range = "<C:time-range start='20250301T000000Z' end='20250401T000000Z'/>";
    measure(bencher, &query("<C:calendar-data/>", range), |found| (80..400).contains(&found));
}

/// The filter of [`query_month`] with a text besides that no event has.
#[divan::bench]
fn query_month_without_match(bencher: Bencher<'_, '_>) {
    let tests = "<C:time-range start='20250301T000000Z' end='20250401T000000Z'/>\
        <C:prop-filter name='SUMMARY'><C:text-match>nothing</C:text-match></C:prop-filter>";
    measure(bencher, &query("", tests), |found| found == 0);
}

/// What the index does not help with: every object is read and parsed.
#[divan::bench]
fn query_text_in_every_object(bencher: Bencher<'_, '_>) {
    let tests = "<C:prop-filter name='SUMMARY'><C:text-match>nothing</C:text-match></C:prop-filter>";
    measure(bencher, &query("", tests), |found| found == 0);
}

/// The index is made first, from every object.
#[divan::bench(sample_count = 10)]
fn query_month_after_a_start(bencher: Bencher<'_, '_>) {
    let tests = "<C:time-range start='20250301T000000Z' end='20250401T000000Z'/>";
    let body = query("", tests);
    SERVER.with(|server| {
        let start = || {
            let fresh = Server::over(server.store.clone());
            // A password that is verified is remembered; the first time takes long.
            fresh.report(&sync(&server.token()));
            fresh
        };
        bencher.with_inputs(start).bench_local_values(|fresh| fresh.report(&body));
    });
}

#[divan::bench]
fn query_one_uid(bencher: Bencher<'_, '_>) {
    let tests = "<C:prop-filter name='UID'><C:text-match collation='i;octet'>4711@example.org</C:text-match>\
        </C:prop-filter>";
    measure(bencher, &query("", tests), |found| found == 1);
}

#[divan::bench]
fn etags_of_all_events(bencher: Bencher<'_, '_>) {
    measure(bencher, &query("", ""), |found| found == EVENTS);
}

#[divan::bench]
fn sync_everything(bencher: Bencher<'_, '_>) {
    measure(bencher, &sync(""), |found| found == EVENTS);
}

#[divan::bench]
fn sync_nothing_new(bencher: Bencher<'_, '_>) {
    let token = SERVER.with(Server::token);
    measure(bencher, &sync(&token), |found| found == 0);
}

#[divan::bench]
fn sync_after_one_change(bencher: Bencher<'_, '_>) {
    let token = SERVER.with(|server| {
        let token = server.token();
        server.change_one();
        token
    });
    measure(bencher, &sync(&token), |found| found == 1);
}

/// A commit is not in the time.
#[divan::bench]
fn query_month_after_a_change(bencher: Bencher<'_, '_>) {
    let tests = "<C:time-range start='20250301T000000Z' end='20250401T000000Z'/>";
    let body = query("", tests);
    SERVER.with(|server| {
        bencher.with_inputs(|| server.change_one()).bench_local_values(|()| server.report(&body));
    });
}

#[divan::bench(args = [100, 1000, EVENTS])]
fn multiget(bencher: Bencher<'_, '_>, count: usize) {
    let hrefs: String = (0..count)
        .map(|number| {
            let number = number * EVENTS / count;
            format!("<D:href>{CALENDAR}{number:05}.ics</D:href>")
        })
        .collect();
    let body = format!(
        "<C:calendar-multiget {NAMESPACES}><D:prop><D:getetag/><C:calendar-data/></D:prop>{hrefs}\
         </C:calendar-multiget>"
    );
    measure(bencher, &body, |found| found == count);
}
