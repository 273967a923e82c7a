//! A device that is full, as its clients see it.

use kalends_interop_tests::{Curl, Response, Server, TemporaryDirectory, WorkingCopy, event, noise};
use std::{
    thread,
    time::{Duration, Instant},
};

/// Bytes of the device, as the server is told; a device has eight segments of 1 MiB at least.
const SIZE: &str = "16M";
/// Bytes of an event's attachment, of which compression leaves half.
const ATTACHMENT: usize = 500_000;
/// The longest wait for room that the server makes.
const PATIENCE: Duration = Duration::from_secs(60);

/// An event with something large in it.
fn event_with_attachment(number: u32) -> (String, String) {
    let event = event::event(number);
    let bytes: String =
        noise(number.into(), ATTACHMENT / 2).iter().map(|byte| format!("{byte:02x}")).collect();
    let line = format!("ATTACH;ENCODING=BASE64;VALUE=BINARY:{bytes}\r\nEND:VEVENT\r\n");
    (event.name, event.text.replacen("END:VEVENT\r\n", &line, 1))
}

fn put(server: &Server, name: &str, text: &str) -> Response {
    let path = format!("{}{name}", server.calendar_path());
    Curl::new(server, "PUT", &path).typed_body("text/calendar", text).expect(&[201, 507])
}

fn assert_kept(server: &Server, kept: &[(String, String)]) {
    for (name, text) in kept {
        let path = format!("{}{name}", server.calendar_path());
        let answer = Curl::new(server, "GET", &path).expect(&[200]);
        assert!(answer.body == text.as_bytes(), "{name}");
    }
}

#[test]
fn a_full_device_refuses_what_is_new_keeps_what_it_has_and_takes_more_after_a_deletion() {
    let directory = TemporaryDirectory::new();
    let mut server = Server::start_with_device_of(SIZE);
    let copy = WorkingCopy::clone_of(&server, &directory, "copy");
    copy.run(&["checkout", "--quiet", "-b", "scans"]);
    copy.commit("scan.bin", noise(1, 4 << 20));
    copy.run(&["push", "--quiet", "origin", "scans"]);
    copy.run(&["checkout", "--quiet", "main"]);

    let mut kept = Vec::new();
    let (refused, answer) = loop {
        let (name, text) = event_with_attachment(10 * kept.len() as u32);
        let answer = put(&server, &name, &text);
        if answer.status == 507 {
            break ((name, text), answer);
        }
        kept.push((name, text));
        assert!(kept.len() < 64, "16 MiB do not fit on 12");
    };
    assert!(kept.len() > 8, "{}", kept.len());
    // RFC 4918 §16: the condition is an element of DAV:error.
    let said = answer.text();
    assert!(
        said.contains("<D:error xmlns:D=\"DAV:\"") && said.contains("<D:sufficient-disk-space/>"),
        "{said}"
    );
    assert_eq!(answer.header("content-type"), Some("application/xml; charset=utf-8"), "{said}");
    let path = format!("{}{}", server.calendar_path(), refused.0);
    Curl::new(&server, "GET", &path).expect(&[404]);
    assert_kept(&server, &kept);

    copy.pull();
    let tip = copy.tip();
    copy.commit("more.bin", noise(2, 3 << 20));
    let said = copy.fail(&["push", "origin", "main"]);
    assert!(said.contains("the device is full") && said.contains("[remote rejected] main -> main"), "{said}");
    let listed = copy.run(&["ls-remote", "origin", "refs/heads/main"]);
    assert!(listed.starts_with(&tip), "{listed}");

    // Deletions are taken, those that give nothing back and those that do.
    let (name, _) = kept.remove(0);
    let path = format!("{}{name}", server.calendar_path());
    Curl::new(&server, "DELETE", &path).expect(&[204]);
    Curl::new(&server, "GET", &path).expect(&[404]);
    copy.run(&["push", "--quiet", "origin", "--delete", "scans"]);

    // The server makes room itself.
    let end = Instant::now() + PATIENCE;
    while put(&server, &refused.0, &refused.1).status == 507 {
        assert!(Instant::now() < end, "no room within {PATIENCE:?}");
        thread::sleep(Duration::from_millis(100));
    }
    kept.push(refused);
    assert_kept(&server, &kept);
    server.stop();
    let checked = server.run_on_device("fsck");
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
    server.start_again();
    assert_kept(&server, &kept);
}
