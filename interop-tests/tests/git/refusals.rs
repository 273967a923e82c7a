//! What is refused, and how git shows it.

use crate::server_with_events;
use kalends_interop_tests::{Server, TemporaryDirectory, WorkingCopy};

#[test]
fn a_wrong_password_and_a_missing_one_fail_to_authenticate() {
    let (directory, server) = (TemporaryDirectory::new(), Server::start());
    let git = WorkingCopy::at(&server, directory.path());
    let said = git.fail(&["ls-remote", &server.git_url("ada", "ada").replace("correct", "wrong")]);
    assert!(said.contains("Authentication failed"), "{said}");
    let said = git.fail(&["ls-remote", &server.url("/git/ada.git")]);
    assert!(said.contains("could not read Username"), "{said}");
    let said = git.fail(&["ls-remote", &server.git_url("ada", "bob")]);
    assert!(said.contains("not found"), "{said}");
}

#[test]
fn a_certificate_that_is_not_trusted_is_no_connection() {
    let (directory, server) = (TemporaryDirectory::new(), Server::start());
    let git = WorkingCopy::at(&server, directory.path());
    let mut command = git.command(&["ls-remote", &server.git_url("ada", "ada")]);
    let output = command.env("GIT_SSL_CAINFO", "/dev/null").output().unwrap();
    assert!(!output.status.success());
}

#[test]
fn history_is_neither_rewritten_nor_deleted() {
    let directory = TemporaryDirectory::new();
    let (server, source) = server_with_events(&directory, 10);
    let tip = source.tip();
    source.run(&["commit", "--quiet", "--amend", "--message", "Another story"]);
    let said = source.fail(&["push", "origin", "main"]);
    assert!(said.contains("[rejected]") && said.contains("non-fast-forward"), "{said}");
    let said = source.fail(&["push", "--force", "origin", "main"]);
    assert!(said.contains("[remote rejected] main -> main (non-fast-forward)"), "{said}");
    assert!(said.contains("remote: ") && said.contains("without --force"), "{said}");
    let said = source.fail(&["push", "origin", "--delete", "main"]);
    assert!(said.contains("remote: ") && said.contains("[remote rejected]"), "{said}");
    assert_eq!(WorkingCopy::clone_of(&server, &directory, "copy").tip(), tip);
}

#[test]
fn a_mistake_in_the_realm_is_named_with_its_file_and_line() {
    let (directory, server) = (TemporaryDirectory::new(), Server::start());
    let realm = WorkingCopy::at(&server, directory.path());
    let realm = realm.clone_into("realm", &server.git_url("ada", "realm"), &[]);
    let users = std::fs::read_to_string(realm.path("users.toml")).unwrap();
    realm.commit("users.toml", format!("{users}\n[bob]\npassword = \"plain\"\n"));
    let said = realm.fail(&["push", "origin", "main"]);
    let line = users.lines().count() + 3;
    assert!(said.contains(&format!("users.toml:{line}")), "{said}");
    assert!(said.contains("[remote rejected]"), "{said}");
    // The server goes on with what it had.
    WorkingCopy::clone_of(&server, &directory, "copy").fsck();
}

#[test]
fn an_event_that_is_none_is_refused_with_file_line_and_rule() {
    let directory = TemporaryDirectory::new();
    let (server, source) = server_with_events(&directory, 10);
    let tip = source.tip();
    let broken = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//EN\r\nBEGIN:VEVENT\r\nUID:u\r\n\
                  DTSTAMP:20260101T000000Z\r\nDTSTART:20269901T000000Z\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
    for (content, parts) in [
        (broken, &["calendar/broken.ics:7"][..]),
        ("Not a calendar at all\n", &["calendar/broken.ics:1"]),
        (&broken.replace("UID:u\r\n", "").replace("9901", "0101"), &["calendar/broken.ics", "UID"]),
        (
            &broken.replace("VERSION:2.0", "VERSION:2.0\r\nMETHOD:REQUEST").replace("9901", "0101"),
            &["calendar/broken.ics", "METHOD"],
        ),
    ] {
        source.commit("calendar/broken.ics", content);
        let said = source.fail(&["push", "origin", "main"]);
        assert!(said.contains("[remote rejected] main -> main"), "{said}");
        for part in parts {
            assert!(
                said.lines().any(|line| line.starts_with("remote: ") && line.contains(part)),
                "{part}: {said}"
            );
        }
        source.run(&["reset", "--quiet", "--hard", &tip]);
    }
    // Two files with the same UID in one calendar.
    let twin = std::fs::read(source.path(&source.files("calendar")[0])).unwrap();
    source.commit("calendar/twin.ics", &twin);
    let said = source.fail(&["push", "origin", "main"]);
    assert!(said.contains("calendar/twin.ics") && said.contains("UID"), "{said}");
    // Outside a calendar, a file is a file.
    source.run(&["reset", "--quiet", "--hard", &tip]);
    source.commit("notes/draft.txt", broken);
    source.push();
    assert_eq!(WorkingCopy::clone_of(&server, &directory, "copy").tip(), source.tip());
}

#[test]
fn another_users_calendar_is_out_of_reach() {
    let directory = TemporaryDirectory::new();
    let mut server = Server::start();
    server.add_user("bob");
    let git = WorkingCopy::at(&server, directory.path());
    git.clone_into("bob", &server.git_url("bob", "bob"), &[]).fsck();
    for (user, repository) in [("ada", "bob"), ("bob", "ada"), ("bob", "realm")] {
        let said = git.fail(&["ls-remote", &server.git_url(user, repository)]);
        assert!(said.contains("not found") || said.contains("403"), "{said}");
    }
}
