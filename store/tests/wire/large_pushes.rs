//! Pushes that are written to the device while they arrive.

use crate::{
    clones::noise,
    repositories::{drive, pack, push_body, whole},
};
use bytes::Bytes;
use futures_util::{FutureExt, Stream, StreamExt, stream};
use gix_hash::ObjectId;
use kalends_block_backend::MemoryDevice;
use kalends_store::{
    Deciding, EntryKind, Error, FormatOptions, Kind, NoRules, Objects, OpenOptions, Pace, PackLimits,
    PushPolicy, PushedUpdate, ReferenceUpdate, Refusal, Repository, Store, TreeEdit, check_device,
    wire::{ReceiveOptions, Reply, receive_pack_stream},
};
use std::{convert::Infallible, pin::pin, rc::Rc, sync::OnceLock};

pub(crate) const MAIN: &str = "refs/heads/main";

/// Bytes of a device.
pub(crate) const CAPACITY: u64 = 64 << 20;

pub(crate) fn device() -> Rc<MemoryDevice> {
    Rc::new(MemoryDevice::new(CAPACITY as usize))
}

/// A tip and the pack of its history: 300 commits with files that do not compress, 3 MB.
pub(crate) fn history() -> &'static (ObjectId, Vec<u8>) {
    static HISTORY: OnceLock<(ObjectId, Vec<u8>)> = OnceLock::new();
    HISTORY.get_or_init(|| {
        let store = Store::format(device(), &FormatOptions::default()).unwrap();
        let source = store.create_repository("source").unwrap();
        for number in 0..300 {
            commit(&source, number, noise(number.into(), 10_000));
        }
        (source.reference(MAIN).unwrap(), pack(&source))
    })
}

pub(crate) fn commit(repository: &Repository, number: u32, content: Vec<u8>) {
    let parent = repository.latest_reference(MAIN);
    let mut transaction = repository.transaction();
    let blob = transaction.insert(Kind::Blob, content).unwrap();
    let edit =
        TreeEdit { name: format!("file{}", number % 20).into_bytes(), entry: Some((EntryKind::Blob, blob)) };
    let base = parent.map(|parent| transaction.tree_of_commit(&parent).unwrap());
    let tree = transaction.edit_tree(base.as_ref(), &[edit]).unwrap();
    let parents: String = parent.iter().map(|parent| format!("parent {parent}\n")).collect();
    let who = format!("A <a@example.org> {} +0000", 1_700_000_000 + number);
    let text = format!("tree {tree}\n{parents}author {who}\ncommitter {who}\n\nCommit {number}\n");
    let new = transaction.insert(Kind::Commit, text.into_bytes()).unwrap();
    transaction.update_reference(ReferenceUpdate { name: MAIN.into(), expected: parent, new: Some(new) });
    drive(transaction.submit().unwrap()).unwrap();
}

/// The body of the push of [`history`].
fn body() -> Bytes {
    let (tip, pack) = history();
    push_body(MAIN, None, Some(*tip), pack).into()
}

fn pieces(body: Bytes) -> impl Stream<Item = Result<Bytes, Infallible>> {
    let starts = (0..body.len()).step_by(10_000);
    stream::iter(starts.map(move |at| Ok(body.slice(at..(at + 10_000).min(body.len())))))
}

pub(crate) fn push_history(
    repository: &Repository,
    policy: Rc<dyn PushPolicy>,
    options: ReceiveOptions,
) -> String {
    let reply = drive(receive_pack_stream(repository, pieces(body()), policy, options)).unwrap().unwrap();
    String::from_utf8_lossy(&whole(reply)).into_owned()
}

pub(crate) fn assert_clean(device: &Rc<MemoryDevice>) {
    let mut findings = Vec::new();
    let device: Rc<dyn kalends_block_backend::BlockDevice> = device.clone();
    let summary =
        check_device(&device, OpenOptions::default(), &mut |finding| findings.push(finding.to_string()));
    summary.unwrap();
    assert_eq!(findings, Vec::<String>::new());
}

