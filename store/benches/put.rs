//! What a PUT costs on the device: bytes written, and commits a second against the device's own rate.
//!
//! `cargo bench -p kalends-store --bench put -- [--memory] [ENTRIES…]`, on the file system of
//! `KALENDS_BENCH_DIR` or of the directory for temporary files; with `--memory` on a device in memory, for
//! bytes and processor time alone. Without sizes it also compares levels of compression. Prints tables in
//! Markdown.

mod workload;

use flate2::{Compression, write::ZlibEncoder};
use futures_executor::block_on;
use futures_util::future::join_all;
use kalends_block_backend::{BlockDevice, FileDevice, MemoryDevice};
use kalends_store::{FormatOptions, Repository, Store};
use std::{fs, io::Write, path::Path, rc::Rc, time::Instant};
use workload::{Counting, event, fill, put, scratch};

/// One whole cycle of a directory's chain of deltas, with its whole tree.
const PUTS: usize = 4096;
/// How many clients write at once in the second measurement.
const TOGETHER: usize = 16;
/// Appends of the device alone.
const APPENDS: u64 = 1000;

/// Commits a second of the device itself: one block is appended, and flushed.
fn device_rate(path: &Path) -> f64 {
    let device = FileDevice::create(path, 64 << 20).unwrap();
    let start = Instant::now();
    for append in 0..APPENDS {
        device.write(append * 1024, &[7; 1024]).unwrap();
        block_on(device.flush_async()).unwrap();
    }
    APPENDS as f64 / start.elapsed().as_secs_f64()
}

/// Processor time of this thread so far, in nanoseconds (proc_pid_schedstat).
fn processor_time() -> f64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split(' ').next().and_then(|time| time.parse().ok()).unwrap_or(f64::NAN)
}

/// What one measurement gave.
struct Rates {
    bytes: f64,
    flushes: f64,
    milliseconds: f64,
    rate: f64,
}

/// Changes events of a calendar, so many at once.
fn change(
    device: &Counting,
    repository: &Repository,
    entries: usize,
    first: usize,
    together: usize,
) -> Rates {
    let (bytes, flushes) = (device.bytes.get(), device.flushes.get());
    let (start, processor) = (Instant::now(), processor_time());
    for round in 0..PUTS / together {
        let puts = (0..together).map(|client| {
            let number = round * together + client;
            // In no order of the directory.
            put(repository, number * 7919 % entries, event(first + number))
        });
        let puts: Vec<_> = puts.collect();
        block_on(join_all(puts)).into_iter().for_each(|result| result.unwrap());
    }
    let puts = PUTS as f64;
    Rates {
        bytes: (device.bytes.get() - bytes) as f64 / puts,
        flushes: (device.flushes.get() - flushes) as f64 / puts,
        milliseconds: (processor_time() - processor) / 1e6 / puts,
        rate: puts / start.elapsed().as_secs_f64(),
    }
}

fn measure(entries: usize, memory: bool) {
    let (file, append) = (scratch("put"), scratch("append"));
    let inner: Box<dyn BlockDevice> = match memory {
        true => Box::new(MemoryDevice::new(1 << 30)),
        false => Box::new(FileDevice::create(&file.0, 4 << 30).unwrap()),
    };
    let device = Rc::new(Counting::new(inner));
    let store = Store::format(device.clone(), &FormatOptions::default()).unwrap();
    let repository = store.create_repository("ada").unwrap();
    fill(&repository, entries);
    store.close().unwrap();
    let alone = change(&device, &repository, entries, entries, 1);
    let append = if memory { f64::NAN } else { device_rate(&append.0) };
    let together = change(&device, &repository, entries, entries + PUTS, TOGETHER);
    print!("| {entries} | {:.0} | {:.0} | {:.3} |", alone.bytes, together.bytes, alone.milliseconds);
    if memory {
        return println!();
    }
    println!(
        " {append:.0} | {:.0} | {:.2} | {:.0} | {:.2} | {:.3} |",
        alone.rate,
        alone.rate / append,
        together.rate,
        together.rate / append,
        together.flushes,
    );
}

/// Sizes of events by level of compression.
fn compression() {
    println!("| level | bytes of an event | against level 9 | events a second |\n| --- | --- | --- | --- |");
    let events: Vec<String> = (0..5000).map(event).collect();
    let deflate = |level: u32| {
        let start = Instant::now();
        let sizes = events.iter().map(|event| {
            let mut encoder = ZlibEncoder::new(Vec::new(), Compression::new(level));
            encoder.write_all(event.as_bytes()).unwrap();
            encoder.finish().unwrap().len()
        });
        let total: usize = sizes.sum();
        (total as f64 / events.len() as f64, events.len() as f64 / start.elapsed().as_secs_f64())
    };
    let (best, _) = deflate(9);
    for level in [1, 3, 6, 9] {
        let (size, rate) = deflate(level);
        println!("| {level} | {size:.1} | {:.3} | {rate:.0} |", size / best);
    }
}

fn main() {
    let memory = std::env::args().any(|argument| argument == "--memory");
    let given = std::env::args().skip(1).filter_map(|argument| argument.parse().ok());
    let mut sizes: Vec<usize> = given.collect();
    let all = sizes.is_empty();
    if all {
        sizes = vec![100, 1000, 10_000, 100_000];
    }
    let (mut head, mut rule) = (
        format!("| events | bytes a PUT | bytes a PUT, {TOGETHER} clients | processor ms a PUT |"),
        "| --- | --- | --- | --- |".to_owned(),
    );
    if !memory {
        head += " append + flush a second | PUTs a second | ratio |";
        head += &format!(" PUTs a second, {TOGETHER} clients | ratio | flushes a PUT |");
        rule += &" --- |".repeat(6);
    }
    println!("{head}\n{rule}");
    sizes.into_iter().for_each(|entries| measure(entries, memory));
    if all {
        println!();
        compression();
    }
}
