//! What a PUT costs: bytes on the device, processor time, and commits a second against the device's own rate
//! and against what hashing leaves of it.
//!
//! `cargo bench -p kalends-store --bench put -- [--memory] [ENTRIES…]`, on the file system of
//! `KALENDS_BENCH_DIR` or of the directory for temporary files; with `--memory` on a device in memory, for
//! bytes and processor time alone. Without sizes it also compares levels of compression. Prints tables in
//! Markdown.

mod scratch;
mod workload;

use flate2::{Compression, write::ZlibEncoder};
use futures_executor::block_on;
use futures_util::future::join_all;
use kalends_block_backend::{BlockDevice, CountingDevice, FileDevice, MemoryDevice};
use kalends_store::{FormatOptions, Objects, Repository, Store, Tree};
use scratch::scratch;
use std::{
    fs,
    future::Future,
    hint::black_box,
    io::Write,
    path::Path,
    pin::pin,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
    time::{Duration, Instant},
};
use workload::{event, fill, put};

/// One whole cycle of a directory's chain of deltas, with its whole tree.
const PUTS: usize = 4096;
/// How many clients write at once in the second measurement.
const TOGETHER: usize = 32;
/// Appends of the device alone, before and after the PUTs that are compared with them.
const APPENDS: u64 = 1000;
/// PUTs with pauses between them, of which the median is told.
const PAUSED: usize = 200;

/// Commits a second of the device itself: one block is appended, and flushed.
fn device_rate(path: &Path) -> f64 {
    let _ = fs::remove_file(path);
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

/// Tells the loop that its future can go on.
struct Signal {
    thread: Thread,
    woken: AtomicBool,
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        self.woken.store(true, Ordering::SeqCst);
        self.thread.unpark();
    }
}

/// Runs a future as the server does: while it waits, the store works ahead.
fn run<T>(store: &Store, future: impl Future<Output = T>) -> T {
    let signal = Arc::new(Signal { thread: thread::current(), woken: AtomicBool::new(true) });
    let waker = Waker::from(signal.clone());
    let mut future = pin!(future);
    loop {
        if signal.woken.swap(false, Ordering::SeqCst) {
            if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                return value;
            }
        } else if store.has_work_ahead() {
            store.work_ahead();
        } else {
            thread::park();
        }
    }
}

/// What one measurement gave.
struct Rates {
    bytes: f64,
    flushes: f64,
    milliseconds: f64,
    rate: f64,
}

/// A calendar on a device.
struct Calendar {
    device: Rc<CountingDevice>,
    store: Store,
    repository: Repository,
    entries: usize,
}

impl Calendar {
    fn new(inner: Rc<dyn BlockDevice>, entries: usize) -> Self {
        let device = Rc::new(CountingDevice::new(inner));
        let store = Store::format(device.clone(), &FormatOptions::default()).unwrap();
        let repository = store.create_repository("ada").unwrap();
        fill(&repository, entries);
        store.close().unwrap();
        Self { device, store, repository, entries }
    }

    /// Changes events, so many at once.
    fn change(&self, first: usize, together: usize) -> Rates {
        let (bytes, flushes) = (self.device.written_bytes(), self.device.flushes());
        let (start, processor) = (Instant::now(), processor_time());
        for round in 0..PUTS / together {
            let puts = (0..together).map(|client| {
                let number = round * together + client;
                // In no order of the directory.
                put(&self.repository, number * 7919 % self.entries, event(first + number))
            });
            let puts: Vec<_> = puts.collect();
            run(&self.store, join_all(puts)).into_iter().for_each(|result| result.unwrap());
        }
        let puts = PUTS as f64;
        Rates {
            bytes: (self.device.written_bytes() - bytes) as f64 / puts,
            flushes: (self.device.flushes() - flushes) as f64 / puts,
            milliseconds: (processor_time() - processor) / 1e6 / puts,
            rate: puts / start.elapsed().as_secs_f64(),
        }
    }

