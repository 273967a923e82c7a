//! A process that serves one request, so that its memory can be measured: it opens a store, reads a request
//! from a file and writes the answer to another.

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use kalends_block_backend::{BlockDevice, FileDevice};
use kalends_store::{
    CloneSource, Kind, NoRules, Object, ObjectId, OpenOptions, PackLimits, Reference, RepairStep, Store,
    repair_device,
    wire::{Protocol, ReceiveOptions, Reply, receive_pack_stream, upload_pack},
};
use std::{
    convert::Infallible,
    env, fmt,
    fs::{self, File},
    io::{BufWriter, Read, Write},
    path::{Path, PathBuf},
    process::Command,
    rc::Rc,
    time::{Duration, Instant},
};

/// Variables that tell the child what to do.
const SERVICE: &str = "KALENDS_LARGE_SERVICE";
const DIRECTORY: &str = "KALENDS_LARGE_DIRECTORY";

/// What one process needed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    /// The most memory it had at once, in bytes (VmHWM).
    pub(crate) memory: u64,
    /// From the first byte of the request to the last of the answer.
    pub(crate) time: Duration,
    /// From the first byte of the request to the first of the answer.
    pub(crate) first: Duration,
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { memory, time, first } = self;
        write!(f, "{} MiB, {time:.2?}, the first byte after {first:.2?}", memory >> 20)
    }
}

/// The memory that a process of these tests may have in all.
pub(crate) const MEMORY: u64 = 128 << 20;

/// The caches of a store in a process of so much memory.
pub(crate) fn options() -> OpenOptions {
    OpenOptions::within(MEMORY as usize / 3)
}

/// Serves the request `directory/request` upon the device `directory/device` in a process of its own: a push
/// (`receive-pack`), a fetch (`upload-pack`), a repair from the clone `directory/source.git` (`repair`), or a list
/// of objects to be found (`lookups`, and the bytes for pages of the index). The answer is in `directory/answer`.
/// `arguments` make this program call [`serve`].
pub(crate) fn run(service: &str, directory: &Path, arguments: &[&str]) -> Cost {
    let output = Command::new(env::current_exe().unwrap())
        .args(arguments)
        .env(SERVICE, service)
        .env(DIRECTORY, directory)
        .output()
        .unwrap();
    assert!(output.status.success(), "{service}: {}", String::from_utf8_lossy(&output.stderr));
    let cost = fs::read_to_string(directory.join("cost")).unwrap();
    fs::remove_file(directory.join("cost")).unwrap();
    let mut numbers = cost.split_whitespace().map(|number| number.parse().unwrap());
    let mut next = || numbers.next().unwrap();
    Cost { memory: next(), time: Duration::from_micros(next()), first: Duration::from_micros(next()) }
}

/// What a child does; false in every other process.
pub(crate) fn serve() -> bool {
    let (Ok(service), Some(directory)) = (env::var(SERVICE), env::var_os(DIRECTORY)) else { return false };
    let directory = PathBuf::from(directory);
    let device = FileDevice::open(&directory.join("device")).unwrap();
    if service == "repair" {
        let start = Instant::now();
        let mut clone = GitClone(directory.join("source.git"));
        let device: Rc<dyn BlockDevice> = Rc::new(device);
        let mut steps = String::new();
        let report = &mut |step: RepairStep| steps += &format!("{step}\n");
        let done = repair_device(&device, options(), &mut clone, report).unwrap();
        assert!(done.written, "{steps}");
        fs::write(directory.join("answer"), steps).unwrap();
        finish(&directory, start.elapsed(), Duration::ZERO);
        return true;
    }
    let mut options = options();
    let budget = service.strip_prefix("lookups ");
    if let Some(budget) = budget {
        options.index_cache = budget.parse().unwrap();
    }
    let store = Store::open_with(Rc::new(device), options).unwrap();
    let repository = match store.repository("large") {
        Ok(repository) => repository,
        Err(_) => store.create_repository("large").unwrap(),
    };
    if budget.is_some() {
        let ids = fs::read_to_string(directory.join("request")).unwrap();
        let mut ids: Vec<ObjectId> =
            ids.lines().map(|id| ObjectId::from_hex(id.as_bytes()).unwrap()).collect();
        // In no order that the index could profit from.
        ids.sort_by_key(|id| id.as_bytes()[19]);
        let start = Instant::now();
        assert!(ids.iter().all(|id| repository.contains(id)));
        finish(&directory, start.elapsed(), Duration::ZERO);
        return true;
    }
    let start = Instant::now();
    let request = File::open(directory.join("request")).unwrap();
    let answer = BufWriter::new(File::create(directory.join("answer")).unwrap());
    let first = futures_executor::block_on(async {
        let reply = match service.as_str() {
            "receive-pack" => {
                let limits = PackLimits::within(MEMORY);
                let options = ReceiveOptions { limits, ..ReceiveOptions::default() };
                let pushed =
                    receive_pack_stream(&repository, pieces(request).fuse(), Rc::new(NoRules), options);
                pushed.await.unwrap().unwrap()
            }
            _ => {
                let mut whole = Vec::new();
                { request }.read_to_end(&mut whole).unwrap();
                upload_pack(&repository, Protocol::V0, whole.into())
            }
        };
        copy(reply, answer, start).await
    });
    let time = start.elapsed();
    store.close().unwrap();
    finish(&directory, time, first);
    true
}

/// A clone that stock git reads, an object at a time.
struct GitClone(PathBuf);

impl CloneSource for GitClone {
    fn object(&mut self, id: &ObjectId) -> Result<Option<Object>, String> {
        let id = id.to_string();
        let git = |arguments: &[&str]| {
            let output = Command::new("git").current_dir(&self.0).args(arguments).output().unwrap();
            output.status.success().then_some(output.stdout)
        };
        let Some(kind) = git(&["cat-file", "-t", &id]) else { return Ok(None) };
        let kind = String::from_utf8_lossy(&kind).trim().to_owned();
        let data = git(&["cat-file", &kind, &id]).ok_or("it cannot be read")?;
        let kind = Kind::from_bytes(kind.as_bytes()).map_err(|error| error.to_string())?;
        Ok(Some(Object { kind, data: data.into() }))
    }

    fn references(&mut self, _repository: &str) -> Vec<Reference> {
        Vec::new()
    }
}

fn finish(directory: &Path, time: Duration, first: Duration) {
    let cost = format!("{} {} {}", peak_memory(), time.as_micros(), first.as_micros());
    fs::write(directory.join("cost"), cost).unwrap();
}

async fn copy(mut reply: Reply, mut answer: impl Write, start: Instant) -> Duration {
    let mut first = None;
    while let Some(bytes) = reply.next().await {
        // Before the pack there is the line that nothing is common.
        if bytes.len() > 8 {
            first.get_or_insert_with(|| start.elapsed());
        }
        answer.write_all(&bytes).unwrap();
    }
    answer.flush().unwrap();
    first.unwrap_or_default()
}

fn pieces(file: File) -> impl Stream<Item = Result<Bytes, Infallible>> {
    stream::unfold(file, |mut file| async move {
        let mut piece = vec![0; 64 << 10];
        let length = file.read(&mut piece).unwrap();
        piece.truncate(length);
        (length > 0).then(|| (Ok(piece.into()), file))
    })
}

/// The most memory that this process had at once, in bytes.
fn peak_memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() << 10
}
