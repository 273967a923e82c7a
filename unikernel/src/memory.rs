//! The system's allocator, told to give memory back.
//!
//! By itself glibc raises the size from which a buffer gets pages of its own to that of the largest that was
//! ever freed, up to 32 MiB, and keeps twice as much at the end of the heap: after one large push, tens of
//! megabytes for good. See "Allocator" in `docs/performance.md`.

#![allow(unsafe_code)]

use futures_util::future::{Either, select};
use kalends_tls_frontend::Network;
use std::{pin::pin, time::Duration};

/// Bytes from which a buffer has pages of its own, which go back when it is freed, and leave no hole. Answers
/// are made in smaller ones.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const OWN_PAGES: i32 = 128 << 10;
/// Unused bytes at the end of the heap from which they go back.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const UNUSED: i32 = 1 << 20;
/// How often unused pages amid the heap go back: a millisecond's work, and half of that for pages that are
/// used again.
const INTERVAL: Duration = Duration::from_secs(60);

/// Sets the allocator's thresholds, which it then leaves alone. To be called before there are threads.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub(crate) fn configure() {
    let parameters = [
        (libc::M_MMAP_THRESHOLD, OWN_PAGES),
        (libc::M_TRIM_THRESHOLD, UNUSED),
        // There are two threads, of which one only flushes: a heap of its own would hold nothing.
        (libc::M_ARENA_MAX, 1),
    ];
    for (parameter, value) in parameters {
        // SAFETY: mallopt takes two integers and changes nothing but the allocator's settings. It fails for
        // what an allocator in glibc's place does not know, which is no harm.
        unsafe { libc::mallopt(parameter, value) };
    }
}

/// Other allocators are left as they are.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(crate) fn configure() {}

/// Runs the service to its end, and gives unused memory back now and then.
pub(crate) async fn given_back<T>(network: &impl Network, service: impl Future<Output = T>) -> T {
    let giving = async {
        loop {
            network.sleep(INTERVAL).await;
            give_back();
        }
    };
    match select(pin!(service), pin!(giving)).await {
        Either::Left((output, _)) => output,
        Either::Right((never, _)) => never,
    }
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn give_back() {
    // SAFETY: malloc_trim takes an integer and changes nothing that is in use.
    unsafe { libc::malloc_trim(0) };
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn give_back() {}
