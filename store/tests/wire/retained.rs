//! A repository whose history is cut off, as its peers see it.

use crate::{
    clones::{clone, empty, noise, objects},
    large_pushes::{MAIN, commit, device, history, push_history},
    repositories::{drive, grow, pack, push, push_body, whole},
};
use gix_hash::ObjectId;
use kalends_store::{
    Deciding, FormatOptions, Kind, NoRules, Object, Objects, Pace, PushPolicy, PushedUpdate, Refusal,
    Repository, Store,
    wire::{GitService, Protocol, ReceiveOptions, advertise, receive_pack, upload_pack, write_full_pack},
};
use std::{io::Write, rc::Rc};

const SERVER: &str = "Kalends <kalends@localhost>";
/// The day of all commits of [`grow`], and the one after.
const DAY: i64 = 24 * 60 * 60;
const NEXT_DAY: i64 = (1_700_000_000 / DAY + 1) * DAY;

/// A history all of which is old but a commit of today, cut off; with the store, the commit at the boundary, and
/// its parent.
fn retained() -> (Store, Repository, ObjectId, ObjectId) {
    let store = Store::format(device(), &FormatOptions::default()).unwrap();
    let repository = store.create_repository("test").unwrap();
    grow(&repository, MAIN, 30);
    let boundary = repository.reference(MAIN).unwrap();
    let parent = parent(&repository, &boundary);
    let done = drive(repository.retain(NEXT_DAY, SERVER)).unwrap();
    assert_eq!((done.given_back, done.days), (29, 1));
    (store, repository, boundary, parent)
}