    /// Median time of a new event, in milliseconds, after a pause in which the store may have worked ahead.
    fn new_event(&self, ahead: bool, first: usize) -> f64 {
        let mut times: Vec<Duration> = (first..first + PAUSED)
            .map(|number| {
                while ahead && self.store.has_work_ahead() {
                    self.store.work_ahead();
                }
                let start = Instant::now();
                let content = event(number);
                block_on(put(&self.repository, self.entries + number, content)).unwrap();
                start.elapsed()
            })
            .collect();
        times.sort_unstable();
        times[times.len() / 2].as_secs_f64() * 1000.0
    }

    /// Milliseconds in which the directory's tree is hashed from the start.
    fn hashing(&self) -> f64 {
        let commit = self.repository.latest_reference("refs/heads/main").unwrap();
        let root = self.repository.tree(&self.repository.tree_of_commit(&commit).unwrap()).unwrap();
        let tree = self.repository.tree(&root.find("work").unwrap().id.to_owned()).unwrap();
        let bytes = tree.to_bytes();
        let mut times: Vec<Duration> = (0..9)
            .map(|_| {
                let fresh = Tree::decode(bytes.clone()).unwrap();
                let start = Instant::now();
                black_box(fresh.id().unwrap());
                start.elapsed()
            })
            .collect();
        times.sort_unstable();
        times[0].as_secs_f64() * 1000.0
    }
}

fn measure(entries: usize, memory: bool) {
    let (file, append) = (scratch("put"), scratch("append"));
    let inner: Rc<dyn BlockDevice> = match memory {
        true => Rc::new(MemoryDevice::new(1 << 30)),
        false => Rc::new(FileDevice::create(&file.0, 4 << 30).unwrap()),
    };
    let calendar = Calendar::new(inner, entries);
    let device_before = if memory { f64::NAN } else { device_rate(&append.0) };
    let alone = calendar.change(entries, 1);
    let device_after = if memory { f64::NAN } else { device_rate(&append.0) };
    let together = calendar.change(entries + PUTS, TOGETHER);
    let hashing = calendar.hashing();
    print!(
        "| {entries} | {:.0} | {:.0} | {:.3} | {:.3} |",
        alone.bytes, together.bytes, alone.milliseconds, hashing
    );
    if memory {
        return println!();
    }
    let append = (device_before + device_after) / 2.0;
    // One after the other: half of the tree is hashed, on average, then its commit is flushed.
    let limit = 1000.0 / (1000.0 / append + hashing / 2.0);
    let (unprepared, prepared) =
        (calendar.new_event(false, 2 * PUTS), calendar.new_event(true, 2 * PUTS + PAUSED));
    println!(
        " {append:.0} | {:.0} | {:.2} | {:.2} | {:.0} | {:.1} | {:.3} | {:.2} | {:.2} |",
        alone.rate,
        alone.rate / append,
        alone.rate / limit,
        together.rate,
        together.rate / append,
        together.flushes,
        unprepared * append / 1000.0,
        prepared * append / 1000.0,
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
    let mut columns = vec![
        "events".to_owned(),
        "bytes a PUT".into(),
        format!("bytes a PUT, {TOGETHER} clients"),
        "processor ms a PUT".into(),
        "ms to hash the tree".into(),
    ];
    if !memory {
        columns.extend([
            "append + flush a second".into(),
            "PUTs a second".into(),
            "ratio".into(),
            "of what hashing half of the tree leaves".into(),
            format!("PUTs a second, {TOGETHER} clients"),
            "ratio".into(),
            "flushes a PUT".into(),
            "a new event, in flushes".into(),
            "after a pause".into(),
        ]);
    }
    println!("| {} |\n|{}", columns.join(" | "), " --- |".repeat(columns.len()));
    sizes.into_iter().for_each(|entries| measure(entries, memory));
    if all {
        println!();
        compression();
    }
}
