//! What a push of 10,000 events costs the server, without network: of one commit, made and packed by stock git,
//! into memory. Beside it what stock git's server takes for the pack alone, which is no more than an index of
//! it. Allocations are counted.

mod pushed;

use divan::{Bencher, black_box};
use kalends_block_backend::MemoryDevice;
use kalends_caldav::{Service, ServiceOptions, realm::Realm};
use kalends_store::{
    Deciding, FormatOptions, Objects, Pace, PushPolicy, PushedUpdate, Repository, Store,
    wire::{ReceiveOptions, receive_pack_stream},
};
use pushed::Push;
use std::{
    convert::Infallible,
    future::Future,
    pin::pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

#[global_allocator]
static ALLOCATOR: divan::AllocProfiler = divan::AllocProfiler::system();

/// Events of the commit.
const EVENTS: usize = 10_000;
/// Bytes in which a request comes: those of a TLS record.
const PIECE: usize = 16 << 10;

thread_local! {
    static PUSH: Push = Push::new(EVENTS);
}

fn main() {
    divan::main();
}

/// Takes everything.
struct AllowAll;

impl PushPolicy for AllowAll {
    fn check<'a>(&'a self, _: &'a dyn Objects, _: &'a PushedUpdate, _: &'a Pace) -> Deciding<'a> {
        Box::pin(async { Ok(Ok(())) })
    }
}

/// Runs a future that never waits for anything but its turn.
fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return output;
        }
    }
}

/// A server without repositories.
fn store() -> Store {
    let store = Store::format(Rc::new(MemoryDevice::new(64 << 20)), &FormatOptions::default()).unwrap();
    store.create_repository("ada").unwrap();
    store
}

fn push(repository: &Repository, policy: Rc<dyn PushPolicy>, request: &[u8]) {
    use futures_util::{StreamExt, stream};
    let pieces = request.chunks(PIECE).map(|piece| Ok::<_, Infallible>(bytes::Bytes::copy_from_slice(piece)));
    let report = block_on(async {
        let options = ReceiveOptions::default();
        let mut reply =
            receive_pack_stream(repository, stream::iter(pieces), policy, options).await.unwrap().unwrap();
        let mut report = Vec::new();
        while let Some(bytes) = reply.next().await {
            report.extend_from_slice(&bytes);
        }
        report
    });
    let report = String::from_utf8_lossy(&report);
    assert!(report.contains("ok refs/heads/main"), "{report}");
}

/// Everything, with the rules of calendars.
#[divan::bench(sample_count = 10)]
fn receive_with_calendar_rules(bencher: Bencher<'_, '_>) {
    PUSH.with(|pushed| {
        let input = || {
            let store = store();
            let realm = Realm::open(store.clone()).unwrap();
            let service = Service::new(store.clone(), realm, ServiceOptions::default());
            let repository = store.repository("ada").unwrap();
            (service, repository)
        };
        bencher.with_inputs(input).bench_local_refs(|(service, repository)| {
            push(repository, service.import_policy(repository), black_box(&pushed.request));
        });
    });
}

/// Without rules: what the store does.
#[divan::bench(sample_count = 10)]
fn receive(bencher: Bencher<'_, '_>) {
    PUSH.with(|pushed| {
        bencher
            .with_inputs(|| store().repository("ada").unwrap())
            .bench_local_refs(|repository| push(repository, Rc::new(AllowAll), black_box(&pushed.request)));
    });
}

/// `git index-pack --strict`, on one processor, into the file system for temporary files.
#[divan::bench(sample_count = 10)]
fn git_index_pack(bencher: Bencher<'_, '_>) {
    PUSH.with(|pushed| {
        bencher.with_inputs(|| pushed.empty_repository()).bench_local_refs(|repository| {
            pushed.index_pack(repository, 1);
        });
    });
}