fn parent(repository: &Repository, id: &ObjectId) -> ObjectId {
    let text = String::from_utf8(repository.object(id).unwrap().data.to_vec()).unwrap();
    let parent = text.lines().find_map(|line| line.strip_prefix("parent ")).unwrap();
    ObjectId::from_hex(parent.as_bytes()).unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A fetch in version 2, with these lines.
fn fetch(repository: &Repository, lines: &[String]) -> Vec<u8> {
    let mut request = b"0012command=fetch\n0001000eofs-delta\n".to_vec();
    for line in lines {
        request.extend(format!("{:04x}{line}\n", line.len() + 5).into_bytes());
    }
    request.extend(b"0009done\n0000");
    whole(upload_pack(repository, Protocol::V2, request.into()))
}

#[test]
fn the_boundary_is_told_in_every_version_and_nothing_below_it_is_sent() {
    let (_store, repository, boundary, parent) = retained();
    for service in [GitService::UploadPack, GitService::ReceivePack] {
        for protocol in [Protocol::V0, Protocol::V1] {
            let told = text(&advertise(&repository, service, protocol).unwrap());
            assert!(told.ends_with(&format!("0035shallow {boundary}\n0000")), "{told}");
        }
    }
    let answer = fetch(&repository, &[format!("want {boundary}")]);
    let expected = format!("0011shallow-info\n0035shallow {boundary}\n0001000dpackfile\n");
    assert!(text(&answer).starts_with(&expected), "{}", text(&answer[..200]));
    // Who knows the boundary is not told again; the section is there for a shallow client all the same.
    let answer = fetch(&repository, &[format!("want {boundary}"), format!("shallow {boundary}")]);
    assert!(text(&answer).starts_with("0011shallow-info\n0001000dpackfile\n"), "{}", text(&answer[..200]));
    let sent = clone(&repository, &boundary, "ofs-delta", "");
    // The commit, its tree and the ten files.
    assert_eq!(objects(&sent), 12);
    assert!(repository.contains(&parent));
}

#[test]
fn depths_and_dates_reach_no_further_than_the_boundary() {
    let (_store, repository, boundary, _) = retained();
    commit(&repository, 1, b"today".to_vec());
    let tip = repository.reference(MAIN).unwrap();
    for deepen in ["deepen 1", "deepen 2", "deepen 2147483647", "deepen-since 1000"] {
        let answer = text(&fetch(&repository, &[format!("want {tip}"), deepen.into()]));
        let end = if deepen == "deepen 1" { tip } else { boundary };
        let expected = format!("0011shallow-info\n0035shallow {end}\n0001000dpackfile\n");
        assert!(answer.starts_with(&expected), "{deepen}: {}", &answer[..200]);
    }
    // `--unshallow` of a clone that ends above it.
    let lines = [format!("want {tip}"), format!("shallow {tip}"), "deepen 2147483647".into()];
    let answer = text(&fetch(&repository, &lines));
    let expected = format!("0011shallow-info\n0035shallow {boundary}\n0037unshallow {tip}\n0001");
    assert!(answer.starts_with(&expected), "{}", &answer[..200]);
}

#[test]
fn what_was_given_back_is_refused_with_its_reason() {
    let (store, repository, boundary, parent) = retained();
    // What a collection waits for: enough of it.
    for number in 0..3 {
        let mut transaction = repository.transaction();
        transaction.insert(Kind::Blob, noise(number, 100_000)).unwrap();
        drive(transaction.submit().unwrap()).unwrap();
    }
    drive(store.compact()).unwrap();
    assert!(!repository.contains(&parent) && repository.contains(&boundary));
    let reason = "this repository is shallow: history before its boundary has been given back";
    let answer = text(&fetch(&repository, &[format!("want {parent}")]));
    assert!(answer.contains(&format!("not our ref {parent}; {reason}")), "{answer}");
    // A branch at it, and a commit upon it.
    let report = whole(push(&repository, push_body("refs/heads/old", None, Some(parent), b"")).unwrap());
    assert!(text(&report).contains(&format!("missing necessary objects; {reason}")), "{}", text(&report));
    let (tip, pack) = upon(&parent);
    let report = whole(push(&repository, push_body("refs/heads/old", None, Some(tip), &pack)).unwrap());
    let expected = format!("missing necessary objects: {parent}; {reason}");
    assert!(text(&report).contains(&expected), "{}", text(&report));
    assert_eq!(repository.reference("refs/heads/old"), None);
}

/// A commit with an empty tree upon one that is nowhere, in a pack.
fn upon(parent: &ObjectId) -> (ObjectId, Vec<u8>) {
    let elsewhere = empty();
    let mut transaction = elsewhere.transaction();
    let tree = transaction.edit_tree(None, &[]).unwrap();
    let who = "A <a@example.org> 1800000000 +0000";
    let text = format!("tree {tree}\nparent {parent}\nauthor {who}\ncommitter {who}\n\nupon\n");
    let tip = transaction.insert(Kind::Commit, text).unwrap();
    drive(transaction.submit().unwrap()).unwrap();
    (tip, write_pack(&[tree, tip].map(|id| elsewhere.object(&id).unwrap())))
}

/// A pack of whole objects.
fn write_pack(objects: &[Object]) -> Vec<u8> {
    let mut out = b"PACK\0\0\0\x02".to_vec();
    out.extend((objects.len() as u32).to_be_bytes());
    for object in objects {
        let kind = if object.kind == Kind::Commit { 1 } else { 2 };
        let size = object.data.len();
        let more = u8::from(size > 15) << 7;
        out.push(more | kind << 4 | (size & 15) as u8);
        let mut rest = size >> 4;
        while rest > 0 {
            out.push(u8::from(rest > 127) << 7 | (rest & 127) as u8);
            rest >>= 7;
        }
        let mut stream = flate2::write::ZlibEncoder::new(&mut out, flate2::Compression::fast());
        stream.write_all(&object.data).unwrap();
        stream.finish().unwrap();
    }
    let mut hasher = gix_hash::hasher(gix_hash::Kind::Sha1);
    hasher.update(&out);
    out.extend(hasher.try_finalize().unwrap().as_slice());
    out
}

/// A push that says where the history of its clone ends.
fn shallow_push(
    name: &str,
    old: Option<ObjectId>,
    new: ObjectId,
    shallow: &[ObjectId],
    pack: &[u8],
) -> Vec<u8> {
    let lines = shallow.iter().map(|id| format!("0034shallow {id}")).collect::<String>();
    [lines.into_bytes(), push_body(name, old, Some(new), pack)].concat()
}

#[test]
fn a_retained_repository_is_put_back_elsewhere_with_its_boundary() {
    let (_store, repository, boundary, _) = retained();
    commit(&repository, 1, b"today".to_vec());
    let tip = repository.reference(MAIN).unwrap();
    let restored = empty();
    let body = shallow_push(MAIN, None, tip, &[boundary], &pack(&repository));
    let report = text(&whole(push(&restored, body).unwrap()));
    assert!(report.contains(&format!("ok {MAIN}")), "{report}");
    assert_eq!(restored.shallow(), [boundary]);
    let (mut one, mut other) = (Vec::new(), Vec::new());
    let full = write_full_pack(&restored, &mut one).unwrap().unwrap();
    assert_eq!(full.shallow, [boundary]);
    // The days are of another reference, and were not asked for.
    assert_eq!(write_full_pack(&repository, &mut other).unwrap().unwrap().objects, full.objects + 1);
    // Without saying so it is a history with a hole.
    let nowhere = empty();
    let report = text(&whole(push(&nowhere, push_body(MAIN, None, Some(tip), &pack(&repository))).unwrap()));
    assert!(report.contains("missing necessary objects") && nowhere.object_count().unwrap() == 0, "{report}");
}

#[test]
fn a_shallow_clone_cuts_nothing_off_that_is_there() {
    let repository = empty();
    grow(&repository, MAIN, 5);
    let old = repository.reference(MAIN).unwrap();
    let copy = empty();
    let report = whole(push(&copy, push_body(MAIN, None, Some(old), &pack(&repository))).unwrap());
    assert!(text(&report).contains("ok "));
    commit(&repository, 1, b"more".to_vec());
    let tip = repository.reference(MAIN).unwrap();
    // The clone has the new commit only, and the server all before it.
    let body = shallow_push(MAIN, Some(old), tip, &[tip], &pack(&repository));
    let report = text(&whole(push(&copy, body).unwrap()));
    assert!(report.contains(&format!("ok {MAIN}")), "{report}");
    assert!(copy.shallow().is_empty());
}

/// Refuses shallow pushes, as a server does for who may not rewrite history.
struct NoShallow;

impl PushPolicy for NoShallow {
    fn check<'a>(&'a self, _: &'a dyn Objects, update: &'a PushedUpdate, _: &'a Pace) -> Deciding<'a> {
        let refusal = Refusal { summary: "shallow update not allowed".into(), details: Vec::new() };
        Box::pin(std::future::ready(Ok(if update.shallow { Err(refusal) } else { Ok(()) })))
    }
}

#[test]
fn whether_a_history_may_begin_in_its_middle_is_for_the_policy() {
    let (_store, repository, boundary, _) = retained();
    let restored = empty();
    let body = shallow_push(MAIN, None, boundary, &[boundary], &pack(&repository));
    let reply = receive_pack(&restored, body.into(), Rc::new(NoShallow), ReceiveOptions::default());
    let report = text(&whole(reply.unwrap()));
    assert!(report.contains("shallow update not allowed"), "{report}");
    assert_eq!((restored.shallow(), restored.object_count().unwrap()), (Vec::new(), 0));
}

#[test]
fn a_pack_that_the_boundary_cuts_through_is_not_sent_whole() {
    let store = Store::format(device(), &FormatOptions::default()).unwrap();
    let repository = store.create_repository("test").unwrap();
    let report = push_history(&repository, Rc::new(NoRules), ReceiveOptions::default());
    assert!(report.contains("ok refs/heads/main"), "{report}");
    let (tip, sent) = history();
    let before = clone(&repository, tip, "ofs-delta", "");
    assert!(before == *sent, "it goes along whole while it is whole");
    drive(repository.retain(i64::MAX / 2, SERVER)).unwrap();
    assert_eq!(repository.shallow(), [*tip]);
    let after = clone(&repository, tip, "ofs-delta", "");
    assert!(objects(&after) < objects(sent) / 2, "{}", objects(&after));
    drive(store.compact()).unwrap();
    assert_eq!(objects(&clone(&repository, tip, "ofs-delta", "")), objects(&after));
}
