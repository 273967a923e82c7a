//! What a PUT takes on the device, and of the processor: events that are new, and events that are changed, in
//! calendars of several sizes, on a device in memory.
//!
//! `cargo bench -p kalends-caldav --bench space -- [EVENTS…]` prints a table in Markdown. Bytes are all that is
//! written; they are the same on every machine.

#[path = "../../interop-tests/src/event.rs"]
#[allow(dead_code, unreachable_pub, unused_imports, reason = "made for another crate")]
mod event;

use event::Event;
use kalends_block_backend::{CountingDevice, MemoryDevice};
use kalends_caldav::{Author, Change};
use kalends_store::{FormatOptions, Repository, Store};
use std::{
    fs,
    future::Future,
    pin::pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

/// PUTs of each kind: a year or two of somebody's calendar.
const PUTS: u32 = 1550;

/// Runs a future that never waits for anything but its turn.
fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return output;
        }
    }
}

fn author() -> Author {
    Author { name: "Ada Lovelace".into(), email: "ada@example.org".into() }
}

/// One PUT, as the service makes it.
fn put(repository: &Repository, verb: &str, event: &Event) {
    let mut change = Change::new(repository);
    change.write(&[b"calendar", event.name.as_bytes()], event.text.clone()).unwrap();
    let message = format!("{verb} calendar/{}: {}", event.name, event.summary);
    block_on(change.submit(&author(), &message).unwrap().unwrap()).unwrap();
}

/// Processor time of this thread so far, in nanoseconds (proc_pid_schedstat).
fn processor_time() -> f64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split(' ').next().and_then(|time| time.parse().ok()).unwrap_or(f64::NAN)
}

/// Bytes and processor milliseconds of each of some PUTs.
fn measured(
    device: &CountingDevice,
    puts: impl Iterator<Item = (&'static str, Event)>,
    repository: &Repository,
) -> (f64, f64) {
    let puts: Vec<_> = puts.collect();
    let (bytes, time) = (device.written_bytes(), processor_time());
    puts.iter().for_each(|(verb, event)| put(repository, verb, event));
    let count = puts.len() as f64;
    ((device.written_bytes() - bytes) as f64 / count, (processor_time() - time) / 1e6 / count)
}

/// Other words in an event, with the same text otherwise.
fn changed(mut event: Event, change: u32) -> Event {
    event.text = event.text.replacen("\r\nSUMMARY:", &format!("\r\nSUMMARY:({change}) "), 1);
    event
}

fn measure(events: u32, kind: &str, make: fn(u32) -> Event) {
    let device = Rc::new(CountingDevice::new(Rc::new(MemoryDevice::new(1 << 30))));
    let store = Store::format(device.clone(), &FormatOptions::default()).unwrap();
    let repository = store.create_repository("ada").unwrap();
    if events > 0 {
        let mut change = Change::new(&repository);
        for number in 0..events {
            let event = make(number);
            change.write(&[b"calendar", event.name.as_bytes()], event.text).unwrap();
        }
        block_on(change.submit(&author(), "Import").unwrap().unwrap()).unwrap();
    }
    let new = measured(&device, (events..events + PUTS).map(|number| ("Add", make(number))), &repository);
    let all = events + PUTS;
    let change = |round: u32| ("Update", changed(make(round * 7919 % all), round));
    let updated = measured(&device, (0..PUTS).map(change), &repository);
    let again = |round: u32| ("Update", changed(make(round * 7919 % 100), PUTS + round));
    let often = measured(&device, (0..PUTS).map(again), &repository);
    println!(
        "| {events} | {kind} | {:.0} | {:.0} | {:.0} | {:.3} | {:.3} | {:.3} |",
        new.0, updated.0, often.0, new.1, updated.1, often.1
    );
}

fn main() {
    let given = std::env::args().skip(1).filter_map(|argument| argument.parse().ok());
    let mut sizes: Vec<u32> = given.collect();
    if sizes.is_empty() {
        sizes = vec![0, 100, 1000, 10_000, 100_000];
    }
    println!(
        "| events | kind | bytes of a new one | of a changed one | of one that is changed often | processor ms | ms | ms |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- |");
    for events in sizes {
        measure(events, "meetings", event::meeting);
        measure(events, "all kinds", event::event);
    }
}
