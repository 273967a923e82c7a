//! Stock git clones and fetches.

use crate::{
    http_server::{TestServer, block_on},
    working_copy::{Git, TempDir},
};
use kalends_caldav::{Author, Change};

/// A server whose repository `ada` has some history: branches, a merge, tags.
fn server_with_history(dir: &TempDir) -> (TestServer, Git) {
    let server = TestServer::start();
    let source = Git::init(dir, "source", &server.url("ada", "ada.git"));
    source.commit("work/lunch.txt", "lunch\n");
    source.commit("work/dinner.txt", "dinner\n");
    source.run(&["tag", "light"]);
    source.run(&["tag", "-a", "-m", "Version 1", "v1"]);
    source.run(&["checkout", "-q", "-b", "side"]);
    source.commit("home/party.txt", "party\n");
    source.run(&["checkout", "-q", "main"]);
    source.commit("work/lunch.txt", "late lunch\n");
    source.run(&["merge", "-q", "-m", "Merge side", "side"]);
    source.run(&["push", "-q", "origin", "--all"]);
    source.run(&["push", "-q", "origin", "--tags"]);
    (server, source)
}

#[test]
fn an_empty_repository_can_be_cloned_and_filled() {
    for version in ["0", "1", "2"] {
        let (dir, server) = (TempDir::new(), TestServer::start());
        let option = format!("protocol.version={version}");
        let url = server.url("bob", "bob.git");
        Git::at(dir.path()).run(&["-c", &option, "clone", &url, "empty"]);
        let clone = Git::at(dir.path().join("empty")).with(&[&option]);
        // Version 2 tells the name of a branch that is not born yet.
        assert_eq!(clone.run(&["symbolic-ref", "HEAD"]), "refs/heads/main");
        clone.commit("a", "a\n");
        clone.run(&["push", "-q", "origin", "main"]);
        let again = Git::clone(&dir, "again", &url, &["-c", &option]);
        again.fsck();
        assert_eq!(again.run(&["rev-parse", "HEAD"]), clone.run(&["rev-parse", "HEAD"]));
    }
}

#[test]
fn a_clone_has_everything_in_every_protocol_version() {
    let dir = TempDir::new();
    let (server, source) = server_with_history(&dir);
    for version in ["0", "1", "2"] {
        let option = format!("protocol.version={version}");
        let name = format!("clone{version}");
        let clone = Git::clone(&dir, &name, &server.url("ada", "ada"), &["-c", &option]);
        clone.fsck();
        assert_eq!(clone.objects(), source.objects());
        assert_eq!(
            clone.run(&["rev-parse", "HEAD", "v1", "light"]),
            source.run(&["rev-parse", "main", "v1", "light"])
        );
        assert_eq!(clone.run(&["symbolic-ref", "refs/remotes/origin/HEAD"]), "refs/remotes/origin/main");
        assert_eq!(std::fs::read_to_string(clone.directory.join("work/lunch.txt")).unwrap(), "late lunch\n");
    }
}

#[test]
fn a_tree_that_comes_back_is_cloned_whole() {
    let (dir, server) = (TempDir::new(), TestServer::start());
    let source = Git::init(&dir, "source", &server.url("ada", "ada.git"));
    source.commit("work/lunch.txt", "lunch\n");
    source.commit("work/dinner.txt", "dinner\n");
    source.run(&["revert", "--no-edit", "HEAD"]);
    source.run(&["push", "-q", "origin", "main"]);
    for arguments in [&[][..], &["--depth=1"], &["--depth=2"]] {
        let name = format!("clone{}", arguments.concat());
        Git::clone(&dir, &name, &server.url("ada", "ada"), arguments).fsck();
    }
    // Clocks that go wrong put a parent after its child.
    let tree = |commit: &str| source.run(&["rev-parse", &format!("{commit}^{{tree}}")]);
    let mut tip = String::new();
    for (number, tree) in [tree("HEAD"), tree("HEAD~1"), tree("HEAD")].iter().enumerate() {
        let mut arguments = vec!["commit-tree", tree.as_str(), "-m", "Clock"];
        if !tip.is_empty() {
            arguments.extend(["-p", &tip]);
        }
        let mut command = source.command(&arguments);
        command.env("GIT_COMMITTER_DATE", format!("{} +0000", 1_600_000_000 - number * 1000));
        tip = String::from_utf8(command.output().unwrap().stdout).unwrap().trim().to_owned();
    }
    source.run(&["push", "-q", "origin", &format!("{tip}:refs/heads/clock")]);
    let clone = Git::clone(&dir, "clock", &server.url("ada", "ada"), &["--single-branch", "--branch=clock"]);
    assert_eq!(clone.run(&["rev-parse", "HEAD"]), tip);
    clone.fsck();
}

