//! `kalends compact`.

use crate::device;
use kalends_tls_frontend::host::block_on;
use std::path::Path;

/// Compacts a device that no server uses, and says what that gave; the error is one line.
pub(crate) fn compact(path: &Path) -> Result<(), String> {
    let store = device::open(path)?;
    let failed = |error: kalends_store::Error| format!("{}: {error}", path.display());
    let before = store.free_bytes();
    let done = block_on(store.compact()).map_err(failed)?;
    store.close().map_err(failed)?;
    for notice in store.notices() {
        eprintln!("kalends: {}: {notice}", path.display());
    }
    println!(
        "{}: {} packs written, {} unreachable objects removed; {} MiB are free, and were {} before",
        path.display(),
        done.packs,
        done.unreachable,
        store.free_bytes() >> 20,
        before >> 20
    );
    match done.set_aside {
        0 => Ok(()),
        damaged => Err(format!("{damaged} repositories are damaged, and were left as they are")),
    }
}