#[test]
fn a_large_push_is_kept_as_it_came_and_is_there_after_a_restart() {
    let device = device();
    let store = Store::format(device.clone(), &FormatOptions::default()).unwrap();
    let repository = store.create_repository("test").unwrap();
    let free = store.free_bytes();
    let report = push_history(&repository, Rc::new(NoRules), ReceiveOptions::default());
    assert!(report.contains("unpack ok") && report.contains("ok refs/heads/main"), "{report}");
    let (tip, sent) = history();
    let taken = free - store.free_bytes();
    assert!((sent.len() as u64..sent.len() as u64 + (2 << 20)).contains(&taken), "{taken}");
    for store in [store, Store::open(device.clone()).unwrap()] {
        let repository = store.repository("test").unwrap();
        assert_eq!(repository.reference(MAIN), Some(*tip));
        assert_eq!(repository.object_count().unwrap(), 900);
        assert!(pack(&repository).len() >= sent.len());
    }
    assert_clean(&device);
}

#[test]
fn an_aborted_push_leaves_nothing_at_once_and_after_a_restart() {
    let device = device();
    let store = Store::format(device.clone(), &FormatOptions::default()).unwrap();
    let repository = store.create_repository("test").unwrap();
    let body = body();
    let (free, mounted) = (store.free_bytes(), Store::open(device.clone()).unwrap().free_bytes());
    let unchanged = |when: &str| {
        assert_eq!(store.free_bytes(), free, "{when}");
        assert!(repository.references().is_empty() && !repository.contains(&history().0), "{when}");
        assert_eq!(Store::open(device.clone()).unwrap().free_bytes(), mounted, "{when}");
        assert_clean(&device);
    };
    for part in [1, 100, 300_000, 600_000, 1_500_000, body.len() - 1, body.len()] {
        // The peer falls silent, and is given up.
        let start = pieces(body.slice(..part)).chain(stream::pending());
        let mut push =
            Box::pin(receive_pack_stream(&repository, start, Rc::new(NoRules), ReceiveOptions::default()));
        for _ in 0..1000 {
            assert!((&mut push).now_or_never().is_none());
        }
        assert_eq!(
            store.free_bytes() < free,
            part >= 600_000,
            "{part}: large pushes take space as they come"
        );
        assert_eq!(Store::open(device.clone()).unwrap().free_bytes(), mounted, "{part}: nothing names it");
        drop(push);
        unchanged(&format!("given up after {part} bytes"));
        // The connection breaks.
        let start =
            pieces(body.slice(..part)).map(|piece| Ok(piece.unwrap())).chain(stream::iter([Err("broken")]));
        let reply =
            drive(receive_pack_stream(&repository, start, Rc::new(NoRules), ReceiveOptions::default()));
        assert_eq!(reply.err(), Some("broken"));
        unchanged(&format!("broken after {part} bytes"));
        // The body ends early, or there is nobody who reads the answer.
        let reply = drive(receive_pack_stream(
            &repository,
            pieces(body.slice(..part)),
            Rc::new(NoRules),
            ReceiveOptions::default(),
        ));
        if let (Ok(Ok(reply)), true) = (reply, part < body.len()) {
            assert!(String::from_utf8_lossy(&whole(reply)).contains("pack is truncated") || part < 200);
        }
        unchanged(&format!("cut after {part} bytes"));
    }
    let report = push_history(&repository, Rc::new(NoRules), ReceiveOptions::default());
    assert!(report.contains("ok refs/heads/main"), "{report}");
    assert_clean(&device);
}

/// Reads what was pushed, and refuses it.
struct Refuses;

impl PushPolicy for Refuses {
    fn check<'a>(&'a self, objects: &'a dyn Objects, update: &'a PushedUpdate, _: &'a Pace) -> Deciding<'a> {
        let tree = objects.tree_of_commit(&update.new.unwrap()).and_then(|tree| objects.tree(&tree)).unwrap();
        assert_eq!(tree.iter().count(), 20);
        for entry in tree.iter() {
            assert_eq!(objects.object(&entry.id.to_owned()).unwrap().data.len(), 10_000);
        }
        let refusal =
            Refusal { summary: "calendar rules".into(), details: vec!["file0: no calendar".into()] };
        Box::pin(std::future::ready(Ok(Err(refusal))))
    }
}

