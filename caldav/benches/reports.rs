//! What reports cost over a calendar of 10,000 events, a twentieth of them recurring, in memory.
//!
//! Numbers tell by comparison within one run: a month's query beside one that has to read every object,
//! synchronisation after one change beside that of everything. Allocations are counted.

mod server;

use divan::{Bencher, black_box};
use server::{CALENDAR, EVENTS, NAMESPACES, Server, event};
use std::cell::Cell;

fn main() {
    divan::main();
}

#[global_allocator]
static ALLOCATOR: divan::AllocProfiler = divan::AllocProfiler::system();

fn report(server: &Server, body: &str) -> Vec<u8> {
    let (status, answer) = server.send("REPORT", CALENDAR, &[("depth", "1")], body.to_owned());
    assert_eq!(status, 207);
    answer
}

/// Changes one event to what it has never been.
fn change_one(server: &Server) {
    let written = WRITTEN.replace(WRITTEN.get() + 1);
    let number = written * 7919 % EVENTS;
    server.commit(|change| {
        let text = event(number, &format!("Talk {written}"));
        change.write(&[b"calendar", format!("{number:05}.ics").as_bytes()], text).unwrap();
    });
}

fn token(server: &Server) -> String {
    let answer = String::from_utf8(report(server, &sync(""))).unwrap();
    let (_, rest) = answer.rsplit_once("<D:sync-token>").unwrap();
    rest.split_once('<').unwrap().0.to_owned()
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
    /// Events that were changed so far.
    static WRITTEN: Cell<usize> = const { Cell::new(0) };
}

/// Measures one report; its answer has so many members.
fn measure(bencher: Bencher<'_, '_>, body: &str, members: impl Fn(usize) -> bool) {
    SERVER.with(|server| {
        let answer = String::from_utf8(report(server, body)).unwrap();
        let found = answer.matches("<D:response>").count();
        assert!(members(found), "{found}");
        bencher.bench_local(|| report(server, black_box(body)));
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
            report(&fresh, &sync(&token(server)));
            fresh
        };
        bencher.with_inputs(start).bench_local_values(|fresh| report(&fresh, &body));
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
    let token = SERVER.with(token);
    measure(bencher, &sync(&token), |found| found == 0);
}

#[divan::bench]
fn sync_after_one_change(bencher: Bencher<'_, '_>) {
    let token = SERVER.with(|server| {
        let token = token(server);
        change_one(server);
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
        bencher.with_inputs(|| change_one(server)).bench_local_values(|()| report(server, &body));
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
