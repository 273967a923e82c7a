//! Requests that were damaged, by accident or with intent.

use crate::repositories::{empty, grow, pack, push, push_body, whole};
use bytes::Bytes;
use gix_hash::ObjectId;
use kalends_store::{
    Repository,
    wire::{GitService, Protocol, advertise, upload_pack},
};
use proptest::prelude::*;
use std::sync::OnceLock;

/// Replaces the checksum of a pack, so that damage is not found by it alone.
fn sign(pack: &mut [u8]) {
    let end = pack.len() - 20;
    let mut hasher = gix_hash::hasher(gix_hash::Kind::Sha1);
    hasher.update(&pack[..end]);
    pack[end..].copy_from_slice(hasher.try_finalize().unwrap().as_slice());
}

/// A tip and the pack of its history: 40 commits, so that there are deltas.
fn history() -> &'static (ObjectId, Vec<u8>) {
    static HISTORY: OnceLock<(ObjectId, Vec<u8>)> = OnceLock::new();
    HISTORY.get_or_init(|| {
        let source = empty();
        let tip = grow(&source, "refs/heads/main", 40);
        (tip, pack(&source))
    })
}

#[derive(Clone, Debug)]
enum Damage {
    Set(prop::sample::Index, u8),
    Flip(prop::sample::Index, u8),
    Remove(prop::sample::Index, usize),
    Double(prop::sample::Index, usize),
    Cut(prop::sample::Index),
}

fn damage() -> impl Strategy<Value = Vec<Damage>> {
    let one = prop_oneof![
        (any::<prop::sample::Index>(), any::<u8>()).prop_map(|(at, byte)| Damage::Set(at, byte)),
        (any::<prop::sample::Index>(), 0..8_u8).prop_map(|(at, bit)| Damage::Flip(at, 1 << bit)),
        (any::<prop::sample::Index>(), 1..40_usize).prop_map(|(at, count)| Damage::Remove(at, count)),
        (any::<prop::sample::Index>(), 1..400_usize).prop_map(|(at, count)| Damage::Double(at, count)),
        any::<prop::sample::Index>().prop_map(Damage::Cut),
    ];
    prop::collection::vec(one, 1..4)
}

