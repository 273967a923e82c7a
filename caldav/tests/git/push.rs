//! Stock git pushes.

use crate::{
    calendar_rules::event,
    http_server::TestServer,
    working_copy::{Git, TempDir},
};

fn references(server: &TestServer, repository: &'static str) -> Vec<String> {
    server.inspect(move |store| {
        let references = store.repository(repository).unwrap().references();
        references.into_iter().map(|reference| format!("{} {}", reference.id, reference.name)).collect()
    })
}

#[test]
fn branches_and_tags_are_created_moved_and_deleted() {
    let (dir, server) = (TempDir::new(), TestServer::start());
    let git = Git::init(&dir, "work", &server.url("ada", "ada.git"));
    let first = git.commit("a", "a\n");
    let said = git.run(&["push", "origin", "main", "main:side"]);
    assert!(said.contains("[new branch]      main -> main"), "{said}");
    let second = git.commit("a", "b\n");
    git.run(&["tag", "-a", "-m", "v1", "v1"]);
    git.run(&["push", "-q", "origin", "main", "v1"]);
    let tag = git.run(&["rev-parse", "v1"]);
    assert_eq!(
        references(&server, "ada"),
        [
            format!("{second} refs/heads/main"),
            format!("{first} refs/heads/side"),
            format!("{tag} refs/tags/v1")
        ]
    );
    let said = git.run(&["push", "origin", "--delete", "side", "v1"]);
    assert!(said.contains("[deleted]         side"), "{said}");
    assert_eq!(references(&server, "ada"), [format!("{second} refs/heads/main")]);
    git.run(&["push", "-q", "origin", "v1"]);
    Git::clone(&dir, "clone", &server.url("ada", "ada.git"), &[]).fsck();
}

#[test]
fn the_current_branch_stays() {
    let (dir, server) = (TempDir::new(), TestServer::start());
    let git = Git::init(&dir, "work", &server.url("ada", "ada.git"));
    git.commit("a", "a\n");
    git.run(&["push", "-q", "origin", "main"]);
    let said = git.fail(&["push", "origin", "--delete", "main"]);
    assert!(said.contains("remote: error: refusing to delete the current branch: refs/heads/main"), "{said}");
    assert!(said.contains("(deletion of the current branch prohibited)"), "{said}");
    assert_eq!(references(&server, "ada").len(), 1);
}

#[test]
fn history_is_rewritten_by_force_only_where_the_rules_allow() {
    let (dir, server) = (TempDir::new(), TestServer::start());
    let git = Git::init(&dir, "work", &server.url("ada", "ada.git"));
    let base = git.commit("a", "a\n");
    git.commit("a", "b\n");
    git.run(&["push", "-q", "origin", "main", "main:side"]);
    git.run(&["reset", "-q", "--hard", &base]);
    let other = git.commit("a", "c\n");
    let said = git.fail(&["push", "origin", "+main"]);
    assert!(said.contains("[remote rejected] main -> main (non-fast-forward)"), "{said}");
    let said = git.fail(&["push", "origin", "main:side"]);
    assert!(said.contains("[rejected]"), "{said}");
    let said = git.run(&["push", "origin", "+main:side"]);
    assert!(said.contains("(forced update)"), "{said}");
    assert!(references(&server, "ada").contains(&format!("{other} refs/heads/side")));
}

#[test]
fn an_atomic_push_moves_all_references_or_none() {
    let (dir, server) = (TempDir::new(), TestServer::start());
    let git = Git::init(&dir, "work", &server.url("ada", "ada.git"));
    let base = git.commit("a", "a\n");
    git.commit("a", "b\n");
    git.run(&["push", "-q", "origin", "main"]);
    let before = references(&server, "ada");
    git.run(&["reset", "-q", "--hard", &base]);
    git.commit("a", "c\n");
    let said = git.fail(&["push", "--atomic", "origin", "+main", "main:side", "main:refs/tags/t"]);
    assert!(said.contains("[remote rejected] main -> side (atomic push failure)"), "{said}");
    assert_eq!(references(&server, "ada"), before);
    // Without --atomic, each for itself.
    git.fail(&["push", "origin", "+main", "main:side"]);
    assert_eq!(references(&server, "ada").len(), 2);
    git.run(&["push", "--atomic", "origin", "main:x", "main:y"]);
    assert_eq!(references(&server, "ada").len(), 4);
}

