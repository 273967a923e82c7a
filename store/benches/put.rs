//! What a PUT costs on the device: bytes written, and commits a second against the device's own rate.
//!
//! `cargo bench -p kalends-store --bench put -- [--memory] [ENTRIES…]`, on the file system of
//! `KALENDS_BENCH_DIR` or of the directory for temporary files; with `--memory` on a device in memory, for
//! bytes and processor time alone. Without sizes it also compares levels of compression. Prints tables in
//! Markdown.

use flate2::{Compression, write::ZlibEncoder};
use futures_executor::block_on;
use futures_util::future::join_all;
use kalends_block_backend::{BlockDevice, DeviceError, Durability, FileDevice, FlushFuture, MemoryDevice};
use kalends_store::{
    EntryKind, FormatOptions, Kind, ObjectId, Objects, ReferenceUpdate, Repository, Store, TreeEdit,
};
use std::{
    cell::Cell,
    fs,
    io::Write,
    path::{Path, PathBuf},
    rc::Rc,
    time::Instant,
};

const MAIN: &str = "refs/heads/main";
/// One whole cycle of a directory's chain of deltas, with its whole tree.
const PUTS: usize = 4096;
/// How many clients write at once in the second measurement.
const TOGETHER: usize = 16;
/// Appends of the device alone.
const APPENDS: u64 = 1000;

/// A device that counts what is written.
struct Counting {
    inner: Box<dyn BlockDevice>,
    bytes: Cell<u64>,
    flushes: Cell<u64>,
}

impl BlockDevice for Counting {
    fn block_size(&self) -> u32 {
        self.inner.block_size()
    }

    fn capacity(&self) -> u64 {
        self.inner.capacity()
    }

    fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<(), DeviceError> {
        self.inner.read(offset, buffer)
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), DeviceError> {
        self.bytes.set(self.bytes.get() + data.len() as u64);
        self.inner.write(offset, data)
    }

    fn flush(&self) -> Result<(), DeviceError> {
        self.flushes.set(self.flushes.get() + 1);
        self.inner.flush()
    }

    fn flush_async(&self) -> FlushFuture {
        self.flushes.set(self.flushes.get() + 1);
        self.inner.flush_async()
    }

    fn durability(&self) -> Durability {
        self.inner.durability()
    }
}

/// A file that is removed again.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn scratch(name: &str) -> Scratch {
    let directory = std::env::var_os("KALENDS_BENCH_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
    Scratch(directory.join(format!("kalends-bench-{name}-{}.img", std::process::id())))
}

/// An event as clients write them.
fn event(number: usize) -> String {
    let (day, hour) = (1 + number % 28, number % 24);
    format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Example Corp.//CalDAV Client//EN\r\nBEGIN:VEVENT\r\n\
         UID:{number:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}@example.com\r\nDTSTAMP:202603{day:02}T{hour:02}1500Z\r\n\
         DTSTART;TZID=Europe/Berlin:202604{day:02}T{hour:02}0000\r\nDTEND;TZID=Europe/Berlin:202604{day:02}T{hour:02}4500\r\n\
         SUMMARY:Meeting {number} with team {}\r\nLOCATION:Room {}\r\nDESCRIPTION:Agenda item {}\\, then questions.\r\n\
         ATTENDEE;CN=Ada Lovelace;PARTSTAT=ACCEPTED:mailto:ada@example.com\r\n\
         ATTENDEE;CN=Charles Babbage;PARTSTAT=NEEDS-ACTION:mailto:charles@example.com\r\nSEQUENCE:{}\r\n\
         BEGIN:VALARM\r\nACTION:DISPLAY\r\nTRIGGER:-PT15M\r\nEND:VALARM\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
        number % 65536,
        number * 7 % 4096,
        number * 13 % 4096,
        number as u64 * 2_654_435_761 % (1 << 48),
        number % 17,
        number % 40,
        number * 31 % 1000,
        number % 5,
    )
}

/// Submits a change of one event. Names are those of clients: a UUID and `.ics`.
fn put(repository: &Repository, entry: usize, content: String) -> kalends_store::Commit {
    let mut transaction = repository.transaction();
    let parent = repository.latest_reference(MAIN);
    let root = parent.map(|parent| transaction.tree_of_commit(&parent).unwrap());
    let calendar = root.map(|root| transaction.tree(&root).unwrap().find("work").unwrap().id.to_owned());
    let blob = transaction.insert(Kind::Blob, content).unwrap();
    let edit = TreeEdit { name: name(entry), entry: Some((EntryKind::Blob, blob)) };
    let calendar = transaction.edit_tree(calendar.as_ref(), &[edit]).unwrap();
    commit(repository, transaction, root, calendar)
}

fn commit(
    repository: &Repository,
    mut transaction: kalends_store::Transaction,
    root: Option<ObjectId>,
    calendar: ObjectId,
) -> kalends_store::Commit {
    let parent = repository.latest_reference(MAIN);
    let edit = TreeEdit { name: b"work".into(), entry: Some((EntryKind::Tree, calendar)) };
    let tree = transaction.edit_tree(root.as_ref(), &[edit]).unwrap();
    let parent_line = parent.map(|parent| format!("parent {parent}\n")).unwrap_or_default();
    let who = "Ada Lovelace <ada@example.com> 1770000000 +0100";
    let text = format!(
        "tree {tree}\n{parent_line}author {who}\ncommitter {who}\n\nUpdate work/event.ics: Meeting\n"
    );
    let new = transaction.insert(Kind::Commit, text).unwrap();
    transaction.update_reference(ReferenceUpdate { name: MAIN.into(), expected: parent, new: Some(new) });
    transaction.submit().unwrap()
}

fn name(entry: usize) -> Vec<u8> {
    let spread = (entry as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    format!("{:08x}-{:04x}-4{:03x}-a000-{entry:012x}.ics", spread >> 32, spread & 0xffff, entry % 4096).into()
}

/// A calendar with so many events.
fn fill(repository: &Repository, entries: usize) {
    let mut transaction = repository.transaction();
    let mut edits = Vec::with_capacity(entries);
    for entry in 0..entries {
        let blob = transaction.insert(Kind::Blob, event(entry)).unwrap();
        edits.push(TreeEdit { name: name(entry), entry: Some((EntryKind::Blob, blob)) });
    }
    let calendar = transaction.edit_tree(None, &edits).unwrap();
    block_on(commit(repository, transaction, None, calendar)).unwrap();
}

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
    let device = Rc::new(Counting { inner, bytes: Cell::new(0), flushes: Cell::new(0) });
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