#[test]
fn an_incremental_fetch_brings_what_is_new_and_little_else() {
    let dir = TempDir::new();
    let (server, source) = server_with_history(&dir);
    for number in 0..200 {
        source.write(&format!("work/event-{number}.txt"), &format!("event {number}\n"));
    }
    source.commit("work/more.txt", "more\n");
    source.run(&["push", "-q", "origin", "main"]);
    for version in ["0", "2"] {
        let option = format!("protocol.version={version}");
        let clone = Git::clone(&dir, &format!("clone{version}"), &server.url("ada", "ada"), &["-c", &option]);
        let before = clone.objects();
        let tip = source.commit(&format!("work/event-{version}.txt"), &format!("moved {version}\n"));
        source.run(&["push", "-q", "origin", "main"]);
        let said = clone.run(&["fetch", "--progress", "origin"]);
        // A commit, two trees, a blob.
        assert!(said.contains("Total 4 "), "{said}");
        assert_eq!(clone.objects().len(), before.len() + 4);
        clone.run(&["merge", "-q", "--ff-only", "origin/main"]);
        assert_eq!(clone.run(&["rev-parse", "HEAD"]), tip);
        clone.fsck();
        assert!(!clone.run(&["fetch", "--progress", "origin"]).contains("Total"));
    }
}

#[test]
fn work_on_both_sides_comes_together_by_pull_with_rebase() {
    let dir = TempDir::new();
    let (server, source) = server_with_history(&dir);
    let clone = Git::clone(&dir, "clone", &server.url("ada", "ada"), &[]);
    clone.commit("mine", "mine\n");
    source.commit("theirs", "theirs\n");
    source.run(&["push", "-q", "origin", "main"]);
    let said = clone.fail(&["push", "origin", "main"]);
    assert!(said.contains("[rejected]") && said.contains("fetch first"), "{said}");
    clone.run(&["pull", "-q", "--rebase", "origin", "main"]);
    clone.run(&["push", "-q", "origin", "main"]);
    source.run(&["pull", "-q", "--ff-only", "origin", "main"]);
    assert_eq!(source.run(&["log", "-2", "--format=%s"]), "Write mine\nWrite theirs");
    source.fsck();
    clone.fsck();
}

#[test]
fn a_shallow_clone_can_be_deepened_and_made_whole() {
    let dir = TempDir::new();
    let server = TestServer::start();
    let source = Git::init(&dir, "source", &server.url("ada", "ada.git"));
    source.grow("main", 30, "a");
    source.run(&["push", "-q", "origin", "main"]);
    let count = |git: &Git| git.run(&["rev-list", "--count", "HEAD"]);
    for version in ["0", "1", "2"] {
        let option = format!("protocol.version={version}");
        let name = format!("shallow{version}");
        let clone = Git::clone(&dir, &name, &server.url("ada", "ada"), &["-c", &option, "--depth=1"]);
        assert_eq!(count(&clone), "1");
        // One commit, its root tree, one directory, the files of the directory.
        assert_eq!(clone.objects().len(), 3 + 30);
        clone.fsck();
        clone.run(&["fetch", "-q", "--depth=3"]);
        assert_eq!(count(&clone), "3");
        clone.run(&["fetch", "-q", "--deepen=4"]);
        assert_eq!(count(&clone), "7");
        clone.fsck();
        clone.run(&["fetch", "-q", "--shallow-since=1700000150"]);
        assert_eq!(count(&clone), "15");
        clone.fsck();
        clone.run(&["fetch", "-q", "--unshallow"]);
        assert_eq!(count(&clone), "30");
        clone.fsck();
        assert_eq!(clone.objects(), source.objects());
        let again =
            Git::clone(&dir, &format!("{name}b"), &server.url("ada", "ada"), &["-c", &option, "--depth=5"]);
        again.run(&["fetch", "-q", "--depth=2"]);
        assert_eq!(count(&again), "2");
        again.fsck();
    }
}

