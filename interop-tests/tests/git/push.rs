//! Pushes that succeed.

use crate::{commit_events, server_with_events};
use kalends_interop_tests::{Server, TemporaryDirectory, WorkingCopy, event, noise};
use std::process::Stdio;

#[test]
fn every_protocol_version_pushes() {
    let directory = TemporaryDirectory::new();
    let server = Server::start();
    for version in [0, 1, 2] {
        let parent = WorkingCopy::at(&server, directory.path()).with_protocol(version);
        let copy = parent.clone_into(&format!("copy{version}"), &server.git_url("ada", "ada"), &[]);
        let event = event::event(version.into());
        copy.commit(&format!("calendar/{}", event.name), &event.text);
        copy.push();
    }
    let copy = WorkingCopy::clone_of(&server, &directory, "all");
    assert_eq!(copy.files("calendar").len(), 3);
    copy.fsck();
}

#[test]
fn a_big_push_arrives_whole() {
    let (directory, server) = (TemporaryDirectory::new(), Server::start());
    let copy = WorkingCopy::clone_of(&server, &directory, "source");
    commit_events(&copy, 4000);
    // What compression cannot make small: 24 MiB in three files beside the calendar.
    for (seed, name) in (1..).zip(["one", "two", "three"]) {
        copy.write(&format!("attachments/{name}.bin"), noise(seed, 8 << 20));
    }
    copy.commit_all("Add attachments");
    copy.push();
    let clone = WorkingCopy::clone_of(&server, &directory, "clone");
    assert_eq!(clone.tip(), copy.tip());
    assert_eq!(clone.files("calendar").len(), 4000);
    clone.fsck();
}

#[test]
fn of_concurrent_pushes_one_wins_and_the_rest_get_in_by_rebase() {
    let directory = TemporaryDirectory::new();
    let (server, _source) = server_with_events(&directory, 20);
    let copies: Vec<WorkingCopy> = (0..6)
        .map(|number| {
            let copy = WorkingCopy::clone_of(&server, &directory, &format!("copy{number}"));
            let event = event::event(500 + number);
            copy.commit(&format!("calendar/{}", event.name), &event.text);
            copy
        })
        .collect();
    let pushes: Vec<_> = copies
        .iter()
        .map(|copy| {
            let mut command = copy.command(&["push", "origin", "main"]);
            command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    let outputs: Vec<_> = pushes.into_iter().map(|push| push.wait_with_output().unwrap()).collect();
    let (won, lost): (Vec<_>, Vec<_>) = outputs.iter().partition(|output| output.status.success());
    assert_eq!(won.len(), 1);
    for output in lost {
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("fetch first") || said.contains("failed to update ref"), "{said}");
    }
    for copy in &copies {
        copy.run(&["pull", "--quiet", "--rebase", "origin", "main"]);
        copy.push();
    }
    let all = WorkingCopy::clone_of(&server, &directory, "all");
    assert_eq!(all.files("calendar").len(), 26);
    all.fsck();
}

#[test]
fn pushes_to_branches_of_their_own_do_not_disturb_each_other() {
    let directory = TemporaryDirectory::new();
    let (server, _source) = server_with_events(&directory, 20);
    let copies: Vec<WorkingCopy> = (0..6)
        .map(|number| {
            let copy = WorkingCopy::clone_of(&server, &directory, &format!("copy{number}"));
            copy.commit(&format!("notes/{number}.txt"), "text\n");
            copy
        })
        .collect();
    let pushes: Vec<_> = copies
        .iter()
        .enumerate()
        .map(|(number, copy)| {
            let mut command = copy.command(&["push", "--quiet", "origin", &format!("main:side-{number}")]);
            command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    for push in pushes {
        let output = push.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let parent = WorkingCopy::at(&server, directory.path());
    let mirror = parent.clone_into("mirror.git", &server.git_url("ada", "ada"), &["--mirror"]);
    for (number, copy) in copies.iter().enumerate() {
        assert_eq!(mirror.run(&["rev-parse", &format!("side-{number}")]), copy.tip());
    }
    mirror.fsck();
}
