//! What arrives on a network: junk, floods, and clients that never finish, against a guest that has to go on.

use crate::{
    guest::Guest,
    spt::{options, tender},
};
use kalends_interop_tests::{
    Server,
    client::Connection,
    event::event,
    namespace::{GUEST, Namespace},
    process::resident_bytes,
    server::PASSWORD,
};
use std::{
    env,
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, SystemTime},
};

/// Longest wait for an answer while, and after, junk arrives.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes by which a guest with 64 MiB may grow: what it has for connections (docs/guest.md), and a little.
const GROWTH: u64 = 14 << 20;
/// Repeats a run: the number that a failed one has printed.
const SEED: &str = "KALENDS_SEED";

/// Puts an event and gets it, on a new connection.
fn serves(authority: &Path, number: u32) {
    let address = SocketAddr::new(GUEST.parse().unwrap(), 443);
    let start = std::time::Instant::now();
    let mut guest =
        Connection::secure_to(address, GUEST, authority).unwrap().with_credentials("ada", PASSWORD);
    let event = event(number);
    let path = format!("/dav/calendars/ada/calendar/{}", event.name);
    let put = guest.request("PUT", &path, &[("content-type", "text/calendar")], event.text.as_bytes());
    assert!(matches!(put.unwrap().status, 201 | 204));
    let got = guest.request("GET", &path, &[], b"").unwrap();
    assert_eq!((got.status, got.text()), (200, event.text));
    assert!(start.elapsed() < PATIENCE, "it took {:?}", start.elapsed());
}

/// Boots a guest, has each kind of junk sent to it in turn, and looks after it in between.
fn outlives(kinds: &[&str]) {
    let seed = match env::var(SEED) {
        Ok(seed) => seed.parse().expect("a number"),
        Err(_) => SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64,
    };
    println!("{SEED}={seed}");
    let mut server = Server::start_with_device_of("64M");
    server.stop();
    let (namespace, authority) = (Namespace::new(), server.authority());
    let mut guest = Guest::start(tender(&namespace, &server.device(), &options()));
    namespace.enter();
    let attacker = Command::new("ip").args(["address", "add", "10.0.0.3/24", "dev", "tap0"]).status();
    assert!(attacker.unwrap().success());
    let mut number = 0;
    let mut serves = || {
        number += 1;
        serves(&authority, number);
    };
    serves();
    let before = resident_bytes(guest.process());
    for kind in kinds {
        let mut sender = namespace.command("python3");
        sender.arg("-c").arg(include_str!("sender.py")).args([kind, &*seed.to_string()]);
        let mut sender = sender.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("python3 runs");
        let mut said = String::new();
        BufReader::new(sender.stdout.take().unwrap()).read_line(&mut said).unwrap();
        assert_eq!(said, "sent\n", "{kind}");
        // While its connections are still there.
        serves();
        drop(sender.stdin.take());
        assert!(sender.wait().unwrap().success(), "{kind}");
        serves();
        assert!(guest.is_running(), "{kind}");
        let grown = resident_bytes(guest.process()).saturating_sub(before);
        println!("after {kind} it has grown by {} KiB", grown >> 10);
        assert!(grown <= GROWTH, "after {kind} it has grown by {grown} bytes");
    }
    guest.kill();
    let checked = server.run_on_device("fsck");
    assert!(checked.status.success(), "{checked:?}");
}

#[test]
fn a_guest_outlives_junk_and_floods_on_its_link() {
    outlives(&["junk-frames", "spoiled-frames", "opening-segments"]);
}

#[test]
fn a_guest_outlives_clients_that_talk_nonsense_or_never_finish() {
    outlives(&["tls-garbage", "silence", "truncated-requests", "slow-senders"]);
}