#[test]
fn a_shallow_clone_follows_and_pushes() {
    let dir = TempDir::new();
    let server = TestServer::start();
    let source = Git::init(&dir, "source", &server.url("ada", "ada.git"));
    source.grow("main", 10, "a");
    source.run(&["checkout", "-q", "main"]);
    source.run(&["push", "-q", "origin", "main"]);
    let clone = Git::clone(&dir, "clone", &server.url("ada", "ada"), &["--depth=2"]);
    source.commit("b", "b\n");
    source.run(&["push", "-q", "origin", "main"]);
    clone.run(&["pull", "-q", "--ff-only"]);
    clone.fsck();
    let tip = clone.commit("c", "c\n");
    clone.run(&["push", "-q", "origin", "main"]);
    source.run(&["pull", "-q", "--ff-only", "origin", "main"]);
    assert_eq!(source.run(&["rev-parse", "HEAD"]), tip);
    source.fsck();
    // Only what is new, though the clone is shallow.
    source.commit("a/3", "changed\n");
    source.run(&["push", "-q", "origin", "main"]);
    let said = clone.run(&["fetch", "--progress", "--depth=1", "origin", "main"]);
    assert!(said.contains("Total 4 "), "{said}");
    clone.fsck();
}

#[test]
fn deepen_not_stops_at_a_tag() {
    let dir = TempDir::new();
    let (server, source) = server_with_history(&dir);
    let url = server.url("ada", "ada");
    for version in ["0", "2"] {
        let option = format!("protocol.version={version}");
        let clone = Git::clone(
            &dir,
            &format!("c{version}"),
            &url,
            &["-c", &option, "--shallow-exclude=v1", "--single-branch"],
        );
        let expected = source.run(&["rev-list", "--count", "main", "^v1"]);
        assert_eq!(clone.run(&["rev-list", "--count", "HEAD"]), expected);
        clone.fsck();
        let said = clone.fail(&["fetch", "--shallow-exclude=nothing"]);
        assert!(said.contains("deepen-not nothing"), "{said}");
    }
}

#[test]
fn a_partial_clone_gets_blobs_when_it_needs_them() {
    let dir = TempDir::new();
    let (server, source) = server_with_history(&dir);
    for version in ["0", "2"] {
        for filter in ["blob:none", "blob:limit=7", "tree:0"] {
            let option = format!("protocol.version={version}");
            let name = format!("partial-{}-{version}", filter.replace([':', '='], "-"));
            let filter_option = format!("--filter={filter}");
            let arguments = ["-c", &option, "--no-checkout", &filter_option];
            let clone = Git::clone(&dir, &name, &server.url("ada", "ada"), &arguments);
            let here = clone.objects().len();
            assert!(here < source.objects().len(), "{filter}: {here}");
            clone.run(&["checkout", "-q", "main"]);
            assert_eq!(std::fs::read_to_string(clone.directory.join("home/party.txt")).unwrap(), "party\n");
            assert!(clone.run(&["log", "--stat"]).contains("dinner.txt"));
            clone.run(&["fsck"]);
            source.commit("work/new.txt", &name);
            source.run(&["push", "-q", "origin", "main"]);
            clone.run(&["pull", "-q", "--ff-only"]);
            clone.run(&["fsck"]);
        }
    }
}

