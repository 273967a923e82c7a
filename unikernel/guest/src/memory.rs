//! What the guest's memory is for.
//!
//! The heap is shared out once, at the start:
//!
//! | share | for |
//! | --- | --- |
//! | 1/8 | what the store keeps: decoded objects and trees, pages of indexes, bases of deltas |
//! | 1/16 | the index of the calendars |
//! | 1/8 | buffers of TCP connections |
//! | 1/16 | TLS and HTTP of connections |
//! | 10 MiB | work: one password hash (7 MiB), requests and answers on their way |
//! | what the device needs | where each object of the store is |
//! | the rest | pushes |
//!
//! The store's share is at most 96 MiB: what the host keeps of a device for the hosted program, a guest keeps
//! itself. No other share is larger than what the hosted program takes. A guest whose heap has no room for all that does not
//! begin.

use crate::ending::Ending;
use kalends_nolibc::{Current, MemoryUse, Platform, exit, memory_use};
use kalends_store::OpenOptions;
use kalends_tls_frontend::{Limits, stack::StackLimits};

const MEBIBYTE: usize = 1 << 20;
/// Memory for work, in bytes.
const WORK: usize = 10 * MEBIBYTE;
/// The least memory for pushes, in bytes: enough for some hundred events at once.
const LEAST_FOR_PUSHES: usize = MEBIBYTE;
/// The shares that are fractions of the heap, together, in sixteenths.
const SIXTEENTHS: usize = 6;
/// What TLS and HTTP take for one connection, in bytes, at rest.
const CONNECTION: usize = 40 << 10;
/// Bytes of memory that an index of calendars has in the hosted program.
const MOST_INDEX: usize = 24 * MEBIBYTE;

/// How the heap is shared out.
#[derive(Debug, Clone)]
pub(crate) struct Shares {
    pub(crate) store: OpenOptions,
    /// Bytes for the index of the calendars.
    pub(crate) index: usize,
    pub(crate) stack: StackLimits,
    pub(crate) server: Limits,
}

/// The shares of this guest's heap, which must be large enough for a store without objects.
pub(crate) fn share_out() -> Result<Shares, Ending> {
    let memory = memory_use();
    check(memory, Current::memory().end)?;
    Ok(shares(memory.capacity))
}

/// Bytes of memory that one push may take, now that the store is open and its memory is known.
pub(crate) fn for_pushes() -> Result<u64, Ending> {
    check(memory_use(), Current::memory().end)
}

fn shares(heap: usize) -> Shares {
    let sixteenth = heap / 16;
    let store = OpenOptions::within(2 * sixteenth);
    let stack = StackLimits::within(2 * sixteenth);
    let server = Limits::default();
    let connections = (sixteenth / CONNECTION).clamp(16, stack.connections);
    Shares {
        store: OpenOptions { max_object_size: store.max_object_size.min(heap as u64 / 8), ..store },
        index: MOST_INDEX.min(sixteenth),
        server: Limits {
            connections,
            body_window: server.body_window.min(MEBIBYTE as u32),
            // One address leaves some for others.
            connections_per_address: server.connections_per_address.min(connections / 2),
            ..server
        },
        stack,
    }
}

/// What is left for pushes beside the shares, of a heap in such use, in a guest whose memory ends at `end`.
fn check(memory: MemoryUse, end: usize) -> Result<u64, Ending> {
    let MemoryUse { capacity, used, .. } = memory;
    let taken = capacity / 16 * SIXTEENTHS + WORK + used;
    if let Some(left) = capacity.checked_sub(taken).filter(|left| *left >= LEAST_FOR_PUSHES) {
        return Ok(left as u64);
    }
    let heap = (WORK + used + LEAST_FOR_PUSHES).div_ceil(16 - SIXTEENTHS) * 16;
    let needed = (end - capacity + heap).div_ceil(MEBIBYTE);
    let reason = format!(
        "too little memory: this image with this device needs {needed} MiB, and has {}",
        end / MEBIBYTE
    );
    Err(Ending { status: exit::TOO_LITTLE_MEMORY, reason })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the image takes, about.
    const IMAGE: usize = 12 * MEBIBYTE;

    fn heap(capacity: usize, used: usize) -> MemoryUse {
        MemoryUse { capacity, used, peak: used }
    }

    #[test]
    fn the_shares_fit_into_the_heap_beside_the_work() {
        for mebibytes in [18, 24, 32, 53, 64, 116, 244, 500, 4000] {
            let capacity = mebibytes * MEBIBYTE;
            let Shares { store, index, stack, server } = shares(capacity);
            let buffers = stack.connections * (stack.receive_buffer + stack.send_buffer);
            let caches = store.object_cache + store.tree_cache + store.index_cache + store.base_cache;
            let shared = caches + index + buffers + server.connections * CONNECTION;
            let pushes = check(heap(capacity, 0), IMAGE + capacity).unwrap() as usize;
            assert!(shared + WORK + pushes <= capacity, "{mebibytes} MiB: {shared} and {pushes}");
            assert!(server.connections <= stack.connections, "{mebibytes} MiB");
        }
    }

    #[test]
    fn what_is_said_to_be_needed_is_enough_and_no_more() {
        for (mebibytes, used) in [(1, 0), (10, MEBIBYTE), (17, 0), (20, 30 * MEBIBYTE), (0, 12345)] {
            let capacity = mebibytes * MEBIBYTE;
            let refused = check(heap(capacity, used), IMAGE + capacity).unwrap_err();
            assert_eq!(refused.status, exit::TOO_LITTLE_MEMORY);
            let has = format!("and has {}", (IMAGE + capacity) / MEBIBYTE);
            assert!(refused.reason.ends_with(&has), "{}", refused.reason);
            let after = refused.reason.split("needs ").nth(1).unwrap();
            let needed: usize = after.split(' ').next().unwrap().parse().unwrap();
            let with = |mebibytes: usize| {
                let end = mebibytes * MEBIBYTE;
                check(heap(end - IMAGE, used), end)
            };
            assert!(with(needed).is_ok() && with(needed - 1).is_err(), "{}", refused.reason);
        }
    }
}
