//! Requests that mean harm, or make no sense: each gets its status, and the server stays up and small.

mod calendar_objects;
mod credentials;
mod paths;
mod requests;
mod xml_bodies;

use kalends_interop_tests::{Curl, Server};

/// More memory than this is a leak, or somebody's way in: the budget of the caches is below it.
const MEMORY: u64 = 160 << 20;

/// The server runs, answers its user and has not grown.
fn assert_well(server: &mut Server) {
    assert!(server.is_running());
    Curl::new(server, "GET", "/git/ada.git/info/refs?service=git-upload-pack").expect(&[200]);
    let peak = server.peak_resident_bytes();
    assert!(peak < MEMORY, "the server took {} MiB", peak >> 20);
    let complaints = server.complaints();
    assert!(!complaints.contains("panicked"), "{complaints}");
}