#[test]
fn a_mirror_has_all_references() {
    let dir = TempDir::new();
    let (server, source) = server_with_history(&dir);
    source.run(&["push", "-q", "origin", "main:refs/notes/special"]);
    let mirror = Git::clone(&dir, "mirror.git", &server.url("ada", "ada"), &["--mirror"]);
    mirror.fsck();
    let theirs = mirror.run(&["for-each-ref", "--format=%(objectname) %(refname)"]);
    let listed = source.run(&["ls-remote", "--refs", "origin"]).replace('\t', " ");
    assert_eq!(theirs, listed);
    assert!(theirs.contains("refs/notes/special") && theirs.contains("refs/tags/v1"));
    source.run(&["push", "-q", "origin", ":refs/notes/special", "main:refs/heads/other"]);
    mirror.run(&["remote", "update", "--prune"]);
    let theirs = mirror.run(&["for-each-ref", "--format=%(refname)"]);
    assert!(!theirs.contains("special") && theirs.contains("refs/heads/other"), "{theirs}");
}

#[test]
fn tags_of_what_is_fetched_come_along() {
    let dir = TempDir::new();
    let (server, source) = server_with_history(&dir);
    for version in ["0", "2"] {
        let option = format!("protocol.version={version}");
        let clone = Git::clone(&dir, &format!("clone{version}"), &server.url("ada", "ada"), &["-c", &option]);
        source.commit("work/x", version);
        source.run(&["tag", "-a", "-m", "x", &format!("x{version}")]);
        source.run(&["tag", "-a", "-m", "y", &format!("y{version}"), &format!("x{version}")]);
        source.run(&["push", "-q", "origin", "main", "--tags"]);
        clone.run(&["fetch", "-q"]);
        assert_eq!(
            clone.run(&["rev-parse", &format!("x{version}"), &format!("y{version}^{{}}")]),
            source.run(&["rev-parse", &format!("x{version}"), "main"]),
        );
        clone.fsck();
    }
    let said = source.run(&["ls-remote", "origin", "refs/tags/v1*"]);
    assert!(said.contains("refs/tags/v1^{}"), "{said}");
}

#[test]
fn a_long_negotiation_is_compressed_and_ends() {
    let dir = TempDir::new();
    let server = TestServer::start();
    let source = Git::init(&dir, "source", &server.url("ada", "ada.git"));
    source.grow("main", 50, "a");
    source.run(&["push", "-q", "origin", "main"]);
    for version in ["0", "1", "2"] {
        let option = format!("protocol.version={version}");
        let clone = Git::clone(&dir, &format!("clone{version}"), &server.url("ada", "ada"), &["-c", &option]);
        // Much that the server does not know, in many branches, and something new there.
        for branch in 0..20 {
            clone.grow(&format!("own{branch}"), 40, &format!("own{branch}"));
        }
        source.grow("main", 3, &format!("new{version}"));
        source.run(&["push", "-q", "origin", "main"]);
        let said = clone.run(&["fetch", "--progress", "origin"]);
        assert!(said.contains("Total 12 "), "{said}");
        assert_eq!(clone.run(&["rev-parse", "origin/main"]), source.run(&["rev-parse", "main"]));
        clone.fsck();
    }
}