#[test]
fn of_concurrent_pushes_to_one_branch_one_wins_and_the_others_are_told() {
    let (dir, server) = (TempDir::new(), TestServer::start());
    let url = server.url("ada", "ada.git");
    let first = Git::init(&dir, "first", &url);
    first.commit("a", "a\n");
    first.run(&["push", "-q", "origin", "main"]);
    let clones: Vec<Git> = (0..6)
        .map(|number| {
            let clone = Git::clone(&dir, &format!("clone{number}"), &url, &[]);
            clone.commit(&format!("file{number}"), "x\n");
            clone
        })
        .collect();
    let pushes: Vec<_> = clones
        .iter()
        .map(|clone| {
            let mut command = clone.command(&["push", "origin", "main"]);
            command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::piped()).spawn().unwrap()
        })
        .collect();
    let outputs: Vec<_> = pushes.into_iter().map(|push| push.wait_with_output().unwrap()).collect();
    assert_eq!(outputs.iter().filter(|output| output.status.success()).count(), 1);
    for output in outputs.iter().filter(|output| !output.status.success()) {
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("fetch first"), "{said}");
    }
    // And everybody gets in by and by.
    for clone in &clones {
        for _ in 0..2 {
            clone.run(&["pull", "-q", "--rebase", "origin", "main"]);
            clone.run(&["push", "-q", "origin", "main"]);
        }
    }
    let clone = Git::clone(&dir, "all", &url, &[]);
    assert_eq!(clone.run(&["rev-list", "--count", "HEAD"]), "7");
    clone.fsck();
}

#[test]
fn a_stale_push_is_told_to_fetch_first() {
    let (dir, server) = (TempDir::new(), TestServer::start());
    let url = server.url("ada", "ada.git");
    let git = Git::init(&dir, "work", &url);
    let old = git.commit("a", "a\n");
    git.run(&["push", "-q", "origin", "main"]);
    let new = git.commit("a", "b\n");
    git.run(&["push", "-q", "origin", "main"]);
    // What a client sends whose advertisement is out of date.
    let line = format!("{old} {new} refs/heads/main\0 report-status\n");
    let mut body = format!("{:04x}{line}0000", line.len() + 4).into_bytes();
    body.extend_from_slice(b"PACK\0\0\0\x02\0\0\0\0\x02\x9d\x08\x82\x3b\xd8\xa8\xea\xb5\x10\xad\x6a\xc7\x5c\x82\x3c\xfd\x3e\xd3\x1e");
    let headers = [("content-type", "application/x-git-receive-pack-request")];
    let (status, report) = server.request("POST", "/git/ada.git/git-receive-pack", &headers, &body);
    assert_eq!(status, 200);
    let report = String::from_utf8(report).unwrap();
    assert!(
        report.contains("unpack ok\n") && report.contains("ng refs/heads/main fetch first\n"),
        "{report}"
    );
}

#[test]
fn ten_thousand_files_are_pushed_and_cloned() {
    let (dir, server) = (TempDir::new(), TestServer::start());
    let git = Git::init(&dir, "work", &server.url("ada", "ada.git"));
    let mut script = String::new();
    for number in 0..10_000 {
        let content = event(&number.to_string());
        script += &format!("blob\nmark :{}\ndata {}\n{content}\n", number + 1, content.len());
    }
    script += "commit refs/heads/main\ncommitter A <a@example.org> 1700000000 +0000\ndata 3\nAll\n";
    for number in 0..10_000 {
        script += &format!("M 100644 :{} work/{number}.ics\n", number + 1);
    }
    git.import(&script);
    let said = git.run(&["push", "--progress", "origin", "main"]);
    assert!(said.contains("remote: Indexing objects: 100% (10003/10003), done."), "{said}");
    git.run(&["checkout", "-q", "main"]);
    git.commit("work/17.ics", &event("seventeen"));
    git.run(&["push", "-q", "origin", "main"]);
    let clone = Git::clone(&dir, "clone", &server.url("ada", "ada.git"), &[]);
    clone.fsck();
    assert_eq!(clone.objects(), git.objects());
}

#[test]
fn a_push_beyond_the_memory_for_it_is_refused_and_smaller_ones_go_on() {
    let (dir, server) = (TempDir::new(), TestServer::start_with(Some(8 << 20)));
    let git = Git::init(&dir, "work", &server.url("ada", "ada.git"));
    git.commit("small", "small\n");
    git.run(&["push", "-q", "origin", "main"]);
    let mut state = 7_u64;
    let noise: String = (0..2_000_000)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            char::from(b' ' + ((state >> 40) % 90) as u8)
        })
        .collect();
    git.commit("large", &noise);
    let said = git.fail(&["push", "origin", "main"]);
    assert!(said.contains("limit exceeded: an object of 2000000 bytes (at most 1048576)"), "{said}");
    git.run(&["reset", "-q", "--hard", "origin/main"]);
    git.commit("small", "again\n");
    git.run(&["push", "-q", "origin", "main"]);
}

#[test]
fn a_push_in_chunks_arrives() {
    let (dir, server) = (TempDir::new(), TestServer::start());
    let git = Git::init(&dir, "work", &server.url("ada", "ada.git"));
    git.grow("main", 300, "a");
    let said =
        git.run(&["-c", "http.postBuffer=1024", "-c", "pack.compression=0", "push", "-v", "origin", "main"]);
    assert!(said.contains("POST git-receive-pack (chunked)"), "{said}");
    let clone = Git::clone(&dir, "clone", &server.url("ada", "ada.git"), &[]);
    assert_eq!(clone.objects(), git.objects());
    clone.fsck();
}

