//! An spt guest in figures: size of the images, time to boot, memory, and requests per second beside the hosted
//! program, in one run on one machine. Needs root, for a network namespace of its own.
//!
//! Both serve the same 10,000 events, over TLS and with a password. The hosted program is reached by loopback, the
//! guest by a tap device. A PUT to the hosted program waits for the disk (fdatasync); spt has no flush, and its
//! guest's writes are with the host when they are acknowledged.

mod guest;
mod load;
mod memory;
mod report;

use guest::Guest;
use kalends_interop_tests::{Server, event::meeting, image::image, namespace::Namespace};
use report::Report;
use std::{fs, thread, time::Duration};

/// Events in the calendar.
const EVENTS: u32 = 10_000;
/// Boots that are timed.
const BOOTS: usize = 20;
/// How long an idle guest is watched.
const IDLE: Duration = Duration::from_secs(20);

fn main() {
    // `cargo test --benches` only wants to know whether it starts.
    if !std::env::args().any(|argument| argument == "--bench") {
        println!("to measure: ./benchmark guest");
        return;
    }
    let mut report = Report::default();
    for target in ["spt", "hvt", "virtio"] {
        report.size(target, fs::metadata(image(target)).unwrap().len());
    }
    let mut server = Server::start();
    server.push_events((0..EVENTS).map(meeting));
    server.stop();
    // The guest has a device of its own: both change what they serve.
    let device = server.device().with_file_name("guest.img");
    fs::copy(server.device(), &device).unwrap();
    let authority = server.authority();

    let namespace = Namespace::new();
    let boots = (0..BOOTS).map(|_| guest::boot(&namespace, &device, &authority)).collect();
    report.boots(boots);
    report.memory(memory::measure(&namespace, &device, &authority, EVENTS));

    let guest = Guest::start(&namespace, &device, memory::MEMORY).expect("it runs in this memory");
    report.idle(guest.processor_time_while(|| thread::sleep(IDLE)), IDLE);
    server.start_again();
    for work in load::Work::ALL {
        report.load(load::compare(work, &server, &namespace, &guest, &authority, EVENTS));
    }
    report.print(EVENTS);
}
