//! What was answered survives a loss of power; what cannot be kept is not answered with success.

use crate::server::{Server, event};
use futures_util::FutureExt;
use kalends_block_backend::SimulatedDevice;
use kalends_store::Store;
use std::rc::Rc;

const LUNCH: &str = "/dav/calendars/ada/calendar/lunch.ics";

fn server() -> (Rc<SimulatedDevice>, Server) {
    let device = Rc::new(SimulatedDevice::new(8 << 20, 512));
    (device.clone(), Server::on(device))
}

#[test]
fn every_answer_is_durable() {
    let (device, server) = server();
    let home = "/dav/calendars/ada/";
    let mut checkpoints = Vec::new();
    let destination = [("destination", "/dav/calendars/ada/kept.txt")];
    for (method, path, headers, body) in [
        ("PUT", "calendar/lunch.ics", &[][..], event("1", "Lunch")),
        ("MKCOL", "notes/", &[], String::new()),
        ("PUT", "notes/a.txt", &[], "a".into()),
        ("COPY", "notes/a.txt", &destination, String::new()),
        ("PUT", "notes/a.txt", &[], "b".into()),
        ("MOVE", "notes/a.txt", &destination, String::new()),
        ("DELETE", "notes/", &[], String::new()),
        ("MKCALENDAR", "work/", &[], String::new()),
    ] {
        let answer = server.send(method, &format!("{home}{path}"), headers, body);
        assert!((201..205).contains(&answer.status), "{method} {path}: {}", answer.text());
        checkpoints.push((device.steps(), server.files("ada")));
    }
    for (step, files) in checkpoints {
        for seed in 0..10 {
            let after = Store::open(Rc::new(device.crash(step, seed))).unwrap();
            assert_eq!(Server::files_of(&after, "ada"), files, "crash before step {step}, seed {seed}");
        }
    }
}

#[test]
fn no_answer_comes_before_the_flush_and_no_reader_sees_more() {
    let (device, server) = server();
    server.put(LUNCH, event("1", "Lunch")).expect(201);
    device.hold_flushes();
    let mut put = server.answer_to("ada", "PUT", LUNCH, &[], event("1", "Later"));
    // The same bytes again are nothing to write, but must be waited for too.
    let mut again = server.answer_to("ada", "PUT", LUNCH, &[], event("1", "Later"));
    // The next writer builds on what is submitted.
    let stale = [("if-none-match", "*")];
    for _ in 0..10 {
        assert!((&mut put).now_or_never().is_none());
        assert!((&mut again).now_or_never().is_none());
    }
    server.send("PUT", LUNCH, &stale, event("1", "Lost")).expect(412);
    assert_eq!(server.get(LUNCH).text(), event("1", "Lunch"));
    device.release_flushes();
    for answer in crate::server::together(vec![put, again]) {
        answer.expect(204);
    }
    assert_eq!(server.get(LUNCH).text(), event("1", "Later"));
}

#[test]
fn a_device_that_fails_is_a_500_and_what_was_there_can_be_read() {
    let (device, server) = server();
    server.put(LUNCH, event("1", "Lunch")).expect(201);
    device.fail_flushes(true);
    server.put(LUNCH, event("1", "Later")).expect(500);
    server.send("DELETE", LUNCH, &[], "").expect(500);
    server.send("MKCOL", "/dav/calendars/ada/new/", &[], "").expect(500);
    assert_eq!(server.get(LUNCH).expect(200).text(), event("1", "Lunch"));
}

#[test]
fn a_change_in_a_calendar_in_use_reads_nothing_from_the_device() {
    let (device, server) = server();
    let path = |number: usize| format!("/dav/calendars/ada/calendar/{number}.ics");
    let put = |number: usize, summary: &str, status: u16| {
        server.put(&path(number), event(&number.to_string(), summary)).expect(status);
    };
    (0..20).for_each(|number| put(number, "Talk", 201));
    let reads = device.statistics().reads;
    (20..140).for_each(|number| put(number, "Talk", 201));
    (0..60).for_each(|number| put(number, "Another talk", 204));
    for number in 0..20 {
        server.send("DELETE", &path(number), &[], String::new()).expect(204);
    }
    assert_eq!(device.statistics().reads, reads);
}
