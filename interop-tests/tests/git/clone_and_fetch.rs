//! Clones and fetches.

use crate::server_with_events;
use kalends_interop_tests::{Server, TemporaryDirectory, WorkingCopy, event};

#[test]
fn a_new_server_can_be_cloned_at_once() {
    let (directory, server) = (TemporaryDirectory::new(), Server::start());
    let copy = WorkingCopy::clone_of(&server, &directory, "copy");
    assert!(copy.path("calendar/.collection.toml").exists());
    copy.fsck();
    let realm = WorkingCopy::at(&server, directory.path());
    let realm = realm.clone_into("realm", &server.git_url("ada", "realm"), &[]);
    assert!(realm.path("users.toml").exists());
    realm.fsck();
}

#[test]
fn every_protocol_version_clones_the_same_and_fetches_what_is_new() {
    let directory = TemporaryDirectory::new();
    let (server, source) = server_with_events(&directory, 100);
    let url = server.git_url("ada", "ada");
    for version in [0, 1, 2] {
        let parent = WorkingCopy::at(&server, directory.path()).with_protocol(version);
        let copy = parent.clone_into(&format!("copy{version}"), &url, &[]);
        assert_eq!(copy.tip(), source.tip());
        copy.fsck();
        let event = event::event(1000 + u32::from(version));
        source.commit(&format!("calendar/{}", event.name), &event.text);
        source.push();
        let said = copy.run(&["fetch", "--progress", "origin"]);
        // A commit, two trees and the event, of some two hundred objects.
        assert!(said.contains("Total 4 "), "{said}");
        copy.pull();
        assert_eq!(copy.tip(), source.tip());
        assert_eq!(copy.show(&format!("HEAD:calendar/{}", event.name)), event.text.as_bytes());
        copy.fsck();
        let listed = copy.run(&["ls-remote", "origin"]);
        assert!(listed.contains(&format!("{}\trefs/heads/main", source.tip())), "{listed}");
    }
}

#[test]
fn a_shallow_clone_is_small_deepens_and_pushes() {
    let directory = TemporaryDirectory::new();
    let (server, source) = server_with_events(&directory, 10);
    for number in 0..20 {
        let event = event::event(100 + number);
        source.commit(&format!("calendar/{}", event.name), &event.text);
    }
    source.push();
    let url = server.git_url("ada", "ada");
    for version in [0, 2] {
        let parent = WorkingCopy::at(&server, directory.path()).with_protocol(version);
        let copy = parent.clone_into(&format!("shallow{version}"), &url, &["--depth=2"]);
        let count = || copy.run(&["rev-list", "--count", "HEAD"]);
        assert_eq!(count(), "2");
        copy.fsck();
        copy.run(&["fetch", "--quiet", "--deepen=5"]);
        assert_eq!(count(), "7");
        let event = event::event(200 + u32::from(version));
        copy.commit(&format!("calendar/{}", event.name), &event.text);
        copy.push();
        source.pull();
        copy.run(&["fetch", "--quiet", "--unshallow"]);
        assert_eq!(count(), source.run(&["rev-list", "--count", "HEAD"]));
        copy.fsck();
    }
}

#[test]
fn a_mirror_is_a_whole_backup_and_can_be_put_back() {
    let directory = TemporaryDirectory::new();
    let (server, source) = server_with_events(&directory, 50);
    source.run(&["tag", "--annotate", "--message", "Before the holidays", "holidays"]);
    source.run(&["push", "--quiet", "origin", "main:old", "holidays"]);
    let parent = WorkingCopy::at(&server, directory.path());
    let mirror = parent.clone_into("mirror.git", &server.git_url("ada", "ada"), &["--mirror"]);
    mirror.fsck();
    let references = |copy: &WorkingCopy| copy.run(&["for-each-ref", "--format=%(objectname) %(refname)"]);
    let listed = source.run(&["ls-remote", "--refs", "origin"]).replace('\t', " ");
    assert_eq!(references(&mirror), listed);

    // On another server, whose own first commit gives way, as its owner allows.
    let other = Server::start();
    let parent = WorkingCopy::at(&other, directory.path());
    let realm = parent.clone_into("realm", &other.git_url("ada", "realm"), &[]);
    let users = std::fs::read_to_string(realm.path("users.toml")).unwrap();
    realm.commit("users.toml", users.replace("[ada]\n", "[ada]\nallow-force-push = true\n"));
    realm.push();
    let restored = WorkingCopy::at(&other, mirror.directory.clone());
    restored.run(&["push", "--quiet", "--mirror", &other.git_url("ada", "ada")]);
    let again = parent.clone_into("again.git", &other.git_url("ada", "ada"), &["--mirror"]);
    assert_eq!(references(&again), listed);
    again.fsck();
}

#[test]
fn what_was_pushed_is_there_after_a_restart() {
    let directory = TemporaryDirectory::new();
    let (mut server, source) = server_with_events(&directory, 200);
    server.stop();
    server.start_again();
    let copy = WorkingCopy::clone_of(&server, &directory, "after");
    assert_eq!(copy.tip(), source.tip());
    copy.fsck();
}
