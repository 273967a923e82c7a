//! What a PUT costs: bytes on the device, processor time, and commits a second against the device's own rate
//! and against the limits of that.
//!
//! `cargo bench -p kalends-store --bench put -- [--memory] [--flush-ms MILLISECONDS] [ENTRIES…]`, on the file
//! system of `KALENDS_BENCH_DIR` or of the directory for temporary files; with `--memory` on a device in memory,
//! for bytes and processor time alone; with `--flush-ms` as on a device whose flushes take that long, if this
//! one's do not. Without sizes it also compares levels of compression. Prints tables in Markdown.

mod scratch;
mod slow_flush;
mod workload;

use flate2::{Compression, write::ZlibEncoder};
use futures_executor::block_on;
use futures_util::future::join_all;
use kalends_block_backend::{BlockDevice, CountingDevice, FileDevice, MemoryDevice};
use kalends_store::{FormatOptions, Objects, Repository, Store, Tree};
use rustix::time::{ClockId, clock_gettime};
use scratch::scratch;
use slow_flush::SlowFlush;
use std::{
    env, fs,
    future::Future,
    hint::black_box,
    io::Write,
    path::Path,
    pin::pin,
    process,
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

/// One whole cycle of a directory's chain of deltas, with its whole tree, and one more.
const PUTS: usize = 16_384;
/// How many clients write at once in the second measurement.
const TOGETHER: usize = 32;
/// Appends of the device alone, before and after the PUTs that are compared with them.
const APPENDS: u64 = 1000;
/// PUTs with pauses between them, of which the median is told.
const PAUSED: usize = 200;

/// What a PUT is to reach, with one writer, of the rate at which the device appends and flushes.
const GOAL: f64 = 0.8;

/// A file, whose flushes take `flush` or more.
fn file_device(path: &Path, capacity: u64, flush: Option<Duration>) -> Rc<dyn BlockDevice> {
    let file = Rc::new(FileDevice::create(path, capacity).unwrap());
    match flush {
        Some(flush) => Rc::new(SlowFlush::new(file, flush)),
        None => file,
    }
}

/// Commits a second of the device itself: one block is appended, and flushed.
fn device_rate(path: &Path, flush: Option<Duration>) -> f64 {
    let _ = fs::remove_file(path);
    let device = file_device(path, 64 << 20, flush);
    let start = Instant::now();
    for append in 0..APPENDS {
        device.write(append * 1024, &[7; 1024]).unwrap();
        block_on(device.flush_async()).unwrap();
    }
    APPENDS as f64 / start.elapsed().as_secs_f64()
}

/// Processor time of this thread so far, in milliseconds.
fn processor_time() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 * 1e3 + time.tv_nsec as f64 / 1e6
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

/// Runs a future as the server does: while it waits, the store works ahead. Gives the processor time at which it
/// first waited, too.
fn run<T>(store: &Store, future: impl Future<Output = T>) -> (T, f64) {
    let mut waited = None;
    let signal = Arc::new(Signal { thread: thread::current(), woken: AtomicBool::new(true) });
    let waker = Waker::from(signal.clone());
    let mut future = pin!(future);
    loop {
        if signal.woken.swap(false, Ordering::SeqCst) {
            let poll = future.as_mut().poll(&mut Context::from_waker(&waker));
            let waited = *waited.get_or_insert_with(processor_time);
            if let Poll::Ready(value) = poll {
                return (value, waited);
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
    /// Processor time of a PUT, and what of it comes before its flush has begun.
    milliseconds: f64,
    before: f64,
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
        let mut before = 0.0;
        for round in 0..PUTS / together {
            let begun = processor_time();
            let puts = (0..together).map(|client| {
                let number = round * together + client;
                // In no order of the directory.
                put(&self.repository, number * 7919 % self.entries, event(first + number))
            });
            let puts: Vec<_> = puts.collect();
            let (results, waited) = run(&self.store, join_all(puts));
            results.into_iter().for_each(|result| result.unwrap());
            before += waited - begun;
        }
        let puts = PUTS as f64;
        Rates {
            bytes: (self.device.written_bytes() - bytes) as f64 / puts,
            flushes: (self.device.flushes() - flushes) as f64 / puts,
            milliseconds: (processor_time() - processor) / puts,
            before: before / puts,
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

/// What is to be measured.
struct Options {
    memory: bool,
    flush: Option<Duration>,
    sizes: Vec<usize>,
}

impl Options {
    fn from_command_line() -> Self {
        let mut options = Self { memory: false, flush: None, sizes: Vec::new() };
        let mut arguments = env::args().skip(1);
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--bench" => {}
                "--memory" => options.memory = true,
                "--flush-ms" => {
                    let milliseconds = arguments.next().and_then(|value| value.parse::<f64>().ok());
                    let seconds = milliseconds.map(|milliseconds| milliseconds / 1000.0);
                    let flush = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
                    options.flush = Some(flush.unwrap_or_else(|| usage()));
                }
                size => options.sizes.push(size.parse().unwrap_or_else(|_| usage())),
            }
        }
        options
    }
}

fn usage() -> ! {
    eprintln!("there is: put [--memory] [--flush-ms MILLISECONDS] [ENTRIES…]");
    process::exit(2);
}

fn measure(entries: usize, options: &Options) {
    let (file, append) = (scratch("put"), scratch("append"));
    let inner: Rc<dyn BlockDevice> = match options.memory {
        true => Rc::new(MemoryDevice::new(1 << 30)),
        false => file_device(&file.0, 4 << 30, options.flush),
    };
    let device_rate = || if options.memory { f64::NAN } else { device_rate(&append.0, options.flush) };
    let calendar = Calendar::new(inner, entries);
    let device_before = device_rate();
    let alone = calendar.change(entries, 1);
    let device_after = device_rate();
    let together = calendar.change(entries + PUTS, TOGETHER);
    let hashing = calendar.hashing();
    print!(
        "| {entries} | {:.0} | {:.0} | {:.3} | {:.3} | {:.3} |",
        alone.bytes, together.bytes, alone.milliseconds, alone.before, hashing
    );
    if options.memory {
        return println!();
    }
    let append = (device_before + device_after) / 2.0;
    // One after the other, each PUT waits for what the processor does before its flush, and for that.
    let limit = |milliseconds: f64| 1.0 / (1.0 + milliseconds * append / 1000.0);
    let (unprepared, prepared) =
        (calendar.new_event(false, 2 * PUTS), calendar.new_event(true, 2 * PUTS + PAUSED));
    println!(
        " {append:.0} | {:.0} | {:.2} | {:.2} | {:.2} | {:.1} | {:.0} | {:.1} | {:.3} | {:.2} | {:.2} |",
        alone.rate,
        alone.rate / append,
        limit(alone.before),
        // Half of the tree is hashed, on average.
        limit(hashing / 2.0),
        alone.before * GOAL / (1.0 - GOAL),
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
    let mut options = Options::from_command_line();
    let all = options.sizes.is_empty();
    if all {
        options.sizes = vec![100, 1000, 10_000, 100_000];
    }
    let mut columns = vec![
        "events".to_owned(),
        "bytes a PUT".into(),
        format!("bytes a PUT, {TOGETHER} clients"),
        "processor ms a PUT".into(),
        "of that before its flush".into(),
        "ms to hash the tree".into(),
    ];
    if !options.memory {
        columns.extend([
            "append + flush a second".into(),
            "PUTs a second".into(),
            "ratio".into(),
            "its limit by the processor".into(),
            "by hashing alone".into(),
            format!("limit is {GOAL} with appends + flushes of ms"),
            format!("PUTs a second, {TOGETHER} clients"),
            "ratio".into(),
            "flushes a PUT".into(),
            "a new event, in flushes".into(),
            "after a pause".into(),
        ]);
    }
    println!("| {} |\n|{}", columns.join(" | "), " --- |".repeat(columns.len()));
    options.sizes.iter().for_each(|entries| measure(*entries, &options));
    if all {
        println!();
        compression();
    }
}
