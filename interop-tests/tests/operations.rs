//! What an operator does: back up, restore, check, find out.

use kalends_interop_tests::{Curl, Server, TemporaryDirectory, WorkingCopy, event, server::program};
use std::{
    fs,
    process::{Command, Stdio},
};

/// A stopped server whose user has some events, and the commit they are in.
fn stopped_server(directory: &TemporaryDirectory) -> (Server, String) {
    let mut server = Server::start();
    for event in event::calendar(30) {
        let path = format!("{}{}", server.calendar_path(), event.name);
        Curl::new(&server, "PUT", &path).typed_body("text/calendar", &event.text).expect(&[201]);
    }
    let tip = WorkingCopy::clone_of(&server, directory, "before").tip();
    server.stop();
    (server, tip)
}

#[test]
fn an_export_is_bare_repositories_that_stock_git_takes() {
    let directory = TemporaryDirectory::new();
    let (server, tip) = stopped_server(&directory);
    let status =
        Command::new(program()).arg("export").arg(server.device()).arg(directory.join("export")).status();
    assert!(status.unwrap().success());
    for name in ["ada.git", "realm.git"] {
        WorkingCopy::at(&server, directory.join("export").join(name)).fsck();
    }
    let parent = WorkingCopy::at(&server, directory.path());
    let copy = parent.clone_into("copy", directory.join("export/ada.git").to_str().unwrap(), &[]);
    assert_eq!(copy.tip(), tip);
}

#[test]
fn a_copy_of_the_device_is_a_backup() {
    let directory = TemporaryDirectory::new();
    let (mut server, tip) = stopped_server(&directory);
    fs::copy(server.device(), directory.join("backup.img")).unwrap();
    server.start_again();
    let copy = WorkingCopy::clone_of(&server, &directory, "copy");
    let event = event::event(99);
    copy.commit(&format!("calendar/{}", event.name), &event.text);
    copy.push();
    server.stop();
    fs::copy(directory.join("backup.img"), server.device()).unwrap();
    server.start_again();
    assert_eq!(WorkingCopy::clone_of(&server, &directory, "restored").tip(), tip);
}

#[test]
fn a_damaged_device_is_found_out() {
    let directory = TemporaryDirectory::new();
    let (server, _) = stopped_server(&directory);
    assert!(server.run_on_device("fsck").status.success());
    // One byte of each 512 in what the events occupy; the superblocks at the start stay.
    let mut bytes = fs::read(server.device()).unwrap();
    let written = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    for at in (written / 4..written).step_by(512) {
        bytes[at] ^= 0x55;
    }
    fs::write(server.device(), &bytes).unwrap();
    let output = server.run_on_device("fsck");
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stdout));
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(!said.trim().is_empty());
}

#[test]
fn a_second_server_and_a_check_are_kept_off_a_device_in_use() {
    let mut server = Server::start();
    let output = Command::new(program())
        .args(["serve", "--listen", "127.0.0.1:0", "--device"])
        .arg(server.device())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("another process"), "{said}");
    let output = server.run_on_device("fsck");
    assert_eq!(output.status.code(), Some(2));
    assert!(server.is_running());
}

#[test]
fn the_certificate_to_trust_can_be_had_from_the_server() {
    let server = Server::start();
    let page = Curl::anonymous(&server, "GET", "/kalends-ca.pem").expect(&[200]);
    assert_eq!(page.body, fs::read(server.authority()).unwrap());
    let page = Curl::anonymous(&server, "GET", "/").expect(&[200]);
    assert!(page.header("content-type").unwrap().starts_with("text/html"));
    Curl::anonymous(&server, "GET", "/overview").expect(&[401]);
    Curl::new(&server, "GET", "/overview").expect(&[200]);
}

#[test]
fn clients_find_the_calendar_from_the_address_alone() {
    let server = Server::start();
    let found = Curl::anonymous(&server, "GET", "/.well-known/caldav").expect(&[301, 302, 307, 308]);
    let context = found.header("location").unwrap().to_owned();
    let context = context.trim_start_matches(&server.url("")).to_owned();
    let body = "<propfind xmlns=\"DAV:\"><prop><current-user-principal/></prop></propfind>";
    for path in [context.as_str(), "/"] {
        let answer = Curl::new(&server, "PROPFIND", path).header("Depth", "0").typed_body("text/xml", body);
        assert!(answer.expect(&[207]).text().contains("/dav/principals/ada/"), "{path}");
    }
    let body = "<propfind xmlns=\"DAV:\" xmlns:c=\"urn:ietf:params:xml:ns:caldav\"><prop><c:calendar-home-set/>\
                </prop></propfind>";
    let answer = Curl::new(&server, "PROPFIND", "/dav/principals/ada/").header("Depth", "0");
    let answer = answer.typed_body("text/xml", body).expect(&[207]).text();
    assert!(answer.contains("/dav/calendars/ada/"), "{answer}");
}
