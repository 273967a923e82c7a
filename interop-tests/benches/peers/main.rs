//! Kalends beside Radicale and Xandikos: one change, one month, one listing, one synchronisation, in
//! calendars of 100 and of 10,000 events, all in one run on one machine.
//!
//! Each server has a new directory in the temporary directory, its defaults, and the same events; they are
//! measured one after the other, by one connection that stays open where the server lets it. Kalends
//! speaks TLS and checks a password, as it always does; the others speak plain HTTP without.

mod device;
mod peer;
mod report;
mod tasks;

use kalends_interop_tests::TemporaryDirectory;
use peer::Peer;
use report::Report;
use tasks::Tasks;

/// Events in the calendars.
const SIZES: [u32; 2] = [100, 10_000];

fn main() {
    // `cargo test --benches` only wants to know whether it starts.
    if !std::env::args().any(|argument| argument == "--bench") {
        println!("to measure: ./benchmark");
        return;
    }
    let mut report = Report::default();
    let directory = TemporaryDirectory::new();
    report.device(device::append_and_sync(&directory));
    for size in SIZES {
        for start in [Peer::kalends, Peer::radicale, Peer::xandikos] {
            let mut peer = start(size);
            eprintln!("measuring {} with {size} events …", peer.name);
            let measured = Tasks::new(&mut peer, size).run();
            report.peer(peer.name, size, measured);
        }
    }
    report.print();
}
