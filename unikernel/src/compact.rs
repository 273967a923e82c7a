//! `kalends compact`.

use crate::device;
use kalends::unix_time;
use kalends_caldav::{realm::Realm, retain};
use kalends_store::Retained;
use kalends_tls_frontend::host::block_on;
use std::path::Path;

/// Gives back history as the realm says, and compacts a device that no server uses; says what that gave. The
/// error is one line.
pub(crate) fn compact(path: &Path) -> Result<(), String> {
    let store = device::open(path)?;
    let failed = |error: kalends_store::Error| format!("{}: {error}", path.display());
    let before = store.free_bytes();
    let settings = Realm::read_server(&store).map_err(|error| format!("cannot read the realm: {error}"))?;
    let mut failed_histories = 0;
    if let Some(days) = settings.history_days {
        let mut report = |name: &str, result: Result<Retained, kalends_store::Error>| match result {
            Ok(Retained { given_back, days: made, .. }) => println!(
                "{name}: {given_back} commits older than {days} days were given back, and {made} made to stand \
                 for a day"
            ),
            Err(error) => {
                eprintln!("kalends: {name}: history older than {days} days is not given back: {error}");
                failed_histories += 1;
            }
        };
        block_on(retain(&store, days, unix_time(), &mut report)).map_err(failed)?;
    }
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
        0 if failed_histories > 0 => Err(format!("{failed_histories} histories are as long as they were")),
        0 => Ok(()),
        damaged => Err(format!("{damaged} repositories are damaged, and were left as they are")),
    }
}
