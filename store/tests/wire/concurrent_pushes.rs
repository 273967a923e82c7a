//! Pushes and fetches that take turns on one thread.

use crate::repositories::{empty, grow, pack, push, push_body, ready, whole};
use bytes::Bytes;
use kalends_store::{
    Deciding, Objects, Pace, PushPolicy, PushedUpdate, Refusal, Verdict,
    wire::{Protocol, ReceiveOptions, receive_pack, upload_pack},
};
use std::{future, rc::Rc};

#[test]
fn of_two_pushes_that_overlap_the_second_is_told_to_fetch_first() {
    // Enough work that both must give way before they end.
    let sources = [empty(), empty()];
    let tips: Vec<_> = sources
        .iter()
        .zip([800, 900])
        .map(|(source, count)| grow(source, "refs/heads/main", count))
        .collect();
    let repository = empty();
    let mut replies: Vec<_> = sources
        .iter()
        .zip(&tips)
        .map(|(source, tip)| {
            push(&repository, push_body("refs/heads/main", None, Some(*tip), &pack(source))).unwrap()
        })
        .collect();
    let mut reports = [Vec::new(), Vec::new()];
    let mut turns = [0, 0];
    let mut open = [true, true];
    while open.contains(&true) {
        for number in 0..2 {
            if !open[number] {
                continue;
            }
            turns[number] += 1;
            match ready(&mut replies[number]) {
                Some(Some(bytes)) => reports[number].extend_from_slice(&bytes),
                Some(None) => open[number] = false,
                None => {}
            }
        }
    }
    assert!(turns[0] > 3 && turns[1] > 3, "{turns:?}");
    let reports = reports.map(|report| String::from_utf8_lossy(&report).into_owned());
    let winners: Vec<usize> =
        (0..2).filter(|number| reports[*number].contains("ok refs/heads/main")).collect();
    assert_eq!(winners.len(), 1, "{reports:?}");
    let loser = 1 - winners[0];
    assert!(reports[loser].contains("ng refs/heads/main fetch first"), "{reports:?}");
    assert_eq!(repository.reference("refs/heads/main"), Some(tips[winners[0]]));
    assert!(!repository.contains(&tips[loser]));
}

#[test]
fn a_push_that_is_abandoned_leaves_nothing() {
    let source = empty();
    let tip = grow(&source, "refs/heads/main", 1000);
    let repository = empty();
    let mut reply = push(&repository, push_body("refs/heads/main", None, Some(tip), &pack(&source))).unwrap();
    assert!(ready(&mut reply).is_none());
    drop(reply);
    assert!(repository.references().is_empty());
    assert!(!repository.contains(&tip));
}

#[test]
fn a_clone_is_not_disturbed_by_a_push_meanwhile() {
    let repository = empty();
    let tip = grow(&repository, "refs/heads/main", 400);
    let line = format!("want {tip} ofs-delta");
    let request = format!("{:04x}{line}00000009done\n", line.len() + 4);
    let mut reply = upload_pack(&repository, Protocol::V0, request.into());
    let mut received = Vec::new();
    let mut number = 0;
    loop {
        match ready(&mut reply) {
            Some(Some(bytes)) => received.extend_from_slice(&bytes),
            Some(None) => break,
            None => {}
        }
        number += 1;
        grow(&repository, &format!("refs/heads/other{number}"), 1);
    }
    assert!(received.starts_with(b"0008NAK\n"));
    let body = push_body("refs/heads/copy", None, Some(tip), &received[8..]);
    let other = empty();
    let report = whole(push(&other, body).unwrap());
    assert!(String::from_utf8_lossy(&report).contains("ok refs/heads/copy"));
}

/// Refuses some names, with a story.
struct Rules;

impl PushPolicy for Rules {
    fn check<'a>(&'a self, objects: &'a dyn Objects, update: &'a PushedUpdate, _: &'a Pace) -> Deciding<'a> {
        Box::pin(future::ready(Self::decide(objects, update)))
    }
}

impl Rules {
    fn decide(objects: &dyn Objects, update: &PushedUpdate) -> Verdict {
        // The rules see what was pushed, before anybody else does.
        if let Some(new) = &update.new {
            let tree = objects.tree(&objects.tree_of_commit(new)?)?;
            assert!(tree.find("file1").is_some());
        }
        if update.name.ends_with("bad") {
            let details = vec!["work/lunch.ics:12: no UID".into(), "work/dinner.ics:1: no calendar".into()];
            return Ok(Err(Refusal { summary: "calendar rules".into(), details }));
        }
        Ok(Ok(()))
    }
}

#[test]
fn a_refusal_names_its_reasons_and_leaves_no_objects() {
    // Few objects, and many: the two ways in which pushed objects are kept.
    for count in [5, 200] {
        let source = empty();
        let tip = grow(&source, "refs/heads/main", count);
        let pack = pack(&source);
        let repository = empty();
        for (name, accepted) in [("refs/heads/bad", false), ("refs/heads/good", true)] {
            let body = Bytes::from(push_body(name, None, Some(tip), &pack));
            let reply = receive_pack(&repository, body, Rc::new(Rules), ReceiveOptions::default()).unwrap();
            let report = whole(reply);
            let report = String::from_utf8_lossy(&report);
            if accepted {
                assert!(report.contains("ok refs/heads/good"), "{report}");
            } else {
                assert!(report.contains("\u{2}work/lunch.ics:12: no UID\n"), "{report}");
                assert!(report.contains("\u{2}work/dinner.ics:1: no calendar\n"), "{report}");
                assert!(report.contains("ng refs/heads/bad calendar rules\n"), "{report}");
            }
            assert_eq!(repository.contains(&tip), accepted);
        }
    }
}
