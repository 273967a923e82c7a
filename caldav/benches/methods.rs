//! What single requests cost beside a report of everything, over a calendar of 10,000 events in memory.
//! Allocations are counted.

mod server;

use divan::{Bencher, black_box};
use server::{CALENDAR, EVENTS, NAMESPACES, Server, event};
use std::cell::Cell;

#[global_allocator]
static ALLOCATOR: divan::AllocProfiler = divan::AllocProfiler::system();

thread_local! {
    static SERVER: Server = Server::new();
    /// Events that were written so far.
    static WRITTEN: Cell<usize> = const { Cell::new(0) };
}

fn main() {
    divan::main();
}

/// An event that was never written before, and where.
fn next() -> (usize, String) {
    let written = WRITTEN.replace(WRITTEN.get() + 1);
    let number = written * 7919 % EVENTS;
    (number, event(number, &format!("Talk, rescheduled {written} times")))
}

fn put(server: &Server, uri: &str, body: String, expected: u16) {
    let (status, _) = server.send("PUT", uri, &[("content-type", "text/calendar; charset=utf-8")], body);
    assert_eq!(status, expected);
}

#[divan::bench]
fn put_changed(bencher: Bencher<'_, '_>) {
    SERVER.with(|server| {
        bencher.with_inputs(next).bench_local_values(|(number, text)| {
            put(server, &format!("{CALENDAR}{number:05}.ics"), text, 204)
        });
    });
}

#[divan::bench]
fn put_new(bencher: Bencher<'_, '_>) {
    SERVER.with(|server| {
        let next = || {
            let (_, text) = next();
            let name = format!("new-{:08}", WRITTEN.get() as u32 * 2_654_435_761);
            let text = text.replacen("UID:", &format!("UID:{name}-"), 1);
            (format!("{CALENDAR}{name}.ics"), text)
        };
        bencher.with_inputs(next).bench_local_values(|(uri, text)| put(server, &uri, text, 201));
    });
}

#[divan::bench]
fn get(bencher: Bencher<'_, '_>) {
    let uri = format!("{CALENDAR}00042.ics");
    SERVER.with(|server| {
        bencher.bench_local(|| {
            let (status, body) = server.send("GET", black_box(&uri), &[], String::new());
            assert!(status == 200 && !body.is_empty());
        });
    });
}

#[divan::bench]
fn get_unchanged(bencher: Bencher<'_, '_>) {
    let uri = format!("{CALENDAR}00042.ics");
    SERVER.with(|server| {
        let properties = "<D:prop><D:getetag/></D:prop>";
        let body = format!("<D:propfind {NAMESPACES}>{properties}</D:propfind>");
        let (_, answer) = server.send("PROPFIND", &uri, &[("depth", "0")], body);
        let answer = String::from_utf8(answer).unwrap();
        let tag = answer.split("getetag>").nth(1).unwrap().trim_end_matches("</D:").to_owned();
        bencher.bench_local(|| {
            let (status, _) = server.send("GET", black_box(&uri), &[("if-none-match", &tag)], String::new());
            assert_eq!(status, 304);
        });
    });
}

fn propfind(bencher: Bencher<'_, '_>, depth: &str, properties: &str) {
    let body = format!("<D:propfind {NAMESPACES}><D:prop>{properties}</D:prop></D:propfind>");
    SERVER.with(|server| {
        bencher.bench_local(|| {
            let (status, _) =
                server.send("PROPFIND", CALENDAR, &[("depth", depth)], black_box(&body).clone());
            assert_eq!(status, 207);
        });
    });
}

#[divan::bench]
fn propfind_calendar(bencher: Bencher<'_, '_>) {
    let properties = "<D:displayname/><D:resourcetype/><D:sync-token/><C:supported-calendar-component-set/>\
        <D:current-user-privilege-set/>";
    propfind(bencher, "0", properties);
}

#[divan::bench]
fn propfind_members(bencher: Bencher<'_, '_>) {
    propfind(bencher, "1", "<D:getetag/><D:resourcetype/><D:getcontenttype/>");
}

#[divan::bench]
fn propfind_members_with_lengths(bencher: Bencher<'_, '_>) {
    propfind(bencher, "1", "<D:getetag/><D:getcontentlength/>");
}