#[test]
fn a_fetch_of_what_does_not_exist_says_so() {
    let dir = TempDir::new();
    let (server, source) = server_with_history(&dir);
    for version in ["0", "2"] {
        let git = Git::at(&source.directory).with(&[&format!("protocol.version={version}")]);
        let said = git.fail(&["fetch", "origin", "1234567890123456789012345678901234567890"]);
        assert!(said.contains("not our ref 1234567890123456789012345678901234567890"), "{said}");
        let said = git.fail(&["fetch", "origin", "no-such-branch"]);
        assert!(said.contains("couldn't find remote ref"), "{said}");
    }
    // Any object that is there may be asked for by its id, as with protocol version 2 of git.
    let tree = source.run(&["rev-parse", "main~1"]);
    let clone = Git::init(&dir, "clone", &server.url("ada", "ada.git"));
    clone.run(&["fetch", "-q", "origin", &tree]);
    assert_eq!(clone.run(&["cat-file", "-t", &tree]), "commit");
}

/// What a calendar program writes: events have most of their text in common, and their versions nearly all.
fn event(number: u32, version: u32) -> String {
    let zone = "BEGIN:VTIMEZONE\r\nTZID:Europe/Berlin\r\nBEGIN:STANDARD\r\nDTSTART:19701025T030000\r\n\
                TZOFFSETFROM:+0200\r\nTZOFFSETTO:+0100\r\nTZNAME:CET\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n";
    format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Example Corp.//CalDAV Client//EN\r\n{zone}BEGIN:VEVENT\r\n\
         UID:{:08x}-{number}@example.com\r\nDTSTART;TZID=Europe/Berlin:20260{}{:02}T{:02}0000\r\n\
         SUMMARY:Meeting {number}\r\nSEQUENCE:{version}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
        number.wrapping_mul(2_654_435_761),
        1 + number % 9,
        1 + number % 28,
        number % 24,
    )
}

/// Has the server make each of these versions in a commit of its own, as PUTs do.
fn put(server: &TestServer, events: Vec<(u32, u32)>) {
    server.inspect(move |store| {
        let repository = store.repository("ada").unwrap();
        let author = Author { name: "Ada".into(), email: "ada@example.org".into() };
        for (number, version) in events {
            let mut change = Change::new(&repository);
            let name = format!("{number}.ics");
            change.write(&[b"calendar", name.as_bytes()], event(number, version)).unwrap();
            block_on(change.submit(&author, &format!("Put {name}")).unwrap().unwrap()).unwrap();
        }
    });
}

#[test]
fn events_that_are_stored_as_deltas_reach_every_kind_of_clone() {
    let (dir, server) = (TempDir::new(), TestServer::start());
    put(&server, (0..150).map(|number| (number % 100, number / 100)).collect());
    let url = server.url("ada", "ada");
    let read = |clone: &Git, number: u32| {
        std::fs::read_to_string(clone.directory.join(format!("calendar/{number}.ics"))).unwrap()
    };
    let full = Git::clone(&dir, "full", &url, &[]);
    let shallow = Git::clone(&dir, "shallow", &url, &["--depth=3"]);
    let partial = Git::clone(&dir, "partial", &url, &["--filter=blob:none"]);
    // New ones, changed ones, and ones that are changed again and again.
    let more = (100..140).map(|number| (number, 0)).chain((0..20).map(|number| (number, 2)));
    put(&server, more.chain((3..13).map(|version| (7, version))).collect());
    for clone in [&full, &shallow, &partial] {
        clone.fsck();
        assert_eq!(read(clone, 7), event(7, 1));
        clone.run(&["pull", "-q"]);
        clone.fsck();
        for number in 0..140 {
            let version = if number == 7 {
                12
            } else if number < 20 {
                2
            } else {
                u32::from(number < 50)
            };
            assert_eq!(read(clone, number), event(number, version));
        }
    }
    assert_eq!(Git::clone(&dir, "again", &url, &[]).objects(), full.objects());
    // What a client makes of them comes back as deltas of its own.
    full.commit("calendar/7.ics", &event(7, 13));
    full.run(&["push", "-q", "origin", "main"]);
    put(&server, vec![(7, 14)]);
    let last = Git::clone(&dir, "last", &url, &[]);
    last.fsck();
    assert_eq!(read(&last, 7), event(7, 14));
    server.inspect(|store| store.check(&mut |finding| panic!("{finding}")));
}