#[test]
fn a_refused_push_leaves_nothing() {
    let device = device();
    let store = Store::format(device.clone(), &FormatOptions::default()).unwrap();
    let repository = store.create_repository("test").unwrap();
    let free = store.free_bytes();
    let default = ReceiveOptions::default();
    let limited = |limits| ReceiveOptions { limits, ..ReceiveOptions::default() };
    let few = limited(PackLimits { objects: 899, ..PackLimits::default() });
    let short = limited(PackLimits { pack_size: 2 << 20, ..PackLimits::default() });
    for (policy, options, reason) in [
        (Rc::new(Refuses) as Rc<dyn PushPolicy>, default, "ng refs/heads/main calendar rules"),
        (Rc::new(NoRules), few, "limit exceeded: a pack of 900 objects (at most 899)"),
        (Rc::new(NoRules), short, "limit exceeded: a pack of more than 2097152 bytes"),
    ] {
        let report = push_history(&repository, policy, options);
        assert!(report.contains(reason), "{report}");
        assert!(!report.contains("ok refs/heads/main"), "{report}");
        assert_eq!(store.free_bytes(), free, "{reason}");
        assert!(repository.references().is_empty());
    }
    assert_clean(&device);
}

#[test]
fn a_push_for_which_there_is_no_room_is_refused_and_others_go_on() {
    let device = Rc::new(MemoryDevice::new(8 << 20));
    let store = Store::format(device.clone(), &FormatOptions::default()).unwrap();
    let repository = store.create_repository("test").unwrap();
    // The device has eight segments: the pack needs four in a row.
    for number in 0..3 {
        commit(&repository, number, vec![number as u8; 1000]);
    }
    let other = store.create_repository("other").unwrap();
    let (free, held) = (store.free_bytes(), repository.reference(MAIN));
    let report = push_history(&other, Rc::new(NoRules), ReceiveOptions::default());
    assert!(report.contains("the device is full"), "{report}");
    assert_eq!((store.free_bytes(), repository.reference(MAIN)), (free, held));
    commit(&repository, 4, b"more".to_vec());
    assert_clean(&device);
}

#[test]
fn a_push_and_the_writes_of_others_take_turns() {
    let device = device();
    let store = Store::format(device.clone(), &FormatOptions::default()).unwrap();
    let (repository, other) =
        (store.create_repository("test").unwrap(), store.create_repository("other").unwrap());
    let mut number = 0;
    let writes = pieces(body()).inspect(|_| {
        commit(&other, number, vec![number as u8; 40_000]);
        number += 1;
    });
    let reply: Result<Result<Reply, Error>, Infallible> =
        drive(receive_pack_stream(&repository, pin!(writes), Rc::new(NoRules), ReceiveOptions::default()));
    let report = String::from_utf8_lossy(&whole(reply.unwrap().unwrap())).into_owned();
    assert!(report.contains("ok refs/heads/main"), "{report}");
    assert!(number > 300);
    assert_eq!(repository.object_count().unwrap(), 900);
    assert_clean(&device);
}

#[test]
fn a_body_is_not_polled_again_after_its_end() {
    let (tip, pack) = history();
    let small = {
        let source = Store::format(device(), &FormatOptions::default()).unwrap();
        let source = source.create_repository("source").unwrap();
        commit(&source, 0, b"small".to_vec());
        (source.reference(MAIN).unwrap(), crate::repositories::pack(&source))
    };
    let nothing = Bytes::new();
    let bodies = [
        Bytes::from(push_body(MAIN, None, Some(*tip), pack)),
        push_body(MAIN, None, Some(small.0), &small.1).into(),
        // It ends before its commands do.
        nothing,
    ];
    for body in bodies {
        let store = Store::format(device(), &FormatOptions::default()).unwrap();
        let repository = store.create_repository("test").unwrap();
        let expected = body.len() > 1;
        let mut pieces = Box::pin(pieces(body));
        let mut ended = false;
        let once = stream::poll_fn(move |context| {
            assert!(!ended, "polled after its end");
            let piece = pieces.poll_next_unpin(context);
            ended = matches!(piece, std::task::Poll::Ready(None));
            piece
        });
        let pushed = receive_pack_stream(&repository, once, Rc::new(NoRules), ReceiveOptions::default());
        let report = drive(pushed).unwrap().map(|reply| String::from_utf8_lossy(&whole(reply)).into_owned());
        assert_eq!(report.is_ok_and(|report| report.contains("ok refs/heads/main")), expected);
    }
}
