//! What PUTs take on the device.

use crate::server::Server;
use kalends_block_backend::{CountingDevice, MemoryDevice};
use std::rc::Rc;

/// The events of the benchmark against peers.
#[path = "../../../interop-tests/src/event.rs"]
#[allow(dead_code, unreachable_pub, unused_imports, reason = "made for another crate")]
mod event;

/// A year or two of somebody's calendar.
const PUTS: u32 = 1550;

#[test]
fn events_with_their_history_take_little_space() {
    let device = Rc::new(CountingDevice::new(Rc::new(MemoryDevice::new(64 << 20))));
    let server = Server::on(device.clone());
    let written = |change: Option<u32>, status: u16| {
        let before = device.written_bytes();
        for number in 0..PUTS {
            let event = event::meeting(number);
            let text = match change {
                None => event.text,
                Some(change) => event.text.replacen("\r\nSUMMARY:", &format!("\r\nSUMMARY:({change}) "), 1),
            };
            server.put(&format!("/dav/calendars/ada/calendar/{}", event.name), text).expect(status);
        }
        device.written_bytes() - before
    };
    let new = written(None, 201);
    let changed = [1, 2, 3].map(|change| written(Some(change), 204));
    println!("bytes of {PUTS} new events: {new}; of as many changes, three times: {changed:?}");
    // 1,290 bytes each, of which git's ids, names, author and message are half.
    assert!(new <= 2_000_000, "{new}");
    assert!(changed.iter().all(|bytes| *bytes <= 2_000_000), "{changed:?}");
}