fn apply(bytes: &mut Vec<u8>, damages: &[Damage]) {
    for damage in damages {
        if bytes.is_empty() {
            return;
        }
        match damage {
            Damage::Set(at, byte) => {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            Damage::Flip(at, bits) => {
                let at = at.index(bytes.len());
                bytes[at] ^= bits;
            }
            Damage::Remove(at, count) => {
                let at = at.index(bytes.len());
                let end = (at + count).min(bytes.len());
                bytes.drain(at..end);
            }
            Damage::Double(at, count) => {
                let at = at.index(bytes.len());
                let end = (at + count).min(bytes.len());
                let piece = bytes[at..end].to_vec();
                bytes.splice(at..at, piece);
            }
            Damage::Cut(at) => bytes.truncate(at.index(bytes.len())),
        }
    }
}

/// What is in the repository must be whole: each reference reaches objects that can be read.
fn assert_sound(repository: &Repository) {
    if !repository.references().is_empty() {
        pack(repository);
    }
}

#[test]
fn an_undamaged_push_is_accepted() {
    let (tip, pack) = history();
    let repository = empty();
    let report = whole(push(&repository, push_body("refs/heads/main", None, Some(*tip), pack)).unwrap());
    let report = String::from_utf8_lossy(&report);
    assert!(report.contains("unpack ok") && report.contains("ok refs/heads/main"), "{report}");
    assert_eq!(repository.reference("refs/heads/main"), Some(*tip));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_damaged_pack_changes_nothing(damages in damage(), signed in any::<bool>()) {
        let (tip, good) = history();
        let mut bad = good.clone();
        apply(&mut bad, &damages);
        if signed && bad.len() >= 20 {
            sign(&mut bad);
        }
        prop_assume!(bad != *good);
        let repository = empty();
        let report = whole(push(&repository, push_body("refs/heads/main", None, Some(*tip), &bad)).unwrap());
        let report = String::from_utf8_lossy(&report);
        if report.contains("ng refs/heads/main") {
            prop_assert!(repository.references().is_empty());
            prop_assert!(!repository.contains(tip));
        } else {
            // Damage that does no harm: such as another compression of the same objects.
            prop_assert!(report.contains("ok refs/heads/main"), "{report}");
            prop_assert_eq!(repository.reference("refs/heads/main"), Some(*tip));
        }
        assert_sound(&repository);
    }

    #[test]
    fn a_damaged_push_is_refused_or_says_what_it_did(damages in damage()) {
        let (tip, pack) = history();
        let mut body = push_body("refs/heads/main", None, Some(*tip), pack);
        // The front only: the pack has its own test.
        let rest = body.split_off(140);
        apply(&mut body, &damages);
        body.extend_from_slice(&rest);
        let repository = empty();
        if let Ok(reply) = push(&repository, body) {
            whole(reply);
        }
        assert_sound(&repository);
    }

    #[test]
    fn any_request_for_a_fetch_is_answered(damages in damage(), version in 0..3_u8, which in 0..4_usize) {
        let repository = empty();
        let tip = grow(&repository, "refs/heads/main", 5);
        let old = grow(&repository, "refs/heads/old", 2);
        let line = |text: &str| format!("{:04x}{text}", text.len() + 4);
        let (protocol, requests) = match version {
            2 => (Protocol::V2, [
                line("command=ls-refs\n") + "0001" + &line("peel\n") + &line("symrefs\n") + &line("ref-prefix refs/heads/\n") + "0000",
                line("command=fetch\n") + &line("agent=git/2\n") + "0001" + &line("thin-pack\n") + &line(&format!("want {tip}\n"))
                    + &line(&format!("have {old}\n")) + "0000",
                line("command=fetch") + "0001" + &line(&format!("want {tip}")) + &line("deepen 2\n") + &line("done\n") + "0000",
                line("command=fetch") + "0001" + &line(&format!("want {tip}")) + &line("filter blob:none") + &line("done") + "0000",
            ]),
            _ => (Protocol::V0, [
                line(&format!("want {tip} multi_ack_detailed no-done side-band-64k ofs-delta\n")) + "0000" + &line("done\n"),
                line(&format!("want {tip} multi_ack_detailed no-done\n")) + "0000" + &line(&format!("have {old}\n")) + "0000",
                line(&format!("want {tip} side-band\n")) + &line(&format!("shallow {old}\n")) + &line("deepen 1\n") + "0000" + &line("done\n"),
                line(&format!("want {tip} multi_ack\n")) + &line(&format!("want {old}\n")) + "0000" + &line(&format!("have {tip}\n")) + &line("done\n"),
            ]),
        };
        let mut request = requests[which].clone().into_bytes();
        apply(&mut request, &damages);
        whole(upload_pack(&repository, protocol, Bytes::from(request)));
    }
}

#[test]
fn an_empty_request_is_answered_with_nothing() {
    // git asks so to learn whether it must authenticate.
    let repository = empty();
    for body in ["", "0000"] {
        assert!(whole(push(&repository, body.into()).unwrap()).is_empty());
        for protocol in [Protocol::V0, Protocol::V2] {
            assert!(whole(upload_pack(&repository, protocol, body.into())).is_empty());
        }
    }
}

#[test]
fn a_pack_that_says_it_has_four_billion_objects_is_refused_at_once() {
    let mut pack = b"PACK\0\0\0\x02\xff\xff\xff\xff".to_vec();
    pack.extend_from_slice(&[0; 20]);
    sign(&mut pack);
    let tip = history().0;
    let repository = empty();
    let report = whole(push(&repository, push_body("refs/heads/main", None, Some(tip), &pack)).unwrap());
    let report = String::from_utf8_lossy(&report);
    assert!(report.contains("limit exceeded: a pack of 4294967295 objects"), "{report}");
}

#[test]
fn many_branches_are_advertised_and_long_names_are_refused() {
    let repository = empty();
    let tip = grow(&repository, "refs/heads/main", 1);
    let long = format!("refs/heads/{}", "x".repeat(60_000));
    let report = whole(push(&repository, push_body(&long, None, Some(tip), b"")).unwrap());
    let report = String::from_utf8_lossy(&report);
    assert!(report.contains("reference name is longer than"), "{report}");
    for number in 0..50 {
        let name = format!("refs/heads/b{number}");
        let report = whole(push(&repository, push_body(&name, None, Some(tip), b"")).unwrap());
        assert!(String::from_utf8_lossy(&report).contains("ok refs/heads/b"));
    }
    let lines = advertise(&repository, GitService::UploadPack, Protocol::V0).unwrap();
    assert_eq!(String::from_utf8_lossy(&lines).matches(" refs/heads/b").count(), 50);
}
