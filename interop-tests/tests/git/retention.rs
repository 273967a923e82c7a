//! A server that keeps the history of some days only.

use crate::commit_events;
use kalends_interop_tests::{Server, TemporaryDirectory, WorkingCopy, event, noise, server::program};
use std::{
    path::Path,
    process::Command,
    time::{SystemTime, UNIX_EPOCH},
};

const DAY: u64 = 24 * 60 * 60;
/// Days of the history, and for how many of them it is kept.
const DAYS: u64 = 60;
const KEPT: u64 = 30;

/// Bytes of the notes.
const NOTES: usize = 4000;

/// Commits an event and some notes in the morning, and other notes in the afternoon, so many days ago.
fn commit_day(copy: &WorkingCopy, days_ago: u64) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let midnight = now / DAY * DAY - days_ago * DAY;
    for hour in [8, 16] {
        if hour == 8 {
            let event = event::event(days_ago as u32);
            copy.write(&format!("calendar/{}", event.name), &event.text);
        }
        copy.write("notes", noise(days_ago * 24 + hour, NOTES));
        copy.run(&["add", "--all"]);
        let date = format!("@{} +0000", midnight + hour * 3600);
        let mut commit = copy.command(&["commit", "--quiet", "--message", "Write"]);
        let output = commit.env("GIT_AUTHOR_DATE", &date).env("GIT_COMMITTER_DATE", &date).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

/// Lets the user `ada` replace history, and sets other lines of `server.toml`.
fn configure(server: &Server, directory: &TemporaryDirectory, settings: &str) {
    let realm = WorkingCopy::at(server, directory.path());
    let realm = realm.clone_into(&format!("realm{}", server.port()), &server.git_url("ada", "realm"), &[]);
    let users = std::fs::read_to_string(realm.path("users.toml")).unwrap();
    realm.write("users.toml", users.replace("[ada]\n", "[ada]\nallow-force-push = true\n"));
    realm.commit("server.toml", settings);
    realm.push();
}

/// A server whose history was cut off, with clones: the one that it came from, which has everything, and one that
/// was made before any commit that is left. Also a commit that was given back.
fn retained_server(directory: &TemporaryDirectory) -> (Server, WorkingCopy, WorkingCopy, String) {
    let mut server = Server::start();
    configure(&server, directory, &format!("history-days = {KEPT}\n"));
    let source = WorkingCopy::clone_of(&server, directory, "source");
    // The first commit of the server is of today, and nothing upon it is older.
    source.run(&["checkout", "--quiet", "--orphan", "old"]);
    for day in (KEPT + 10..=DAYS).rev() {
        commit_day(&source, day);
    }
    source.run(&["branch", "--quiet", "--move", "--force", "old", "main"]);
    let given_back = source.run(&["rev-parse", "HEAD~5"]);
    source.run(&["push", "--quiet", "--force", "origin", "main"]);
    let stale = WorkingCopy::clone_of(&server, directory, "stale");
    for day in (1..KEPT + 10).rev() {
        commit_day(&source, day);
    }
    source.push();
    server.stop();
    let output = server.run_on_device("compact");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let expected = format!("ada: 59 commits older than {KEPT} days were given back, and 30 made to stand");
    assert!(said.contains(&expected), "{said}");
    server.start_again();
    (server, source, stale, given_back)
}

fn count(copy: &WorkingCopy, reference: &str) -> String {
    copy.run(&["rev-list", "--count", reference])
}

#[test]
fn every_protocol_version_clones_deepens_fetches_and_pushes_what_is_left() {
    let directory = TemporaryDirectory::new();
    let (server, source, ..) = retained_server(&directory);
    let url = server.git_url("ada", "ada");
    let mut commits = 2 * KEPT + 1;
    for version in [0, 1, 2] {
        let parent = WorkingCopy::at(&server, directory.path()).with_protocol(version);
        let copy = parent.clone_into(&format!("copy{version}"), &url, &[]);
        assert_eq!(copy.tip(), source.tip());
        assert_eq!(count(&copy, "HEAD"), commits.to_string());
        assert_eq!(copy.run(&["rev-parse", "--is-shallow-repository"]), "true");
        copy.fsck();
        // What was before, day by day.
        copy.run(&["fetch", "--quiet", "origin", "refs/days/main:days"]);
        assert_eq!(count(&copy, "days"), (DAYS - KEPT).to_string());
        let days = copy.run(&["log", "--format=%s", "days"]);
        assert!(days.lines().all(|line| line.starts_with("Keep 20")), "{days}");
        let notes = copy.command(&["cat-file", "blob", "days:notes"]).output().unwrap().stdout;
        assert_eq!(notes, noise((KEPT + 1) * 24 + 16, NOTES));
        copy.fsck();

        let shallow = parent.clone_into(&format!("shallow{version}"), &url, &["--depth=3"]);
        assert_eq!(count(&shallow, "HEAD"), "3");
        shallow.run(&["fetch", "--quiet", "--deepen=4"]);
        assert_eq!(count(&shallow, "HEAD"), "7");
        let event = event::event(1000 + u32::from(version));
        shallow.commit(&format!("calendar/{}", event.name), &event.text);
        shallow.push();
        commits += 1;
        shallow.run(&["fetch", "--quiet", "--unshallow"]);
        assert_eq!(count(&shallow, "HEAD"), commits.to_string());
        shallow.fsck();

        // One that was whole before stays whole.
        let whole = source.clone().with_protocol(version);
        whole.pull();
        assert_eq!(whole.tip(), shallow.tip());
        assert_eq!(count(&whole, "HEAD"), (commits + 59).to_string());
        assert_eq!(whole.run(&["rev-parse", "--is-shallow-repository"]), "false");
        whole.fsck();
        let event = event::event(2000 + u32::from(version));
        whole.commit(&format!("calendar/{}", event.name), &event.text);
        whole.push();
        commits += 1;
        copy.pull();
        assert_eq!(count(&copy, "HEAD"), commits.to_string());
        copy.fsck();
    }
}

#[test]
fn who_comes_with_what_was_given_back_is_told_so() {
    let directory = TemporaryDirectory::new();
    let (server, source, stale, given_back) = retained_server(&directory);
    let reason = "history before its boundary has been given back";
    let said = source.fail(&["push", "origin", &format!("{given_back}:refs/heads/old")]);
    assert!(said.contains("missing necessary objects") && said.contains(reason), "{said}");
    source.run(&["checkout", "--quiet", "-b", "side", &given_back]);
    commit_events(&source, 3);
    let said = source.fail(&["push", "origin", "side"]);
    assert!(said.contains("missing necessary objects") && said.contains(reason), "{said}");
    let copy = WorkingCopy::clone_of(&server, &directory, "copy");
    let said = copy.fail(&["fetch", "origin", &given_back]);
    assert!(said.contains("not our ref") && said.contains(reason), "{said}");
    // A clone whose history ends below the boundary wants to be told that it has a gap.
    let before = stale.run(&["rev-parse", "origin/main"]);
    let said = stale.run(&["fetch", "origin"]);
    assert!(said.contains("shallow roots are not allowed to be updated"), "{said}");
    assert_eq!(stale.run(&["rev-parse", "origin/main"]), before);
    stale.run(&["fetch", "--quiet", "--update-shallow", "origin"]);
    stale.run(&["reset", "--quiet", "--hard", "origin/main"]);
    assert_eq!(count(&stale, "HEAD"), (2 * KEPT + 1).to_string());
    stale.fsck();
    let event = event::event(1000);
    stale.commit(&format!("calendar/{}", event.name), &event.text);
    stale.push();
}

/// Runs the program, which must succeed.
fn kalends(arguments: &[&Path]) {
    let output = Command::new(program()).args(arguments).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&said));
}