#[test]
fn a_thin_pack_is_completed() {
    let (dir, server) = (TempDir::new(), TestServer::start());
    let git = Git::init(&dir, "work", &server.url("ada", "ada.git"));
    let text: String = (0..5000).map(|line| format!("line {line}\n")).collect();
    git.commit("large", &text);
    git.run(&["push", "-q", "origin", "main"]);
    // Few objects become objects of the log, many stay a pack; both against a base that is not sent.
    for count in [1, 150] {
        for number in 0..count {
            git.commit("large", &text.replacen("line 77\n", &format!("line {count} {number}\n"), 1));
        }
        git.run(&["push", "-q", "--thin", "origin", "main"]);
    }
    let clone = Git::clone(&dir, "clone", &server.url("ada", "ada.git"), &[]);
    assert_eq!(clone.objects(), git.objects());
    clone.fsck();
}

#[test]
fn names_that_git_forbids_are_refused() {
    let (dir, server) = (TempDir::new(), TestServer::start());
    let git = Git::init(&dir, "work", &server.url("ada", "ada.git"));
    git.commit("a", "a\n");
    git.run(&["push", "-q", "origin", "main", "main:dir/a"]);
    for (reference, reason) in [
        ("refs/stash", "(funny refname)"),
        ("refs/heads/dir", "('refs/heads/dir/a' exists)"),
        ("refs/heads/main/sub", "('refs/heads/main' exists)"),
        ("refs/heads/HEAD", "(funny refname)"),
    ] {
        let said = git.fail(&["push", "origin", &format!("main:{reference}")]);
        assert!(said.contains(reason), "{reference}: {said}");
    }
    let blob = git.run(&["rev-parse", "main:a"]);
    git.run(&["push", "-q", "origin", &format!("{blob}:refs/tags/blob")]);
    // A directory may take the place of a branch that goes.
    git.run(&["push", "-q", "origin", ":dir/a", "main:dir"]);
    let names: Vec<_> = references(&server, "ada").iter().map(|line| line[41..].to_owned()).collect();
    assert_eq!(names, ["refs/heads/dir", "refs/heads/main", "refs/tags/blob"]);
}

#[test]
fn objects_that_would_fail_fsck_are_refused_and_leave_nothing() {
    let (dir, server) = (TempDir::new(), TestServer::start());
    let git = Git::init(&dir, "work", &server.url("ada", "ada.git"));
    git.commit("a", "a\n");
    git.run(&["push", "-q", "origin", "main"]);
    let before = references(&server, "ada");
    // A commit without an address, made by hand.
    let tree = git.run(&["rev-parse", "main^{tree}"]);
    let text = format!("tree {tree}\nauthor nobody 1 +0000\ncommitter nobody 1 +0000\n\nx\n");
    git.write("commit", &text);
    let bad = git.run(&["hash-object", "-t", "commit", "-w", "--literally", "commit"]);
    let said = git.fail(&["push", "origin", &format!("{bad}:refs/heads/bad")]);
    assert!(said.contains(&format!("remote: error: malformed: object {bad}: missingEmail")), "{said}");
    assert!(said.contains("(unpacker error)"), "{said}");
    assert_eq!(references(&server, "ada"), before);
    let id = bad.parse().unwrap();
    assert!(!server.inspect(move |store| store.repository("ada").unwrap().contains(&id)));
}

#[test]
fn a_push_with_missing_objects_is_refused() {
    let (dir, server) = (TempDir::new(), TestServer::start());
    let git = Git::init(&dir, "work", &server.url("ada", "ada.git"));
    git.commit("a", "a\n");
    git.run(&["push", "-q", "origin", "main"]);
    let commit = git.commit("b", "b\n");
    // The commit and its tree, without the blob.
    let tree = git.run(&["rev-parse", "main^{tree}"]);
    git.write("list", &format!("{commit}\n{tree}\n"));
    let list = std::fs::File::open(git.directory.join("list")).unwrap();
    let pack = git.command(&["pack-objects", "--stdout"]).stdin(list).output().unwrap().stdout;
    let line = format!("{} {commit} refs/heads/new\0 report-status\n", "0".repeat(40));
    let mut body = format!("{:04x}{line}0000", line.len() + 4).into_bytes();
    body.extend_from_slice(&pack);
    let headers = [("content-type", "application/x-git-receive-pack-request")];
    let (status, report) = server.request("POST", "/git/ada.git/git-receive-pack", &headers, &body);
    let report = String::from_utf8(report).unwrap();
    let blob = git.run(&["rev-parse", "main:b"]);
    assert_eq!(status, 200);
    assert!(report.contains(&format!("missing necessary objects: {blob}")), "{report}");
    assert!(report.contains("ng refs/heads/new unpacker error"), "{report}");
    assert_eq!(references(&server, "ada").len(), 1);
}
