//! What PUTs take on the device.

use crate::server::Server;
use kalends_block_backend::{BlockDevice, DeviceError, Durability, FlushFuture, MemoryDevice};
use std::{cell::Cell, rc::Rc};

/// The events of the benchmark against peers.
#[path = "../../../interop-tests/src/event.rs"]
#[allow(dead_code, unreachable_pub, unused_imports, reason = "made for another crate")]
mod event;

/// A year or two of somebody's calendar.
const PUTS: u32 = 1550;

/// A device that counts the bytes that are written.
struct Counting(MemoryDevice, Cell<u64>);

impl BlockDevice for Counting {
    fn block_size(&self) -> u32 {
        self.0.block_size()
    }

    fn capacity(&self) -> u64 {
        self.0.capacity()
    }

    fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<(), DeviceError> {
        self.0.read(offset, buffer)
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), DeviceError> {
        self.1.set(self.1.get() + data.len() as u64);
        self.0.write(offset, data)
    }

    fn flush(&self) -> Result<(), DeviceError> {
        self.0.flush()
    }

    fn flush_async(&self) -> FlushFuture {
        self.0.flush_async()
    }

    fn durability(&self) -> Durability {
        self.0.durability()
    }
}

#[test]
fn events_with_their_history_take_little_space() {
    let device = Rc::new(Counting(MemoryDevice::new(64 << 20), Cell::new(0)));
    let server = Server::on(device.clone());
    let written = |change: Option<u32>, status: u16| {
        let before = device.1.get();
        for number in 0..PUTS {
            let event = event::meeting(number);
            let text = match change {
                None => event.text,
                Some(change) => event.text.replacen("\r\nSUMMARY:", &format!("\r\nSUMMARY:({change}) "), 1),
            };
            server.put(&format!("/dav/calendars/ada/calendar/{}", event.name), text).expect(status);
        }
        device.1.get() - before
    };
    let new = written(None, 201);
    let changed = [1, 2, 3].map(|change| written(Some(change), 204));
    println!("bytes of {PUTS} new events: {new}; of as many changes, three times: {changed:?}");
    // 1,290 bytes each, of which git's ids, names, author and message are half.
    assert!(new <= 2_000_000, "{new}");
    assert!(changed.iter().all(|bytes| *bytes <= 2_000_000), "{changed:?}");
}