#[test]
fn what_is_left_is_exported_as_git_has_it_and_put_back_elsewhere() {
    let directory = TemporaryDirectory::new();
    let (mut server, source, ..) = retained_server(&directory);
    let boundary = source.run(&["rev-parse", &format!("HEAD~{}", 2 * KEPT)]);
    let listed = source.run(&["ls-remote", "--refs", "origin"]);
    assert!(listed.contains("refs/days/main"), "{listed}");
    server.stop();
    kalends(&[Path::new("fsck"), &server.device()]);
    let exported = directory.join("exported");
    kalends(&[Path::new("export"), &server.device(), &exported]);
    assert_eq!(std::fs::read_to_string(exported.join("ada.git/shallow")).unwrap(), format!("{boundary}\n"));
    let export = WorkingCopy::at(&server, exported.join("ada.git"));
    export.fsck();

    // By a push, as its owner allows.
    let mut other = Server::start();
    configure(&other, &directory, "");
    let url = other.git_url("ada", "ada");
    let export = WorkingCopy::at(&other, exported.join("ada.git"));
    export.run(&["push", "--quiet", "--mirror", &url]);
    assert_eq!(export.run(&["ls-remote", "--refs", &url]), listed);
    let again = WorkingCopy::clone_of(&other, &directory, "again");
    assert_eq!(count(&again, "HEAD"), (2 * KEPT + 1).to_string());
    again.fsck();
    other.stop();
    kalends(&[Path::new("fsck"), &other.device()]);

    // And by an import.
    let mut third = Server::start();
    third.stop();
    let (image, import) = (Path::new("image"), Path::new("import"));
    kalends(&[
        image,
        import,
        &third.device(),
        Path::new("ada"),
        &exported.join("ada.git"),
        Path::new("--replace"),
    ]);
    third.start_again();
    let url = third.git_url("ada", "ada");
    assert_eq!(WorkingCopy::at(&third, directory.path()).run(&["ls-remote", "--refs", &url]), listed);
}

#[test]
fn only_who_may_rewrite_history_may_push_one_without_its_beginning() {
    let directory = TemporaryDirectory::new();
    let (server, source) = crate::server_with_events(&directory, 3);
    commit_events(&source, 5);
    source.push();
    let parent = WorkingCopy::at(&server, directory.path());
    let shallow = parent.clone_into("shallow", &server.git_url("ada", "ada"), &["--depth=1"]);
    let other = Server::start();
    let elsewhere = WorkingCopy::at(&other, shallow.directory.clone());
    let url = other.git_url("ada", "ada");
    let said = elsewhere.fail(&["push", &url, "main:refs/heads/other"]);
    assert!(said.contains("shallow update not allowed"), "{said}");
    configure(&other, &directory, "");
    elsewhere.run(&["push", "--quiet", &url, "main:refs/heads/other"]);
    let copy = WorkingCopy::at(&other, directory.path()).clone_into("copy", &url, &["--branch=other"]);
    copy.fsck();
}
