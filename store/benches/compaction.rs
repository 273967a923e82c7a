//! What compaction gives and takes: bytes of the device before and after, bytes written for it, memory, and
//! the processor time of its longest step, for which others wait.
//!
//! `cargo bench -p kalends-store --bench compaction -- [--changes CHANGES] [EVENTS…]`, on the file system of
//! `KALENDS_BENCH_DIR` or of the directory for temporary files. Prints a table in Markdown. With another number of
//! changes, compaction alone is measured.

mod scratch;
mod workload;

use futures_executor::block_on;
use kalends_block_backend::{CountingDevice, FileDevice};
use kalends_store::{FormatOptions, OpenOptions, Store};
use rustix::time::{ClockId, clock_gettime};
use scratch::scratch;
use std::{
    fs,
    rc::Rc,
    task::{Context, Poll, Waker},
    time::Duration,
};
use workload::{event, fill, put};

/// Changes of events, each a commit, if nothing is said.
const CHANGES: usize = 20_000;
/// An event is changed so many times in a row on average: its text stays, but for a line.
const VERSIONS: usize = 4;
/// Bytes of the device.
const CAPACITY: u64 = 2 << 30;

/// A line of /proc/self/status in bytes.
fn memory(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.unwrap_or(0) << 10
}

fn change(repository: &kalends_store::Repository, events: usize, number: usize) {
    let entry = number / VERSIONS * 7919 % events;
    let content =
        event(events + number / VERSIONS).replace("SEQUENCE:", &format!("SEQUENCE:{}", number % VERSIONS));
    block_on(put(repository, entry, content)).unwrap();
}

/// Processor time of this thread so far.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Polls a compaction as others would let it run, and gives the processor time of the longest poll.
fn drive<T>(future: impl Future<Output = T>) -> (T, Duration) {
    let mut future = std::pin::pin!(future);
    let mut longest = Duration::ZERO;
    loop {
        let start = processor_time();
        let polled = future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        longest = longest.max(processor_time() - start);
        match polled {
            Poll::Ready(output) => return (output, longest),
            Poll::Pending => std::thread::yield_now(),
        }
    }
}

fn measure(events: usize, changes: usize) {
    let file = scratch("compaction");
    let device = Rc::new(CountingDevice::new(Rc::new(FileDevice::create(&file.0, CAPACITY).unwrap())));
    let options = OpenOptions { object_cache: 4 << 20, tree_cache: 8 << 20, ..OpenOptions::default() };
    drop(Store::format(device.clone(), &FormatOptions::default()).unwrap());
    let store = Store::open_with(device.clone(), options.clone()).unwrap();
    let repository = store.create_repository("ada").unwrap();
    fill(&repository, events);
    for number in 0..changes {
        change(&repository, events, number);
    }
    store.close().unwrap();
    drop((repository, store));
    let store = Store::open_with(device.clone(), options.clone()).unwrap();
    let used = |store: &Store| (CAPACITY - store.free_bytes()) as f64 / f64::from(1 << 20);
    let before = used(&store);
    let bytes = device.written_bytes();
    // The high-water mark starts again (proc_pid_clear_refs).
    let _ = fs::write("/proc/self/clear_refs", "5");
    let resting = memory("VmRSS:");
    let (done, longest) = drive(store.compact());
    let done = done.unwrap();
    let peak = memory("VmHWM:").saturating_sub(resting);
    let written = (device.written_bytes() - bytes) as f64 / f64::from(1 << 20);
    println!(
        "| {events} | {before:.0} | {:.0} | {:.2} | {:.1} | {written:.1} | {:.0} | {:.0} |",
        used(&store),
        used(&store) / before,
        done.bytes_written as f64 / f64::from(1 << 20),
        peak as f64 / f64::from(1 << 20),
        longest.as_secs_f64() * 1000.0,
    );
    drop(store);
    if changes == CHANGES {
        maintained(events);
    }
}

/// The same changes, with maintenance beside them: bytes written in all, against those without.
fn maintained(events: usize) {
    let run = |maintain: bool| {
        let file = scratch("maintained");
        let device = Rc::new(CountingDevice::new(Rc::new(FileDevice::create(&file.0, CAPACITY).unwrap())));
        let store = Store::format(device.clone(), &FormatOptions::default()).unwrap();
        let repository = store.create_repository("ada").unwrap();
        fill(&repository, events);
        let start = device.written_bytes();
        let mut maintenance = Box::pin(store.maintain());
        for number in 0..CHANGES {
            change(&repository, events, number);
            for _ in 0..if maintain { 30 } else { 0 } {
                assert!(maintenance.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
            }
        }
        drop(maintenance);
        (device.written_bytes() - start) as f64
    };
    let ratio = run(true) / run(false);
    println!(
        "  bytes written by {CHANGES} changes with maintenance beside them, against without: {ratio:.2}"
    );
}

fn main() {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut changes = CHANGES;
    if let Some(at) = arguments.iter().position(|argument| argument == "--changes") {
        changes = arguments.get(at + 1).and_then(|number| number.parse().ok()).expect("--changes NUMBER");
        arguments.drain(at..at + 2);
    }
    let mut sizes: Vec<usize> = arguments.iter().filter_map(|argument| argument.parse().ok()).collect();
    if sizes.is_empty() {
        sizes = vec![100, 1000, 10_000];
    }
    println!(
        "| events | MiB in use | MiB after | ratio | MiB of packs | MiB written | MiB of memory | longest step, ms |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- |");
    sizes.into_iter().for_each(|events| measure(events, changes));
}
